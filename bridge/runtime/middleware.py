"""What stands around a pipeline, the outermost first, each one function of a step.

    filter( join( observe( error events( dead letter( deadline( pipeline ))))))

`handler` nests all but the filter, which a listener shared by several pipelines has in its
router (`bridge.runtime.routing`). A source sees one callable: returning is acknowledging,
raising is refusing.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, EventError, Filtered, Unavailable
from bridge.core.event import Event, Invalid, Letter
from bridge.core.filters import Predicate
from bridge.core.ports import Handler, Sink
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Events
from bridge.runtime.claims import DATAREF
from bridge.runtime.deadline import deadline
from bridge.runtime.expiry import EXPIRYTIME
from bridge.runtime.failures import ErrorEvents, tell_failures, text_of, without_doubt
from bridge.runtime.pipeline import DeadLettered, Outcome, Quiet, Skipped, Step
from bridge.runtime.redelivery import brake, refusing
from bridge.runtime.response import CORRELATION_ID, PUID_HEADER

log = structlog.get_logger()


def observe(step: Step, events: Events, complaints: Complaints | None = None) -> Handler:
    """Count each event in and out, whatever becomes of it, and give a source what it needs.

    *complaints* tells whoever reads the log why events are refused, and that they expire.
    """

    async def observed(event: Event) -> Event | None:
        events.accepted()
        try:
            outcome = await step(event)
        except BridgeError as error:
            events.failed(error.reason)
            if complaints is not None:
                complaints.of(error.reason, error, id=event.id)
            raise
        except Exception:
            events.failed(BridgeError.reason)  # a bug, ours or that of a user's own kind
            raise
        except BaseException:
            events.failed("cancelled")
            raise
        if outcome is Quiet.PUBLISHED:
            events.published()
        elif outcome is Quiet.FILTERED:
            events.filtered()
        elif isinstance(outcome, DeadLettered):
            events.dead_lettered(outcome.reason)
            return outcome.reply
        elif isinstance(outcome, Skipped):
            events.filtered(outcome.reason)
            if complaints is not None:
                complaints.of_filtered(outcome.reason, outcome.text, id=event.id)
        elif outcome is Quiet.EXPIRED:
            events.filtered("expired")
            if complaints is not None:
                until = event.attributes[EXPIRYTIME]
                complaints.of_filtered("expired", f"expirytime {until} has passed", id=event.id)
        else:
            events.replied()
            return outcome
        return None

    return observed


def filtered(handle: Handler, accepts: Predicate | None, events: Events) -> Handler:
    """Let only accepted events through; the others are settled and counted as filtered.

    *accepts* None lets everything through. What is no event has no attributes to judge by, and
    is for the dead letter.
    """
    if accepts is None:
        return handle

    async def filter_(event: Event) -> Event | None:
        if accepts(event) or isinstance(event, Invalid):
            return await handle(event)
        events.accepted()
        events.filtered()
        return None

    return filter_


def dead_letter(
    step: Step, sink: Sink, pipeline: str, clock: Clock, complaints: Complaints | None = None
) -> Step:
    """Send a refused event to *sink*, with the reason, and call it settled.

    A dead letter that cannot be sent is an outage: raises Unavailable, and the event is
    delivered again.
    """

    async def or_dead_letter(event: Event) -> Outcome:
        try:
            return await step(event)
        except EventError as error:
            if event.origin.delivery is not None:
                await event.origin.delivery.turn()
            try:
                await sink.send(letter(event, error, pipeline, clock.now_ns()))
            except (EventError, Filtered) as refused:
                raise Unavailable(
                    f"pipeline {pipeline}: the dead letter refused an event ({refused}) "
                    f"that failed with: {error}"
                ) from refused
            except Unavailable as outage:
                outage.args = (f"pipeline {pipeline}: dead letter: {outage}",)
                if event.origin.delivery is None:
                    raise
                raise without_doubt(outage) from outage
            if complaints is not None:
                complaints.of(error.reason, error, id=event.id, to="dead letter")
            return DeadLettered(error.reason, error)

    return or_dead_letter


def letter(event: Event, error: EventError, pipeline: str, refused_ns: int) -> Letter:
    """Return *event* as it came, with what went wrong in extensions of its own."""
    attributes = {
        **event.attributes,
        "bridgepipeline": pipeline,
        "bridgeerrortype": error.reason,
        "bridgeerrortext": text_of(error),
    }
    return Letter(attributes, event.data, event.origin, error, pipeline, refused_ns)


@dataclass(slots=True)
class _Running:
    """An event under way, and whoever waits for its outcome beside the first."""

    event: Event
    outcome: asyncio.Future[Event | None] | None = None


def join(handle: Handler) -> Handler:
    """Let a redelivery of an event that is still under way wait for the first one's outcome.

    The same event is one with the same source, id, type and data, or what it refers to in
    place of that: a sender that uses an id for two different events gets each of them
    processed. So does one that asks for another answer: by a puid or a `correlationid` of its
    own, on another path, or for a reply where the first wants none.
    """
    running: dict[tuple[str, str, str], _Running] = {}

    async def joined(event: Event) -> Event | None:
        key = (event.source, event.id, event.type)
        first = running.get(key)
        if first is not None:
            if first.event.data == event.data and _asks_alike(first.event, event):
                if first.outcome is None:
                    first.outcome = asyncio.get_running_loop().create_future()
                return await asyncio.shield(first.outcome)
            return await handle(event)
        entry = running[key] = _Running(event)
        try:
            reply = await handle(event)
        except BaseException as error:
            if entry.outcome is not None:
                _fail(entry.outcome, error)
            raise
        else:
            if entry.outcome is not None:
                entry.outcome.set_result(reply)
            return reply
        finally:
            del running[key]

    return joined


def _asks_alike(first: Event, other: Event) -> bool:
    """Whether the response to the one is the response to the other."""
    one, two = first.origin, other.origin
    return (
        one.path == two.path
        and one.wants_reply == two.wants_reply
        and one.header(PUID_HEADER) == two.header(PUID_HEADER)
        and first.get(CORRELATION_ID) == other.get(CORRELATION_ID)
        and first.get(DATAREF) == other.get(DATAREF)
    )


def _fail(outcome: asyncio.Future[Event | None], error: BaseException) -> None:
    """Pass *error* on; to those who waited, a cancelled first is an outage like any other."""
    if isinstance(error, Exception):
        outcome.set_exception(error)
    else:
        outcome.set_exception(Unavailable("the first delivery of this event was given back"))
    outcome.exception()  # seen: nobody may be left who still waits


def handler(
    pipeline: Step,
    *,
    name: str,
    events: Events,
    dead_letter_sink: Sink | None,
    deadline_seconds: float,
    clock: Clock,
    error_events: ErrorEvents | None = None,
    hold_after_refusals: int | None = None,
    debug: bool = False,
) -> Handler:
    """Return what a source calls: *pipeline* with everything that stands around it.

    *error_events* tells of refusals by events. *hold_after_refusals* is for a source that
    delivers again itself (`bridge.runtime.redelivery`). *debug* writes a line for every event;
    without it not even the question is asked.
    """
    complaints = Complaints(clock, pipeline=name)
    step = deadline(pipeline, deadline_seconds)
    if hold_after_refusals is not None:
        step = refusing(brake(step, hold_after_refusals))
    if dead_letter_sink is not None:
        step = dead_letter(step, dead_letter_sink, name, clock, complaints)
    if error_events is not None:
        step = tell_failures(step, error_events, name, events, complaints)
    if debug:
        step = told(step, name, clock)
    observed = observe(step, events, complaints)
    # Such a source never has one delivery twice. Two records of one event are two deliveries,
    # and the second, waiting in its key for the first, must not be what the first waits for.
    return join(observed) if hold_after_refusals is None else observed


def told(step: Step, pipeline: str, clock: Clock) -> Step:
    """Write a debug line for every event: its outcome, why if it was refused, how long it took."""

    async def telling(event: Event) -> Outcome:
        started = clock.monotonic()
        outcome, reason = "failed", "cancelled"
        try:
            settled = await step(event)
            outcome, reason = in_words(settled)
        except Exception as error:
            reason = error.reason if isinstance(error, BridgeError) else BridgeError.reason
            raise
        finally:
            seconds = round(clock.monotonic() - started, 6)
            facts = {"id": event.id, "type": event.type, "source": event.source}
            if reason:
                facts["reason"] = reason
            log.debug("event", pipeline=pipeline, outcome=outcome, seconds=seconds, **facts)
        return settled

    return telling


def in_words(outcome: Outcome) -> tuple[str, str]:
    """Return *outcome* as the metrics call it, and its reason, if there is one."""
    if isinstance(outcome, DeadLettered):
        return "dead_lettered", outcome.reason
    if outcome is Quiet.EXPIRED:
        return "filtered", "expired"
    if isinstance(outcome, Skipped):
        return "filtered", outcome.reason
    return (outcome.value, "") if isinstance(outcome, Quiet) else ("replied", "")
