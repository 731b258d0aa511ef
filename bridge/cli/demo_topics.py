"""The topics of a demo's Kafka: made, and read as records come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from bridge.cli.demo_steps import STEP_SECONDS, DemoError

if TYPE_CHECKING:
    from bridge.cli.demo_cluster import Cluster
    from bridge.core.event import Record

#: How often somebody looks whether a topic has grown.
_LOOK_SECONDS = 0.05


async def create(cluster: Cluster, topics: Mapping[str, int]) -> None:
    """Return when *topics*, with so many partitions each, are there.

    A broker that listens may not take them at once.
    """
    from bridge.config.kafka import KafkaClientOptions
    from bridge.core.errors import Unavailable
    from bridge.transports.kafka.topics import create

    options = KafkaClientOptions(bootstrap_servers=cluster.bootstrap)
    until = time.monotonic() + STEP_SECONDS
    while True:
        try:
            return await create(options, topics)
        except Unavailable:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.1)


async def read(cluster: Cluster, topic: str, count: int) -> list[Record]:
    """Return the records of *topic*, the oldest first, when there are *count*."""
    found: list[Record] = []
    try:
        async with asyncio.timeout(STEP_SECONDS), aclosing(come(cluster, topic)) as records:
            while len(found) < count:
                found += await anext(records)
    except TimeoutError as error:
        raise DemoError(f"{topic}: {len(found)} records instead of {count}") from error
    return sorted(found, key=lambda record: (record.timestamp_ms or 0, record.offset))


async def come(cluster: Cluster, *topics: str) -> AsyncGenerator[list[Record], None]:
    """Yield what is in *topics*, and then, without end, what has come to them since."""
    from bridge.config.kafka import KafkaClientOptions
    from bridge.transports.kafka.port import Partition
    from bridge.transports.kafka.reader import KafkaReader

    options = KafkaClientOptions(bootstrap_servers=cluster.bootstrap)
    read: dict[Partition, int] = {}
    async with KafkaReader(options, topics) as reader:
        while True:
            found: list[Record] = []
            for partition, (first, end) in (await reader.bounds()).items():
                have = read.setdefault(partition, first)
                if have < end:
                    records = await reader.fetch(partition, end - have)
                    read[partition] = max([have, *(record.offset + 1 for record in records)])
                    found += records
            yield found
            if not found:
                await asyncio.sleep(_LOOK_SECONDS)
