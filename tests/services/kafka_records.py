"""Records of a topic: written as told, and read to the end."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

#: How a transaction ends.
Transaction = Literal["committed", "aborted"]

#: Longest that one request to a broker of this machine may take.
REQUEST_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record, to write or as read; *timestamp* is in milliseconds.

    To write one, a *partition* of None leaves it to the key, and a *timestamp* of None is now.
    """

    value: bytes | None = None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int | None = None
    partition: int | None = None
    offset: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsets:
    """Where each partition begins, and where it ends."""

    first: dict[int, int]
    end: dict[int, int]


async def produce(
    bootstrap: str, topic: str, *records: Record, transaction: Transaction | None = None
) -> list[Record]:
    """Write *records* to *topic* in their order; return them with their places.

    All of them are in the log when it returns, in one transaction if *transaction* says how
    that ends: the aborted are there too, for who reads uncommitted.
    """
    from aiokafka import AIOKafkaProducer

    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        request_timeout_ms=REQUEST_MS,
        enable_idempotence=True,
        transactional_id=f"tests-{uuid.uuid4().hex}" if transaction else None,
    ) as producer:
        if transaction:
            await producer.begin_transaction()
        # Said here, because aiokafka returns the time of a batch for all of its records.
        now = time.time_ns() // 1_000_000
        timed = [replace(each, timestamp=each.timestamp or now) for each in records]
        sent = [await _send(producer, topic, record) for record in timed]
        placed = await asyncio.gather(*sent)
        if transaction == "committed":
            await producer.commit_transaction()
        elif transaction == "aborted":
            await producer.abort_transaction()
    return [
        replace(record, partition=at.partition, offset=at.offset)
        for record, at in zip(timed, placed, strict=True)
    ]


async def read(
    bootstrap: str, topic: str, *, at_least: int = 0, committed: bool = True, seconds: float = 30.0
) -> list[Record]:
    """Return all records of *topic* by partition and offset, once they are *at_least*.

    The end is where the partitions ended when it was called. Raise TimeoutError after
    *seconds*, saying how many there were.
    """
    found: list[Record] = []
    try:
        async with asyncio.timeout(seconds), _consumer(bootstrap, topic, committed) as consumer:
            end = await consumer.end_offsets(consumer.assignment())
            while len(found) < at_least or not await _reached(consumer, end):
                batches = await consumer.getmany(timeout_ms=50)
                found += [_record(read) for batch in batches.values() for read in batch]
    except TimeoutError as error:
        raise TimeoutError(
            f"{topic}: {len(found)} records in {seconds:g} s, expected {at_least} and the end"
        ) from error
    return sorted(found, key=lambda record: (record.partition, record.offset))


async def bounds(bootstrap: str, topic: str) -> Offsets:
    """Return where the partitions of *topic* begin and end, transactions not considered."""
    async with _consumer(bootstrap, topic, committed=False) as consumer:
        partitions = consumer.assignment()
        first = await consumer.beginning_offsets(partitions)
        end = await consumer.end_offsets(partitions)
    return Offsets(
        first={at.partition: offset for at, offset in sorted(first.items())},
        end={at.partition: offset for at, offset in sorted(end.items())},
    )


@asynccontextmanager
async def _consumer(bootstrap: str, topic: str, committed: bool) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer of all partitions of *topic*, in no group."""
    from aiokafka import AIOKafkaConsumer

    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        request_timeout_ms=REQUEST_MS,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        fetch_max_wait_ms=50,
        isolation_level="read_committed" if committed else "read_uncommitted",
    )
    # Not `async with consumer`: a start that fails leaves a connection open.
    try:
        await consumer.start()
        yield consumer
    finally:
        await consumer.stop()


async def _reached(consumer: AIOKafkaConsumer, end: dict[Any, int]) -> bool:
    for partition, offset in end.items():
        if await consumer.position(partition) < offset:
            return False
    return True


async def _send(producer: AIOKafkaProducer, topic: str, record: Record) -> asyncio.Future[Any]:
    """Return the future of *record*'s place in the log."""
    if record.value is None and record.key is None:
        # `send` refuses what Kafka takes: a record with neither.
        batch = producer.create_batch()
        batch.append(key=None, value=None, timestamp=record.timestamp, headers=list(record.headers))
        batch.close()
        place = await producer.send_batch(batch, topic, partition=record.partition or 0)
    else:
        place = await producer.send(
            topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            timestamp_ms=record.timestamp,
            headers=list(record.headers),
        )
    return place  # type: ignore[no-any-return]  # aiokafka has no types


def _record(read: Any) -> Record:
    return Record(
        value=read.value,
        key=read.key,
        headers=tuple(read.headers),
        timestamp=read.timestamp,
        partition=read.partition,
        offset=read.offset,
    )
