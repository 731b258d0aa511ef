"""Objects found by listing a store in memory: what is taken, what is repeated, what is kept."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from bridge.core.errors import (
    ConfigError,
    DeadlineExceeded,
    EventError,
    Filtered,
    Rejected,
    Unavailable,
)
from bridge.core.event import Event, Invalid
from bridge.observe.ledger import Deliveries, Events
from bridge.sources.cursor import CursorUnreadable
from bridge.sources.cursor_object import BEAT_SECONDS, QUIET_BEATS, CursorObject
from bridge.sources.found import digest, identity
from bridge.sources.minio import MinioSource
from bridge.sources.minio_options import MinioSourceOptions
from bridge.sources.sequence import Seen
from tests.fakes_objects import FakeStore, GatedClock

INTERVAL = 60.0


class Handled:
    """A handler whose outcomes a test decides, by key; ids of all that was settled."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.settled: list[str] = []
        self.ids: Counter[str] = Counter()
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: dict[str, list[Exception]] = {}
        self.slow: set[str] = set()  # fail when another is settled meanwhile
        self.invalid: list[Invalid] = []
        self._changed = asyncio.Condition()

    async def __call__(self, event: Event) -> None:
        key = event.subject or ""
        await self._note(self.began, key)
        if isinstance(event, Invalid):
            self.invalid.append(event)
        gate = self.gates.get(key)
        if gate is not None:
            await gate.wait()
        if key in self.slow and not isinstance(event, Invalid):
            before = len(self.settled)
            await self.until(lambda: len(self.settled) > before)
            for _ in range(5):  # turns of the loop, in which that is booked
                await asyncio.sleep(0)
        if self.failures.get(key) and not isinstance(event, Invalid):
            raise self.failures[key].pop(0)
        assert event.origin.delivery is not None
        event.origin.delivery.response = event
        await event.origin.delivery.turn()
        self.ids[event.id] += 1
        await self._note(self.settled, key)

    async def _note(self, where: list[str], key: str) -> None:
        async with self._changed:
            where.append(key)
            self._changed.notify_all()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(holds)


class FirstFails(Handled):
    """Meets an outage with the first event there is, and with no other."""

    first = ""

    async def __call__(self, event: Event) -> None:
        self.first = self.first or event.id
        if event.id == self.first:
            raise Unavailable("down")
        await super().__call__(event)


class Rig:
    """A source that lists; several may share a store and a handler, as replicas do."""

    def __init__(
        self,
        store: FakeStore,
        handled: Handled,
        *,
        seed: int = 1,
        listing: Any = None,
        options: Any = None,
        stands_by: bool = False,
    ) -> None:
        self.store = store
        self.handled = handled
        self.clock = GatedClock(INTERVAL, *([BEAT_SECONDS] if stands_by else []))
        self.deliveries = Deliveries()
        self.stop = asyncio.Event()
        self.source = MinioSource(
            MinioSourceOptions.model_validate(
                {
                    "buckets": ["mnist"],
                    "listing": {
                        "store": {"url": "http://fake"},
                        "cursor": {"bucket": "state", "key": "mnist"},
                        "interval_seconds": INTERVAL,
                        "commit_interval_seconds": 0.001,
                        **(listing or {}),
                    },
                    **(options or {}),
                }
            ),
            name="test",
            deliveries=self.deliveries,
            events=Events(),
            clock=self.clock,
            chance=random.Random(seed),
            ready=lambda: True,
            store=store,
        )

    async def took_over(self) -> None:
        """Return when this one has listed, as nobody has written the cursor for so long."""
        for _ in range(QUIET_BEATS):
            await self.clock.paused()
            self.clock.go_on()
        await self.passed()

    async def passed(self) -> None:
        """Return when a pass has ended, and nothing of it is under way or unwritten."""
        await self.clock.paused()
        async with asyncio.timeout(5):
            while self.deliveries.open:
                await asyncio.sleep(0)

    async def next_pass(self) -> None:
        self.clock.go_on()
        await self.passed()

    async def written(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        """Return when the cursor says what *holds* asks; the first one has no buckets yet."""
        async with asyncio.timeout(5):
            while not self.store.buckets.get("state") or not (
                cursor(self.store)["buckets"] and holds(cursor(self.store))
            ):
                await asyncio.sleep(0.001)


def cursor(store: FakeStore) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(store.buckets["state"]["mnist"][0])
    return found


@asynccontextmanager
async def listing(
    store: FakeStore,
    handled: Handled | None = None,
    *,
    seed: int = 1,
    kill: bool = False,
    stands_by: bool = False,
    source: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Rig]:
    """Yield a source that lists; stop it at the end, or *kill* it: then nothing is written."""
    rig = Rig(
        store,
        handled or Handled(),
        seed=seed,
        listing=options,
        options=source,
        stands_by=stands_by,
    )
    async with rig.source:
        task = asyncio.create_task(rig.source.run(rig.handled, rig.stop))
        try:
            yield rig
        finally:
            if kill:
                store.dead = True
                task.cancel()
            rig.stop.set()
            async with asyncio.timeout(5):
                await asyncio.wait([task])
            store.dead = False
    if not kill:
        await task
    assert rig.deliveries.balanced()
    assert 0 == rig.deliveries.open


def filled(*keys: str) -> FakeStore:
    store = FakeStore("mnist")
    for key in keys:
        store.drop("mnist", key)
    return store


def warnings(logs: Sequence[Mapping[str, Any]]) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] == "warning"]


KEYS = [f"{number:03d}.png" for number in range(200)]


async def test_every_object_is_an_event_once() -> None:
    """Two hundred of them, over pages that end among them, and again in no further pass."""
    store = filled(*KEYS)

    async with listing(store, page_size=7) as rig:
        await rig.passed()
        await rig.next_pass()

    assert sorted(KEYS) == sorted(rig.handled.settled)
    assert 200 == rig.deliveries.settled_total
    assert ("mnist", KEYS[6]) in store.pages


async def test_what_is_put_or_overwritten_later_is_found() -> None:
    """The next pass takes it, and what has not changed it does not."""
    store = filled("a", "b")

    async with listing(store) as rig:
        await rig.passed()
        store.drop("mnist", "b", b"other")
        store.drop("mnist", "c")
        await rig.next_pass()

    assert ["a", "b", "b", "c"] == sorted(rig.handled.settled)
    assert 4 == len(rig.handled.ids)


async def test_what_is_put_while_a_pass_runs_is_found() -> None:
    """Before the place where the pass is it is the next one's, behind it this one's."""
    store = filled(*KEYS[:50])

    def meanwhile() -> None:
        store.drop("mnist", "000-late")
        store.drop("mnist", "zzz-late")

    store.during[KEYS[29]] = meanwhile
    async with listing(store, page_size=10) as rig:
        await rig.passed()
        by_then = set(rig.handled.settled)
        await rig.next_pass()

    assert {"zzz-late"} == by_then - set(KEYS)
    assert {"000-late", "zzz-late"} == set(rig.handled.settled) - set(KEYS)
    assert {1} == set(rig.handled.ids.values())


@pytest.mark.parametrize("page_size", [1, 3, 1000])
async def test_a_restart_repeats_nothing_that_is_in_the_cursor(page_size: int) -> None:
    """After a stop everything settled is, so the next process takes only what is new."""
    store, handled = filled("a", "b", "c"), Handled()
    async with listing(store, handled, page_size=page_size) as rig:
        await rig.passed()
    store.drop("mnist", "d")

    async with listing(store, handled, page_size=page_size, seed=2) as rig:
        await rig.passed()

    assert ["a", "b", "c", "d"] == sorted(handled.settled)


async def test_a_kill_loses_nothing_and_repeats_one_window_at_most() -> None:
    """Killed in the middle with the cursor behind: what is repeated has the same ids."""
    store, handled = filled(*KEYS), Handled()
    for _ in range(3):
        before = len(handled.settled)
        async with listing(
            store,
            handled,
            kill=True,
            page_size=10,
            seed=before,
            source={"max_in_flight": 8},
        ) as rig:
            await handled.until(lambda before=before: len(handled.settled) >= before + 50)  # type: ignore[misc]  # bound now
        assert rig.deliveries.taken_total > 0

    async with listing(store, handled, page_size=10, seed=99, source={"max_in_flight": 8}) as rig:
        await rig.passed()

    assert set(KEYS) == set(handled.settled)
    assert 200 == len(handled.ids)
    assert len(handled.settled) - 200 <= 3 * 8


async def test_a_kill_between_settling_and_writing_repeats_that_object() -> None:
    """At least once: nobody has written yet that it is settled."""
    store, handled = filled("a", "b"), Handled()
    handled.gates["b"] = asyncio.Event()
    async with listing(store, handled, kill=True) as rig:
        await rig.written(lambda found: ["b"] == found["buckets"]["mnist"]["open"])
        store.dead = True
        handled.gates["b"].set()
        await handled.until(lambda: "b" in handled.settled)

    async with listing(store, handled, seed=2) as rig:
        await rig.passed()

    assert ["a", "b", "b"] == sorted(handled.settled)
    assert 2 == len(handled.ids)


async def test_what_is_open_is_in_the_cursor_by_name() -> None:
    """One that hangs keeps nothing else waiting, and whoever comes next takes it up."""
    store, handled = filled("a", "b", "c"), Handled()
    handled.gates["b"] = asyncio.Event()
    async with listing(store, handled, kill=True) as rig:
        await rig.clock.paused()
        store.drop("mnist", "d")
        rig.clock.go_on()
        await handled.until(lambda: "d" in handled.settled)
        await rig.written(lambda found: len(found["buckets"]["mnist"]["done"]) == 3)
        kept = cursor(store)["buckets"]["mnist"]["open"]
    handled.gates.clear()

    async with listing(store, handled, seed=2) as rig:
        await rig.passed()

    assert ["b"] == kept
    assert ["a", "b", "c", "d"] == sorted(handled.settled)
    assert ["b", "b"] == [key for key in handled.began if key == "b"]


async def test_what_was_open_and_is_gone_is_forgotten() -> None:
    """Deleted while nobody ran: there is nothing to do for it."""
    store, handled = filled("a"), Handled()
    handled.gates["a"] = asyncio.Event()
    async with listing(store, handled, kill=True) as rig:
        await rig.written(lambda found: ["a"] == found["buckets"]["mnist"]["open"])
    del store.buckets["mnist"]["a"]

    async with listing(store, handled, seed=2) as rig:
        await rig.passed()
        await rig.next_pass()

    assert [] == cursor(store)["buckets"]["mnist"]["open"]
    assert ["a"] == handled.began


async def test_what_was_open_and_is_gone_brings_no_other_back() -> None:
    """Whose key begins with its own, and which is settled since long and not remembered."""
    store, handled = filled("ab"), Handled()
    async with listing(store, handled) as rig:
        await rig.passed()
        store.now_ms += 10_000_000
        await rig.next_pass()
    handled.gates["a"] = asyncio.Event()
    store.drop("mnist", "a")
    async with listing(store, handled, seed=2, kill=True) as rig:
        await rig.written(lambda found: ["a"] == found["buckets"]["mnist"]["open"])
    del store.buckets["mnist"]["a"]

    async with listing(store, handled, seed=3) as rig:
        await rig.passed()

    assert ["ab"] == handled.settled


async def test_an_outage_of_the_model_is_waited_for() -> None:
    """Held and tried again, never refused; a delivery is settled once."""
    store, handled = filled("a"), Handled()
    handled.failures["a"] = [Unavailable("down") for _ in range(5)]

    async with listing(store, handled) as rig:
        await rig.passed()

    assert (6, ["a"]) == (len(handled.began), handled.settled)
    assert {"taken": 1, "settled": 1, "refused": 0, "given_back": 0, "open": 0} == (
        rig.deliveries.counts()
    )
    pauses = [pause for pause in rig.clock.slept if pause < INTERVAL]
    assert pauses == sorted(pauses)


async def test_a_far_end_that_asks_for_a_pause_gets_it() -> None:
    """As with `Retry-After`: where it is longer than our own, and up to `hold_max_seconds`."""
    store, handled = filled("a"), Handled()
    handled.failures["a"] = [
        Unavailable("busy", retry_after_seconds=seconds) for seconds in (7.0, 3600.0)
    ]

    async with listing(store, handled, source={"hold_max_seconds": 20}) as rig:
        await rig.passed()

    assert [7.0, 20.0] == [pause for pause in rig.clock.slept if 1 < pause < INTERVAL]


async def test_an_outage_of_the_store_is_waited_for_and_told_sparingly() -> None:
    """In the middle of a pass, between pages and at a write: nothing is lost or repeated."""
    store = filled(*KEYS[:40])
    down = [Unavailable("object store: no connection") for _ in range(20)]
    store.during[KEYS[9]] = lambda: store.outages.extend(down)

    with capture_logs() as logs:
        async with listing(store, page_size=10) as rig:
            await rig.passed()

    assert sorted(KEYS[:40]) == sorted(rig.handled.settled)
    assert {1} == set(rig.handled.ids.values())
    assert 0 < len([line for line in logs if line.get("reason") == "unavailable"]) < 20


async def test_a_store_that_is_down_at_first_is_waited_for() -> None:
    """The bridge may start before its store."""
    store = filled("a")
    store.outages.extend(Unavailable("object store: no connection") for _ in range(7))

    async with listing(store) as rig:
        await rig.passed()

    assert ["a"] == rig.handled.settled


async def test_a_bucket_that_is_missing_keeps_no_other_waiting() -> None:
    """It is told, and listed as soon as it is there."""
    store = filled("a")

    with capture_logs() as logs:
        async with listing(store, source={"buckets": ["later", "mnist"]}) as rig:
            await rig.passed()
            by_then = list(rig.handled.settled)
            store.buckets["later"] = {}
            store.drop("later", "b")
            await rig.next_pass()

    assert (["a"], ["a", "b"]) == (by_then, rig.handled.settled)
    assert any("bucket later is not there" in str(line.get("error")) for line in logs)


@pytest.mark.parametrize(("start", "found"), [("earliest", ["new", "old"]), ("latest", ["new"])])
async def test_where_a_bucket_begins(start: str, found: list[str]) -> None:
    """By default with every object there is; a default loses nothing."""
    store = filled("old")
    store.now_ms += 1000

    async with listing(store, start=start) as rig:
        await rig.passed()
        store.drop("mnist", "new")
        await rig.next_pass()

    assert found == sorted(rig.handled.settled)


async def test_what_is_put_in_the_millisecond_that_a_bucket_begins_with_is_found() -> None:
    """The store's clock is no finer: it may have been put right after the pass began."""
    store = filled("old")

    async with listing(store, start="latest") as rig:
        await rig.passed()
        store.now_ms = cursor(store)["buckets"]["mnist"]["floor"] - 1
        store.drop("mnist", "new")
        await rig.next_pass()

    assert ["new"] == rig.handled.settled


async def test_keys_are_chosen_by_prefix_and_suffix() -> None:
    """The others are no events, and the cursor goes past them."""
    store = filled("in/a.png", "in/b.txt", "out/c.png")

    async with listing(store, source={"prefix": "in/", "suffix": ".png"}) as rig:
        await rig.passed()

    assert ["in/a.png"] == rig.handled.settled


@pytest.mark.parametrize("key", ["a+b", "50%", "a b", "ü/日本.png", "..", "a/../b", "%2F"])
async def test_a_key_is_a_key(key: str) -> None:
    """Whatever characters it has: in its event, and in the cursor."""
    store, handled = filled(key), Handled()
    handled.gates[key] = asyncio.Event()
    async with listing(store, handled, kill=True) as rig:
        await rig.written(lambda found: [key] == found["buckets"]["mnist"]["open"])
    handled.gates.clear()

    async with listing(store, handled, seed=2) as rig:
        await rig.passed()

    assert [key] == handled.settled


@pytest.mark.parametrize("key", ["cursors//a", "/a", "../a"])
def test_a_cursor_that_no_path_carries_is_refused_before_anything_runs(key: str) -> None:
    """Not when it is claimed: that would end the process, and its other pipelines."""
    with pytest.raises(ConfigError, match=r"listing\.cursor: .*expected a key"):
        Rig(FakeStore(), Handled(), listing={"cursor": {"bucket": "state", "key": key}})


async def test_an_object_that_can_be_no_event_is_refused_once() -> None:
    """It goes to the dead letter, and no pass finds it again."""
    store = filled("bad\x01key")

    async with listing(store) as rig:
        await rig.passed()
        await rig.next_pass()

    assert 1 == len(rig.handled.invalid)
    assert "U+0001" in str(rig.handled.invalid[0].error)


async def test_an_event_that_alone_runs_out_of_time_is_refused_in_the_end() -> None:
    """After `max_attempts`, while others are answered; the dead letter gets it."""
    store, handled = filled("!a", *KEYS), Handled()
    handled.failures["!a"] = [DeadlineExceeded("too slow") for _ in range(100)]
    handled.slow.add("!a")

    async with listing(store, handled, source={"max_in_flight": 8, "max_attempts": 3}) as rig:
        await rig.passed()

    assert ["!a"] == [event.subject for event in handled.invalid]
    assert 201 == len(set(handled.settled))


async def test_no_more_are_under_way_than_the_limit_says() -> None:
    """Of listed objects: also where none of them is settled."""
    store, handled = filled(*KEYS), Handled()
    handled.gates = {key: asyncio.Event() for key in KEYS}

    async with listing(store, handled, source={"max_in_flight": 5}) as rig:
        await handled.until(lambda: len(handled.began) == 5)
        for _ in range(50):
            await asyncio.sleep(0)
        most = (len(handled.began), rig.deliveries.open)
        for gate in handled.gates.values():
            gate.set()
        await rig.passed()

    assert (5, 5) == most
    assert 200 == len(handled.settled)


async def test_a_soft_stop_settles_what_runs_and_gives_back_what_waits() -> None:
    """What is held stays in the cursor by name, and the cursor is nobody's then."""
    store, handled = filled("a", "b"), Handled()
    handled.gates["a"] = asyncio.Event()
    handled.failures["b"] = [Unavailable("down") for _ in range(100_000)]
    async with listing(store, handled) as rig:
        await handled.until(lambda: handled.began.count("b") > 2)
        rig.stop.set()
        await asyncio.sleep(0)
        handled.gates["a"].set()

    found = cursor(store)
    assert ["a"] == handled.settled
    assert (1, 1) == (rig.deliveries.settled_total, rig.deliveries.given_back_total)
    assert (None, ["b"]) == (found["owner"], found["buckets"]["mnist"]["open"])


async def test_a_soft_stop_lets_no_newer_state_past_one_that_is_given_back() -> None:
    """That would leave after it when it comes again: both are given back."""
    store, handled = filled("a"), FirstFails()

    async with listing(store, handled) as rig:
        await rig.clock.paused()
        store.drop("mnist", "a", b"newer")
        rig.clock.go_on()
        await handled.until(lambda: ["a"] == handled.began)
        rig.stop.set()

    assert ([], 2) == (handled.settled, rig.deliveries.given_back_total)


async def test_of_two_replicas_one_lists_and_the_other_takes_over() -> None:
    """The second stands by while the first writes; when that is killed it goes on."""
    store, handled = filled("a"), Handled()
    async with AsyncExitStack() as replicas:
        killed = listing(store, handled, kill=True)
        first = await killed.__aenter__()
        await first.passed()
        second = await replicas.enter_async_context(listing(store, handled, seed=2, stands_by=True))
        for key in ("b", "c", "d", "e"):
            await second.clock.paused()
            store.drop("mnist", key)
            await first.next_pass()
            second.clock.go_on()
        await second.clock.paused()
        await first.written(lambda found: len(found["buckets"]["mnist"]["done"]) == 5)
        while_both = (len(handled.settled), second.deliveries.taken_total)
        await killed.__aexit__(None, None, None)
        store.drop("mnist", "f")
        for _ in range(QUIET_BEATS + 1):  # the first one sees the last write
            await second.clock.paused()
            second.clock.go_on()
        await handled.until(lambda: "f" in handled.settled)

    assert (5, 0) == while_both
    assert ["a", "b", "c", "d", "e", "f"] == handled.settled


@pytest.mark.parametrize(("interval_seconds", "beat"), [(5.0, 5.0), (600.0, 20.0)])
async def test_who_stands_by_takes_over_after_three_beats(
    interval_seconds: float, beat: float
) -> None:
    """Of 20 s, or of the interval where that is shorter: so soon lists the next after a kill."""
    store, clock = filled("a"), GatedClock()
    async with listing(store, kill=True) as killed:
        await killed.passed()
    at = {"store": {"url": "http://fake"}, "cursor": {"bucket": "state", "key": "mnist"}}
    options = MinioSourceOptions.model_validate(
        {"buckets": ["mnist"], "listing": {**at, "interval_seconds": interval_seconds}}
    )
    assert options.listing is not None
    second = CursorObject(store, options, options.listing, owner="second", clock=clock)

    await second.claim()

    assert [beat] * 3 == clock.slept
    assert "second" == cursor(store)["owner"]


async def test_half_a_window_that_is_settled_is_written_at_once() -> None:
    """Objects that are settled and not in the cursor take room from new ones."""
    store = filled(*KEYS[:50])

    async with listing(store, commit_interval_seconds=3600, source={"max_in_flight": 8}) as rig:
        await rig.passed()

    assert KEYS[:50] == sorted(rig.handled.settled)


async def test_a_replica_that_stood_still_gives_way() -> None:
    """Its cursor is another's by then: it writes nothing over it, and stands by."""
    store, handled = filled("a"), Handled()
    async with listing(store, handled, stands_by=True) as first:
        await first.passed()
        await first.written(lambda found: len(found["buckets"]["mnist"]["done"]) == 1)
        async with listing(store, handled, seed=2, stands_by=True) as second:
            await second.took_over()
            store.drop("mnist", "b")
            first.clock.go_on()  # its pass begins with a write
            await first.clock.paused()
            by_first = list(handled.settled)
            await second.next_pass()

    assert (["a"], ["a", "b"]) == (by_first, handled.settled)


async def test_a_replica_that_stood_still_gives_back_what_it_has_open() -> None:
    """The other one has taken it up by then, and each would be worked on twice."""
    store, ours, theirs = filled("a", "b"), Handled(), Handled()
    ours.gates["b"] = asyncio.Event()
    async with listing(store, ours, stands_by=True) as first:
        await first.clock.paused()
        await first.written(lambda found: ["b"] == found["buckets"]["mnist"]["open"])
        async with listing(store, theirs, seed=2, stands_by=True) as second:
            await second.took_over()
            first.clock.go_on()  # its pass begins with a write
            await first.clock.paused()
            left = (first.deliveries.open, first.deliveries.given_back_total)

    assert (0, 1) == left
    assert (["a"], ["b"]) == (ours.settled, theirs.settled)


async def test_who_is_overtaken_twice_while_writing_gives_way_and_goes_on() -> None:
    """The cursor was deleted, and another made it anew before we did: no reason to end."""
    store, handled = filled("a"), Handled()

    async with listing(store, handled) as rig:
        await rig.passed()
        for reason in ("superseded", "gone", "superseded"):
            store.outages.append(Filtered("overtaken", reason=reason))
        store.drop("mnist", "b")
        await rig.next_pass()

    assert ["a", "b"] == handled.settled


async def test_a_store_that_refuses_every_write_on_condition_is_not_asked_without_a_pause() -> None:
    """Each refusal looks like another replica's write; nobody would notice a hundred a second."""
    store = filled("a")

    async with listing(store, stands_by=True) as rig:
        await rig.passed()
        store.refuses_conditions = True
        rig.clock.go_on()
        await rig.clock.paused()
        before = len(store.writes)
        rig.clock.go_on()
        await rig.clock.paused()

    assert BEAT_SECONDS == rig.clock.slept[-1]
    assert before == len(store.writes)


async def test_a_cursor_that_is_none_stops_the_source() -> None:
    """Beginning anew would repeat everything that was ever put."""
    store = filled("a")
    store.buckets["state"] = {}
    store.drop("state", "mnist", b"not a cursor")

    rig = Rig(store, Handled())
    async with rig.source:
        with pytest.raises(ExceptionGroup) as crash:
            await rig.source.run(rig.handled, rig.stop)

    assert crash.group_contains(CursorUnreadable, match="cursor state/mnist: no cursor")
    assert [] == rig.handled.began
    assert b"not a cursor" == store.buckets["state"]["mnist"][0]


async def test_a_bug_stops_the_source_and_the_object_stays_open() -> None:
    """As with every source: what nobody has thought of must not go unnoticed."""
    store, handled = filled("a"), Handled()
    handled.failures["a"] = [ZeroDivisionError("a bug")]

    rig = Rig(store, handled)
    async with rig.source:
        with pytest.raises(ExceptionGroup) as crash:
            await rig.source.run(handled, rig.stop)

    assert crash.group_contains(ZeroDivisionError)
    assert ["a"] == cursor(store)["buckets"]["mnist"]["open"]
    assert 1 == rig.deliveries.given_back_total


async def test_a_store_that_refuses_for_good_stops_the_source() -> None:
    """A bucket's name that is none, say: waiting would not mend it."""
    store = filled("a")
    store.outages = [Rejected("InvalidBucketName")]

    rig = Rig(store, Handled())
    async with rig.source:
        with pytest.raises(ExceptionGroup) as crash:
            await rig.source.run(rig.handled, rig.stop)

    assert crash.group_contains(Rejected, match="InvalidBucketName")


async def test_refused_events_are_held_where_that_is_wanted() -> None:
    """`on_dead_letter: hold`: tried again until it is taken."""
    store, handled = filled("a"), Handled()
    handled.failures["a"] = [EventError("bad") for _ in range(4)]

    async with listing(store, handled, source={"on_dead_letter": "hold"}) as rig:
        await rig.passed()

    assert (5, ["a"]) == (len(handled.began), handled.settled)


async def test_more_new_objects_than_are_remembered_are_not_lost_or_repeated_for_ever() -> None:
    """Beyond `max_keys` the window narrows, which is told; each is repeated once at most."""
    store = filled(*KEYS)

    with capture_logs() as logs:
        async with listing(store, source={"max_keys": 20}) as rig:
            await rig.passed()
            for _ in range(4):
                await rig.next_pass()
            settled = len(rig.handled.settled)
            await rig.next_pass()

    assert set(KEYS) == set(rig.handled.settled)
    assert len(rig.handled.settled) == settled <= 2 * len(KEYS)
    assert any("max_keys" in warning for warning in warnings(logs))


async def test_the_cursor_stays_small_when_objects_are_old() -> None:
    """Only what a coming pass would meet again is in it."""
    store = filled(*KEYS)
    store.now_ms += 10_000_000

    async with listing(store) as rig:
        await rig.passed()
        await rig.next_pass()

    assert {} == cursor(store)["buckets"]["mnist"]["done"]
    assert 200 == len(rig.handled.settled)


@pytest.mark.parametrize("back_ms", [7_200_000, 1_000_000])
async def test_what_is_put_after_the_stores_clock_was_set_back_is_found(back_ms: int) -> None:
    """New keys and new content of old ones, though all of it is older than what is done."""
    store, handled = filled("a", "b"), Handled()

    with capture_logs() as logs:
        async with listing(store, handled) as rig:
            await rig.passed()
            await rig.next_pass()
            store.now_ms -= back_ms
            store.drop("mnist", "b", b"other")
            store.drop("mnist", "c")
            await rig.next_pass()
            store.drop("mnist", "d")
            await rig.next_pass()
            begun = len(handled.began)
            await rig.next_pass()

    assert {"a", "b", "c", "d"} == set(handled.settled)
    assert 5 == len(handled.ids)
    assert begun == len(handled.began)
    assert max(handled.ids.values()) <= 2
    assert any("clock went back" in warning for warning in warnings(logs))


@pytest.mark.parametrize(("overlap_seconds", "back_ms"), [(1, 100_000), (50, 70_000)])
async def test_a_clock_set_back_long_before_the_next_pass_passes_nothing_over(
    overlap_seconds: int, back_ms: int
) -> None:
    """What was put right after that is further back than the overlap, as passes are rare."""
    store, handled = filled("a", "b"), Handled()

    async with listing(store, handled, overlap_seconds=overlap_seconds) as rig:
        await rig.passed()
        store.now_ms += 40_000
        store.drop("mnist", "b", b"other")
        store.now_ms += 20_000
        await rig.next_pass()
        store.now_ms -= back_ms
        store.drop("mnist", "b", b"third")
        store.drop("mnist", "c")
        store.now_ms += 60_000
        await rig.next_pass()
        begun = len(handled.began)
        store.now_ms += 60_000
        await rig.next_pass()

    assert {"a", "b", "c"} == set(handled.settled)
    assert 5 == len(handled.ids)
    assert begun == len(handled.began)
    assert max(handled.ids.values()) <= 2


async def test_a_clock_set_back_repeats_nothing_that_a_webhook_told_before_it_was() -> None:
    """Passes may be a day apart: all that is told in between would be processed twice."""
    store, handled = filled("a"), Handled()

    async with listing(store, handled, overlap_seconds=1) as rig:
        await rig.passed()
        for key in ("b", "c", "d"):
            store.now_ms += 10_000
            etag = store.drop("mnist", key)
            ms = store.modified_ms("mnist", key)
            told = Seen(id=identity("mnist", key, etag, ms), ms=ms, settled=True)
            rig.source._under_way.newest("mnist").take(digest("mnist", key), told)
        store.now_ms -= 5_000
        store.drop("mnist", "d", b"other")
        store.now_ms += 30_000
        with capture_logs() as logs:
            await rig.next_pass()

    assert any("clock went back" in line["event"] for line in logs)
    assert ["a", "d"] == handled.settled


async def test_who_takes_over_again_repeats_nothing_of_the_time_between() -> None:
    """What the store's clock did meanwhile, the other replica has seen to."""
    store, handled = filled("a"), Handled()
    async with listing(store, handled, stands_by=True) as first:
        await first.passed()
        await first.written(lambda found: len(found["buckets"]["mnist"]["done"]) == 1)
        async with listing(store, handled, seed=2, stands_by=True) as second:
            await second.took_over()
            for step in range(150):  # twenty seconds each
                store.now_ms += 20_000 if step != 100 else -1_000_000
                store.drop("mnist", f"b{step}")
                await second.next_pass()
                first.clock.go_on()
                await first.clock.paused()
            before = handled.ids.copy()
        first.clock.go_on()
        await first.passed()
        await first.next_pass()

    assert 151 == len(before)
    assert before == handled.ids


async def test_a_cursor_from_the_future_passes_nothing_over() -> None:
    """The store was moved to a machine with a right clock while nobody listed."""
    store, handled = filled("a"), Handled()
    async with listing(store, handled) as rig:
        await rig.passed()
    store.now_ms -= 86_400_000
    store.drop("mnist", "b")

    async with listing(store, handled, seed=2) as rig:
        await rig.passed()
        store.drop("mnist", "c")
        await rig.next_pass()

    assert {"a", "b", "c"} == set(handled.settled)


async def test_a_pass_goes_on_after_the_stores_clock_was_set_back_and_passes_nothing_over() -> None:
    """It began by the old clock, in a process that was killed: its bound is in the future."""
    store, handled = filled(*KEYS[:50]), Handled()
    handled.gates = {key: asyncio.Event() for key in KEYS[25:50]}
    async with listing(store, handled, kill=True, source={"max_in_flight": 4}) as rig:
        await rig.written(lambda found: len(found["buckets"]["mnist"]["done"]) == 25)
    handled.gates.clear()
    store.now_ms -= 1_000_000

    def meanwhile() -> None:
        store.drop("mnist", "000-late")

    store.during[KEYS[39]] = meanwhile
    async with listing(store, handled, seed=2, page_size=1) as rig:
        await rig.passed()
        store.now_ms += 200_000
        await rig.next_pass()

    assert {"000-late", *KEYS[:50]} == set(handled.settled)


async def test_nodes_whose_clocks_disagree_repeat_nothing() -> None:
    """That is what the overlap is for: a bound may be older than the last one."""
    store, handled = filled("a", "b"), Handled()

    with capture_logs() as logs:
        async with listing(store, handled) as rig:
            await rig.passed()
            for _ in range(4):
                store.now_ms -= 30_000
                store.drop("mnist", f"c{store.now_ms}")
                await rig.next_pass()

    assert 6 == len(handled.settled)
    assert {1} == set(handled.ids.values())
    assert not [line for line in logs if "clock" in line["event"]]


async def test_what_was_put_over_a_settled_state_by_a_slower_clock_is_found() -> None:
    """The store lists it: it is what lies there now, though its time is the older one."""
    store, handled = filled("a"), Handled()

    async with listing(store, handled) as rig:
        await rig.passed()
        store.now_ms -= 30_000
        store.drop("mnist", "a", b"other")
        await rig.next_pass()
        await rig.next_pass()

    assert ["a", "a"] == handled.settled
    assert 2 == len(handled.ids)


async def test_what_was_put_over_a_held_state_by_a_slower_clock_is_found() -> None:
    """That one may be held until no pass looks as far back; it leaves before the one over it."""
    store, handled = filled("a"), Handled()
    handled.gates["a"] = asyncio.Event()

    async with listing(store, handled) as rig:
        await handled.until(lambda: ["a"] == handled.began)
        await rig.clock.paused()
        store.now_ms -= 30_000
        store.drop("mnist", "a", b"other")
        for _ in range(4):
            rig.clock.go_on()
            await rig.clock.paused()
            store.now_ms += 600_000
        handled.gates["a"].set()
        await rig.passed()
        await rig.next_pass()

    assert ["a", "a"] == handled.settled
    assert 2 == len(handled.ids)


async def test_what_was_put_over_a_state_that_is_told_again_and_again_is_begun_once() -> None:
    """In an outage MinIO sends the older one's notification until it is answered 200."""
    store, handled = filled("a"), Handled()
    ms = store.modified_ms("mnist", "a")
    handled.gates["a"] = asyncio.Event()

    async with listing(store, handled) as rig:
        await handled.until(lambda: ["a"] == handled.began)
        await rig.clock.paused()
        store.now_ms -= 30_000
        store.drop("mnist", "a", b"other")
        for _ in range(4):
            rig.clock.go_on()
            await rig.clock.paused()
            told = Seen(id="told again", ms=ms)
            rig.source._under_way.newest("mnist").take(digest("mnist", "a"), told)
        handled.gates["a"].set()
        await rig.passed()

    assert ["a", "a"] == handled.settled


async def test_a_page_from_before_brings_no_older_state_back() -> None:
    """What a webhook has told meanwhile is newer, and it is that which the store lists now."""
    store, handled = filled("a", "b", "c"), Handled()
    handled.gates["a"] = asyncio.Event()

    async with listing(store, handled, source={"max_in_flight": 1}) as rig:
        await handled.until(lambda: ["a"] == handled.began)
        etag = store.drop("mnist", "c", b"newer")
        ms = store.modified_ms("mnist", "c")
        told = Seen(id=identity("mnist", "c", etag, ms), ms=ms, settled=True)
        rig.source._under_way.newest("mnist").take(digest("mnist", "c"), told)
        handled.gates["a"].set()
        await rig.passed()

    assert ["a", "b"] == handled.settled


async def test_the_bucket_of_the_cursor_is_deleted_while_it_is_used() -> None:
    """It is made again, and nothing is repeated: what is done is known here."""
    store, handled = filled("a"), Handled()

    async with listing(store, handled) as rig:
        await rig.passed()
        del store.buckets["state"]
        store.drop("mnist", "b")
        await rig.next_pass()

    assert ["a", "b"] == handled.settled
    assert cursor(store)["buckets"]["mnist"]["floor"] is not None
