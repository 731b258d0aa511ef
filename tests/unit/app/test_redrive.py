"""Letters are put back once and in order, and a replay always ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bridge.app.letters import SILENT_SECONDS
from bridge.app.progress import spans
from bridge.app.redrive import Rules, Tally, plan, replay
from bridge.app.selection import Selection
from bridge.core.errors import ConfigError, Rejected, Unavailable
from bridge.core.event import Record
from bridge.transports.kafka.port import OutOfRange, Partition
from tests.fakes import FakeClock
from tests.fakes_kafka import FakeCluster, FakeConsumer
from tests.fakes_letters import letter

AT = Partition("dead", 0)
OTHER = Partition("dead", 1)


class Member(FakeConsumer):
    """A member that owns every partition, and does not wait at the end of the log."""

    def __init__(self, cluster: FakeCluster, clock: FakeClock) -> None:
        super().__init__(cluster)
        self.owned = dict.fromkeys(cluster.logs, 0)
        self.clock = clock
        self.out_of_range = 0

    async def fetch(self, partition: Partition, max_records: int) -> list[Record]:
        if self.out_of_range:
            self.out_of_range -= 1
            raise OutOfRange("not known yet")
        if self.owned[partition] >= self.cluster.ends[partition]:
            await self.clock.sleep(1.0)
            return []
        return await super().fetch(partition, max_records)


class Orders:
    """A producer that notes what it wrote; *answers* are what it raises for a value."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bytes | None]] = []
        self.answers: dict[bytes, Exception] = {}
        self.also = lambda: asyncio.sleep(0)

    async def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> None:
        await self.also()
        if value in self.answers:
            raise self.answers[value]
        self.written.append((topic, value))

    async def close(self) -> None:
        """Nothing is open."""

    async def ping(self, topic: str) -> None:
        """It always answers."""

    def numbers(self) -> list[int]:
        return [int((value or b"").split(b":")[1].strip(b" }")) for _, value in self.written]


class World:
    """Letters in a cluster, and everything that a replay is given."""

    def __init__(self) -> None:
        self.cluster = FakeCluster(AT, OTHER)
        self.clock = FakeClock()
        self.member = Member(self.cluster, self.clock)
        self.orders = Orders()

    async def put(self, *numbers: int, at: Partition = AT, redrives: int = 0) -> None:
        """Append the letters of these numbers."""
        for number in numbers:
            written = letter(number, "in", redrives=redrives)
            await self.cluster.put(at, written.value, key=written.key, headers=written.headers)

    def left(self) -> dict[Partition, tuple[int, int]]:
        """Return what is there now and not committed."""
        return spans(
            {at: (self.cluster.first[at], end) for at, end in self.cluster.ends.items()},
            self.cluster.commits,
            "group",
        )

    async def replay(self, given: Rules | None = None, **more: object) -> Tally:
        return await replay(
            self.member,
            self.orders,
            self.left(),
            given or rules(),
            clock=self.clock,
            **more,  # type: ignore[arg-type]  # passed on
        )


def rules(**changes: object) -> Rules:
    """Return rules that put everything back, changed."""
    told = {
        "selection": Selection(),
        "own": "dead",
        "topics": frozenset(("in",)),
        "max_redrives": 3,
        **changes,
    }
    return Rules(**told)  # type: ignore[arg-type]  # as above


async def test_everything_is_put_back_once() -> None:
    """A second replay begins where the first ended, in every partition."""
    world = World()
    await world.put(*range(250))
    await world.put(300, 301, at=OTHER)

    first = await world.replay()
    second = await world.replay()
    await world.put(302, at=OTHER)
    third = await world.replay()

    assert [252, 0, 1] == [tally.put_back for tally in (first, second, third)]
    assert [*range(250), 300, 301, 302] == sorted(world.orders.numbers())
    assert {AT: 250, OTHER: 3} == world.cluster.commits


async def test_letters_that_come_back_at_once_are_not_taken() -> None:
    """Each order that fails again at once makes a letter more: the replay still ends."""
    world = World()
    await world.put(*range(5))

    async def fails_again() -> None:
        await world.put(99)

    world.orders.also = fails_again
    tally = await world.replay()

    assert 5 == tally.put_back
    assert list(range(5)) == sorted(world.orders.numbers())
    assert 5 == world.cluster.commits[AT]


async def test_what_arrives_before_the_first_fetch_is_not_taken_either() -> None:
    """The end is that of the start, also where one fetch brings more."""
    world = World()
    await world.put(0, 1)
    left = world.left()
    await world.put(2, 3)

    tally = await replay(world.member, world.orders, left, rules(), clock=world.clock)

    assert 2 == tally.read
    assert [0, 1] == sorted(world.orders.numbers())
    assert 2 == world.cluster.commits[AT]


async def test_what_is_filtered_out_is_passed_by() -> None:
    """It counts as looked at: the next replay does not come back to it."""
    world = World()
    await world.put(*range(6))

    tally = await world.replay(rules(selection=Selection(error="decode")))
    after = await world.replay()

    assert (2, 4) == (tally.put_back, tally.passed)
    assert [2, 5] == sorted(world.orders.numbers())
    assert 0 == after.read


async def test_a_limit_ends_right_behind_the_last() -> None:
    """What is behind it is the next replay's, also where one of them was refused."""
    world = World()
    await world.put(*range(150))
    world.orders.answers[b'{"number": 1}'] = Rejected("too large")

    first = await world.replay(rules(limit=3))
    second = await world.replay(rules(limit=200))

    assert (2, {"refused": 1}) == (first.put_back, dict(first.left))
    assert 147 == second.put_back
    assert [0, *range(2, 150)] == sorted(world.orders.numbers())


async def test_an_outage_ends_it_and_loses_nothing() -> None:
    """It stops before the first that nobody answered for: the next replay begins with that."""
    world = World()
    await world.put(*range(10))
    world.orders.answers[b'{"number": 4}'] = Unavailable("kafka: down")

    first = await world.replay()
    world.orders.answers.clear()
    second = await world.replay()

    assert first.stopped is not None
    assert "0/4 to in: kafka: down" == first.stopped
    assert second.stopped is None
    assert set(range(10)) == set(world.orders.numbers())
    assert [0, 1, 2, 3] == [number for number in world.orders.numbers() if number < 4]


async def test_behind_an_outage_no_letter_of_its_key_goes() -> None:
    """Letters 4 and 9 have one key: 9 does not overtake 4."""
    world = World()
    await world.put(*range(10))
    world.orders.answers[b'{"number": 4}'] = Unavailable("kafka: down")

    await world.replay()

    assert 9 not in world.orders.numbers()
    assert 8 in world.orders.numbers()


async def test_a_signal_ends_it_between_two_batches() -> None:
    """What was put back is committed, and the tally says that it is not all."""
    world = World()
    await world.put(*range(250))

    tally = await world.replay(stopping=lambda: True)

    assert ("stopped by a signal", 100) == (tally.stopped, tally.put_back)
    assert 100 == world.cluster.commits[AT]


@pytest.mark.parametrize(
    ("rate", "seconds", "commits"), [(10.0, 2.0, 3), (0.5, 48.0, 25), (1000.0, 0.0, 1)]
)
async def test_a_rate_is_kept(rate: float, seconds: float, commits: int) -> None:
    """So many a second, in steps of about a second, each committed before the next."""
    world = World()
    await world.put(*range(25))
    begin = world.clock.now

    tally = await world.replay(rules(rate=rate))

    assert 25 == tally.put_back
    assert seconds == pytest.approx(world.clock.now - begin)
    assert commits == len(world.cluster.history)


async def test_what_may_not_go_back_is_left() -> None:
    """Too often back; and the topic of the letters is never written to, whatever a header says."""
    world = World()
    await world.put(0, redrives=3)
    await world.put(1, redrives=2)

    tally = await world.replay()
    own = await plan(world.member, {AT: (0, 2)}, rules(own="in", max_redrives=9), clock=world.clock)
    strange = await plan(world.member, {AT: (0, 2)}, rules(topics=frozenset()), clock=world.clock)

    assert (1, {"max_redrives": 1}) == (tally.put_back, dict(tally.left))
    assert [("0/0", "was put back 3 times already")] == [
        (one.place, why) for one, why in tally.named
    ]
    assert (0, {"other_topic": 2}) == (own.put_back, dict(own.left))
    assert {"max_redrives": 1, "other_topic": 1} == dict(strange.left)


async def test_a_plan_writes_and_commits_nothing() -> None:
    """It counts as the replay would, and tells each letter with its topic."""
    world = World()
    await world.put(*range(4))
    told: list[tuple[str, str]] = []

    tally = await plan(
        world.member,
        world.left(),
        rules(limit=2, to="elsewhere"),
        clock=world.clock,
        tell=lambda one, topic: told.append((one.place, topic)),
    )

    assert 2 == tally.put_back
    assert [("0/0", "elsewhere"), ("0/1", "elsewhere")] == told
    assert ([], {}) == (world.orders.written, world.cluster.commits)


async def test_holes_at_the_end_are_passed() -> None:
    """A log that ends with what is never delivered, as markers of transactions, ends."""
    world = World()
    await world.put(0, 1)
    await world.cluster.end_at(AT, 7)

    tally = await world.replay()

    assert 2 == tally.put_back
    assert 7 == world.cluster.commits[AT]


async def test_a_member_that_has_just_joined_finds_its_place() -> None:
    """The first fetch may not know its position; twice is an error."""
    world = World()
    await world.put(0)
    world.member.out_of_range = 1

    first = await world.replay()
    await world.put(1)
    world.member.out_of_range = 2

    assert 1 == first.put_back
    with pytest.raises(OutOfRange):
        await world.replay()


async def test_a_silent_cluster_is_an_outage() -> None:
    """Where nothing comes and the end is not reached, it does not wait for ever."""
    world = World()
    begin = world.clock.now

    with pytest.raises(Unavailable, match=r"dead/0: nothing came for 30 s, at 0"):
        await plan(world.member, {AT: (0, 5)}, rules(), clock=world.clock)

    assert SILENT_SECONDS < world.clock.now - begin < SILENT_SECONDS + 2


def test_spans_begin_where_the_group_is() -> None:
    """Never before the first letter there is; a group ahead of the topic is told."""
    bounds = {AT: (5, 10), OTHER: (0, 3)}

    assert {AT: (5, 10), OTHER: (0, 3)} == spans(bounds, {}, "g")
    assert {AT: (5, 10), OTHER: (3, 3)} == spans(bounds, {AT: 2, OTHER: 3}, "g")
    with pytest.raises(ConfigError, match=r"group g is at dead/0/11, and the topic ends at 10"):
        spans(bounds, {AT: 11}, "g")
