"""The letters of a topic, partition by partition, up to where it ended at the start.

begin ─▶ fetch ─▶ decode ─▶ selected? ─▶ a Found each
 end: taken once, before the first fetch: what arrives meanwhile is not read
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.app.dead_letters import DeadLetters
from bridge.app.selection import Selection
from bridge.codecs import letters as codec
from bridge.core.clock import Clock
from bridge.core.errors import DecodeError, Unavailable
from bridge.core.event import Record
from bridge.transports.kafka.port import OutOfRange, Partition
from bridge.transports.kafka.reader import KafkaReader

#: How many records one look at a partition may bring.
BATCH = 100

#: How long a partition may say nothing although it has not ended.
SILENT_SECONDS = 30.0


class Reading(Protocol):
    """What is asked of a topic to read it: `KafkaReader` and `Consumer` both answer."""

    async def fetch(self, partition: Partition, max_records: int) -> list[Record]:
        """Return the next records, none after a while."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Have the next fetch begin at *offset*."""
        ...

    async def position(self, partition: Partition) -> int:
        """Return where the next fetch begins."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record of the topic. *told*: what it says as a dead letter, None where it is none."""

    record: Record
    told: codec.Told | None

    @property
    def place(self) -> str:
        """Where it is, for people: `partition/offset`."""
        return f"{self.record.partition}/{self.record.offset}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one look at *partition* brought. *next*: the offset behind it, read or not there."""

    partition: Partition
    letters: list[Found]
    next: int


async def read(
    reading: Reading,
    spans: Mapping[Partition, tuple[int, int]],
    *,
    clock: Clock,
    batch: int = BATCH,
) -> AsyncIterator[Batch]:
    """Yield the records of each partition from the first offset of its span up to the second.

    Raise Unavailable where the cluster falls silent, OutOfRange where records went away.
    """
    for at, (begin, end) in spans.items():
        position, heard = begin, clock.monotonic()
        if position >= end:
            continue
        reading.seek(at, position)
        missed = False
        while position < end:
            try:
                records = await reading.fetch(at, batch)
            except OutOfRange:
                if missed:
                    raise
                missed = True  # a member that has just joined may not know its place yet
                reading.seek(at, position)
                continue
            then = records[-1].offset + 1 if records else await reading.position(at)
            if then > position:
                position, heard = then, clock.monotonic()
                letters = [found(record) for record in records if record.offset < end]
                yield Batch(partition=at, letters=letters, next=min(position, end))
            elif clock.monotonic() - heard > SILENT_SECONDS:
                raise Unavailable(f"{at}: nothing came for {SILENT_SECONDS:g} s, at {position}")


def found(record: Record) -> Found:
    """Return *record* with what it tells as a dead letter."""
    try:
        return Found(record=record, told=codec.decode(record))
    except DecodeError:
        return Found(record=record, told=None)


def selected(letter: Found, selection: Selection) -> bool:
    """Whether *letter* is a dead letter, and one of *selection*."""
    return letter.told is not None and selection.takes(letter.record, letter.told)


async def scan(
    place: DeadLetters, selection: Selection, look: Callable[[Found], None], *, clock: Clock
) -> int:
    """Show *look* each letter of *selection* there is now; return how many records are none.

    Raise Unavailable where the cluster does not answer.
    """
    strangers = 0
    async with KafkaReader(place.options, (place.topic,)) as reader:
        async for batch in read(reader, await reader.bounds(), clock=clock):
            for letter in batch.letters:
                strangers += letter.told is None
                if selected(letter, selection):
                    look(letter)
    return strangers


async def letter_at(
    place: DeadLetters, partition: int, offset: int, *, clock: Clock
) -> Found | None:
    """Return the record at *offset* of *partition*, None where there is none."""
    at = Partition(place.topic, partition)
    async with KafkaReader(place.options, (place.topic,)) as reader:
        first, end = (await reader.bounds()).get(at, (0, 0))
        if not first <= offset < end:
            return None
        async for batch in read(reader, {at: (offset, offset + 1)}, clock=clock, batch=1):
            for letter in batch.letters:
                return letter
    return None
