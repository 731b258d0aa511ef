"""What stands around a pipeline whose source delivers again itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bridge import Body, Context
from bridge.core.errors import (
    DeadlineExceeded,
    DecodeError,
    Doubtful,
    EventError,
    Rejected,
    Unavailable,
)
from bridge.core.event import Event, Invalid, Origin, Record
from bridge.observe.ledger import Events, Histogram
from bridge.runtime.deadline import deadline
from bridge.runtime.failures import ErrorEvents
from bridge.runtime.middleware import dead_letter, filtered, handler
from bridge.runtime.pipeline import Outcome, Pipeline, Quiet, Skipped, Timings
from bridge.runtime.redelivery import brake, refusing
from bridge.runtime.response import responder
from bridge.sources.lanes import Lanes, Place
from tests.fakes import FakeClock, FakeModel, FakeSink

STEPS = ("preprocess", "model", "postprocess", "publish")
ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}


def placed(place: Place) -> Event:
    """Return an event that has *place* in a source."""
    record = Record("in", 0, 1, b"k", b"{}")
    return Event(dict(ATTRIBUTES), b"{}", Origin("kafka", record=record, delivery=place))


def pipeline(model: FakeModel, *sinks: FakeSink) -> Pipeline:
    """Return a pipeline that asks *model* and publishes to *sinks*."""
    clock = FakeClock()
    return Pipeline(
        name="p",
        clock=clock,
        deadline_seconds=30,
        timings=Timings(**dict.fromkeys(STEPS, Histogram())),
        model=model,
        respond=responder(type=lambda request: "answer", source=lambda request: "/p", clock=clock),
        sinks=sinks,
    )


class Silent:
    """A transformer that has nothing to say of any answer."""

    async def preprocess(self, payload: Body, ctx: Context) -> Body | None:
        return payload

    async def postprocess(self, payload: Body, ctx: Context) -> Body | None:
        return None


class Flaky(FakeSink):
    """A sink that is down for so many sends."""

    def __init__(self, down: int) -> None:
        super().__init__()
        self.down = down

    async def send(self, event: Event) -> None:
        if self.down:
            self.down -= 1
            raise Unavailable("sink down")
        await super().send(event)


async def test_a_later_try_goes_on_where_the_last_one_ended() -> None:
    """The model is asked once, and the sink that has the response does not get it again."""
    model, first, second = FakeModel(), FakeSink(), Flaky(2)
    step, event = pipeline(model, first, second), placed(Lanes().enter("k", 0))

    for _ in range(2):
        with pytest.raises(Unavailable):
            await step(event)
    outcome = await step(event)

    assert Quiet.PUBLISHED is outcome
    assert (1, 1, 1) == (len(model.requests), len(first.events), len(second.events))


async def test_nothing_leaves_before_its_turn() -> None:
    """The model is asked at once; the response waits for the event ahead."""
    lanes = Lanes()
    ahead, place = lanes.enter("k", 0), lanes.enter("k", 0)
    model, sink = FakeModel(), FakeSink()

    task = asyncio.create_task(pipeline(model, sink)(placed(place)))
    for _ in range(5):
        await asyncio.sleep(0)
    before = (len(model.requests), len(sink.events))
    ahead.leave()
    await task

    assert ((1, 0), 1) == (before, len(sink.events))


async def test_a_dead_letter_waits_for_its_turn_too() -> None:
    """It leaves its place in the order as a response would."""
    lanes = Lanes()
    ahead, place = lanes.enter("k", 0), lanes.enter("k", 0)
    sink = FakeSink()

    async def refuse(event: Event) -> Outcome:
        raise Rejected("no")

    task = asyncio.create_task(dead_letter(refuse, sink, "p", FakeClock())(placed(place)))
    for _ in range(5):
        await asyncio.sleep(0)
    before = len(sink.events)
    ahead.leave()
    await task

    assert (0, 1) == (before, len(sink.events))


async def test_waiting_for_a_turn_is_not_being_late() -> None:
    """The deadline is for the model, not for the key's other events."""
    lanes = Lanes()
    ahead, place = lanes.enter("k", 0), lanes.enter("k", 0)
    sink = FakeSink()

    task = asyncio.create_task(deadline(pipeline(FakeModel(), sink), 0.02)(placed(place)))
    await asyncio.sleep(0.1)
    waiting = not task.done()
    ahead.leave()
    await task

    assert (True, 1) == (waiting, len(sink.events))


async def test_what_is_no_event_is_refused_before_anybody_looks_at_it() -> None:
    """With the error that it came with."""
    model = FakeModel()
    invalid = Invalid.of_record(Origin("kafka", record=Record("in", 0, 7)), DecodeError("no event"))

    with pytest.raises(DecodeError, match="no event"):
        await refusing(pipeline(model, FakeSink()))(invalid)

    assert [] == model.requests


async def test_what_is_no_event_passes_every_filter() -> None:
    """It has no attributes to judge by, and filtering it out would lose it."""
    invalid = Invalid.of_record(Origin("kafka", record=Record("in", 0, 7)), DecodeError("no"))
    seen: list[Event] = []

    async def handle(event: Event) -> None:
        seen.append(event)

    await filtered(handle, lambda event: False, Events())(invalid)

    assert [invalid] == seen


async def test_the_whole_nest_gives_what_is_no_event_to_the_dead_letter() -> None:
    """And books it so."""
    sink, events = FakeSink(), Events()
    handle = handler(
        pipeline(FakeModel(), FakeSink()),
        name="p",
        events=events,
        dead_letter_sink=sink,
        deadline_seconds=30,
        clock=FakeClock(),
        hold_after_refusals=0,
    )

    await handle(
        Invalid.of_record(Origin("kafka", record=Record("in", 0, 7)), DecodeError("no event"))
    )

    assert {("dead_lettered", "decode"): 1} == events.refusals
    assert ["in/0/7"] == [letter.id for letter in sink.events]


async def test_a_run_of_refusals_is_an_outage() -> None:
    """From the third one on, until one event is taken."""
    told = iter("rrrrorr")

    async def step(event: Event) -> Outcome:
        if next(told) == "r":
            raise Rejected("model: no")
        return Quiet.PUBLISHED

    braked, event, outcomes = brake(step, 3), placed(Lanes().enter(None, 0)), ""
    for _ in range(7):
        try:
            await braked(event)
            outcomes += "o"
        except Unavailable:
            outcomes += "u"
        except EventError:
            outcomes += "r"

    assert "rruuorr" == outcomes


async def test_without_a_limit_refusals_are_refusals() -> None:
    """However many there are."""

    async def step(event: Event) -> Outcome:
        raise Rejected("no")

    assert step is brake(step, 0)


@pytest.mark.parametrize("error", [Unavailable("down"), EventError("bad")])
async def test_only_verdicts_count_as_refusals(error: Exception) -> None:
    """An outage is one already, and a bad event says nothing of the model."""

    async def step(event: Event) -> Outcome:
        raise error

    braked = brake(step, 1)

    with pytest.raises(type(error), match=str(error)):
        await braked(placed(Lanes().enter(None, 0)))


@pytest.mark.parametrize("told_by", ["dead letter", "error event"])
async def test_a_refusal_that_is_told_slowly_is_not_the_events_own_fault(told_by: str) -> None:
    """Or it would be refused anew, for its time, and what was wrong with it be forgotten."""

    class Slow(FakeSink):
        async def send(self, event: Event) -> None:
            raise DeadlineExceeded("no answer within 30 s", retry_after_seconds=7)

    async def refuse(event: Event) -> Outcome:
        raise Rejected("no")

    async def slowly(event: Event, failure: Event) -> Outcome:
        raise DeadlineExceeded("no answer within 30 s", retry_after_seconds=7)

    handle = handler(
        refuse,
        name="p",
        events=Events(),
        dead_letter_sink=Slow() if told_by == "dead letter" else None,
        error_events=ErrorEvents(tell=lambda event, error: event, deliver=slowly),
        deadline_seconds=30,
        clock=FakeClock(),
        hold_after_refusals=0,
    )

    with pytest.raises(Unavailable, match=f"{told_by}: no answer within 30 s") as caught:
        await handle(placed(Lanes().enter("k", 0)))

    assert not isinstance(caught.value, Doubtful)
    assert 7 == caught.value.retry_after_seconds


@pytest.mark.parametrize("outcome", [Quiet.FILTERED, Quiet.EXPIRED, Skipped("gone")])
async def test_what_no_model_was_asked_about_is_no_success(outcome: Outcome) -> None:
    """A model rolled out badly drains no topic, however many events beside it are filtered."""

    async def step(event: Event) -> Outcome:
        if event.id == "other":
            return outcome
        raise Rejected("model: no")

    braked, lanes = brake(step, 3), Lanes()

    for _ in range(2):
        with pytest.raises(Rejected):
            await braked(placed(lanes.enter(None, 0)))
        await braked(placed(lanes.enter(None, 0)).replace(id="other"))
    with pytest.raises(Unavailable, match="3 refusals in a row"):
        await braked(placed(lanes.enter(None, 0)))


async def test_an_answer_that_nobody_wants_is_a_success_of_the_model() -> None:
    """A postprocess that lets only alarms through: the model works all the same."""
    told = iter("rfrr")
    answering = replace(pipeline(FakeModel(), FakeSink()), postprocess=Silent())

    async def step(event: Event) -> Outcome:
        if next(told) == "r":
            raise Rejected("model: no")
        return await answering(event)

    braked, lanes, outcomes = brake(step, 2), Lanes(), ""
    for _ in range(4):
        try:
            await braked(placed(lanes.enter(None, 0)))
            outcomes += "f"
        except Unavailable:
            outcomes += "u"
        except Rejected:
            outcomes += "r"

    assert "rfru" == outcomes


async def test_an_answer_that_waits_behind_a_refusal_is_a_success() -> None:
    """Or a few bad events in a row would hold a partition without keys for ever."""
    lanes = Lanes()
    first, bad, good = (lanes.enter("partition", 0) for _ in range(3))
    answering = pipeline(FakeModel(), FakeSink())

    async def step(event: Event) -> Outcome:
        if event.origin.delivery is good:
            return await answering(event)
        raise Rejected("model: no")

    braked = brake(step, 2)
    with pytest.raises(Rejected):
        await braked(placed(first))
    first.leave()
    with pytest.raises(Unavailable):
        await braked(placed(bad))
    behind = asyncio.create_task(braked(placed(good)))
    while not good.waiting:
        await asyncio.sleep(0)

    with pytest.raises(Rejected):
        await braked(placed(bad))
    bad.leave()

    assert Quiet.PUBLISHED is await behind


async def test_an_answer_says_nothing_of_a_sink_that_refuses_all() -> None:
    """Its refusals hold the source, however many events the model answers meanwhile."""

    class Refusing(FakeSink):
        async def send(self, event: Event) -> None:
            raise Rejected("sink: no")

    lanes = Lanes()
    first, second, behind = lanes.enter("k", 0), lanes.enter("l", 0), lanes.enter("l", 0)
    braked = brake(pipeline(FakeModel(), Refusing()), 2)
    waiting = asyncio.create_task(braked(placed(behind)))
    while not behind.waiting:
        await asyncio.sleep(0)

    with pytest.raises(Rejected):
        await braked(placed(first))
    with pytest.raises(Unavailable, match="2 refusals in a row"):
        await braked(placed(second))
    waiting.cancel()
