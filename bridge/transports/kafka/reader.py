"""A topic read from outside any group: nothing is joined, nothing is committed.

start ─▶ partitions ─▶ bounds ─▶ seek, fetch, fetch … ─▶ stop
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from bridge.config.kafka import KafkaClientOptions
from bridge.core.errors import Unavailable
from bridge.core.event import Record
from bridge.transports.kafka.client import brokers, connection, in_words
from bridge.transports.kafka.cluster import partitions
from bridge.transports.kafka.port import Partition
from bridge.transports.kafka.records import fetched, key_of

#: How long one fetch waits for records.
FETCH_SECONDS = 0.5

#: What is fetched of a partition at once; a larger record comes alone.
FETCH_BYTES = 1024 * 1024


class KafkaReader:
    """Reads committed records of *topics*. Built without touching the network."""

    def __init__(self, options: KafkaClientOptions, topics: Iterable[str]) -> None:
        """Raise ConfigError for an address, certificate or password that cannot work."""
        connection(options)
        self._options = options
        self._topics = tuple(dict.fromkeys(topics))
        self._who = brokers(options)
        self._consumer: Any = None
        self.partitions: list[Partition] = []

    async def __aenter__(self) -> Self:
        """Connect, and learn the partitions; raise Unavailable where a topic is not there."""
        from aiokafka import AIOKafkaConsumer
        from aiokafka.errors import KafkaError

        self.partitions = await partitions(self._options, self._topics)
        consumer = AIOKafkaConsumer(
            **connection(self._options),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_bytes=FETCH_BYTES * 4,
        )
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await consumer.stop()
            raise Unavailable(f"{self._who}: no connection: {in_words(error)}") from error
        except BaseException:
            await consumer.stop()
            raise
        consumer.assign([key_of(at) for at in self.partitions])
        self._consumer = consumer
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close the connections; may be called twice."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def bounds(self) -> dict[Partition, tuple[int, int]]:
        """Return of each partition the first offset there is and the one after the last."""
        from aiokafka.errors import KafkaError

        keys = [key_of(at) for at in self.partitions]
        try:
            first = await self._consumer.beginning_offsets(keys)
            end = await self._consumer.end_offsets(keys)
        except KafkaError as error:
            raise Unavailable(f"{self._who}: {in_words(error)}") from error
        return {at: (first[key], end[key]) for at, key in zip(self.partitions, keys, strict=True)}

    async def fetch(self, partition: Partition, max_records: int) -> list[Record]:
        """Return the next records of *partition*, at most so many; none after a short wait."""
        from aiokafka.errors import KafkaError

        try:
            return await fetched(self._consumer, partition, max_records, seconds=FETCH_SECONDS)
        except KafkaError as error:
            raise Unavailable(f"{self._who}: {partition}: {in_words(error)}") from error

    def seek(self, partition: Partition, offset: int) -> None:
        """Have the next fetch begin at *offset*."""
        self._consumer.seek(key_of(partition), offset)

    async def position(self, partition: Partition) -> int:
        """Return where the next fetch begins: past records that were never delivered."""
        found: int = await self._consumer.position(key_of(partition))
        return found
