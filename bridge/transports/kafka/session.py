"""One life of aiokafka's producer: from a connection to the first error that it cannot mend.

    start ─▶ send, send … ─▶ a batch fails, or one is late ─▶ ended ─▶ close

A batch that failed has left a gap in the numbers by which brokers know what they have already
(KIP-98), and one that is late may still be written behind a later record of its key. Neither
can be mended in the same producer, so it ends: what comes next goes through a new one, and not
before this one is silent.

Here, and nowhere else, aiokafka's private parts are touched: its own `stop` waits for every
record, which in an outage is for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bridge.transports.kafka.partitioner import Partitioner

#: Header fields of a record; values may be null.
Headers = Sequence[tuple[str, bytes | None]]

#: How often it is looked whether a record is late, in parts of the time it has.
LOOKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """The partitions of a topic by number: all of them, and those that have a leader."""

    every: list[Any]
    available: list[Any]


class Late(Exception):
    """The brokers have not said yes in time; whether they have the record is not known."""


class Session:
    """A producer that is started once and closed once."""

    def __init__(
        self,
        settings: dict[str, Any],
        *,
        partitioner: Partitioner,
        timeout_seconds: float,
        batch_bytes: int,
    ) -> None:
        """*settings*: aiokafka's own arguments. To be built on a running event loop."""
        from aiokafka import AIOKafkaProducer
        from aiokafka.errors import KafkaError
        from aiokafka.record.default_records import DefaultRecordBatchBuilder

        self._timeout_seconds = timeout_seconds
        self._partitioner = partitioner
        self._producer = AIOKafkaProducer(**settings, max_batch_size=batch_bytes)
        self._accumulator = self._producer._message_accumulator
        self._add = self._accumulator.add_message
        self._cluster = self._producer.client.cluster
        self._places: dict[str, _Places] = {}
        self._cluster.add_listener(lambda _: self._places.clear())
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._alone = asyncio.Lock()  # aiokafka's queue for batches starves who waits in it
        self._requests: dict[asyncio.Task[Any], None] = {}
        self._track_requests()
        #: How large a record is, not packed, as brokers and aiokafka count.
        self.size = DefaultRecordBatchBuilder.estimate_size_in_bytes
        #: What its methods raise.
        self.errors: tuple[type[Exception], ...] = (KafkaError, Late)
        #: How large a batch of more than one record may be.
        self.batch_bytes = batch_bytes
        #: Whether nothing more may be sent here.
        self.ended = False

    async def start(self) -> None:
        """Connect, and be numbered by the brokers where that is asked for."""
        await self._producer.start()

    def knows(self, topic: str) -> bool:
        """Whether the partitions of *topic* are known."""
        return topic in self._places or self._found(topic)

    async def learn(self, topic: str) -> None:
        """Return when the partitions of *topic* are known."""
        from aiokafka.errors import UnknownTopicOrPartitionError

        await self._producer.partitions_for(topic)
        if not self._found(topic):
            raise UnknownTopicOrPartitionError

    async def send(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Return when the brokers have the record, in a batch with what else there is to send.

        *topic* is one that it knows. Raise aiokafka's error, and end, since that may concern
        more than this record; raise Late, and end, where it takes longer than the time-out.
        """
        places = self._places[topic]
        started = self._loop.time()
        at = self._partitioner(key, places.every, places.available)
        try:
            sent = self._along(at, key, value, headers)
            if sent is None:
                # Half the price of aiokafka's `send`, which looks up each time what we know.
                sent = await self._add(at, key, value, self._timeout_seconds, None, headers)
            self._waiting[sent] = started
            if self._timer is None:
                self._look_later()
            try:
                await sent
            finally:
                del self._waiting[sent]
        except Exception:  # whatever it was, what was numbered has a gap now
            self.ended = True
            raise

    async def send_alone(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Headers
    ) -> None:
        """Return when the brokers have the record, in a batch of its own; otherwise as `send`."""
        places = self._places[topic]
        partition = self._partitioner(key, places.every, places.available).partition
        batch = self._producer.create_batch()
        batch.append(timestamp=None, key=key, value=value, headers=headers)
        batch.close()
        try:
            async with self._alone, asyncio.timeout(self._timeout_seconds):
                await (await self._producer.send_batch(batch, topic, partition=partition))
        except TimeoutError as error:
            self.ended = True
            raise Late from error
        except Exception:  # as in `send`
            self.ended = True
            raise

    def _along(
        self, at: Any, key: bytes | None, value: bytes | None, headers: Headers
    ) -> asyncio.Future[Any] | None:
        """Return what acknowledges a record put into a batch that waits already, if one has room.

        It is what `add_message` does next, without a coroutine, and with a future of our own
        loop: aiokafka asks the system for the process's id to find it.
        """
        accumulator = self._accumulator
        waiting = accumulator._batches.get(at)
        if not waiting or accumulator._closed or accumulator._exception is not None:
            return None
        sent: asyncio.Future[Any] | None = waiting[-1].append(
            key, value, None, self._loop.create_future, headers
        )
        return sent

    async def close(self, *, flush_seconds: float = 0.0) -> None:
        """Wait so long for what is under way, then give the rest up and disconnect.

        Who waits for a record that is given up is told so; it may be written nevertheless, but
        nothing is sent any more when this returns.
        """
        self.ended = True
        self._accumulator._closed = True
        if flush_seconds and self._waiting:
            await asyncio.wait(list(self._waiting), timeout=flush_seconds)
        await self._silence()
        await self._producer.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _silence(self) -> None:
        """End aiokafka's own tasks, and tell whoever waits for a record."""
        sender = self._producer._sender.sender_task
        tasks = [*(() if sender is None else (sender,)), *self._requests]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        accumulator = self._accumulator
        for batches in accumulator._batches.values():
            for batch in batches:
                if not batch._drain_waiter.done():  # who waits for room is told `ProducerClosed`
                    batch._drain_waiter.set_result(None)
                if batch.retry_count:  # its callback takes it out of where it was when it was sent
                    accumulator._pending_batches.add(batch)
        accumulator.fail_all(_given_up())

    def _track_requests(self) -> None:
        """Know the tasks that write batches: aiokafka keeps them where nobody can cancel them."""
        sender = self._producer._sender
        write = sender._send_produce_req

        async def tracked(node_id: Any, batches: Any) -> None:
            task = asyncio.current_task()
            assert task is not None  # noqa: S101  # aiokafka makes one for each
            self._requests[task] = None
            try:
                await write(node_id, batches)
            finally:
                del self._requests[task]

        sender._send_produce_req = tracked

    def _found(self, topic: str) -> bool:
        """Whether aiokafka knows *topic*, and we now as well, until it learns something new."""
        from aiokafka import TopicPartition

        numbers = self._cluster.partitions_for_topic(topic)
        if not numbers:
            return False
        available = self._cluster.available_partitions_for_topic(topic)
        self._places[topic] = _Places(
            every=[TopicPartition(topic, number) for number in sorted(numbers)],
            available=[TopicPartition(topic, number) for number in sorted(available)],
        )
        return True

    def _look_later(self) -> None:
        self._timer = self._loop.call_later(self._timeout_seconds / LOOKS, self._look)

    def _look(self) -> None:
        """Tell whoever waits for a record that is late."""
        self._timer = None
        late = self._loop.time() - self._timeout_seconds
        for sent, started in list(self._waiting.items()):
            if started <= late and not sent.done():
                sent.set_exception(Late())
        if self._waiting:
            self._look_later()


def _given_up() -> Exception:
    from aiokafka.errors import KafkaError

    error: Exception = KafkaError("given up with a record that failed, or at the end")
    return error
