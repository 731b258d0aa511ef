"""Partitions and records as aiokafka has them, and as we do."""

from __future__ import annotations

from typing import Any

from bridge.core.event import Record
from bridge.transports.kafka.port import Partition


def key_of(partition: Partition) -> Any:
    """Return what aiokafka calls *partition*."""
    from aiokafka import TopicPartition

    return TopicPartition(partition.topic, partition.number)


async def fetched(
    consumer: Any, partition: Partition, max_records: int, *, seconds: float
) -> list[Record]:
    """Return the next records that aiokafka's *consumer* has of *partition*, at most so many.

    None after *seconds* without any. Raises aiokafka's errors, also for what it cannot read.
    """
    from aiokafka.errors import CorruptRecordException

    key = key_of(partition)
    try:
        found = await consumer.getmany(key, timeout_ms=seconds * 1000, max_records=max_records)
    except UnicodeDecodeError as error:  # no broker looks at that
        raise CorruptRecordException(f"the name of a header is not UTF-8: {error}") from error
    return [
        Record(
            record.topic,
            record.partition,
            record.offset,
            record.key,
            record.value,
            tuple(record.headers),
            record.timestamp,
        )
        for record in found.get(key, ())
    ]
