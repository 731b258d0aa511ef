"""Telling a group what is settled: every so often, and soon where a window is half settled.

settled … settled ─▶ soon ─▶ one commit for all partitions ─▶ room for more
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bridge.core.errors import Unavailable
from bridge.observe.complaints import Complaints
from bridge.sources.partition import Assigned
from bridge.transports.kafka.port import Consumer, Fenced, Partition

log = structlog.get_logger()


class Commits:
    """What one source tells its group, one commit at a time."""

    def __init__(
        self, consumer: Consumer, complaints: Complaints, *, interval_seconds: float
    ) -> None:
        self._consumer = consumer
        self._complaints = complaints
        self._interval_seconds = interval_seconds
        self._wanted = asyncio.Event()
        self._one = asyncio.Lock()

    def soon(self) -> None:
        """Have the next commit made now: waiting for it would cost time."""
        self._wanted.set()

    async def often(self, partitions: Callable[[], Sequence[Assigned]]) -> None:
        """Commit what is settled of *partitions*, as they are each time, until cancelled.

        Raises what the group's client cannot mend.
        """
        while True:
            try:
                async with asyncio.timeout(self._interval_seconds):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            await self.now(partitions())
            try:
                self._consumer.check()
            except Unavailable as error:
                self._complaints.of("group", error)

    async def now(self, partitions: Sequence[Assigned]) -> None:
        """Tell the group what is settled of *partitions*; what cannot be told is told later."""
        async with self._one:
            positions: dict[Partition, int] = {}
            by_partition = {partition.at: partition for partition in partitions}
            try:
                for at, partition in by_partition.items():
                    if not partition.started:
                        continue
                    if not partition.offsets.open and not partition.leaving:
                        partition.offsets.skip_to(await self._consumer.position(at))
                    if partition.offsets.position > partition.offsets.committed:
                        positions[at] = partition.offsets.position
                if positions:
                    await self._consumer.commit(positions)
            except Fenced as error:
                log.info("not committed: the group has moved on", error=str(error))
                return
            except Unavailable as error:
                self._complaints.of("commit", error)
                return
            for at, position in positions.items():
                by_partition[at].committed(position)
