"""Events from Kafka: at least once, in order for each key, many at a time.

    join ─▶ a pump for each partition:  room? ─▶ fetch ─▶ decode ─▶ a task for each event
    event:  handler ─▶ settled ─▶ its offset may be committed
                └ an outage: held, tried again after a pause, never skipped

A position is committed only up to the first record that is not settled, so whatever kills the
process loses nothing. What was taken and is not committed is delivered again: never more than
`max_in_flight`. When partitions go, what is running is settled, what only waits is given back.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Self

import structlog

from bridge.codecs.records import Decode, decoder
from bridge.core.clock import Clock
from bridge.core.errors import (
    DecodeError,
    Unavailable,
)
from bridge.core.event import Invalid, Origin, Record
from bridge.core.ports import Handler
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries, PartitionFacts
from bridge.sources.beginnings import begin, go_on
from bridge.sources.commits import Commits
from bridge.sources.holding import Holding
from bridge.sources.kafka_options import KafkaSourceOptions
from bridge.sources.lanes import Place
from bridge.sources.partition import Assigned
from bridge.transports.kafka.consumer import KafkaConsumer
from bridge.transports.kafka.port import Consumer, OutOfRange, Partition

log = structlog.get_logger()

#: How long the last commit may take when the process is told to end at once.
LAST_COMMIT_SECONDS = 3.0

#: How long leaving the group may take then: a broker that hangs answers nobody.
LEAVE_SECONDS = 3.0


class KafkaSource:
    """One member of a group. Order: by key, unless the options say otherwise.

    Its `delivers_again`: an event that meets an outage is tried again here, and needs no
    sender for it. *consumer* is another than Kafka's in tests.
    """

    Options = KafkaSourceOptions
    delivers_again = True

    def __init__(
        self,
        options: KafkaSourceOptions,
        *,
        name: str,
        namespace: str | None,
        deliveries: Deliveries,
        clock: Clock,
        chance: random.Random,
        consumer: Consumer | None = None,
    ) -> None:
        """Raise ConfigError for an address, certificate or password that cannot work."""
        self._options = options
        self._name = name
        self._deliveries = deliveries
        self._clock = clock
        self._complaints = Complaints(clock, source=name)
        self._decode: Decode = decoder(options.decode, name=name, namespace=namespace)
        self._consumer: Consumer = consumer or KafkaConsumer(
            options,
            topics=tuple(options.topics),
            group_id=options.group_id,
            session_timeout_seconds=options.session_timeout_seconds,
            rebalance_timeout_seconds=options.rebalance_timeout_seconds,
            max_fetch_bytes=options.max_fetch_bytes,
            isolation_level=options.isolation_level,
        )
        self._partitions: dict[Partition, Assigned] = {}
        self._holding = Holding(options, clock=clock, chance=chance, complaints=self._complaints)
        self._stopping = False
        self._commits = Commits(
            self._consumer, self._complaints, interval_seconds=options.commit_interval_seconds
        )
        deliveries.limit = options.max_in_flight
        deliveries.partitions = self._facts

    async def __aenter__(self) -> Self:
        """Return: the group is joined when there is a handler."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Leave the group; may be called twice."""
        await self._consumer.stop()

    async def ping(self) -> None:
        """Return if a broker answers and has the topics; raise Unavailable if not."""
        await self._consumer.ping()

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        """Give events to *handle* until *stop*; return when all are settled or given back.

        Raise OutOfRange where records are gone that were never delivered, and whatever else
        makes going on impossible.
        """
        self._handle = handle
        self._loop = asyncio.get_running_loop()
        drained = False
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                joining = group.create_task(self._join())
                committing = group.create_task(self._commits.often(self._ours))
                await stop.wait()
                self._stopping = True
                joining.cancel()
                await self._let_go(self._ours(), None)
                committing.cancel()
            drained = True
        finally:
            self._stopping = True
            for partition in self._partitions.values():
                partition.leaving = True
                partition.cancel()
            for partition in self._ours():
                await partition.idle()
            with suppress(TimeoutError):  # then what is not committed is delivered again
                async with asyncio.timeout(LAST_COMMIT_SECONDS):
                    await self._commits.now(self._ours())
            self._partitions.clear()
            with suppress(TimeoutError):  # then the group notices by itself
                async with asyncio.timeout(None if drained else LEAVE_SECONDS):
                    await self._consumer.stop()

    # The group

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Begin with *partitions*, in tasks of their own: the group does not wait for that.

        Leaving, begin with none: the next member has them as soon as this one is gone.
        """
        if self._stopping:
            return
        options, parts = self._options, max(1, len(partitions))
        log.info("partitions assigned", source=self._name, partitions=_names(partitions))
        for at in partitions:
            partition = self._partitions[at] = Assigned(
                at,
                share=max(1, options.max_in_flight // parts),
                share_bytes=max(1, options.max_in_flight_bytes // parts),
                clock=self._clock,
            )
            partition.pump = self._group.create_task(self._pump(partition))

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Settle what is running, give back what waits or takes too long, and commit."""
        mine = [self._partitions[at] for at in partitions if at in self._partitions]
        if mine:
            log.info("partitions revoked", source=self._name, partitions=_names(partitions))
            await self._let_go(mine, self._options.rebalance_timeout_seconds * 0.7)

    async def _join(self) -> None:
        """Connect, again and again until a broker answers."""
        await self._holding.available(partial(self._consumer.start, self))
        log.info(
            "joining group",
            source=self._name,
            group=self._options.group_id,
            topics=self._options.topics,
        )

    async def _let_go(self, partitions: Sequence[Assigned], seconds: float | None) -> None:
        """Settle what is running in *partitions*, within *seconds*, commit and forget them."""
        for partition in partitions:
            partition.leaving = True
            if partition.pump is not None:
                partition.pump.cancel()
            partition.give_back_held()
        try:
            async with asyncio.timeout(seconds):
                for partition in partitions:
                    await partition.idle()
        except TimeoutError:
            log.warning("giving back what is still under way", source=self._name)
            for partition in partitions:
                partition.cancel()
            for partition in partitions:
                await partition.idle()
        await self._commits.now(partitions)
        for partition in partitions:
            self._partitions.pop(partition.at, None)

    # Records

    async def _pump(self, partition: Assigned) -> None:
        """Take records as there is room for them, for as long as the partition is ours."""
        pause = self._options.hold_initial_seconds
        while True:
            try:
                if not partition.started:
                    await begin(self._consumer, partition, self._options)
                await partition.room()
                records = await self._read(partition)
            except Unavailable as error:
                self._complaints.of("unavailable", error)
                self._read_again(partition)
                await self._holding.wait(pause)
                pause = self._holding.next(pause)
            else:
                pause = self._options.hold_initial_seconds
                for record in records:
                    self._take(partition, record)

    async def _read(self, partition: Assigned) -> Sequence[Record]:
        """Return the next records, none where reading goes on elsewhere.

        Raise OutOfRange where it may not, Unavailable for anything that may pass.
        """
        try:
            return await self._consumer.fetch(partition.at, partition.space)
        except OutOfRange as error:
            await go_on(self._consumer, partition, self._options, error, source=self._name)
            return ()

    def _read_again(self, partition: Assigned) -> None:
        """Have the next fetch begin at the first record that was not taken.

        A client that could not read one (a broken batch, say) may have passed others over.
        """
        if partition.started:
            with suppress(Unavailable):  # not ours any more: whoever has it begins at the commit
                self._consumer.seek(partition.at, partition.offsets.next)

    def _take(self, partition: Assigned, record: Record) -> None:
        """Have the events of *record* handled, each in its place."""
        lane: bytes | str | None = None
        if self._options.order != "none":
            lane = record.key if self._options.order == "key" and record.key is not None else _ALL
        now = self._clock.now_ns()
        places: list[Place] = []

        def origin(headers: tuple[tuple[bytes, bytes], ...]) -> Origin:
            places.append(partition.lanes.enter(lane, now))
            return Origin("kafka", "", False, headers, record, places[-1])

        try:
            events = self._decode(record, origin)
        except DecodeError as error:
            for place in places:
                place.leave()
            places.clear()
            events = [Invalid.of_record(origin(()), error)]
        partition.take(record.offset, _size(record), len(events))
        for event, place in zip(events, places, strict=True):
            self._deliveries.taken()
            work = self._holding.until_settled(
                self._handle, event, place, partition, serial=self._options.serial
            )
            task = self._loop.create_task(work)
            partition.begin(place, task)  # its owner: nothing of it goes before it is idle
            task.add_done_callback(partial(self._ended, partition, record.offset, place))

    def _ended(
        self, partition: Assigned, offset: int, place: Place, task: asyncio.Task[None]
    ) -> None:
        """Book what became of an event. Also of a task that was cancelled before it began."""
        partition.ended(place)
        answered = place.response is not None
        place.response = None  # whose origin is this place: only the collector would free both
        if task.cancelled():
            self._deliveries.given_back()
            return
        error = task.exception()
        if error is not None:
            self._deliveries.given_back()
            self._group.create_task(_raise(error))
            return
        if answered:
            self._holding.answered(place)
        self._deliveries.settled()
        place.leave()
        partition.settle(offset)
        if partition.wants_commit:
            self._commits.soon()

    def _ours(self) -> list[Assigned]:
        return list(self._partitions.values())

    # What operators see

    def _facts(self) -> list[PartitionFacts]:
        return [
            PartitionFacts(
                topic=at.topic,
                partition=at.number,
                committed=partition.offsets.committed,
                end=self._consumer.end(at),
                held=len(partition.held),
                oldest_seconds=partition.oldest_seconds,
            )
            for at, partition in self._partitions.items()
        ]


async def _raise(error: BaseException) -> None:
    """End the group that this is a task of: a bug must not go unnoticed."""
    raise error


#: The lane of everything that a partition keeps in order, or that has no key.
_ALL = "partition"


def _size(record: Record) -> int:
    """Return roughly what *record* holds in memory: what it brought, and what comes with it."""
    headers = sum([len(name) + len(value or b"") for name, value in record.headers])
    return len(record.value or b"") + len(record.key or b"") + headers + 1024


def _names(partitions: Sequence[Partition]) -> list[str]:
    return [str(at) for at in partitions]
