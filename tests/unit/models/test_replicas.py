"""Which of a model's servers is asked."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from bridge.core.errors import DeadlineExceeded, Unavailable
from bridge.models.replicas import BreakerOptions, Replicas
from tests.fakes import FakeClock

GONE = Unavailable("no connection")


class Servers:
    """Three servers that are well or not; counts the probes of each."""

    def __init__(self, *ailing: str) -> None:
        self.ailing = set(ailing)
        self.probes: list[str] = []
        self.clock = FakeClock()

    async def probe(self, name: str) -> None:
        self.probes.append(name)
        if name in self.ailing:
            raise Unavailable(f"{name} does not answer")

    def replicas(self, *names: str, failures: int = 3) -> Replicas[str]:
        names = names or ("a", "b", "c")
        return Replicas(
            [(name, name) for name in names],
            breaker=BreakerOptions(failures=failures, probe_seconds=2),
            probe=self.probe,
            clock=self.clock,
        )


def ask(
    replicas: Replicas[str],
    error: Unavailable | asyncio.CancelledError | None = None,
    **how: float | None,
) -> str:
    """Ask one; *error* is what its call ends with."""
    try:
        with replicas.one(**how) as replica:
            if error is not None:
                raise error
    except (Unavailable, asyncio.CancelledError):
        return replica.far_end
    replicas.answered(replica)
    return replica.far_end


def test_calls_in_turn_are_spread_evenly():
    """Where nobody is busy, whoever was asked longest ago is next."""
    replicas = Servers().replicas()

    asked = [ask(replicas) for _ in range(300)]

    assert [asked.count(name) for name in "abc"] == [100, 100, 100]


def test_the_one_with_the_fewest_calls_under_way_is_asked():
    """A slow server gets no more while others are free."""
    replicas = Servers().replicas()

    with replicas.one() as slow:
        asked = [ask(replicas) for _ in range(10)]

    assert slow.far_end == "a"
    assert set(asked) == {"b", "c"}


def test_one_that_does_not_answer_is_left_alone_at_once():
    """So one that hangs costs a single deadline, and the log says which it is."""
    replicas = Servers().replicas()

    with capture_logs() as lines:
        first = ask(replicas, DeadlineExceeded("no answer within 3 s"))
        asked = [ask(replicas) for _ in range(10)]

    assert (first, set(asked)) == ("a", {"b", "c"})
    assert [(line["event"], line["server"]) for line in lines] == [("model server left alone", "a")]


def test_one_that_returns_is_not_given_everything():
    """It has its turn like the others, however few calls it had before."""
    replicas = Servers().replicas()
    ask(replicas, GONE)
    for _ in range(100):
        ask(replicas)
    replicas.answered(replicas.members[0])

    asked = [ask(replicas) for _ in range(30)]

    assert [asked.count(name) for name in "abc"] == [10, 10, 10]


def test_an_event_that_had_little_time_says_nothing_of_the_server():
    """Its deadline was over before a healthy server would have answered."""
    replicas = Servers().replicas()

    ask(replicas, DeadlineExceeded("the event's time is used up"), patience_seconds=1)

    assert all(member.is_well for member in replicas.members)


async def test_one_that_hung_was_asked_for_ever_as_the_events_own_time_ended_first():
    """The event is cancelled before the model's timeout is over: by default both are 30 s."""
    servers = Servers()
    replicas = servers.replicas()

    async def asking() -> None:
        with replicas.one(patience_seconds=15):
            await asyncio.Event().wait()

    with capture_logs() as lines:
        event = asyncio.create_task(asking())
        await asyncio.sleep(0)
        servers.clock.now += 29.9
        event.cancel()
        await asyncio.wait([event])
    asked = [ask(replicas) for _ in range(10)]

    assert (replicas.members[0].is_well, set(asked)) == (False, {"b", "c"})
    assert [line["error"] for line in lines] == ["given up after 29.9 s without an answer"]


@pytest.mark.parametrize(
    "end", [DeadlineExceeded("the event's time is used up"), asyncio.CancelledError()]
)
def test_one_that_hangs_is_found_where_no_event_has_much_time(
    end: DeadlineExceeded | asyncio.CancelledError,
):
    """No single call says so, but several in a row without one answer between them do."""
    replicas = Servers().replicas(failures=3)
    hung = replicas.members[0]

    until = replicas._clock.monotonic() + 0.01

    for _ in range(2):
        ask(replicas, end, patience_seconds=15, until=until)
        ask(replicas)
        ask(replicas)
    assert hung.is_well
    ask(replicas, end, patience_seconds=15, until=until)

    assert not hung.is_well


@pytest.mark.parametrize("seconds", [None, 10.0])
def test_an_event_that_is_given_back_says_nothing_of_the_server(seconds: float | None):
    """A rebalance gives back many at once, and every server would be left alone for it."""
    replicas = Servers().replicas(failures=3)
    until = None if seconds is None else replicas._clock.monotonic() + seconds

    for _ in range(30):
        ask(replicas, asyncio.CancelledError(), patience_seconds=15, until=until)

    assert all(member.is_well for member in replicas.members)


def test_one_that_says_come_back_later_again_and_again_is_left_alone():
    """Not at the first time: a busy server is not a broken one. An answer begins anew."""
    replicas = Servers().replicas(failures=3)
    busy = replicas.members[0]

    for outage in (GONE, GONE, None, GONE, GONE):
        replicas.answered(busy, outage)
    assert busy.is_well
    replicas.answered(busy, GONE)

    assert not busy.is_well


def test_where_none_is_well_all_are_asked():
    """There is nothing to lose by it, and one of them may be back."""
    replicas = Servers().replicas()
    for _ in range(3):
        ask(replicas, GONE)

    asked = [ask(replicas, GONE) for _ in range(3)]

    assert sorted(asked) == ["a", "b", "c"]


def test_a_single_server_is_always_asked():
    """There is nowhere else to go."""
    replicas = Servers().replicas("only")

    assert [ask(replicas, GONE) for _ in range(5)] == ["only"] * 5
    assert replicas.members[0].is_well


async def test_one_that_is_left_alone_is_asked_again_when_its_probe_is_answered():
    """After a pause that doubles up to 30 s; the others' probes are not asked."""
    servers = Servers("a")
    async with servers.replicas() as replicas:
        ask(replicas, GONE)
        while len(servers.probes) < 6:
            await asyncio.sleep(0)
        servers.ailing.clear()
        while not replicas.members[0].is_well:
            await asyncio.sleep(0)
        for _ in range(5):
            await asyncio.sleep(0)

    assert set(servers.probes) == {"a"}
    assert servers.clock.slept[:6] == [2, 4, 8, 16, 30, 30]
    assert len(servers.clock.slept) == len(servers.probes), "nobody is watched any more"


async def test_an_answered_probe_begins_the_count_anew():
    """The next answer to come back later is the first, and no reason to be left alone again."""
    servers = Servers()
    async with servers.replicas(failures=2) as replicas:
        first = replicas.members[0]
        for _ in range(2):
            replicas.answered(first, GONE)
        while not first.is_well:
            await asyncio.sleep(0)
        replicas.answered(first, GONE)

        assert first.is_well


async def test_one_that_hangs_kept_others_left_alone_for_a_minute():
    """Each is asked by itself, so a slow event at a good server costs that one two seconds."""
    servers = Servers()

    async def probe(name: str) -> None:
        servers.probes.append(name)
        if name == "a":
            await asyncio.Event().wait()

    async with Replicas(
        [(name, name) for name in "abc"],
        breaker=BreakerOptions(probe_seconds=2),
        probe=probe,
        clock=servers.clock,
    ) as replicas:
        hung, slow, _ = replicas.members
        replicas.leave_alone(hung, GONE)
        while servers.probes != ["a"]:
            await asyncio.sleep(0)
        replicas.leave_alone(slow, GONE)
        async with asyncio.timeout(5):
            while not slow.is_well:
                await asyncio.sleep(0)

    assert not hung.is_well
    assert servers.clock.slept == [2, 2]
    assert len(asyncio.all_tasks()) == 1


async def test_one_that_answers_again_and_fails_again_is_watched_once():
    """However often it comes and goes while its probe is due."""
    servers = Servers()

    async def sleep(seconds: float) -> None:
        await asyncio.Event().wait()

    servers.clock.sleep = sleep
    async with servers.replicas() as replicas:
        for _ in range(3):
            replicas.leave_alone(replicas.members[0], GONE)
            for _ in range(3):
                await asyncio.sleep(0)
            replicas.answered(replicas.members[0])
        tasks = len(asyncio.all_tasks())

    assert tasks == 3, "this test, and the watcher with one to watch over"


async def test_a_ping_asks_all_and_needs_one():
    """Readiness of the far end is that somebody there can answer."""
    await Servers("a", "b").replicas().ping()

    with pytest.raises(Unavailable, match="a does not answer"):
        await Servers("a", "b", "c").replicas().ping()


async def test_one_that_hangs_held_up_a_ping_that_others_answer():
    """All are asked at once, and the first answer is enough; nobody goes on asking."""

    async def probe(name: str) -> None:
        if name != "c":
            await asyncio.Event().wait()

    replicas = Replicas(
        [(name, name) for name in "abc"],
        breaker=BreakerOptions(),
        probe=probe,
        clock=FakeClock(),
    )

    async with asyncio.timeout(5):
        await replicas.ping()

    assert len(asyncio.all_tasks()) == 1


async def test_leaving_twice_is_fine():
    """Nothing goes on watching."""
    replicas = Servers().replicas()
    async with replicas:
        pass
    await replicas.__aexit__(None, None, None)

    assert len(asyncio.all_tasks()) == 1
