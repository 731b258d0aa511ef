"""What a cluster says when it is asked once: partitions of topics, a group's offsets and members.

Each question has a connection of its own, and joins no group.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from bridge.config.kafka import KafkaClientOptions
from bridge.core.errors import Unavailable
from bridge.transports.kafka.client import brokers, connection, in_words
from bridge.transports.kafka.port import Partition

#: How often a group's coordinator is asked for that is not there yet, and the pause between.
COORDINATOR_TRIES, COORDINATOR_SECONDS = 40, 0.25


async def partitions(options: KafkaClientOptions, topics: Sequence[str]) -> list[Partition]:
    """Return the partitions of *topics*, in order; raise Unavailable if one is not there."""
    async with _admin(options) as admin:
        known = set(await admin.list_topics())
        for topic in topics:
            if topic not in known:  # asking for it would create it, where brokers do that
                raise Unavailable(f"{brokers(options)}: no topic '{topic}'")
        described = await admin.describe_topics(list(topics))
    return sorted(
        Partition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    )


async def committed(
    options: KafkaClientOptions, group_id: str, asked: Iterable[Partition]
) -> dict[Partition, int]:
    """Return where *group_id* is in those of the partitions that it has committed for."""
    from aiokafka import TopicPartition

    wanted = [TopicPartition(at.topic, at.number) for at in asked]
    if not wanted:  # no partitions would mean all there are
        return {}
    async with _admin(options) as admin:
        found = await _of_group(
            lambda: admin.list_consumer_group_offsets(group_id, partitions=wanted)
        )
    return {
        Partition(at.topic, at.partition): position.offset
        for at, position in found.items()
        if position.offset >= 0
    }


async def members(options: KafkaClientOptions, group_id: str) -> int:
    """Return how many members *group_id* has; of a group that nobody knows, 0."""
    async with _admin(options) as admin:
        answers = await _of_group(lambda: admin.describe_consumer_groups([group_id]))
    return sum(
        len(group["members"]) for answer in answers for group in answer.to_object()["groups"]
    )


async def _of_group(ask: Callable[[], Awaitable[Any]]) -> Any:
    """Return the answer to *ask*; wait a while for a coordinator that is not there yet.

    The first question about any group has the cluster create what coordinators need.
    """
    from aiokafka import errors

    for _ in range(COORDINATOR_TRIES):
        try:
            return await ask()
        except (
            errors.GroupCoordinatorNotAvailableError,
            errors.GroupLoadInProgressError,
            errors.NotCoordinatorForGroupError,
        ):
            await asyncio.sleep(COORDINATOR_SECONDS)
    return await ask()


@asynccontextmanager
async def _admin(options: KafkaClientOptions) -> AsyncIterator[Any]:
    """Yield a connected client; raise Unavailable for what it meets."""
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import KafkaError

    admin = AIOKafkaAdminClient(**connection(options))
    try:
        await admin.start()
        yield admin
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"{brokers(options)}: {in_words(error)}") from error
    finally:
        await admin.close()
