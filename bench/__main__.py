"""`python -m bench`: the bridge beside its peers, as ratios in one run.

Ends with status 1 where a floor is not reached or a reply was wrong or lost.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from bench import contenders
from bench.contenders import Contender, Start
from bench.measure import SATURATED, Figures, Loads, Memory, compare, memory, ratio
from tests.services.cache import Missing

#: What is promised: the bridge gives at least so many times what the peer gives for a core.
FLOORS = {"go": 1.0, "aiohttp": 3.0}

#: What is promised of resident memory, in units of 1,000,000 bytes.
MEMORY_MEGABYTES = 80.0
GROWTH_MEGABYTES = 2.0

#: A contender that had less than this share of its core was not the limit of its rate.
CONTENDED = 0.9

_STARTS: dict[str, Start] = {
    "bridge": contenders.bridge,
    "go": contenders.go_receiver,
    "aiohttp": contenders.aiohttp_sdk,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One promise beside what was found."""

    promise: str
    found: str
    kept: bool


def main() -> int:
    """Measure, print, and return the exit status."""
    chosen = _arguments()
    console = Console(stderr=True)
    cpus: list[int | None] = sorted(getattr(os, "sched_getaffinity", lambda _: ())(0))
    own, other = (cpus[0], cpus[1]) if len(cpus) > 1 else (None, None)
    loads = Loads(other, chosen.connections)
    missing: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        output = Path(folder)
        with ExitStack() as running, console.status("starting") as status:
            model_url = running.enter_context(contenders.stub_model(output, other))
            started: list[Contender] = []
            for name, start in _STARTS.items():
                if chosen.only and name not in chosen.only:
                    continue
                status.update(f"starting {name}")
                try:
                    started.append(running.enter_context(start(model_url, output, own)))
                except Missing as why:
                    missing[name] = str(why)
            figures = compare(
                started, loads, rounds=chosen.rounds, seconds=chosen.seconds, say=status.update
            )
        held = None
        if chosen.memory and "bridge" in figures:
            with _fresh_bridge(output, own, other) as bridge, console.status("memory"):
                held = memory(bridge, loads, early=20_000, late=chosen.late_events)
    verdicts = _verdicts(figures, held)
    _print(console, figures, verdicts, missing, pinned=own is not None)
    if chosen.json:
        _write_json(chosen.json, figures, held, verdicts, missing)
    return 0 if all(verdict.kept for verdict in verdicts) else 1


@contextmanager
def _fresh_bridge(output: Path, own: int | None, other: int | None) -> Iterator[Contender]:
    with (
        contenders.stub_model(output, other) as model_url,
        contenders.bridge(model_url, output, own) as bridge,
    ):
        yield bridge


def _verdicts(figures: dict[str, Figures], held: Memory | None) -> list[Verdict]:
    verdicts = []
    for name, found in figures.items():
        complaints = found.complaints()
        text = "; ".join(complaints)[:400] or "all"
        verdicts.append(
            Verdict(promise=f"{name}: every reply right", found=text, kept=not complaints)
        )
    ours = figures.get("bridge")
    for name, floor in FLOORS.items():
        if ours is not None and name in figures:
            found_ratio = ratio(ours, figures[name])
            verdicts.append(
                Verdict(
                    promise=f"bridge / {name} for a core >= {floor:.1f}",
                    found=f"{found_ratio:.2f}",
                    kept=found_ratio >= floor,
                )
            )
    if held is not None:
        growth = held.late_megabytes - held.early_megabytes
        verdicts += [
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
    return verdicts


def _print(
    console: Console,
    figures: dict[str, Figures],
    verdicts: list[Verdict],
    missing: dict[str, str],
    *,
    pinned: bool,
) -> None:
    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        collapse_padding=True,
        title="event in over HTTP, model over HTTP, response event out (medians)",
        caption="a core: events for each second of processor time; latency at half of events/s; "
        "used: share of its core; load: the generator's share of the other one",
    )
    table.add_column("", no_wrap=True)
    for heading in ("events/s", "a core", "s/10,000", "used", "p50 ms", "p99 ms", "RSS MB", "load"):
        table.add_column(heading, justify="right", no_wrap=True)
    for found in figures.values():
        table.add_row(
            found.name,
            f"{found.rate:,.0f}",
            f"{found.capacity:,.0f}",
            f"{10_000 / found.capacity:.3f}" if found.capacity else "-",
            f"{found.cpu_share:.0%}",
            f"{found.p50_ms:.2f}",
            f"{found.p99_ms:.2f}",
            f"{found.resident_megabytes:.0f}",
            f"{found.busy:.0%}",
        )
    console.print(table)
    for name, why in missing.items():
        console.print(f"{name} was not measured: {why}")
    for found in figures.values():
        if found.busy > SATURATED:
            console.print(
                f"{found.name}: the generator used {found.busy:.0%} of its own core, so events/s "
                "is its limit; the figure for a core holds"
            )
        elif found.cpu_share < CONTENDED:
            console.print(
                f"{found.name}: had only {found.cpu_share:.0%} of its core, so events/s and "
                "latency say more about the machine; the figure for a core holds better"
            )
    if not pinned:
        console.print("not pinned to cores: there is only one, or the system cannot")
    for verdict in verdicts:
        mark = "[green]PASS[/]" if verdict.kept else "[bold red]FAIL[/]"
        console.print(f"{mark} {verdict.promise}: ", end="")
        console.print(verdict.found, markup=False)


def _write_json(
    path: Path,
    figures: dict[str, Figures],
    held: Memory | None,
    verdicts: list[Verdict],
    missing: dict[str, str],
) -> None:
    told: dict[str, Any] = {
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
            for name, found in figures.items()
        },
        "memory": None if held is None else asdict(held),
        "missing": missing,
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }
    content = orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n"
    if str(path) == "-":
        sys.stdout.buffer.write(content)
    else:
        path.write_bytes(content)


def _arguments() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    arguments.add_argument("--quick", action="store_true", help="half a minute instead of two")
    arguments.add_argument("--rounds", type=int, help="rounds for each (9; quick: 5)")
    arguments.add_argument("--seconds", type=float, help="length of a round (2; quick: 0.7)")
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--only", action="append", choices=sorted(_STARTS), help="repeatable")
    arguments.add_argument("--no-memory", dest="memory", action="store_false")
    arguments.add_argument("--json", type=Path, help="write the figures to this file; - for stdout")
    chosen = arguments.parse_args()
    chosen.rounds = chosen.rounds or (5 if chosen.quick else 9)
    chosen.seconds = chosen.seconds or (0.7 if chosen.quick else 2.0)
    chosen.late_events = 60_000 if chosen.quick else 200_000
    return chosen


if __name__ == "__main__":
    sys.exit(main())
