"""A Kafka cluster for one group, in memory: honest about positions, commits and rebalances."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from bridge.core.errors import Unavailable
from bridge.core.event import Record
from bridge.transports.kafka.port import Assignments, Fenced, OutOfRange, Partition


class FakeCluster:
    """The logs of its partitions, and what the group has committed."""

    def __init__(self, *partitions: Partition) -> None:
        self.logs: dict[Partition, dict[int, Record]] = {at: {} for at in partitions}
        self.ends: dict[Partition, int] = dict.fromkeys(partitions, 0)
        self.first: dict[Partition, int] = dict.fromkeys(partitions, 0)
        self.commits: dict[Partition, int] = {}
        self.history: list[dict[Partition, int]] = []
        self.changed = asyncio.Condition()

    async def put(
        self,
        at: Partition,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: tuple[tuple[str, bytes | None], ...] = (),
    ) -> int:
        """Append a record; return its offset."""
        offset = self.ends[at]
        record = Record(at.topic, at.number, offset, key, value, headers, 1_600_000_000_000)
        self.logs[at][offset] = record
        await self.end_at(at, offset + 1)
        return offset

    async def end_at(self, at: Partition, end: int) -> None:
        """Let the log end at *end*: offsets without a record are holes."""
        self.ends[at] = end
        async with self.changed:
            self.changed.notify_all()

    def delete_before(self, at: Partition, offset: int) -> None:
        """Let retention take everything before *offset*."""
        self.first[at] = offset
        self.logs[at] = {o: r for o, r in self.logs[at].items() if o >= offset}


class FakeConsumer:
    """A member of the group that is given every partition, when `rebalance` says so."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.assignments: Assignments | None = None
        self.owned: dict[Partition, int] = {}
        self.outages: list[str] = []  # what the next calls of `commit` meet
        self.broken = 0  # how often `fetch` raises, and passes what it has read over
        self.group_errors: list[Exception] = []  # what the next calls of `check` meet
        self.down = 0  # how often `start` meets no broker
        self.started = asyncio.Event()
        self.stopped = False

    async def start(self, assignments: Assignments) -> None:
        if self.down:
            self.down -= 1
            raise Unavailable("kafka fake: no connection")
        self.assignments = assignments
        self.started.set()

    async def stop(self) -> None:
        self.stopped = True

    async def assign(self, *partitions: Partition) -> None:
        """Take everything away, as aiokafka's assignors do, and give *partitions*."""
        await self.started.wait()
        assert self.assignments is not None
        await self.assignments.revoked(sorted(self.owned))
        self.owned = dict.fromkeys(partitions, -1)
        await self.assignments.assigned(partitions)

    async def fetch(self, partition: Partition, max_records: int) -> list[Record]:
        cluster = self.cluster
        while True:
            if partition not in self.owned:
                raise Fenced(f"{partition} is not ours")
            position = self.owned[partition]
            if not cluster.first[partition] <= position <= cluster.ends[partition]:
                raise OutOfRange(f"{partition}: {position}")
            log = cluster.logs[partition]
            found = [log[o] for o in range(position, cluster.ends[partition]) if o in log]
            found = found[:max_records]
            if found or position < cluster.ends[partition]:
                whole = len(found) < max_records
                self.owned[partition] = cluster.ends[partition] if whole else found[-1].offset + 1
                if self.broken:
                    self.broken -= 1
                    raise Unavailable(f"{partition}: Invalid CRC")
                return found
            async with cluster.changed:
                await cluster.changed.wait()

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        await asyncio.sleep(0)
        if self.outages:
            raise Unavailable(self.outages.pop(0))
        for at in positions:
            if at not in self.owned:
                raise Fenced(f"{at} is not ours")
        self.cluster.commits.update(positions)
        self.cluster.history.append(dict(positions))

    async def committed(self, partition: Partition) -> int | None:
        return self.cluster.commits.get(partition)

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        return self.cluster.first[partition], self.cluster.ends[partition]

    def seek(self, partition: Partition, offset: int) -> None:
        if partition not in self.owned:
            raise Fenced(f"{partition} is not ours")
        self.owned[partition] = offset

    async def position(self, partition: Partition) -> int:
        if partition not in self.owned:
            raise Fenced(f"{partition} is not ours")
        return self.owned[partition]

    def end(self, partition: Partition) -> int | None:
        return self.cluster.ends.get(partition)

    def check(self) -> None:
        if self.group_errors:
            raise self.group_errors.pop(0)

    async def ping(self) -> None:
        return None


def event_headers(id: str) -> tuple[tuple[str, bytes | None], ...]:
    """Return the headers of a CloudEvent in binary mode."""
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", id.encode()),
        ("ce_source", b"/test"),
        ("ce_type", b"test"),
    )


def partitions(topic: str, count: int) -> Sequence[Partition]:
    """Return the first *count* partitions of *topic*."""
    return [Partition(topic, number) for number in range(count)]
