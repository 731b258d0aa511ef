"""One member of a consumer group, on aiokafka.

aiokafka's own choices that would lose events are switched off: nothing is committed by
itself, and no offset is reset by itself. A source that waits for a model is not asked to
leave the group: heartbeats, on the same event loop, say that it is alive.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from bridge.config.kafka import KafkaClientOptions
from bridge.core.clock import SystemClock
from bridge.core.errors import Unavailable
from bridge.core.event import Record
from bridge.transports.kafka.client import brokers, connection, in_words, keep_password
from bridge.transports.kafka.port import Assignments, Ended, Fenced, OutOfRange, Partition
from bridge.transports.kafka.records import fetched, key_of
from bridge.transports.kafka.voice import listen

log = structlog.get_logger()

#: How long one wait for records takes before the state of the group is looked at again.
FETCH_SECONDS = 1.0

#: How often topics that are not there yet are looked for, and partitions that were added.
METADATA_SECONDS = 30.0

#: The longest that Kafka's protocol can say: waiting for a model never ends a membership.
NEVER_MS = 2**31 - 1


class KafkaConsumer:
    """A `Consumer` of *topics* in *group_id*. Built without touching the network."""

    def __init__(
        self,
        options: KafkaClientOptions,
        *,
        topics: tuple[str, ...],
        group_id: str,
        session_timeout_seconds: float,
        rebalance_timeout_seconds: float,
        max_fetch_bytes: int,
        isolation_level: str,
        metadata_seconds: float = METADATA_SECONDS,
    ) -> None:
        """Raise ConfigError for an address, certificate or password that cannot work."""
        connection(options)
        listen(SystemClock())
        self._options = options
        self._topics = topics
        self._who = brokers(options)
        self._settings: dict[str, Any] = {
            "group_id": group_id,
            "session_timeout_ms": round(session_timeout_seconds * 1000),
            "heartbeat_interval_ms": round(session_timeout_seconds * 1000 / 3),
            "rebalance_timeout_ms": round(rebalance_timeout_seconds * 1000),
            "max_poll_interval_ms": NEVER_MS,
            "max_partition_fetch_bytes": max_fetch_bytes,
            "fetch_max_bytes": max_fetch_bytes * 4,
            "metadata_max_age_ms": round(metadata_seconds * 1000),
            "isolation_level": isolation_level,
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
        }
        self._consumer: Any = None

    async def start(self, assignments: Assignments) -> None:
        """Connect and join; see `Consumer`."""
        from aiokafka import AIOKafkaConsumer
        from aiokafka.errors import KafkaError

        consumer = AIOKafkaConsumer(**connection(self._options), **self._settings)
        keep_password(consumer._client, self._options, clock=SystemClock())
        try:
            await consumer.start()
        except (KafkaError, OSError) as error:
            await consumer.stop()
            raise Unavailable(f"{self._who}: no connection: {in_words(error)}") from error
        except BaseException:
            await consumer.stop()
            raise
        self._consumer = consumer
        consumer.subscribe(topics=self._topics, listener=_listener(assignments))

    async def stop(self) -> None:
        """Leave the group and close."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def fetch(self, partition: Partition, max_records: int) -> list[Record]:
        """Return the next records; see `Consumer`."""
        from aiokafka import errors

        consumer = self._joined()
        try:
            return await fetched(consumer, partition, max_records, seconds=FETCH_SECONDS)
        except (errors.OffsetOutOfRangeError, errors.NoOffsetForPartitionError) as error:
            raise OutOfRange(f"{self._who}: {partition}: {in_words(error)}") from error
        except (errors.KafkaError, errors.IllegalStateError) as error:
            raise Unavailable(f"{self._who}: {partition}: {in_words(error)}") from error

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Return when the coordinator has *positions*; see `Consumer`."""
        from aiokafka import errors

        consumer = self._joined()
        try:
            await consumer.commit({key_of(at): position for at, position in positions.items()})
        except (errors.CommitFailedError, errors.IllegalStateError) as error:
            raise Fenced(f"{self._who}: commit: {in_words(error)}") from error
        except errors.KafkaError as error:
            raise Unavailable(f"{self._who}: commit: {in_words(error)}") from error

    async def committed(self, partition: Partition) -> int | None:
        """Return the group's position; see `Consumer`."""
        from aiokafka.errors import KafkaError

        try:
            found: int | None = await self._joined().committed(key_of(partition))
        except KafkaError as error:
            raise Unavailable(f"{self._who}: {partition}: {in_words(error)}") from error
        return found

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        """Return the first offset and the one after the last; see `Consumer`."""
        from aiokafka.errors import KafkaError

        consumer, key = self._joined(), key_of(partition)
        try:
            first = await consumer.beginning_offsets([key])
            end = await consumer.end_offsets([key])
        except KafkaError as error:
            raise Unavailable(f"{self._who}: {partition}: {in_words(error)}") from error
        return first[key], end[key]

    def seek(self, partition: Partition, offset: int) -> None:
        """Have the next fetch begin at *offset*; see `Consumer`."""
        from aiokafka.errors import IllegalStateError

        try:
            self._joined().seek(key_of(partition), offset)
        except IllegalStateError as error:
            raise Fenced(f"{self._who}: {partition}: {in_words(error)}") from error

    async def position(self, partition: Partition) -> int:
        """Return where the next fetch begins; see `Consumer`."""
        from aiokafka.errors import IllegalStateError

        try:
            found: int = await self._joined().position(key_of(partition))
        except IllegalStateError as error:
            raise Fenced(f"{self._who}: {partition}: {in_words(error)}") from error
        return found

    def end(self, partition: Partition) -> int | None:
        """Return the offset after the last record there is, as of the last fetch."""
        consumer, key = self._consumer, key_of(partition)
        if consumer is None or key not in consumer.assignment():
            return None
        found: int | None = consumer.highwater(key)
        return found

    def check(self) -> None:
        """Return if this member is in the group or tries to be; see `Consumer`.

        aiokafka tells errors of the group to whoever fetches, and waits until somebody has
        heard of them: without partitions nobody fetches, and nobody would.
        """
        from aiokafka.errors import KafkaError

        consumer = self._consumer
        if consumer is None:
            return
        for task in (consumer._coordinator._coordination_task, consumer._fetcher._fetch_task):
            if task.done() and not task.cancelled() and task.exception() is not None:
                raise Ended(f"{self._who}: {in_words(task.exception())}") from task.exception()
        try:
            consumer._coordinator.check_errors()
        except KafkaError as error:
            raise Unavailable(f"{self._who}: group: {in_words(error)}") from error

    async def ping(self) -> None:
        """Return if a broker answers and has the topics; see `Consumer`."""
        from bridge.transports.kafka.ping import ping

        await ping(self._options, self._topics)

    def _joined(self) -> Any:
        if self._consumer is None:
            raise Unavailable(f"{self._who}: not connected")
        return self._consumer


def _listener(assignments: Assignments) -> Any:
    """Return aiokafka's listener that tells *assignments*, in a fixed order."""
    from aiokafka import ConsumerRebalanceListener

    class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
        async def on_partitions_revoked(self, revoked: Any) -> None:
            await assignments.revoked(sorted(Partition(*each) for each in revoked))

        async def on_partitions_assigned(self, assigned: Any) -> None:
            await assignments.assigned(sorted(Partition(*each) for each in assigned))

    return Listener()
