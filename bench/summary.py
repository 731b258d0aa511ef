"""What a workload has to say: a table, notes, and each promise beside what was found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure import SATURATED, Figures, ratio

#: A contender that had less than this share of its core was not the limit of its rate.
CONTENDED = 0.9

#: The columns that every workload has.
_COLUMNS: tuple[tuple[str, Callable[[Figures], str]], ...] = (
    ("events/s", lambda found: f"{found.rate:,.0f}"),
    ("a core", lambda found: f"{found.capacity:,.0f}"),
    ("s/10,000", lambda found: f"{10_000 / found.capacity:.3f}" if found.capacity else "-"),
    ("used", lambda found: f"{found.cpu_share:.0%}"),
    ("p50 ms", lambda found: f"{found.p50_ms:.2f}"),
    ("p99 ms", lambda found: f"{found.p99_ms:.2f}"),
    ("RSS MB", lambda found: f"{found.resident_megabytes:.0f}"),
    ("load", lambda found: f"{found.busy:.0%}"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One promise beside what was found."""

    promise: str
    found: str
    kept: bool


@dataclass(slots=True, kw_only=True)
class Workload:
    """What was found of one workload; *missing* says of a peer why it was not measured."""

    name: str
    title: str
    figures: dict[str, Figures] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)


def all_right(figures: dict[str, Figures], what: str) -> list[Verdict]:
    """Return of each contender whether every *what* was right: without that it has no figure."""
    return [
        Verdict(
            promise=f"{name}: every {what}",
            found="; ".join(found.complaints())[:400] or "all",
            kept=not found.complaints(),
        )
        for name, found in figures.items()
    ]


def floors(figures: dict[str, Figures], promised: dict[str, float]) -> list[Verdict]:
    """Return of each peer whether the bridge gives *promised* times as much for a core."""
    ours = figures.get("bridge")
    if ours is None:
        return []
    found = {name: ratio(ours, figures[name]) for name in promised if name in figures}
    return [
        Verdict(
            promise=f"bridge / {name} for a core >= {promised[name]:.1f}",
            found=f"{times:.2f}",
            kept=times >= promised[name],
        )
        for name, times in found.items()
    ]


def show(console: Console, workload: Workload, *, pinned: bool) -> None:
    """Print *workload* for people."""
    if workload.figures:
        console.print(_table(workload))
    for name, why in workload.missing.items():
        console.print(f"{name} was not measured: {why}")
    for found in workload.figures.values():
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
    if workload.figures and not pinned:
        console.print("not pinned to cores: there is only one, or the system cannot")
    for verdict in workload.verdicts:
        mark = "[green]PASS[/]" if verdict.kept else "[bold red]FAIL[/]"
        console.print(f"{mark} {verdict.promise}: ", end="")
        console.print(verdict.found, markup=False)


def _table(workload: Workload) -> Table:
    figures: Sequence[Figures] = list(workload.figures.values())
    at_half = any(found.at_half for found in figures)
    columns = [each for each in _COLUMNS if at_half or not each[0].endswith(" ms")]
    table = Table(
        box=box.SIMPLE,
        pad_edge=False,
        collapse_padding=True,
        title=f"{workload.title} (medians)",
        caption="a core: events for each second of processor time; "
        + ("latency at half of events/s; " if at_half else "")
        + "used: share of its core; load: the generator's share of the other one",
    )
    table.add_column("", no_wrap=True)
    for heading, _ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for found in figures:
        table.add_row(found.name, *(show_(found) for _, show_ in columns))
    return table
