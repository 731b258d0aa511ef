"""A refusal as an event, for whoever waits for an answer and would rather hear of a failure.

    event ─▶ step ─┬─ reply, published, filtered ─────────────────────────▶ as it is
                   ├─ refused for good ─▶ error event ─▶ the reply, or sinks ─▶ settled
                   └─ the dead letter has it ─▶ error event, likewise ─▶ still dead-lettered

An error event is a response in all but its type, its data and its id, so the guards against
loops hold for it too. An outage is never told so: the event comes again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bridge.core.errors import DecodeError, EventError, Filtered, Unavailable
from bridge.core.event import Event, Invalid
from bridge.core.payload import Body
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Events
from bridge.runtime.pipeline import DeadLettered, Outcome, Step
from bridge.runtime.response import PUID_HEADER, Respond, digest

#: The longest text of an error in an event, in characters.
MAX_TEXT = 1024

#: Attributes by which a sender knows its event again.
NAMED = ("id", "source", "type", "time")

#: Makes the event that tells of a refusal; None where there can be none.
Tell = Callable[[Event, EventError], Event | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvents:
    """How a pipeline tells of refusals: what *tell* makes goes where *deliver* brings it."""

    tell: Tell
    deliver: Callable[[Event, Event], Awaitable[Outcome]]


def teller(respond: Respond, *, pipeline: str, full: bool) -> Tell:
    """Return what makes the error events of *pipeline*, by its *respond* for them.

    *full*: with the error's text, which may quote the model and the data. The same refused
    event has an error event with the same id, and never with that of its response.
    """

    def tell(event: Event, error: EventError) -> Event | None:
        if isinstance(event, Invalid) and isinstance(event.error, DecodeError):
            return None  # a record that is no event has nobody who sent one
        told = {"reason": error.reason}
        if full:
            told["text"] = text_of(error)
        named = {name: event.attributes[name] for name in NAMED if name in event.attributes}
        try:
            return respond(event, Body.of({"error": told, "event": named}), _id(event, pipeline))
        except EventError:
            return None  # it would come back, or its type needs what the event lacks

    return tell


def tell_failures(
    step: Step, by: ErrorEvents, pipeline: str, events: Events, complaints: Complaints
) -> Step:
    """Tell of a refusal by an error event, and call the refused event settled.

    Where no error event can be made, the refusal stays what it is. One that cannot be
    delivered is an outage: raises Unavailable, and the refused event is delivered again.
    """

    async def told(event: Event) -> Outcome:
        try:
            outcome = await step(event)
        except EventError as error:
            failure = by.tell(event, error)
            if failure is None:
                raise
            settled = await deliver(event, failure, error)
            complaints.of(error.reason, error, id=event.id, to="error event")
            return settled
        if not isinstance(outcome, DeadLettered) or outcome.error is None:
            return outcome
        failure = by.tell(event, outcome.error)
        if failure is None:
            return outcome
        settled = await deliver(event, failure, outcome.error)
        return replace(outcome, reply=settled) if isinstance(settled, Event) else outcome

    async def deliver(event: Event, failure: Event, error: EventError) -> Outcome:
        try:
            settled = await by.deliver(event, failure)
        except (EventError, Filtered) as refused:
            raise Unavailable(
                f"pipeline {pipeline}: the error event was refused ({refused}) "
                f"for an event that failed with: {error}"
            ) from refused
        except Unavailable as outage:
            outage.args = (f"pipeline {pipeline}: error event: {outage}",)
            if event.origin.delivery is None:
                raise
            raise without_doubt(outage) from outage
        events.told_of(error.reason)
        return settled

    return told


def without_doubt(outage: Unavailable) -> Unavailable:
    """Return *outage*, met while a refusal was told of, as one that is not the event's fault.

    A source that delivers again itself would refuse the event once more, for the time that it
    took to tell of the first refusal, and that one would never be told.
    """
    return Unavailable(str(outage), retry_after_seconds=outage.retry_after_seconds)


def text_of(error: EventError) -> str:
    """Return the text of *error* as an attribute or JSON may hold it, in MAX_TEXT characters."""
    text = str(error)[:MAX_TEXT]
    return "".join([character if character.isprintable() else " " for character in text])


def _id(event: Event, pipeline: str) -> str:
    """Return the id of the error event for *event*: always the same, and never a response's.

    A client's own puid is the response's id, so it is part of this one and not all of it.
    """
    own = (event.origin.header(PUID_HEADER) or b"").decode("utf-8", "replace")
    return digest(event.source, event.id, event.type, pipeline, own, "error")
