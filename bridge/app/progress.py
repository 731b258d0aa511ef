"""A replay on a real cluster: where it begins and ends, and the group that keeps its progress.

plan:    group's offsets ─▶ what would be put back
replay:  nobody else in the group? ─▶ join ─▶ put back, commit … ─▶ leave
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from bridge.app import redrive
from bridge.app.dead_letters import DeadLetters
from bridge.app.letters import Found
from bridge.app.redrive import Rules, Tally
from bridge.config.kafka import KafkaClientOptions
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError, Unavailable
from bridge.transports.kafka.cluster import committed, members
from bridge.transports.kafka.consumer import KafkaConsumer
from bridge.transports.kafka.port import Partition
from bridge.transports.kafka.producer import KafkaProducer
from bridge.transports.kafka.reader import KafkaReader

#: How long the group remembers a replay that was killed: the least that Kafka takes.
SESSION_SECONDS = 6.0

#: How long it may take to become a member of a group that nobody else is in.
JOIN_SECONDS = 30.0

#: What is fetched of a partition at once; a larger record comes alone.
FETCH_BYTES = 1024 * 1024

#: How long one record may take until all replicas have it.
WRITE_SECONDS = 30.0

#: What is put back at most: the brokers say what they take, not this client.
MAX_RECORD_BYTES = 256 * 1024 * 1024

#: From the first offset up to the one after the last, by partition.
Spans = dict[Partition, tuple[int, int]]


async def span(place: DeadLetters, group: str, *, anew: bool) -> Spans:
    """Return what *group* has not looked at yet of the letters there are now, *anew* all.

    Raise Unavailable where the cluster does not answer, ConfigError as `spans` does.
    """
    async with KafkaReader(place.options, (place.topic,)) as reader:
        bounds = await reader.bounds()
    done = {} if anew else await committed(place.options, group, bounds)
    return spans(bounds, done, group)


async def plan(
    place: DeadLetters,
    left: Spans,
    rules: Rules,
    *,
    clock: Clock,
    tell: Callable[[Found, str], None] = lambda *_: None,
) -> Tally:
    """Return what a replay of what is *left* would do now; nothing is changed."""
    async with KafkaReader(place.options, (place.topic,)) as reader:
        return await redrive.plan(reader, left, rules, clock=clock, tell=tell)


async def replay(
    place: DeadLetters,
    left: Spans,
    rules: Rules,
    group: str,
    *,
    anew: bool,
    clock: Clock,
    stopping: Callable[[], bool],
    tell: Callable[[Tally], None] = lambda _: None,
) -> Tally:
    """Put back what *rules* want of what is *left*, and keep the progress in *group*.

    What another run has put back since is not put back again, unless *anew*.
    """
    producer = KafkaProducer(
        place.origin,
        chance=random.Random(),  # noqa: S311  # spreads records without a key, no secret
        timeout_seconds=WRITE_SECONDS,
        idempotent=place.idempotent,
        max_record_bytes=MAX_RECORD_BYTES,
    )
    try:
        async with alone(place.options, place.topic, group, clock=clock) as member:
            if not anew:
                left = {
                    at: (max(begin, await member.committed(at) or 0), end)
                    for at, (begin, end) in left.items()
                }
            return await redrive.replay(
                member, producer, left, rules, clock=clock, stopping=stopping, tell=tell
            )
    finally:
        await producer.close()


def spans(
    bounds: Mapping[Partition, tuple[int, int]], committed: Mapping[Partition, int], group: str
) -> Spans:
    """Return what is left of *bounds* to a *group* that has *committed* so much.

    Raise ConfigError where it has committed what is not there yet: the topic is another one.
    """
    found = {}
    for at, (first, end) in bounds.items():
        begin = committed.get(at, first)
        if begin > end:
            raise ConfigError(
                f"group {group} is at {at}/{begin}, and the topic ends at {end}: was it made "
                "anew? expected --from-start"
            )
        found[at] = (max(first, begin), end)
    return found


@asynccontextmanager
async def alone(
    options: KafkaClientOptions, topic: str, group: str, *, clock: Clock
) -> AsyncIterator[KafkaConsumer]:
    """Yield the only member of *group*, with every partition of *topic*.

    Raise Unavailable where another member is there: a run that was killed counts as one for
    SESSION_SECONDS, which are waited for.
    """
    await _until_empty(options, group, clock)
    consumer = KafkaConsumer(
        options,
        topics=(topic,),
        group_id=group,
        session_timeout_seconds=SESSION_SECONDS,
        rebalance_timeout_seconds=SESSION_SECONDS,
        max_fetch_bytes=FETCH_BYTES,
        isolation_level="read_committed",
    )
    member = _Member()
    try:
        await consumer.start(member)
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await member.joined.wait()
        except TimeoutError as error:
            raise Unavailable(f"group {group}: not joined in {JOIN_SECONDS:g} s") from error
        yield consumer
    finally:
        await consumer.stop()


class _Member:
    """Notes that the group has let it in."""

    def __init__(self) -> None:
        self.joined = asyncio.Event()

    async def assigned(self, partitions: Sequence[Partition]) -> None:  # noqa: ARG002  # all
        """Note that there is a place in the group."""
        self.joined.set()

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Return: a commit tells that the group has moved on."""


async def _until_empty(options: KafkaClientOptions, group: str, clock: Clock) -> None:
    until = clock.monotonic() + SESSION_SECONDS + 2.0
    while await members(options, group):
        if clock.monotonic() > until:
            raise Unavailable(f"group {group}: another replay is at work")
        await clock.sleep(0.5)
