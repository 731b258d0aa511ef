"""Faults in a schedule from a seed around bridges between two topics of a real Kafka.

    events ─▶ topic ══▶ bridges, up to three ══▶ topic, dead letter ─▶ the oracle, by the ids
                 faults: kill, stop, stand still, one more, one less, broker killed and away,
                         model down, hanging, busy, refusing one key

Every fault ends before the next begins, and every event has its place in the order of its key:
a thousand keys, a number that rises in each. What the schedule was is printed and repeated by
its seed.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.kafka_oracle import Verdict
from tests.services.cache import Missing
from tests.services.kafka import kafka
from tests.services.kafka_bridge import WINDOW, Member, World, marks, world
from tests.services.stub_model import Behaviour, well

KEYS, PARTITIONS = 1_000, 6

#: How many events come at once, and after how many the next fault does.
BATCH, BETWEEN = 1_000, 2_000

#: How long the broker is away, the model is down or hangs, and a process stands still.
OUTAGE_SECONDS, STILL_SECONDS = 20.0, 4.0

#: A model that hangs is given up on after this long: less than it hangs, and more than a sink
#: waits, since a record whose event runs out of time while it waits is written nevertheless.
DEADLINE_SECONDS = 4.0

#: How many bridges there are at most.
MEMBERS = 3

#: How long all of it may take to come to an end, once nothing is wrong any more.
SETTLE_SECONDS = 600.0


@dataclass(slots=True)
class Report:
    """What a run came to. *failures* is empty if all was well."""

    seed: int
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    verdict: Verdict | None = None
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = ", ".join(f"{count} × {fault}" for fault, count in sorted(self.faults.items()))
        lines = [f"kafka: seed {self.seed}, {self.seconds:.0f} s", f"  faults       {told}"]
        if self.verdict is not None:
            found = self.verdict
            lines += [
                f"  events       {found.given:,}: {found.answered:,} answered, "
                f"{found.letters:,} dead letters",
                f"  lost         {len(found.lost)}",
                f"  disorder     {len(found.disorder)}",
                f"  duplicates   {found.duplicates} of at most {found.allowed_duplicates}: "
                f"{self.kills} kills × {WINDOW}",
            ]
        lines.append(f"  failures     {len(self.failures)}")
        return "\n".join([*lines, *(f"    {failure}" for failure in self.failures)])


async def soak(count: int, seed: int, folder: Path) -> list[Report]:
    """Send *count* events through the schedule of *seed*; logs go to *folder*."""
    report = Report(seed=seed)
    started = time.monotonic()
    try:
        with kafka(output=folder / "kafka.log", own=True) as broker:
            async with world(broker, folder, partitions=PARTITIONS) as around:
                await _run(around, count, random.Random(seed), report)
    except Missing as missing:
        report.failures.append(f"no Kafka: {missing}")
    except (AssertionError, RuntimeError, TimeoutError, OSError) as error:
        report.failures += str(error).splitlines() or [repr(error)]
    report.seconds = time.monotonic() - started
    return [report]


async def _run(around: World, count: int, chance: random.Random, report: Report) -> None:
    schedule = _Schedule(around, chance)
    await schedule.join()
    next_fault = BETWEEN
    for given in range(0, count, BATCH):
        await around.give(marks(min(BATCH, count - given), keys=KEYS, begin=given // KEYS))
        if given >= next_fault:
            next_fault += BETWEEN
            fault = await schedule.one_more_fault()
            report.faults[fault] += 1
            _tell(f"{given:,} of {count:,} given, {fault}")
    _tell(f"{count:,} given, settling")
    report.kills = around.kills
    report.verdict = await around.finished(refused=None, seconds=SETTLE_SECONDS)
    strange = {letter.key for letter in await around.marks(around.dead)} - schedule.poisoned
    if strange:
        report.failures.append(f"dead letters of keys that nobody refused: {sorted(strange)[:10]}")


class _Schedule:
    """The faults, one after the other as chance has it."""

    def __init__(self, around: World, chance: random.Random) -> None:
        self._around = around
        self._chance = chance
        self._running: list[Member] = []
        self.poisoned: set[str] = set()

    async def join(self) -> None:
        """Start one more bridge."""
        self._running.append(
            await self._around.member(
                {"max_attempts": 1_000_000}, deadline_seconds=DEADLINE_SECONDS
            )
        )

    async def one_more_fault(self) -> str:
        """Have one fault begin under load, and end; return its name."""
        faults: dict[str, Callable[[], Awaitable[None]]] = {
            "bridge killed": self._kill,
            "bridge stopped": self._stop,
            "bridge stood still": self._stand_still,
            "broker killed": self._broker,
            "model down": self._model_down,
            "model hung": lambda: self._model(lambda key, number: "hang"),
            "model busy": lambda: self._model(lambda key, number: "busy"),
            "one key refused": self._poison,
        }
        if len(self._running) < MEMBERS:
            faults["one more bridge"] = self.join
        if len(self._running) > 1:
            faults["one bridge less"] = self._leave
        # A kill is what it is about: mid-flight, many times.
        name = self._chance.choice([*faults, *["bridge killed"] * 4])
        await faults[name]()
        return name

    def _any(self) -> Member:
        return self._running.pop(self._chance.randrange(len(self._running)))

    async def _in_flight(self) -> None:
        """Return a little later, when events are under way if there are any."""
        await asyncio.sleep(self._chance.uniform(0.1, 1.0))

    async def _kill(self) -> None:
        await self._in_flight()
        await self._any().kill()
        self._around.kills += 1
        await self.join()

    async def _stop(self) -> None:
        await self._in_flight()
        await self._leave()
        await self.join()

    async def _leave(self) -> None:
        status = await self._any().end()
        assert status == 0, f"a stop ended with {status}"

    async def _stand_still(self) -> None:
        member = self._running[self._chance.randrange(len(self._running))]
        member.freeze()
        self._around.kills += 1
        await asyncio.sleep(STILL_SECONDS)
        member.thaw()

    async def _broker(self) -> None:
        await self._in_flight()
        await self._around.kafka.kill()
        self._around.kills += len(self._running)  # what each had written and was not told of
        await asyncio.sleep(OUTAGE_SECONDS)
        await self._around.kafka.start()

    async def _model_down(self) -> None:
        await self._around.model.down()
        await asyncio.sleep(OUTAGE_SECONDS / 4)
        await self._around.model.up()

    async def _model(self, behave: Callable[[int, int], Behaviour]) -> None:
        self._around.model.behave(behave)
        await asyncio.sleep(OUTAGE_SECONDS / 4)
        self._around.model.behave(well)

    async def _poison(self) -> None:
        poisoned = self._chance.randrange(KEYS)
        self.poisoned.add(f"k{poisoned}")
        self._around.model.behave(lambda key, number: "refuse" if key == poisoned else "answer")
        await asyncio.sleep(OUTAGE_SECONDS / 4)
        self._around.model.behave(well)


def _tell(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)
