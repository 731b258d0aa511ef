"""Refusals told by events: what they say, where they go, and when there is none."""

from __future__ import annotations

import json

import pytest
from structlog.testing import capture_logs

from bridge import Event, EventError, Origin, Rejected, TransformError, Unavailable
from bridge.core.errors import DecodeError, Filtered
from bridge.core.event import Invalid
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Events
from bridge.runtime.failures import MAX_TEXT, ErrorEvents, tell_failures, teller
from bridge.runtime.pipeline import DeadLettered, Quiet
from bridge.runtime.response import puid, responder
from tests.fakes import FakeClock, iris_event


def error_event(event: Event, error: EventError, *, full: bool = True, **options) -> Event | None:
    """Return what tells of *error*, by a pipeline called iris."""
    options = {"type": lambda _: "iris.failed", "source": lambda _: "bridge", **options}
    return teller(responder(clock=FakeClock(), **options), pipeline="iris", full=full)(event, error)


def test_an_error_event_says_what_was_wrong_with_which_event() -> None:
    """Type and source by the file, data in JSON: the reason, the text, the event's names."""
    event = iris_event(time="2026-01-31T12:00:00Z", subject="s")

    told = error_event(event, Rejected("model: too few columns"))

    assert told is not None
    assert (told.type, told.source, told.datacontenttype) == (
        "iris.failed",
        "bridge",
        "application/json",
    )
    assert json.loads(told.data or b"") == {
        "error": {"reason": "rejected", "text": "model: too few columns"},
        "event": {
            "id": event.id,
            "source": event.source,
            "type": event.type,
            "time": "2026-01-31T12:00:00Z",
        },
    }


def test_an_error_event_carries_what_a_response_carries() -> None:
    """Trace, key and hops, and the replyid that a waiting caller looks for."""
    event = iris_event(traceparent="00-1-2-01", partitionkey="k", bridgehops="2", correlationid="c")

    told = error_event(event, Rejected("no"), correlate=True, extensions={"team": "a"})

    assert told is not None
    carried = ("traceparent", "partitionkey", "bridgehops", "replyid", "team", "specversion")
    assert [told.get(name) for name in carried] == ["00-1-2-01", "k", "3", "c", "a", "0.3"]


def test_what_the_model_said_can_be_kept_from_the_sender() -> None:
    """Then the reason is all there is."""
    told = error_event(iris_event(), Rejected("row 7: Jane Doe"), full=False)

    assert told is not None
    assert json.loads(told.data or b"")["error"] == {"reason": "rejected"}
    assert b"Jane" not in (told.data or b"")


def test_the_text_of_an_error_is_bounded_and_printable() -> None:
    """Whatever a user's code raises, the data is JSON that a broker takes."""
    told = error_event(iris_event(), TransformError("a\x00\ud800\n" + "é" * 5000))

    assert told is not None
    text = json.loads(told.data or b"")["error"]["text"]
    assert text[:5] == "a   é"
    assert len(text) == MAX_TEXT


def test_the_same_refused_event_has_the_same_error_event_and_never_its_responses_id() -> None:
    """A store that is keyed by id keeps one of each; a client's own puid changes both."""

    def asked(puid: bytes) -> Event:
        event = iris_event()
        return Event(event.attributes, event.data, Origin(headers=((b"seldon-puid", puid),)))

    events = [iris_event(), asked(b"1"), asked(b"2"), iris_event(id="another")]
    ids = [error_event(event, Rejected("no")) for event in events]
    again = [error_event(event, TransformError("other words")) for event in events]

    found = {told.id for told in ids if told is not None}
    assert len(found) == 4
    assert found == {told.id for told in again if told is not None}
    assert found.isdisjoint(puid(event, "iris") for event in events)


@pytest.mark.parametrize(
    ("event", "options"),
    [
        (iris_event(bridgehops="8"), {}),
        (iris_event(bridgehops="many"), {}),
        (iris_event(type="iris.failed", source="bridge"), {}),
        (iris_event(), {"accepts": lambda event: True}),
    ],
    ids=["too many bridges", "no count", "itself an error event", "accepted by the filter"],
)
def test_no_error_event_is_made_that_would_go_round_in_circles(event: Event, options) -> None:
    """The guards of a response hold for it as well."""
    assert error_event(event, Rejected("no"), **options) is None


def test_no_error_event_is_made_whose_type_needs_what_the_event_lacks() -> None:
    """A template may name an attribute."""

    def needs(attributes) -> str:
        raise EventError("attribute 'subject' is missing")

    assert error_event(iris_event(), Rejected("no"), type=needs) is None


def test_what_is_no_event_is_never_told_by_one() -> None:
    """A record of Kafka that cannot be read; one that can be and is refused is told."""
    unread = Invalid.of_record(Origin(), DecodeError("no CloudEvent"))
    refused = Invalid.of_event(iris_event(), Rejected("too many tries"))

    assert error_event(unread, unread.error) is None
    assert error_event(refused, refused.error) is not None


class Around:
    """`tell_failures` around a step that ends in *outcome*; what was delivered is in *sent*."""

    def __init__(self, outcome, *, settled="reply", tells: bool = True) -> None:
        self.sent: list[Event] = []
        self.events = Events()
        self._settled = settled
        self._outcome = outcome

        async def step(event):
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        async def deliver(event, failure):
            if isinstance(self._settled, BaseException):
                raise self._settled
            self.sent.append(failure)
            return failure if settled == "reply" else settled

        def tell(event, error):
            return iris_event(type="failed", id=error.reason) if tells else None

        self.step = tell_failures(
            step,
            ErrorEvents(tell=tell, deliver=deliver),
            "iris",
            self.events,
            Complaints(FakeClock(), pipeline="iris"),
        )


@pytest.mark.parametrize("settled", ["reply", Quiet.PUBLISHED])
async def test_a_refusal_is_settled_as_its_error_event_went(settled) -> None:
    """Replied or published, counted by reason, and told to whoever reads the log."""
    around = Around(Rejected("no"), settled=settled)

    with capture_logs() as lines:
        outcome = await around.step(iris_event())

    (sent,) = around.sent
    assert outcome == (sent if settled == "reply" else settled)
    assert around.events.error_events == {"rejected": 1}
    assert [(line["reason"], line["to"]) for line in lines] == [("rejected", "error event")]


@pytest.mark.parametrize("settled", ["reply", Quiet.PUBLISHED])
async def test_with_a_dead_letter_the_event_stays_dead_lettered(settled) -> None:
    """Exactly one outcome; the sender gets the error event as the reply where it goes there."""
    around = Around(DeadLettered("rejected", Rejected("no")), settled=settled)

    outcome = await around.step(iris_event())

    (sent,) = around.sent
    assert outcome == DeadLettered("rejected", reply=sent if settled == "reply" else None)
    assert around.events.error_events == {"rejected": 1}


@pytest.mark.parametrize("outcome", [iris_event(), Quiet.PUBLISHED, Quiet.FILTERED, Quiet.EXPIRED])
async def test_what_is_no_refusal_passes_as_it_is(outcome) -> None:
    """Nothing is told of an event that went well."""
    around = Around(outcome)

    assert await around.step(iris_event()) is outcome
    assert around.sent == []
    assert around.events.error_events == {}


@pytest.mark.parametrize("outcome", [Unavailable("down"), ZeroDivisionError("a bug")])
async def test_neither_an_outage_nor_a_bug_is_ever_told_by_an_event(outcome) -> None:
    """The event comes again."""
    around = Around(outcome)

    with pytest.raises(type(outcome)):
        await around.step(iris_event())

    assert around.sent == []


@pytest.mark.parametrize(
    "failed", [Unavailable("down", retry_after_seconds=7), Rejected("no"), Filtered("no")]
)
@pytest.mark.parametrize(
    "outcome", [Rejected("too few"), DeadLettered("rejected", Rejected("too few"))]
)
async def test_an_error_event_that_cannot_be_delivered_is_an_outage(outcome, failed) -> None:
    """The refused event is not settled, and nothing is counted as told."""
    around = Around(outcome, settled=failed)

    with pytest.raises(Unavailable, match=r"pipeline iris: .*error event"):
        await around.step(iris_event())

    assert around.events.error_events == {}


async def test_where_no_error_event_can_be_made_the_refusal_stays_what_it_is() -> None:
    """Its sender is told, or the dead letter has it, as without `error_type`."""
    error, letter = Rejected("no"), DeadLettered("rejected", Rejected("no"))

    with pytest.raises(Rejected) as caught:
        await Around(error, tells=False).step(iris_event())
    outcome = await Around(letter, tells=False).step(iris_event())

    assert caught.value is error
    assert outcome is letter
