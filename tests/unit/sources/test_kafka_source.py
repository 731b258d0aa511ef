"""The Kafka source against a cluster in memory: what is committed, in what order, and when."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import DeadlineExceeded, Doubtful, EventError, Unavailable
from bridge.core.event import Event, Invalid
from bridge.observe.ledger import Deliveries, Events
from bridge.runtime.middleware import handler
from bridge.runtime.pipeline import Outcome, Quiet
from bridge.sources.kafka import KafkaSource
from bridge.sources.kafka_options import KafkaSourceOptions
from bridge.transports.kafka.port import Ended, Fenced, OutOfRange, Partition
from tests.fakes import FakeClock, FakeSink
from tests.fakes_kafka import FakeCluster, FakeConsumer, event_headers

P0, P1 = Partition("in", 0), Partition("in", 1)


class Handled:
    """A handler whose outcomes a test decides, event by event."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.let_out: list[str] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.invalid: list[Invalid] = []
        self.filtered: set[str] = set()
        self._changed = asyncio.Condition()

    async def __call__(self, event: Event) -> None:
        await self._note(self.began, event.id)
        if isinstance(event, Invalid):
            self.invalid.append(event)
            await self._out(event)
            return
        gate = self.gates.get(event.id)
        if gate is not None:
            await gate.wait()
        if self.failures.get(event.id):
            raise self.failures[event.id].pop(0)
        await self._out(event)

    async def _out(self, event: Event) -> None:
        assert event.origin.delivery is not None
        if not isinstance(event, Invalid) and event.id not in self.filtered:
            event.origin.delivery.response = event
        await event.origin.delivery.turn()
        await self._note(self.let_out, event.id)

    async def _note(self, where: list[str], id: str) -> None:
        async with self._changed:
            where.append(id)
            self._changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(holds)


class Rig:
    """A source that runs against a fake cluster."""

    def __init__(self, consumer: FakeConsumer, **options: Any) -> None:
        self.cluster = consumer.cluster
        self.consumer = consumer
        self.handled = Handled()
        self.deliveries = Deliveries()
        self.clock = FakeClock()
        self.stop = asyncio.Event()
        self.source = KafkaSource(
            KafkaSourceOptions(
                bootstrap_servers="fake:9092", topics=["in"], group_id="g", **options
            ),
            name="test",
            namespace=None,
            deliveries=self.deliveries,
            clock=self.clock,
            chance=random.Random(1),
            consumer=consumer,
        )

    async def put(self, *ids: str, at: Partition = P0, keys: str | None = None) -> None:
        for index, name in enumerate(ids):
            key = None if keys is None else keys[index].encode()
            await self.cluster.put(at, b"{}", key=key, headers=event_headers(name))

    async def committed(self, position: int, at: Partition = P0) -> None:
        """Return when the group has *position*."""
        async with asyncio.timeout(5):
            while self.cluster.commits.get(at) != position:
                await asyncio.sleep(0)


@asynccontextmanager
async def running(
    *partitions: Partition, consumer: FakeConsumer | None = None, **options: Any
) -> AsyncIterator[Rig]:
    """Yield a running source that has *partitions*; stop it at the end."""
    partitions = partitions or (P0,)
    rig = Rig(consumer or FakeConsumer(FakeCluster(*partitions)), **options)
    async with rig.source:
        task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))
        try:
            await rig.consumer.assign(*partitions)
            yield rig
        finally:
            rig.stop.set()
            async with asyncio.timeout(5):
                await task
    assert rig.deliveries.balanced()
    assert 0 == rig.deliveries.open


async def test_what_is_settled_is_committed() -> None:
    """And the next offset is what the group is told."""
    async with running(commit_interval_seconds=0.001) as rig:
        await rig.put("a", "b", "c")

        await rig.committed(3)

    assert ["a", "b", "c"] == rig.handled.let_out
    assert 3 == rig.deliveries.settled_total


async def test_a_new_group_commits_where_it_begins() -> None:
    """So that a crash before the first event does not move its beginning."""
    cluster = FakeCluster(P0)
    await cluster.put(P0, b"old", headers=event_headers("old"))

    async with running(consumer=FakeConsumer(cluster), auto_offset_reset="latest") as rig:
        await rig.committed(1)
        await rig.put("new")
        await rig.handled.until(lambda: rig.handled.let_out == ["new"])


async def test_a_known_group_begins_where_it_left_off() -> None:
    """Whatever auto_offset_reset says."""
    cluster = FakeCluster(P0)
    for name in ("a", "b", "c"):
        await cluster.put(P0, b"{}", headers=event_headers(name))
    cluster.commits[P0] = 1

    async with running(consumer=FakeConsumer(cluster), auto_offset_reset="latest") as rig:
        await rig.handled.until(lambda: rig.handled.let_out == ["b", "c"])


async def test_a_commit_never_passes_what_is_not_settled() -> None:
    """Later events settle, and the group is still told of the first one."""
    async with running(commit_interval_seconds=0.001) as rig:
        gate = rig.handled.gates["b"] = asyncio.Event()
        await rig.put("a", "b", "c", keys="xyz")

        await rig.handled.until(lambda: {"a", "c"} <= set(rig.handled.let_out))
        await rig.committed(1)
        before = list(rig.cluster.history)
        gate.set()
        await rig.committed(3)

    assert all(positions[P0] <= 1 for positions in before)


async def test_events_of_a_key_leave_in_order_and_are_worked_on_together() -> None:
    """The second one is ready first, and waits."""
    async with running() as rig:
        gate = rig.handled.gates["a1"] = asyncio.Event()
        await rig.put("a1", "a2", "b1", keys="aab")

        await rig.handled.until(lambda: {"a1", "a2", "b1"} <= set(rig.handled.began))
        await rig.handled.until(lambda: rig.handled.let_out == ["b1"])
        gate.set()
        await rig.handled.until(lambda: len(rig.handled.let_out) == 3)

    assert ["b1", "a1", "a2"] == rig.handled.let_out


@pytest.mark.parametrize(
    ("order", "keys", "early"),
    [
        ("partition", "ab", []),
        ("key", None, []),
        ("key", "ab", ["2"]),
        ("none", "aa", ["2"]),
    ],
)
async def test_what_is_kept_in_order(order: str, keys: str | None, early: list[str]) -> None:
    """Keys, partitions, or nothing; records without a key are ordered by partition."""
    async with running(order=order) as rig:
        gate = rig.handled.gates["1"] = asyncio.Event()
        await rig.put("1", "2", keys=keys)

        await rig.handled.until(lambda: {"1", "2"} <= set(rig.handled.began))
        for _ in range(10):
            await asyncio.sleep(0)
        assert early == rig.handled.let_out
        gate.set()


async def test_a_serial_source_begins_one_event_of_a_key_at_a_time() -> None:
    """A model with a state sees them in order, too."""
    async with running(serial=True) as rig:
        gate = rig.handled.gates["a1"] = asyncio.Event()
        await rig.put("a1", "a2", "b1", keys="aab")

        await rig.handled.until(lambda: rig.handled.let_out == ["b1"])
        began = list(rig.handled.began)
        gate.set()
        await rig.handled.until(lambda: len(rig.handled.let_out) == 3)

    assert ["a1", "b1"] == began


async def test_an_outage_is_waited_for_and_never_skipped() -> None:
    """Tried again with growing pauses, capped, until it works."""
    async with running(hold_max_seconds=0.4) as rig:
        rig.handled.failures["a"] = [Unavailable("model down") for _ in range(6)]
        await rig.put("a", "b", keys="ab")

        await rig.handled.until(lambda: "a" in rig.handled.let_out)

    pauses, tops = rig.clock.slept, (0.1, 0.2, *[0.4] * 4)
    assert all(0.5 * top <= pause <= top for pause, top in zip(pauses, tops, strict=True))


async def test_what_is_held_is_shown() -> None:
    """To whoever asks in the night: how many, since when, how far behind."""
    async with running() as rig:
        rig.handled.failures["a"] = [Unavailable("model down")]
        asleep, wake = asyncio.Event(), asyncio.Event()

        async def sleep(seconds: float) -> None:
            asleep.set()
            await wake.wait()

        rig.clock.sleep = sleep  # type: ignore[method-assign]  # a clock that stands still
        await rig.put("a", "b", keys="ab")
        async with asyncio.timeout(5):
            await asleep.wait()
        rig.clock.now += 7

        (facts,) = rig.source._facts()
        wake.set()

    assert (0, 2, 1, 7.0) == (facts.committed, facts.end, facts.held, facts.oldest_seconds)


async def test_a_record_that_is_no_event_is_refused_in_its_place() -> None:
    """The dead letter gets it when those ahead of it in its key are out."""
    async with running(decode="cloudevents") as rig:
        gate = rig.handled.gates["a"] = asyncio.Event()
        await rig.put("a", keys="k")
        await rig.cluster.put(P0, b"nonsense", key=b"k")

        await rig.handled.until(lambda: len(rig.handled.invalid) == 1)
        early = list(rig.handled.let_out)
        gate.set()
        await rig.handled.until(lambda: len(rig.handled.let_out) == 2)

    assert ([], ["a", "in/0/1"]) == (early, rig.handled.let_out)
    assert "no CloudEvent" in str(rig.handled.invalid[0].error)


async def test_an_event_that_alone_runs_out_of_time_is_refused_in_the_end() -> None:
    """Poison, and not an outage: others were answered meanwhile."""
    async with running(max_attempts=3) as rig:
        rig.handled.failures["a"] = [DeadlineExceeded("not done within 30 s") for _ in range(9)]
        handle = rig.handled.__call__
        count = 0

        async def with_neighbours(event: Event) -> None:
            nonlocal count
            if event.id == "a" and not isinstance(event, Invalid):
                count += 1
                await rig.put(f"b{count}", keys="b")
                while rig.deliveries.settled_total < count:
                    await asyncio.sleep(0)
            await handle(event)

        rig.source._handle = with_neighbours
        await rig.put("a", keys="a")
        await rig.handled.until(lambda: "a" in rig.handled.let_out)

    assert ["a"] == [event.id for event in rig.handled.invalid]
    assert "3 times, while later ones were answered" in str(rig.handled.invalid[0].error)


async def test_events_that_only_wait_in_line_for_a_slow_model_are_never_refused() -> None:
    """Those ahead of them are answered, time after time; nobody behind them is."""
    async with running(max_attempts=2) as rig:
        handle = rig.handled.__call__
        line: list[str] = []
        began: set[str] = set()
        out_of_time = 0

        async def one_at_a_time(event: Event) -> None:
            nonlocal out_of_time
            line.append(event.id)
            while len(began) < 8:
                began.add(event.id)
                await asyncio.sleep(0)
            before = rig.deliveries.settled_total
            while line[0] != event.id:
                if rig.deliveries.settled_total > before:
                    line.remove(event.id)
                    out_of_time += 1
                    raise DeadlineExceeded("not done within 30 s")
                await asyncio.sleep(0)
            for _ in range(20):  # the model thinks
                await asyncio.sleep(0)
            await handle(event)
            line.remove(event.id)

        rig.source._handle = one_at_a_time
        await rig.put(*"abcdefgh", keys="abcdefgh")
        await rig.handled.until(lambda: len(rig.handled.let_out) == 8)

    assert [] == rig.handled.invalid
    assert out_of_time > 8, "each of the last ones was late more often than it may be"


async def test_an_event_whose_batches_always_fail_is_refused_in_the_end() -> None:
    """Those that share one with it are answered with others: it is the bad one."""
    async with running(max_attempts=3) as rig:
        rig.handled.failures["a"] = [Doubtful("its batch failed") for _ in range(99)]
        handle = rig.handled.__call__
        count = 0

        async def with_neighbours(event: Event) -> None:
            nonlocal count
            if event.id == "a" and not isinstance(event, Invalid):
                count += 1
                rig.handled.failures[f"b{count}"] = [Doubtful("its batch failed")]
                await rig.put(f"b{count}", keys="b")
            await handle(event)

        rig.source._handle = with_neighbours
        await rig.put("a", keys="a")
        await rig.handled.until(lambda: "a" in rig.handled.let_out)

    assert ["a"] == [event.id for event in rig.handled.invalid]
    assert "its batch failed, 3 times" in str(rig.handled.invalid[0].error)
    assert len(rig.handled.failures["a"]) > 50, "it was given up long before that"


async def test_batches_that_fail_for_all_are_an_outage() -> None:
    """Nobody is refused for what happens to everybody."""
    async with running(max_attempts=2) as rig:
        for name in "ab":
            rig.handled.failures[name] = [Doubtful("its batch failed") for _ in range(9)]
        await rig.put("a", "b", keys="ab")

        await rig.handled.until(lambda: {"a", "b"} <= set(rig.handled.let_out))

    assert [] == rig.handled.invalid


@pytest.mark.parametrize("others", ["filtered", "no event"])
async def test_what_no_model_is_asked_about_is_no_sign_that_it_answers(others: str) -> None:
    """A hung model stays an outage while filtered events and bad records pass."""
    async with running(max_attempts=2, decode="cloudevents") as rig:
        rig.handled.failures["a"] = [DeadlineExceeded("not done within 30 s") for _ in range(9)]
        handle = rig.handled.__call__
        count = 0

        async def with_neighbours(event: Event) -> None:
            nonlocal count
            if event.id == "a":
                count += 1
                if others == "filtered":
                    rig.handled.filtered.add(f"b{count}")
                    await rig.put(f"b{count}", keys="b")
                else:
                    await rig.cluster.put(P0, b"nonsense", key=b"b")
                while rig.deliveries.settled_total < count:
                    await asyncio.sleep(0)
            await handle(event)

        rig.source._handle = with_neighbours
        await rig.put("a", keys="a")
        await rig.handled.until(lambda: "a" in rig.handled.let_out)

    assert "a" not in [event.id for event in rig.handled.invalid]


async def test_an_event_that_is_to_be_held_is_never_refused_for_its_time() -> None:
    """`on_dead_letter: hold` has nobody to take it: the model is asked until it answers."""
    async with running(max_attempts=2, on_dead_letter="hold") as rig:
        rig.handled.failures["a"] = [DeadlineExceeded("not done within 30 s") for _ in range(9)]
        handle = rig.handled.__call__
        count = 0

        async def with_neighbours(event: Event) -> None:
            nonlocal count
            if event.id == "a":
                count += 1
                await rig.put(f"b{count}", keys="b")
                while rig.deliveries.settled_total < count:
                    await asyncio.sleep(0)
            await handle(event)

        rig.source._handle = with_neighbours
        await rig.put("a", keys="a")
        await rig.handled.until(lambda: "a" in rig.handled.let_out)

    assert [] == rig.handled.invalid


async def test_the_same_event_twice_in_a_key_survives_an_outage() -> None:
    """A producer's own duplicate neither waits for the first one for ever, nor keeps it waiting."""
    clock, events, letters = FakeClock(), Events(), FakeSink()
    outages = [Unavailable("model down") for _ in range(5)]
    sink = FakeSink()

    async def pipeline(event: Event) -> Outcome:
        await asyncio.sleep(0)
        if outages:
            raise outages.pop()
        assert event.origin.delivery is not None
        event.origin.delivery.response = event
        await event.origin.delivery.turn()
        await sink.send(event)
        return Quiet.PUBLISHED

    async with running() as rig:
        rig.source._handle = handler(
            pipeline,
            name="test",
            events=events,
            dead_letter_sink=letters,
            deadline_seconds=30,
            clock=clock,
            hold_after_refusals=0,
        )
        await rig.put("a", "a", "a", "b", keys="kkkk")

        async with asyncio.timeout(5):
            while rig.deliveries.settled_total < 4:
                await asyncio.sleep(0)

    assert ["a", "a", "a", "b"] == [event.id for event in sink.events]


async def test_what_a_failed_fetch_has_passed_over_is_read_again() -> None:
    """Neither lost nor committed: a client may have moved on when it raised."""
    consumer = FakeConsumer(FakeCluster(P0))
    consumer.broken = 2

    async with running(consumer=consumer, commit_interval_seconds=0.001) as rig:
        await rig.put("a", "b")
        await rig.handled.until(lambda: rig.handled.let_out == ["a", "b"])

        await rig.committed(2)

    assert 2 == rig.deliveries.settled_total


async def test_a_group_that_lets_nobody_in_is_told_of_without_any_partition() -> None:
    """The source goes on trying: somebody may allow it."""
    rig = Rig(FakeConsumer(FakeCluster(P0)), commit_interval_seconds=0.001)
    rig.consumer.group_errors = [Unavailable("not authorized")] * 2
    task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))

    with capture_logs() as told:
        async with asyncio.timeout(5):
            while rig.consumer.group_errors:
                await asyncio.sleep(0.001)
    await rig.consumer.assign(P0)
    await rig.put("a")
    await rig.handled.until(lambda: rig.handled.let_out == ["a"])
    rig.stop.set()
    await task

    assert ["not authorized"] == [line["error"] for line in told if line["event"] == "refused"]


async def test_a_client_that_has_given_up_ends_the_source() -> None:
    """Whoever restarts the process gives it another; waiting for it would be for ever."""
    rig = Rig(FakeConsumer(FakeCluster(P0)), commit_interval_seconds=0.001)
    rig.consumer.group_errors = [Ended("unexpected error")]

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await rig.source.run(rig.handled, rig.stop)

    assert caught.group_contains(Ended, match="unexpected error")


async def test_when_nobody_is_answered_in_time_it_is_an_outage_for_all() -> None:
    """A hung model drains no topic into the dead letter."""
    async with running(max_attempts=2) as rig:
        rig.handled.failures["a"] = [DeadlineExceeded("not done within 30 s") for _ in range(20)]
        await rig.put("a")

        await rig.handled.until(lambda: "a" in rig.handled.let_out)

    assert [] == rig.handled.invalid


async def test_a_refusal_holds_its_key_where_it_is_not_to_be_settled() -> None:
    """Without a dead letter in its handler an event stays until it is taken."""
    async with running(on_dead_letter="hold") as rig:
        rig.handled.failures["a1"] = [EventError("bad"), EventError("bad")]
        await rig.put("a1", "a2", "b", keys="aab")

        await rig.handled.until(lambda: len(rig.handled.let_out) == 3)

    assert rig.handled.let_out.index("a1") < rig.handled.let_out.index("a2")


async def test_a_partition_takes_its_share_of_the_window_and_no_more() -> None:
    """What a kill delivers again is bounded, and one partition cannot starve another."""
    async with running(P0, P1, max_in_flight=4) as rig:
        for name in ("a", "b"):
            rig.handled.gates[name] = asyncio.Event()
        await rig.put("a", "b", "c", "d", keys="abcd")
        await rig.put("x", "y", "z", at=P1, keys="xyz")

        await rig.handled.until(lambda: {"x", "y", "z"} <= set(rig.handled.let_out))
        began = {name for name in rig.handled.began if name in "abcd"}
        for gate in rig.handled.gates.values():
            gate.set()
        await rig.handled.until(lambda: len(rig.handled.let_out) == 7)

    assert {"a", "b"} == began


async def test_what_is_settled_and_not_committed_counts_in_the_window() -> None:
    """While commits fail nothing more is taken than the window holds."""
    async with running(max_in_flight=2, commit_interval_seconds=0.001) as rig:
        await rig.committed(0)
        rig.consumer.outages = ["coordinator down"] * 50
        await rig.put("a", "b", "c", "d", keys="abcd")

        await rig.handled.until(lambda: len(rig.handled.let_out) == 2)
        while len(rig.consumer.outages) > 25:
            await asyncio.sleep(0)
        assert {"a", "b"} == set(rig.handled.began)
        await rig.committed(4)


async def test_large_records_wait_for_room() -> None:
    """One is taken whatever its size, the next when it is done."""
    async with running(max_in_flight_bytes=100_000) as rig:
        gate = rig.handled.gates["a"] = asyncio.Event()
        for name in ("a", "b"):
            headers = event_headers(name)
            await rig.cluster.put(P0, b"x" * 200_000, key=name.encode(), headers=headers)
            await rig.handled.until(lambda: "a" in rig.handled.began)

        for _ in range(20):
            await asyncio.sleep(0)
        assert ["a"] == rig.handled.began
        gate.set()
        await rig.handled.until(lambda: "b" in rig.handled.let_out)


async def test_a_soft_stop_settles_what_runs_and_gives_back_what_waits() -> None:
    """The held event and the one behind it are delivered again, the other is committed."""
    async with running() as rig:
        rig.handled.failures["b"] = [Unavailable("down")]
        held = asyncio.Event()

        async def sleep(seconds: float) -> None:
            held.set()
            await asyncio.Event().wait()

        rig.clock.sleep = sleep  # type: ignore[method-assign]  # a clock that stands still
        gate = rig.handled.gates["a"] = asyncio.Event()
        await rig.put("a", "b", "b2", keys="abb")
        async with asyncio.timeout(5):
            await held.wait()

        rig.stop.set()
        await asyncio.sleep(0)
        gate.set()

    assert ["a"] == rig.handled.let_out
    assert 1 == rig.cluster.commits[P0]
    assert (1, 2) == (rig.deliveries.settled_total, rig.deliveries.given_back_total)
    assert rig.consumer.stopped


@pytest.mark.parametrize("moment", ["draining", "gone"])
async def test_partitions_that_come_while_it_stops_are_left_to_others(moment: str) -> None:
    """A rebalance beside a stop neither keeps it from ending, nor is anything taken from them."""
    rig = Rig(FakeConsumer(FakeCluster(P0, P1)))
    gate = rig.handled.gates["a"] = asyncio.Event()
    task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))
    await rig.consumer.assign(P0)
    await rig.put("a")
    await rig.put("b", at=P1)
    await rig.handled.until(lambda: rig.handled.began == ["a"])

    rig.stop.set()
    await asyncio.sleep(0)
    if moment == "draining":
        rig.consumer.owned[P1] = -1
        await rig.source.assigned([P1])
    gate.set()
    async with asyncio.timeout(5):
        await task
    await rig.source.assigned([P1])

    assert ["a"] == rig.handled.let_out
    assert 1 == rig.deliveries.taken_total


async def test_a_hard_stop_commits_what_is_settled_and_gives_back_the_rest() -> None:
    """Nothing is lost by it."""
    rig = Rig(FakeConsumer(FakeCluster(P0)))
    rig.handled.gates["b"] = asyncio.Event()
    task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))
    await rig.consumer.assign(P0)
    await rig.put("a", "b", keys="ab")
    await rig.handled.until(lambda: rig.handled.let_out == ["a"])

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert 1 == rig.cluster.commits[P0]
    assert (1, 1, 0) == (
        rig.deliveries.settled_total,
        rig.deliveries.given_back_total,
        rig.deliveries.open,
    )


async def test_a_revoked_partition_is_drained_and_committed_before_it_goes() -> None:
    """Another member goes on right where this one ended: no duplicates."""
    async with running(P0, P1) as rig:
        gate = rig.handled.gates["a"] = asyncio.Event()
        await rig.put("a", keys="a")
        await rig.handled.until(lambda: rig.handled.began == ["a"])

        moving = asyncio.create_task(rig.consumer.assign(P1))
        await asyncio.sleep(0)
        gate.set()
        await moving

        assert 1 == rig.cluster.commits[P0]
        await rig.put("b", at=P1)
        await rig.handled.until(lambda: "b" in rig.handled.let_out)


async def test_what_does_not_end_in_time_is_given_back_at_a_rebalance() -> None:
    """The group does not wait for a hung model."""
    async with running(P0, rebalance_timeout_seconds=0.02) as rig:
        rig.handled.gates["a"] = asyncio.Event()
        await rig.put("a")
        await rig.handled.until(lambda: rig.handled.began == ["a"])

        await rig.consumer.assign(P0)
        await rig.handled.until(lambda: rig.handled.began == ["a", "a"])
        rig.handled.gates["a"].set()
        await rig.handled.until(lambda: rig.handled.let_out == ["a"])

    assert (1, 1) == (rig.deliveries.settled_total, rig.deliveries.given_back_total)


async def test_holes_at_the_end_are_no_lag() -> None:
    """An aborted transaction leaves no record, and is passed all the same."""
    async with running(commit_interval_seconds=0.001) as rig:
        await rig.put("a")
        await rig.cluster.end_at(P0, 5)

        await rig.committed(5)


async def test_records_that_are_gone_stop_the_source_by_default() -> None:
    """A loss is an operator's decision."""
    cluster = FakeCluster(P0)
    for name in ("a", "b", "c"):
        await cluster.put(P0, b"{}", headers=event_headers(name))
    cluster.commits[P0] = 1
    cluster.delete_before(P0, 2)
    rig = Rig(FakeConsumer(cluster))
    task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))
    await rig.consumer.assign(P0)

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await task

    assert caught.group_contains(OutOfRange, match="offset 1 is not there, only 2 to 3")


async def test_records_that_are_gone_are_passed_where_that_is_asked_for() -> None:
    """And the log says how many."""
    cluster = FakeCluster(P0)
    for name in ("a", "b", "c"):
        await cluster.put(P0, b"{}", headers=event_headers(name))
    cluster.commits[P0] = 1
    cluster.delete_before(P0, 2)

    async with running(consumer=FakeConsumer(cluster), on_out_of_range="earliest") as rig:
        await rig.handled.until(lambda: rig.handled.let_out == ["c"])


async def test_a_cluster_that_is_not_there_yet_is_waited_for() -> None:
    """Start-up does not depend on it."""
    consumer = FakeConsumer(FakeCluster(P0))
    consumer.down = 3

    async with running(consumer=consumer) as rig:
        await rig.put("a")
        await rig.handled.until(lambda: rig.handled.let_out == ["a"])


async def test_a_bug_in_the_handler_ends_the_source() -> None:
    """Neither skipped nor tried for ever: the process ends, and somebody looks."""
    rig = Rig(FakeConsumer(FakeCluster(P0)))
    rig.handled.failures["a"] = [ZeroDivisionError()]
    task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))
    await rig.consumer.assign(P0)
    await rig.put("a")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(5):
            await task

    assert caught.group_contains(ZeroDivisionError)
    assert 0 == rig.cluster.commits[P0]


async def test_a_topic_made_anew_stops_the_source_and_is_called_no_loss() -> None:
    """Its log ends before what was read already: nothing goes on, so nothing says so."""
    cluster = FakeCluster(P0)
    for name in ("a", "b"):
        await cluster.put(P0, b"{}", headers=event_headers(name))
    cluster.commits[P0] = 5
    rig = Rig(FakeConsumer(cluster), on_out_of_range="earliest")
    task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))

    with capture_logs() as lines:
        await rig.consumer.assign(P0)
        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.timeout(5):
                await task

    assert caught.group_contains(OutOfRange, match="the log ends at 2, before offset 5")
    assert [] == [line for line in lines if line["log_level"] == "error"]


async def test_an_outage_while_it_is_looked_where_records_are_ends_nothing() -> None:
    """A broker that went away just then is waited for, as it is anywhere else."""
    cluster = FakeCluster(P0)
    for name in ("a", "b", "c"):
        await cluster.put(P0, b"{}", headers=event_headers(name))
    cluster.commits[P0] = 1
    cluster.delete_before(P0, 2)
    consumer = FakeConsumer(cluster)
    bounds, outages = consumer.bounds, [Unavailable("no leader"), Fenced("rebalancing")]

    async def bounds_in_an_outage(partition: Partition) -> tuple[int, int]:
        if outages:
            raise outages.pop(0)
        return await bounds(partition)

    consumer.bounds = bounds_in_an_outage  # type: ignore[method-assign]  # brokers in trouble

    async with running(consumer=consumer, on_out_of_range="earliest") as rig:
        await rig.handled.until(lambda: rig.handled.let_out == ["c"])


async def test_a_serial_source_that_stops_begins_nothing_more() -> None:
    """What waits for its turn does not run: a whole key would be worked off, one by one."""
    async with running(serial=True) as rig:
        gate = rig.handled.gates["a1"] = asyncio.Event()
        await rig.put("a1", "a2", "a3", "b1", keys="aaab")
        await rig.handled.until(lambda: rig.handled.let_out == ["b1"])

        rig.stop.set()
        await asyncio.sleep(0)
        gate.set()

    assert ["a1", "b1"] == rig.handled.began
    assert 1 == rig.cluster.commits[P0]
    assert (2, 2) == (rig.deliveries.settled_total, rig.deliveries.given_back_total)


async def test_waiting_for_its_turn_is_not_being_overtaken() -> None:
    """A serial event that ran out of time began when its turn came, not when it was read."""
    async with running(serial=True, max_attempts=1) as rig:
        gate = rig.handled.gates["a1"] = asyncio.Event()
        rig.handled.failures["a2"] = [DeadlineExceeded("not done within 30 s")]
        await rig.put("a1", "a2", "b1", keys="aab")
        await rig.handled.until(lambda: rig.handled.let_out == ["b1"])

        gate.set()
        await rig.handled.until(lambda: "a2" in rig.handled.let_out)

    assert [] == rig.handled.invalid


async def test_records_with_large_headers_wait_for_room() -> None:
    """An attribute is a header, and a header may be as large as a value."""
    async with running(max_in_flight_bytes=100_000) as rig:
        gate = rig.handled.gates["a"] = asyncio.Event()
        for name in ("a", "b"):
            headers = (*event_headers(name), ("ce_note", b"x" * 200_000))
            await rig.cluster.put(P0, b"{}", key=name.encode(), headers=headers)
            await rig.handled.until(lambda: "a" in rig.handled.began)

        for _ in range(20):
            await asyncio.sleep(0)
        assert ["a"] == rig.handled.began
        gate.set()
        await rig.handled.until(lambda: "b" in rig.handled.let_out)


async def test_an_event_that_alone_runs_out_of_time_holds_no_partition_for_ever() -> None:
    """Those behind it in its order are answered as well, and only wait for it to go."""
    async with running(max_attempts=3, order="partition") as rig:
        rig.handled.failures["a"] = [DeadlineExceeded("not done within 30 s") for _ in range(9)]
        handle = rig.handled.__call__
        answered: list[Event] = []

        async def with_neighbours(event: Event) -> None:
            if event.id == "a" and not isinstance(event, Invalid):
                count = len(answered)
                await rig.put(f"b{count}")
                while len(answered) == count:
                    await asyncio.sleep(0)
            elif not isinstance(event, Invalid):
                assert event.origin.delivery is not None
                event.origin.delivery.response = event
                answered.append(event)
            await handle(event)

        rig.source._handle = with_neighbours
        await rig.put("a")
        await rig.handled.until(lambda: "a" in rig.handled.let_out)

    assert ["a"] == [event.id for event in rig.handled.invalid]
    assert ["a", "b0", "b1", "b2"] == rig.handled.let_out
