"""Bridges between two topics, and all that is needed to judge what they did.

topic in ══▶ bridge run (one or several) ══▶ topic out      numbered events of many keys
                 │  ▲                   ╚══▶ dead letter
                 ▼  │
              stub model                                    `finished`: by Kafka's own offsets
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.kafka_oracle import History, Mark, Verdict, check
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_records import Record
from tests.services.process import Process, answers, free_port
from tests.services.stub_model import StubModel, stub_model

_ROOT = Path(__file__).parents[2]

#: Ample: processes are slow where many run.
SECONDS = 60.0

#: How often the ledgers of a running bridge are looked at, and whether all is done.
SAMPLE_SECONDS, POLL_SECONDS = 0.25, 0.1

#: What may be under way and not committed: small, so that the bound on duplicates means something.
WINDOW = 64

#: Time-outs as short as the broker of the tests allows.
QUICK = {
    "max_in_flight": WINDOW,
    "commit_interval_seconds": 0.2,
    "hold_initial_seconds": 0.05,
    "hold_max_seconds": 0.5,
    "session_timeout_seconds": 2,
    "rebalance_timeout_seconds": 5,
    "request_timeout_seconds": 5,
}


@dataclass(slots=True)
class Ledgers:
    """What the metrics of one process said, one sample after the other."""

    samples: int = 0
    wrong: list[str] = field(default_factory=list)
    taken: int = 0
    settled: int = 0
    open: int = 0

    def book(self, page: str) -> None:
        """Look at one scrape: both lines must add up."""
        self.samples += 1
        self.taken = _sum(page, "bridge_deliveries_taken_total")
        self.settled = _sum(page, "bridge_deliveries_total", 'outcome="settled"')
        self.open = _sum(page, "bridge_in_flight", "source=")
        ended = _sum(page, "bridge_deliveries_total")
        if self.taken != ended + self.open:
            self.wrong.append(f"deliveries: {self.taken} taken, {ended} ended, {self.open} open")
        if not _sum(page, "bridge_ledger_balanced"):
            self.wrong.append("the bridge itself says that its ledger is not balanced")
        accepted = _sum(page, "bridge_events_accepted_total")
        ended = _sum(page, "bridge_events_total")
        running = _sum(page, "bridge_events_in_flight")
        if accepted != ended + running:
            self.wrong.append(f"events: {accepted} accepted, {ended} ended, {running} in flight")


class Member:
    """One `bridge run`, and what its ledgers say while it lives."""

    def __init__(self, process: Process, admin_url: str) -> None:
        self.process = process
        self.admin_url = admin_url
        self.ledgers = Ledgers()
        self._sampling = asyncio.create_task(self._sample())

    @property
    def alive(self) -> bool:
        """Whether it runs, or stands still."""
        return not self._sampling.done() and self.process.ended(0) is None

    def scrape(self) -> str:
        """Return its metrics; raise OSError where it does not answer."""
        with urllib.request.urlopen(f"{self.admin_url}metrics", timeout=2.0) as response:
            return str(response.read(), "utf-8")

    def metric(self, name: str, *labels: str) -> int:
        """Return the sum of *name* over all samples that hold each of *labels*."""
        return _sum(self.scrape(), name, *labels)

    def log(self) -> str:
        """Return what it has printed."""
        return self.process.output.read_text(errors="replace")

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send it signal *number* and return its exit status."""
        await self._look()
        status = await asyncio.to_thread(self.process.interrupt, number)
        await self._left()
        return status

    async def kill(self) -> None:
        """End it with SIGKILL, at once."""
        await asyncio.to_thread(self.process.interrupt, signal.SIGKILL)
        await self._left()

    def freeze(self) -> None:
        """Let it stand still, its connections open, until `thaw`."""
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.process.pid, signal.SIGCONT)

    async def ended(self, seconds: float = SECONDS) -> int | None:
        """Return its exit status once it ends by itself, None if it does not within *seconds*."""
        status = await asyncio.to_thread(self.process.ended, seconds)
        if status is not None:
            await self._left()
        return status

    async def leave(self) -> None:
        """End it if it still runs."""
        await self._left()
        with suppress(AssertionError, ProcessLookupError):
            self.thaw()  # what stands still hears no SIGTERM
        await asyncio.to_thread(self.process.__exit__, None, None, None)

    async def _left(self) -> None:
        self._sampling.cancel()
        await asyncio.wait([self._sampling])

    async def _sample(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _look(self) -> None:
        try:
            page = await asyncio.to_thread(self.scrape)
        except OSError:
            return  # it was killed, or stands still
        self.ledgers.book(page)


class World:
    """Topics, a model, and the bridges between them.

    *kills* is how often what was under way was cut off, for the oracle's bound on duplicates.
    """

    def __init__(self, kafka: Kafka, model: StubModel, folder: Path, *, partitions: int) -> None:
        self.kafka = kafka
        self.model = model
        self.folder = folder
        self.partitions = partitions
        self.topic, self.out, self.dead = fresh("in"), fresh("out"), fresh("dead")
        self.group = fresh("group")
        self.given: list[Mark] = []
        self.members: list[Member] = []
        self.kills = 0
        self.window = WINDOW

    async def create(self, *topics: str, **config: object) -> None:
        """Make *topics*."""
        for topic in topics:
            await self.kafka.create_topic(topic, self.partitions, **config)

    async def give(self, marks: Iterable[Mark]) -> None:
        """Write an event for each of *marks*, in their order."""
        marks = list(marks)
        self.given += marks
        await self.kafka.produce(self.topic, *map(record, marks))

    async def member(
        self,
        source: dict[str, Any] | None = None,
        /,
        *,
        lifecycle: dict[str, Any] | None = None,
        **pipeline: Any,
    ) -> Member:
        """Return one more bridge, running; its file's sections are changed by what is given."""
        name = f"bridge-{len(self.members)}"
        folder = self.folder / name
        folder.mkdir()
        admin_port = free_port()
        told = {
            "admin": {"host": "127.0.0.1", "port": admin_port},
            "lifecycle": {"shutdown_delay_seconds": 0, "drain_seconds": 8, **(lifecycle or {})},
            "pipelines": {"faults": self.pipeline(source or {}, **pipeline)},
        }
        file = folder / "bridge.yaml"
        file.write_text(yaml.safe_dump(told, sort_keys=False))
        process = Process(
            [sys.executable, "-m", "bridge", "run", str(file)],
            output=self.folder / f"{name}.log",
            folder=_ROOT,
            environment={"PORT": "", "K_SINK": "", "K_CE_OVERRIDES": "", "K_CA_CERTS": ""},
        ).__enter__()
        member = Member(process, f"http://127.0.0.1:{admin_port}/")
        self.members.append(member)
        probe = f"{member.admin_url}readyz"
        await asyncio.to_thread(process.wait_until, lambda: answers(probe), seconds=SECONDS)
        return member

    def pipeline(self, source: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Return the pipeline between the topics, changed."""
        reached = {"bootstrap_servers": self.kafka.bootstrap}
        deadline_seconds = changes.get("deadline_seconds", 20)
        in_time = {"timeout_seconds": min(SINK["timeout_seconds"], 0.9 * deadline_seconds)}
        return {
            "source": {
                "type": "kafka",
                "topics": [self.topic],
                "group_id": self.group,
                **reached,
                **QUICK,
                **source,
            },
            "model": {"type": "rest", "protocol": "seldon", "url": self.model.url},
            "response": {"type": "test.response", "source": "/test"},
            "deadline_seconds": deadline_seconds,
            "sinks": [{"type": "kafka", "topic": self.out, **reached, **SINK, **in_time}],
            "dead_letter": {"type": "kafka", "topic": self.dead, **reached, **SINK},
            **changes,
        }

    # What came of it

    async def committed(self) -> dict[int, int]:
        """Return the group's offset in each partition, asked with a client: quick."""
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.errors import KafkaError

        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        try:
            await admin.start()
            found = await admin.list_consumer_group_offsets(self.group)
        except KafkaError:  # the group's coordinator is not there yet, or not again
            return {}
        finally:
            await admin.close()
        return {at.partition: told.offset for at, told in found.items() if at.topic == self.topic}

    async def done(self, *, seconds: float = SECONDS) -> None:
        """Return when the group has committed the end of every partition."""
        until = time.monotonic() + seconds
        end = await self.kafka.end_offsets(self.topic)
        while (found := await self.committed()) != end:
            self.check_alive()
            if time.monotonic() > until:
                raise AssertionError(f"committed {found}, the end is {end}\n{self.tails()}")
            await asyncio.sleep(POLL_SECONDS)

    async def finished(
        self, *, refused: Iterable[Mark] | None = (), seconds: float = SECONDS
    ) -> Verdict:
        """Wait until all is done and end the bridges; return the verdict if all is well.

        *refused* is what must be in the dead letter, None for whatever is there. Both ledgers
        must have added up in every sample, and Kafka's own tool must say what they say.
        """
        await self.done(seconds=seconds)
        last = self.members[-1]
        await last._look()
        for member in self.members:
            await member.leave()
        end = await self.kafka.end_offsets(self.topic)
        told = await self.kafka.committed(self.group)
        assert {(self.topic, at): offset for at, offset in end.items()} == told
        self.check_ledgers()
        return check(
            History(
                given=self.given,
                answers=await self.marks(self.out),
                letters=await self.marks(self.dead),
                kills=self.kills,
                window=self.window,
                refused=None if refused is None else frozenset(refused),
            )
        )

    async def marks(self, topic: str) -> list[Mark]:
        """Return what is in *topic* of what was given, in the order of its partitions."""
        return [mark for each in await self.kafka.read(topic) if (mark := mark_in(each.value))]

    async def until(self, true: Callable[[], bool], *, seconds: float = SECONDS) -> None:
        """Return when *true* says so; it may block for a moment, and meet no answer."""
        end = time.monotonic() + seconds

        def holds() -> bool:
            try:
                return true()
            except OSError:
                return False

        while not await asyncio.to_thread(holds):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds:g} s\n{self.tails()}")
            await asyncio.sleep(POLL_SECONDS)

    def check_ledgers(self) -> None:
        """Check what the samples of all members said, and that none of them raised an alarm."""
        assert [] == [line for member in self.members for line in member.ledgers.wrong]
        assert any(member.ledgers.samples for member in self.members)
        for member in self.members:
            printed = member.log()
            assert "Traceback" not in printed, member.process.tail()
            assert '"level": "error"' not in printed, member.process.tail()

    def check_alive(self) -> None:
        """Check that a bridge is running."""
        if not any(member.alive for member in self.members):
            raise AssertionError(f"no bridge is running\n{self.tails()}")

    def tails(self) -> str:
        """Return the end of what each bridge has printed."""
        return "\n".join(
            f"--- {member.process.output}\n{member.process.tail(15)}" for member in self.members
        )


#: What sinks and dead letter are told beside their topic.
SINK: dict[str, Any] = {"timeout_seconds": 3, "request_timeout_seconds": 5}


@asynccontextmanager
async def world(
    kafka: Kafka,
    folder: Path,
    *,
    partitions: int = 4,
    create: Sequence[str] = ("topic", "out", "dead"),
) -> AsyncIterator[World]:
    """Yield a world with its three topics, or those of *create*, and no bridge yet.

    End what runs.
    """
    async with stub_model() as model:
        around = World(kafka, model, folder, partitions=partitions)
        await around.create(*(getattr(around, topic) for topic in create))
        try:
            yield around
        finally:
            for member in around.members:
                await member.leave()


def marks(count: int, *, keys: int, begin: int = 0) -> list[Mark]:
    """Return *count* marks of so many *keys* in turn; numbers from *begin* on in each key."""
    return [Mark(f"k{at % keys}", begin + at // keys) for at in range(count)]


def record(mark: Mark) -> Record:
    """Return the event of *mark*, in binary mode, with its key."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_id", str(mark).encode()),
        ("ce_source", b"/test"),
        ("ce_type", b"test.request"),
        ("content-type", b"application/json"),
    )
    data = json.dumps({"data": {"ndarray": [[int(mark.key[1:]), mark.number]]}}).encode()
    return Record(key=mark.key.encode(), value=data, headers=headers)


def mark_in(value: bytes | None) -> Mark | None:
    """Return what *value* is about, None for what was never a numbered event."""
    try:
        key, number = json.loads(value or b"")["data"]["ndarray"][0]
    except (ValueError, KeyError, TypeError):
        return None
    return Mark(f"k{key}", number)


def _sum(page: str, name: str, *labels: str) -> int:
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
    return int(sum(float(value) for held, value in found if all(each in held for each in labels)))


__all__ = [
    "POLL_SECONDS",
    "SECONDS",
    "WINDOW",
    "Member",
    "World",
    "mark_in",
    "marks",
    "record",
    "world",
]
