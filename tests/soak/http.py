"""Malformed requests by the hundred thousand against a running bridge, and fewer against others.

Nothing may come of them but refusals: no 5xx, no crash, no line of alarm in the log, no growth;
a valid request is answered the same after each hundred, and both ledgers add up at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.fuzz.cases import Case
from tests.fuzz.every import every, heavy
from tests.fuzz.sender import AT_ONCE, Outcome, Sender
from tests.fuzz.targets import PROBE, Target, bridge_target, broker_target

#: The first cases are those that take the most memory; then half of every kind warms up, too:
#: the worst of each comes late, and what counts is whether memory stands still at last.
HEAVY = 600

#: How much a process may grow after that: less than the largest body, and in a run of fewer
#: than LONG cases three of them, as it has not yet met the worst of each kind.
GROWTH_BYTES, LONG = 8 * 1024 * 1024, 20_000

#: Connections to the far end that may be kept open for the next event.
KEPT = AT_ONCE

#: How often a line of progress is printed.
PROGRESS = 5_000


@dataclass(slots=True)
class Report:
    """What a run came to. *failures* is empty if all was well."""

    title: str
    seed: int
    outcome: Outcome
    rss_before: int
    rss_after: int
    descriptors_before: int
    descriptors_after: int
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        outcome = self.outcome
        statuses = ", ".join(
            f"{count:,} × {status or 'closed'}"
            for status, count in sorted(outcome.statuses.items())
        )
        lines = [
            f"{self.title}: {outcome.count:,} cases of seed {self.seed} "
            f"in {outcome.seconds:.1f} s, {outcome.a_second:,.0f} a second",
            f"  answers      {statuses}",
            f"  memory       {_mib(self.rss_before)} warm, {_mib(self.rss_after)} after",
            f"  descriptors  {self.descriptors_before} before, {self.descriptors_after} after",
            f"  failures     {len(self.failures)}",
        ]
        return "\n".join([*lines, *(f"    {failure}" for failure in self.failures)])


async def soak(count: int, seed: int, folder: Path, *, progress: bool = True) -> list[Report]:
    """Send *count* cases to a bridge, and a tenth of that each to a Seldon source and a broker.

    Return what came of them.
    """
    judged = every(seed)

    def unjudged(number: int) -> Case:
        # Others have other answers: a broker takes every type and never asks a model.
        made = judged(number)
        return made if made.expected is None else replace(made, expected=None, ending="half-close")

    def predictions(number: int) -> Case:
        made = unjudged(number)
        return replace(made, data=made.data.replace(b"POST / ", b"POST /predict "))

    runs = [
        ("http source", bridge_target(folder), judged, count, PROBE),
        (
            "seldon source",
            bridge_target(folder, source="seldon"),
            predictions,
            count // 10,
            PROBE.replace(b"POST / ", b"POST /predict "),
        ),
        ("broker", broker_target(folder), unjudged, count // 10, PROBE),
    ]
    return [
        await _run(title, running, case, total, seed, folder, probe, progress=progress)
        for title, running, case, total, probe in runs
    ]


async def _run(
    title: str,
    running: AbstractAsyncContextManager[Target],
    case: Callable[[int], Case],
    count: int,
    seed: int,
    folder: Path,
    probe: bytes,
    *,
    progress: bool,
) -> Report:
    heavy_case = heavy(seed)
    warm_up = count // 2
    async with running as target:
        sender = Sender(target.port, probe, folder)

        def told(outcome: Outcome) -> None:
            if progress and outcome.count % PROGRESS == 0:
                print(
                    f"  {title}: {outcome.count:,} of {count:,}, {outcome.a_second:,.0f} a second, "
                    f"{_mib(target.rss_bytes())}",
                    file=sys.stderr,
                    flush=True,
                )

        descriptors_before = target.descriptors()
        warming = Sender(target.port, probe, folder)
        await warming.send(lambda number: replace(heavy_case(number), expected=None), range(HEAVY))
        await sender.send(case, range(warm_up), told=told)
        rss_before = target.rss_bytes()
        outcome = await sender.send(case, range(warm_up, count), told=told)
        rss_after = target.rss_bytes()
        report = Report(
            title=title,
            seed=seed,
            outcome=outcome,
            rss_before=rss_before,
            rss_after=rss_after,
            descriptors_before=descriptors_before,
            descriptors_after=await target.settled_descriptors(descriptors_before + KEPT),
            failures=[
                *warming.outcome.failures,
                *outcome.failures,
                *await target.wrong(),
            ],
        )
    if rss_after - rss_before > GROWTH_BYTES * (1 if count >= LONG else 3):
        report.failures.append(f"memory grew by {_mib(rss_after - rss_before)}")
    if report.descriptors_after > report.descriptors_before + KEPT:
        report.failures.append("descriptors were left open")
    return report


def _mib(count: int) -> str:
    return f"{count / 1024 / 1024:.1f} MiB"
