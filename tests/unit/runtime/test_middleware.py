"""What stands around a pipeline: counting, filter, dead letter, deadline, joined duplicates."""

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from bridge import Event, EventError, Filtered, Origin, Rejected, TransformError, Unavailable
from bridge.core.event import Letter
from bridge.observe.ledger import Events
from bridge.runtime.failures import ErrorEvents
from bridge.runtime.middleware import dead_letter, filtered, handler, join, observe
from bridge.runtime.pipeline import DeadLettered, Quiet, Skipped
from tests.fakes import FakeClock, FakeSink, iris_event


def step(outcome):
    """Return a step that returns, or raises, *outcome*."""

    async def stepped(event):
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return stepped


@pytest.mark.parametrize(
    ("outcome", "counted"),
    [
        (iris_event(), "replied"),
        (Quiet.PUBLISHED, "published"),
        (Quiet.FILTERED, "filtered"),
        (Quiet.EXPIRED, "filtered"),
        (DeadLettered("rejected"), "dead_lettered"),
        (Rejected("no"), "failed"),
        (Unavailable("later"), "failed"),
        (asyncio.CancelledError(), "failed"),
        (ZeroDivisionError("a bug"), "failed"),
    ],
)
async def test_each_event_has_exactly_one_outcome(outcome, counted):
    """Accepted once, ended once, in the ledger at once."""
    events = Events()

    if isinstance(outcome, BaseException):
        with pytest.raises(type(outcome)):
            await observe(step(outcome), events)(iris_event())
    else:
        reply = await observe(step(outcome), events)(iris_event())
        assert reply is (outcome if isinstance(outcome, Event) else None)

    assert events.accepted_total == events.outcomes()[counted] == 1
    assert events.in_flight == 0
    assert events.balanced()


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Rejected("no"), "rejected"),
        (asyncio.CancelledError(), "cancelled"),
        (ZeroDivisionError("a bug"), "error"),
    ],
)
async def test_the_reason_tells_a_bug_from_a_cancellation(outcome, reason):
    """Whoever reads the metrics looks for a stop in the one case, for a traceback in the other."""
    events = Events()

    with pytest.raises(type(outcome)):
        await observe(step(outcome), events)(iris_event())

    assert {("failed", reason): 1} == events.refusals


async def test_a_filtered_event_never_reaches_the_pipeline():
    """The filter settles and counts it."""
    events = Events()

    reply = await filtered(step(AssertionError("reached")), lambda event: False, events)(
        iris_event()
    )

    assert reply is None
    assert events.filtered_total == events.accepted_total == 1


def test_without_a_filter_the_handler_is_the_handler():
    """Nothing stands around where there is nothing to do."""
    handle = step(None)

    assert filtered(handle, None, Events()) is handle


async def test_a_refused_event_goes_to_the_dead_letter_with_its_reason():
    """The event as it came, and three extensions that say what happened."""
    sink = FakeSink()
    event = iris_event()

    error, clock = TransformError("T.preprocess:\nKeyError('a')"), FakeClock()
    outcome = await dead_letter(step(error), sink, "iris", clock)(event)

    assert outcome == DeadLettered("transform")
    (letter,) = sink.events
    assert isinstance(letter, Letter)
    assert letter.data == event.data
    assert letter.attributes == {
        **event.attributes,
        "bridgepipeline": "iris",
        "bridgeerrortype": "transform",
        "bridgeerrortext": "T.preprocess: KeyError('a')",
    }
    assert (error, "iris", clock.now_ns()) == (letter.error, letter.pipeline, letter.refused_ns)


@pytest.mark.parametrize("error", [Unavailable("down"), Rejected("too big"), Filtered("no")])
async def test_a_dead_letter_that_cannot_be_sent_is_an_outage(error):
    """Never lost: whoever delivered the event delivers it again."""
    with pytest.raises(Unavailable):
        await dead_letter(step(Rejected("no")), FakeSink(error), "iris", FakeClock())(iris_event())


async def test_an_outage_never_goes_to_the_dead_letter():
    """The event is good; it is delivered again."""
    sink = FakeSink()

    with pytest.raises(Unavailable):
        await dead_letter(step(Unavailable("down")), sink, "iris", FakeClock())(iris_event())

    assert sink.events == []


class Held:
    """A handler that answers when told to, and counts its calls."""

    def __init__(self, outcome=None):
        self.calls = 0
        self.go = asyncio.Event()
        self.outcome = outcome

    async def __call__(self, event):
        self.calls += 1
        await self.go.wait()
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


async def under_way(held, calls=1):
    """Return once *held* was called *calls* times and everyone else had their turn."""
    async with asyncio.timeout(1):
        while held.calls < calls:
            await asyncio.sleep(0)
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_redelivery_joins_the_delivery_still_under_way():
    """One call of the model, two answers, the same response."""
    held = Held(iris_event(id="response"))
    joined = join(held)

    async with asyncio.TaskGroup() as group:
        first = group.create_task(joined(iris_event()))
        again = group.create_task(joined(iris_event(knativearrivaltime="2026-01-01T00:00:00Z")))
        await under_way(held)
        held.go.set()

    assert held.calls == 1
    assert first.result() is again.result() is held.outcome


async def test_a_refusal_reaches_everyone_who_waited_for_it():
    """Whoever joined is refused for the same reason."""
    held = Held(Rejected("no"))
    joined = join(held)

    tasks = [asyncio.create_task(joined(iris_event())) for _ in range(3)]
    await under_way(held)
    held.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert results == [held.outcome] * 3


async def test_once_the_first_is_done_the_same_event_is_processed_again():
    """Joining is for what is under way; it remembers nothing."""
    held = Held(iris_event())
    held.go.set()
    joined = join(held)

    await joined(iris_event())
    await joined(iris_event())

    assert held.calls == 2


async def test_two_events_with_one_id_and_different_data_are_both_processed():
    """A sender that reuses an id must not get another event's answer."""
    held = Held(iris_event())
    joined = join(held)
    other = Event(iris_event().attributes, b'{"data":{"ndarray":[[9,9,9,9]]}}')

    async with asyncio.TaskGroup() as group:
        group.create_task(joined(iris_event()))
        group.create_task(joined(other))
        await under_way(held, calls=2)
        held.go.set()

    assert held.calls == 2


@pytest.mark.parametrize(
    "other",
    [
        Origin(path="/there", headers=((b"seldon-puid", b"a"),)),
        Origin(path="/here", headers=((b"seldon-puid", b"b"),)),
        Origin(path="/here", headers=((b"seldon-puid", b"a"),), wants_reply=True),
    ],
    ids=["path", "puid", "reply"],
)
async def test_one_who_asks_for_another_answer_does_not_get_the_first_ones(other):
    """What an answer depends on is part of what makes a delivery the same."""
    asked = []

    async def handle(event):
        asked.append(event.origin)
        await asyncio.sleep(0)

    handle_once = join(handle)
    known = iris_event()
    first = Origin(path="/here", headers=((b"seldon-puid", b"a"),))

    await asyncio.gather(
        *(handle_once(Event(known.attributes, known.data, one)) for one in (first, first, other))
    )

    assert [first, other] == asked


@pytest.mark.parametrize("name", ["dataref", "correlationid"])
async def test_two_claims_and_two_callers_with_one_id_are_both_processed(name):
    """What an event refers to is its data, and whoever waits for a replyid waits for its own."""
    held = Held(iris_event())
    joined = join(held)
    first, other = (Event(iris_event(**{name: text}).attributes, None) for text in "ab")

    async with asyncio.TaskGroup() as group:
        for event in (first, other, first):
            group.create_task(joined(event))
        await under_way(held, calls=2)
        held.go.set()

    assert held.calls == 2


async def test_a_joined_delivery_that_goes_away_leaves_the_first_alone():
    """Cancelling the redelivery cancels nothing else."""
    held = Held(iris_event())
    joined = join(held)
    first = asyncio.create_task(joined(iris_event()))
    await under_way(held)
    again = asyncio.create_task(joined(iris_event()))
    await under_way(held)

    again.cancel()
    await asyncio.wait([again])
    held.go.set()

    assert await first is held.outcome
    assert again.cancelled()


async def test_a_cancelled_first_is_an_outage_for_those_who_joined():
    """They are told to come again; they are not cancelled by somebody else's stop."""
    held = Held()
    joined = join(held)
    first = asyncio.create_task(joined(iris_event()))
    await under_way(held)
    again = asyncio.create_task(joined(iris_event()))
    await under_way(held)

    first.cancel()

    with pytest.raises(Unavailable, match="given back"):
        await again


async def test_the_whole_nest_counts_a_dead_letter_once():
    """join(observe(dead letter(deadline(pipeline))))."""
    events, sink = Events(), FakeSink()
    handle = handler(
        step(EventError("bad")),
        name="iris",
        events=events,
        dead_letter_sink=sink,
        deadline_seconds=30,
        clock=FakeClock(),
    )

    await handle(iris_event())

    assert events.counts() == {
        "accepted": 1,
        "replied": 0,
        "published": 0,
        "filtered": 0,
        "dead_lettered": 1,
        "failed": 0,
        "in_flight": 0,
    }
    assert events.refusals == {("dead_lettered", "event"): 1}


def whole(outcome, **options):
    """Return everything that stands around a step with *outcome*."""
    options = {"dead_letter_sink": None, "deadline_seconds": 30, "clock": FakeClock(), **options}
    return handler(step(outcome), name="iris", events=Events(), **options)


@pytest.mark.parametrize(
    ("outcome", "told", "reason"),
    [
        (iris_event(), "replied", None),
        (Quiet.PUBLISHED, "published", None),
        (Quiet.FILTERED, "filtered", None),
        (Quiet.EXPIRED, "filtered", "expired"),
        (Skipped("gone"), "filtered", "gone"),
        (DeadLettered("transform"), "dead_lettered", "transform"),
        (Rejected("no"), "failed", "rejected"),
        (Unavailable("later"), "failed", "unavailable"),
        (ZeroDivisionError("a bug"), "failed", "error"),
        (asyncio.CancelledError(), "failed", "cancelled"),
    ],
)
async def test_at_debug_each_event_is_a_line_in_the_words_of_the_metrics(outcome, told, reason):
    """With its names and what became of it, never its data."""
    event = iris_event(expirytime="2020-03-21T03:41:28Z")
    with capture_logs() as lines:
        with contextlib.suppress(Rejected, Unavailable, ZeroDivisionError, asyncio.CancelledError):
            await whole(outcome, debug=True)(event)

    (line,) = [line for line in lines if line["log_level"] == "debug"]
    assert (line["outcome"], line.get("reason")) == (told, reason)
    assert (line["pipeline"], line["id"]) == ("iris", event.id)
    assert told in Events().outcomes()
    assert "ndarray" not in str(line)


async def test_a_refusal_is_told_to_whoever_reads_the_log():
    """Once, with its reason and the event's id; also where the dead letter takes it."""
    handle = whole(Rejected("no"), dead_letter_sink=FakeSink())

    with capture_logs() as lines:
        await handle(iris_event())

    assert [(line["reason"], line["error"], line["to"]) for line in lines] == [
        ("rejected", "no", "dead letter")
    ]


async def test_an_expired_event_is_counted_as_filtered_and_told_sparingly():
    """An operator learns why nothing comes out, in one line and not in thousands."""
    events = Events()
    options = {"dead_letter_sink": FakeSink(), "deadline_seconds": 30, "clock": FakeClock()}
    handle = handler(step(Quiet.EXPIRED), name="iris", events=events, **options)

    with capture_logs() as lines:
        for _ in range(3):
            assert await handle(iris_event(expirytime="2020-03-21T03:41:28Z")) is None

    assert (events.filtered_total, events.filtered_for) == (3, {"expired": 3})
    assert events.balanced()
    assert [(line["event"], line["reason"], line["error"]) for line in lines] == [
        ("filtered", "expired", "expirytime 2020-03-21T03:41:28Z has passed")
    ]


async def test_what_is_filtered_for_a_reason_is_counted_by_it_and_told_sparingly():
    """Neither its sender nor the dead letter hears of it."""
    events, letters = Events(), FakeSink()
    options = {"dead_letter_sink": letters, "deadline_seconds": 30, "clock": FakeClock()}
    handle = handler(step(Skipped("gone", "0.png is gone")), name="i", events=events, **options)

    with capture_logs() as lines:
        for _ in range(2):
            assert await handle(iris_event()) is None

    assert (events.filtered_total, events.filtered_for) == (2, {"gone": 2})
    assert events.balanced()
    assert [(line["event"], line["reason"], line["error"]) for line in lines] == [
        ("filtered", "gone", "0.png is gone")
    ]
    assert letters.events == []


async def test_the_whole_nest_tells_of_a_refusal_after_the_dead_letter_has_it():
    """One outcome, dead-lettered; the sender's reply is the error event."""
    events, order = Events(), []

    class Letters(FakeSink):
        async def send(self, event):
            order.append("dead letter")

    async def deliver(event, failure):
        order.append("error event")
        return failure

    handle = handler(
        step(EventError("bad")),
        name="iris",
        events=events,
        dead_letter_sink=Letters(),
        deadline_seconds=30,
        clock=FakeClock(),
        error_events=ErrorEvents(tell=lambda event, error: iris_event(id="told"), deliver=deliver),
    )

    reply = await handle(iris_event())

    assert reply == iris_event(id="told")
    assert ["dead letter", "error event"] == order
    assert {name: count for name, count in events.counts().items() if count} == {
        "accepted": 1,
        "dead_lettered": 1,
    }
    assert {"event": 1} == events.error_events
