"""`python -m bench`: the bridge beside its peers, as ratios in one run.

Ends with status 1 where a floor is not reached, or an answer was wrong, lost, there twice or
out of order.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from bench import over_http, over_kafka, over_models
from bench.contenders import Cores
from bench.summary import Workload, show

_WORKLOADS: dict[str, Callable[[argparse.Namespace, Path, Cores, Console], Workload]] = {
    "http": over_http.measured,
    "kafka": over_kafka.measured,
    "models": over_models.measured,
}


def main() -> int:
    """Measure, print, and return the exit status."""
    chosen = _arguments()
    console = Console(stderr=True)
    cores = Cores.here()
    found: list[Workload] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name, measured in _WORKLOADS.items():
            if chosen.only in (None, name):
                found.append(measured(chosen, Path(folder), cores, console))
                show(console, found[-1], pinned=cores.own is not None)
    if chosen.json:
        _write_json(chosen.json, found)
    return 0 if all(verdict.kept for each in found for verdict in each.verdicts) else 1


def _write_json(path: Path, workloads: Sequence[Workload]) -> None:
    told = {each.name: _as_json(each) for each in workloads}
    content = orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"
    if str(path) == "-":
        sys.stdout.buffer.write(content)
    else:
        path.write_bytes(content)


def _as_json(workload: Workload) -> dict[str, Any]:
    return {
        "contenders": {
            name: {
                "rate": found.rate,
                "capacity": found.capacity,
                "cpu_share": found.cpu_share,
                "generator_busy": found.busy,
                "p50_ms_at_half": found.p50_ms,
                "p99_ms_at_half": found.p99_ms,
                "resident_megabytes": found.resident_megabytes,
                "rounds": [{"rate": one.rate, "capacity": one.capacity} for one in found.rounds],
            }
            for name, found in workload.figures.items()
        },
        "memory": workload.memory,
        "missing": workload.missing,
        "verdicts": [asdict(verdict) for verdict in workload.verdicts],
    }


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    names = sorted({*over_http.STARTS, *over_kafka.STARTS})
    arguments.add_argument("--quick", action="store_true", help="a minute instead of five")
    arguments.add_argument("--only", choices=sorted(_WORKLOADS), help="one of the workloads")
    arguments.add_argument("--contender", action="append", choices=names, help="repeatable")
    arguments.add_argument("--rounds", type=int, help="rounds for each (9; quick: 5)")
    arguments.add_argument("--seconds", type=float, help="http: length of a round (2; quick: 0.7)")
    arguments.add_argument("--connections", type=int, default=32, help="http: of the generator")
    arguments.add_argument("--events", type=int, help="kafka: of a round (20,000; quick: 8,000)")
    arguments.add_argument("--no-memory", dest="memory", action="store_false")
    arguments.add_argument("--json", type=Path, help="write the figures to this file; - for stdout")
    chosen = arguments.parse_args()
    chosen.rounds = chosen.rounds or (5 if chosen.quick else 9)
    chosen.seconds = chosen.seconds or (0.7 if chosen.quick else 2.0)
    chosen.events = chosen.events or (8_000 if chosen.quick else 20_000)
    chosen.late_events = 60_000 if chosen.quick else 200_000
    chosen.hung_seconds = 10.0 if chosen.quick else 40.0
    return chosen


if __name__ == "__main__":
    sys.exit(main())
