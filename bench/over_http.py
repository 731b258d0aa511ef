"""The workload over HTTP: an event in, the model over HTTP, the response event out.

load ══event══▶ contender ──▶ stub model
  ◀══reply══════┘
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from bench import contenders
from bench.contenders import Contender, Cores, Start
from bench.measure import Loads, Memory, compare, memory
from bench.summary import Verdict, Workload, all_right, floors
from tests.services.cache import Missing

#: What is promised: the bridge gives at least so many times what the peer gives for a core.
FLOORS = {"go": 1.0, "aiohttp": 3.0}

#: What is promised of resident memory, in units of 1,000,000 bytes.
MEMORY_MEGABYTES = 80.0
GROWTH_MEGABYTES = 2.0

STARTS: dict[str, Start] = {
    "bridge": contenders.bridge,
    "go": contenders.go_receiver,
    "aiohttp": contenders.aiohttp_sdk,
}


def measured(chosen: argparse.Namespace, output: Path, cores: Cores, console: Console) -> Workload:
    """Return what was found; contenders print into *output*."""
    found = Workload(name="http", title="event in over HTTP, model over HTTP, response event out")
    loads = Loads(cores.other, chosen.connections)
    with ExitStack() as running, console.status("starting") as status:
        model_url = running.enter_context(contenders.stub_model(output, cores.other))
        started: list[Contender] = []
        for name, start in STARTS.items():
            if chosen.contender and name not in chosen.contender:
                continue
            status.update(f"starting {name}")
            try:
                started.append(running.enter_context(start(model_url, output, cores.own)))
            except Missing as why:
                found.missing[name] = str(why)
        found.figures = compare(
            started, loads, rounds=chosen.rounds, seconds=chosen.seconds, say=status.update
        )
    found.verdicts = [
        *all_right(found.figures, "reply right"),
        *floors(found.figures, FLOORS),
    ]
    if chosen.memory and "bridge" in found.figures:
        with _fresh_bridge(output, cores) as bridge, console.status("memory"):
            held = memory(bridge, loads, early=20_000, late=chosen.late_events)
        found.memory = asdict(held)
        found.verdicts += _of_memory(held)
    return found


@contextmanager
def _fresh_bridge(output: Path, cores: Cores) -> Iterator[Contender]:
    with (
        contenders.stub_model(output, cores.other) as model_url,
        contenders.bridge(model_url, output, cores.own) as bridge,
    ):
        yield bridge


def _of_memory(held: Memory) -> list[Verdict]:
    growth = held.late_megabytes - held.early_megabytes
    return [
        Verdict(
            promise=f"memory after {held.late_events:,} events < {MEMORY_MEGABYTES:.0f} MB",
            found=f"{held.late_megabytes:.1f} MB",
            kept=held.late_megabytes < MEMORY_MEGABYTES,
        ),
        Verdict(
            promise=f"growth since {held.early_events:,} events < {GROWTH_MEGABYTES:.0f} MB",
            found=f"{growth:+.2f} MB",
            kept=growth < GROWTH_MEGABYTES,
        ),
        Verdict(
            promise="every reply right while memory was measured",
            found="; ".join(held.complaints)[:400] or "all",
            kept=not held.complaints,
        ),
    ]
