"""The protocol of measurement: rounds in turn, so that what disturbs one disturbs all.

    warm up all ─▶ bridge, go, aiohttp ─▶ bridge, go, aiohttp ─▶ … ─▶ each at half of its rate

`capacity` is what a whole core would give: right replies for each second of processor time
that the contender has used. It is the number to compare, for it hardly depends on what else
the machine is doing; the rate agrees with it where the contender had its core to itself.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import orjson

from bench.contenders import ROOT, Contender
from bench.load import Result
from tests.services.process import on_cpu

#: A generator that had more than this share of its core may have been the limit itself.
SATURATED = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One load on one contender, with the processor time it cost the contender."""

    load: Result
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Right replies a second of the clock."""
        return self.load.rate

    @property
    def capacity(self) -> float:
        """Right replies a second of the contender's processor time."""
        return self.load.right / self.cpu_seconds if self.cpu_seconds else 0.0

    @property
    def cpu_share(self) -> float:
        """How much of a core the contender had."""
        return self.cpu_seconds / self.load.seconds if self.load.seconds else 0.0


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was measured of one contender; everything is the median of its rounds."""

    name: str
    warm_up: list[Round] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    at_half: list[Round] = field(default_factory=list)
    resident_megabytes: float = 0.0

    @property
    def rate(self) -> float:
        return median(one.rate for one in self.rounds)

    @property
    def capacity(self) -> float:
        return median(one.capacity for one in self.rounds)

    @property
    def cpu_share(self) -> float:
        return median(one.cpu_share for one in self.rounds)

    @property
    def busy(self) -> float:
        """The generator's share of its own core."""
        return median(one.load.busy for one in self.rounds)

    @property
    def p50_ms(self) -> float:
        return median(one.load.p50_ms for one in self.at_half or self.rounds)

    @property
    def p99_ms(self) -> float:
        return median(one.load.p99_ms for one in self.at_half or self.rounds)

    def complaints(self) -> list[str]:
        """Return what was amiss with replies, or nothing."""
        return amiss([*self.warm_up, *self.rounds, *self.at_half])


def amiss(rounds: Sequence[Round]) -> list[str]:
    """Return what was amiss with the replies of *rounds*, or nothing."""
    found = [text for one in rounds for text in one.load.complaints]
    lost = sum(one.load.lost for one in rounds)
    wrong = sum(one.load.wrong for one in rounds)
    return [f"{wrong} replies wrong, {lost} lost", *found] if lost or wrong else found


class Loads:
    """Runs loads from a process of their own, on *cpu*; no two runs send the same ids."""

    def __init__(self, cpu: int | None, connections: int) -> None:
        self._cpu = cpu
        self._connections = connections
        self._runs = itertools.count(1)

    def run(
        self,
        contender: Contender,
        *,
        seconds: float | None = None,
        events: int | None = None,
        rate: float | None = None,
    ) -> Round:
        """Return what one load on *contender* saw and cost."""
        options = {"--seconds": seconds, "--events": events, "--rate": rate}
        command = [
            *(sys.executable, "-m", "bench.load", contender.url),
            *("--connections", str(self._connections), "--run", str(next(self._runs))),
            *(["--exact"] if contender.exact else []),
            *itertools.chain(*((name, str(v)) for name, v in options.items() if v is not None)),
        ]
        before = contender.cpu_seconds()
        with on_cpu(self._cpu):
            done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
        cpu_seconds = contender.cpu_seconds() - before
        if not done.stdout:
            raise RuntimeError(f"the load on {contender.name} ended with {done.returncode}")
        told = orjson.loads(done.stdout)
        del told["rate"]
        return Round(load=Result(**told), cpu_seconds=cpu_seconds)


def compare(
    contenders: Sequence[Contender],
    loads: Loads,
    *,
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> dict[str, Figures]:
    """Return the figures of all *contenders*, measured in turn."""
    figures = {contender.name: Figures(name=contender.name) for contender in contenders}
    for contender in contenders:
        say(f"warming up {contender.name}")
        figures[contender.name].warm_up.append(loads.run(contender, seconds=min(1.0, seconds)))
    for number in range(1, rounds + 1):
        for contender in contenders:
            say(f"round {number} of {rounds}: {contender.name}")
            figures[contender.name].rounds.append(loads.run(contender, seconds=seconds))
    for number in range(1, max(1, rounds // 3) + 1):
        for contender in contenders:
            say(f"at half load, {number}: {contender.name}")
            found = figures[contender.name]
            found.at_half.append(loads.run(contender, seconds=seconds, rate=found.rate / 2))
    for contender in contenders:
        figures[contender.name].resident_megabytes = contender.resident_megabytes()
    return figures


def ratio(ours: Figures, theirs: Figures) -> float:
    """Return how much more *ours* gives for a core: the median of the ratios round by round."""
    return median(
        mine.capacity / other.capacity
        for mine, other in zip(ours.rounds, theirs.rounds, strict=True)
        if other.capacity
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Resident memory of one process early and late in its life, in 1,000,000 bytes."""

    early_events: int
    late_events: int
    early_megabytes: float
    late_megabytes: float
    complaints: list[str]


def memory(contender: Contender, loads: Loads, *, early: int, late: int) -> Memory:
    """Return what a fresh *contender* holds after *early* and after *late* events in all."""
    first = loads.run(contender, events=early)
    early_megabytes = contender.resident_megabytes()
    second = loads.run(contender, events=late - early)
    return Memory(
        early_events=early,
        late_events=late,
        early_megabytes=early_megabytes,
        late_megabytes=contender.resident_megabytes(),
        complaints=amiss([first, second]),
    )
