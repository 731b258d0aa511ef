"""What models cost beside the events: payloads to tensors and back, and calls over gRPC.

forms and messages ──▶ beside bare orjson, numpy and protobuf     bench/protocols.py
our client of gRPC ──▶ beside bare grpc.aio, and over three servers   bench/grpc.py
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console

from bench import grpc, protocols
from bench.contenders import Cores
from bench.summary import Verdict, Workload


def measured(
    chosen: argparse.Namespace,
    output: Path,  # noqa: ARG001  # as every workload's
    cores: Cores,  # noqa: ARG001  # one process measures, and its processor time counts
    console: Console,
) -> Workload:
    """Return what was found."""
    found = Workload(name="models", title="payloads of models, and calls over gRPC")
    with console.status("payloads to tensors and back"):
        costs = protocols.measure(protocols.ROUNDS // 2 if chosen.quick else protocols.ROUNDS)
    with console.status("calls over gRPC"):
        calls = grpc.measure(calls=2000 if chosen.quick else 6000)
    found.verdicts = [*(cost.verdict() for cost in costs), *_calls(calls)]
    return found


def _calls(found: grpc.Found) -> list[Verdict]:
    widest = max(abs(share * len(found.shares) - 1) for share in found.shares)
    return [
        Verdict(
            promise=f"grpc: our calls a second / those of bare grpc.aio >= {grpc.FLOOR}",
            found=f"{found.ratio:.2f} ({found.ours:,.0f} and {found.bare:,.0f} a second)",
            kept=found.ratio >= grpc.FLOOR,
        ),
        Verdict(
            promise=f"grpc: three servers get equal shares within {grpc.SHARES:.0%}",
            found=" ".join(f"{share:.3f}" for share in found.shares),
            kept=widest <= grpc.SHARES,
        ),
    ]
