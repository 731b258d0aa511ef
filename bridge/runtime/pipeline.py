"""One event through its steps, to exactly one outcome.

    event ─▶ its data ─▶ preprocess ─▶ model ─▶ postprocess ─▶ response event ─▶ sinks, or the reply

Without a model, a transformer and a `response` section the event itself goes on: that is
how a display, a logger or a plain forwarder is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from bridge.core.clock import Clock
from bridge.core.errors import EventError, Filtered
from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.ports import Context, Model, Request, Sink, Transformer
from bridge.observe.ledger import Histogram
from bridge.runtime.claims import DATAREF, ClaimStore, redeem
from bridge.runtime.expiry import EXPIRYTIME, has_expired
from bridge.runtime.response import Respond, hops, puid


class Quiet(Enum):
    """An event is settled, and there is nothing to reply."""

    PUBLISHED = "published"
    FILTERED = "filtered"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class DeadLettered:
    """An event is settled: the dead letter has it, for *reason*.

    *error* is what it was refused with, *reply* what its sender is told of that, if anything.
    """

    reason: str
    error: EventError | None = field(default=None, compare=False)
    reply: Event | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """An event is settled as filtered, for *reason*; *text* says it to people."""

    reason: str
    text: str = field(default="", compare=False)


#: How an event was settled: by a reply, or why there is none.
Outcome = Event | Quiet | DeadLettered | Skipped

#: What a source's Handler is made of; raising refuses the event.
Step = Callable[[Event], Awaitable[Outcome]]

#: Is shown the name of a step and what it made.
Watch = Callable[[str, Body], None]

#: Headers that go on to the model: trace and request ids, nothing that identifies a caller.
FORWARDED = frozenset(
    (
        b"traceparent",
        b"tracestate",
        b"x-request-id",
        b"b3",
        b"x-b3-traceid",
        b"x-b3-spanid",
        b"x-b3-parentspanid",
        b"x-b3-sampled",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Where the seconds of each step are kept."""

    preprocess: Histogram
    model: Histogram
    postprocess: Histogram
    publish: Histogram
    claim_check: Histogram = field(default_factory=Histogram)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The steps of one pipeline, in order; built by `bridge.app`.

    *expires*: an event whose `expirytime` has passed is settled without a look at it.
    *claim_stores*: where the data of an event may be fetched that has a `dataref` instead.
    *fallback*: where a response goes when there are no sinks and the sender asked for no
    reply (K_SINK). *reply_always*: reply although there are sinks. *deadline_seconds*: the
    time of an event, of which the model may use what is left. *overrides*: what the platform
    sets on events that are passed on as they came; `respond` sets it on responses itself.
    """

    name: str
    clock: Clock
    deadline_seconds: float
    timings: Timings
    preprocess: Transformer | None = None
    model: Model | None = None
    postprocess: Transformer | None = None
    respond: Respond | None = None
    sinks: Sequence[Sink] = ()
    fallback: Sink | None = None
    reply_always: bool = False
    expires: bool = True
    claim_stores: Sequence[ClaimStore] = ()
    overrides: Mapping[str, str] = field(default_factory=dict)

    async def __call__(self, event: Event) -> Outcome:
        """Return the reply, or how *event* was settled without one; raise to refuse it."""
        if EXPIRYTIME in event.attributes and self.expired(event):
            return Quiet.EXPIRED
        delivery = event.origin.delivery
        response = None if delivery is None else delivery.response
        try:
            if response is None:
                response = await self.response(event)
                if response is None:
                    return Quiet.FILTERED
                if delivery is not None:
                    delivery.response = response
            if not self._destinations(event):
                return response
            return await self.deliver(event, response)
        except Filtered as nothing:
            return Skipped(nothing.reason, str(nothing))

    async def deliver(self, event: Event, response: Event) -> Outcome:
        """Publish *response* where that to *event* goes; return how that settles *event*.

        Where an earlier try of the same delivery has brought it to some of the sinks already,
        go on with the others.
        """
        sinks = self._destinations(event)
        if not sinks:
            return response
        delivery = event.origin.delivery
        if delivery is not None:
            await delivery.turn()
        started = self.clock.monotonic()
        if delivery is None or delivery.response is not response:
            for sink in sinks:
                await sink.send(response)
        else:
            for sink in sinks[delivery.published :]:
                await sink.send(response)
                delivery.published += 1
        self.timings.publish.observe(self.clock.monotonic() - started)
        return response if self.reply_always else Quiet.PUBLISHED

    def expired(self, event: Event) -> bool:
        """Whether *event* says that it is of no use any more, and the pipeline listens to that.

        Raise EventError where its `expirytime` is no time.
        """
        until = event.attributes.get(EXPIRYTIME)
        return until is not None and self.expires and has_expired(until, self.clock.now_ns())

    def replies(self, event: Event) -> bool:
        """Whether *event*, unless it is filtered, will be answered with an event."""
        return self.reply_always or not self._destinations(event)

    def _destinations(self, event: Event) -> Sequence[Sink]:
        """Return where the response to *event* is published; nowhere means it is the reply.

        An event that is passed on as it came is nobody's reply: its broker would deliver it
        again.
        """
        passed_on = self.respond is None
        if (
            not self.sinks
            and self.fallback is not None
            and (passed_on or not event.origin.wants_reply)
        ):
            return (self.fallback,)
        return self.sinks

    async def response(self, event: Event, watch: Watch | None = None) -> Event | None:
        """Return the response event, or None where a transformer has nothing to say.

        *watch* is shown what each step made, for `bridge try`.
        """
        if self.respond is None:
            return event.replace(**self.overrides) if self.overrides else event
        hops(event.attributes)  # an event that goes round in circles is refused before the model
        now = self.clock.monotonic
        until = now() + self.deadline_seconds
        request_id = puid(event, self.name)
        if event.data is None and DATAREF in event.attributes:
            started = now()
            event = await redeem(event, self.claim_stores)
            self.timings.claim_check.observe(now() - started)
            if watch is not None:
                watch("claim check", Body(event.data or b"", event.datacontenttype))
        payload = Body(event.data or b"", event.datacontenttype)
        ctx = _NO_CONTEXT
        if self.preprocess is not None or self.postprocess is not None:
            ctx = _context(event, request_id)
        if self.preprocess is not None:
            started = now()
            prepared = await self.preprocess.preprocess(payload, ctx)
            self.timings.preprocess.observe(now() - started)
            if prepared is None:
                return None
            payload = prepared
            if watch is not None:
                watch("preprocess", payload)
        if self.model is not None:
            started = now()
            payload = await self.model.predict(
                Request(
                    payload,
                    request_id,
                    event.attributes,
                    _forwarded(event),
                    until,
                )
            )
            self.timings.model.observe(now() - started)
            _note_answer(event)
            if watch is not None:
                watch("model", payload)
        if self.postprocess is not None:
            started = now()
            finished = await self.postprocess.postprocess(payload, ctx)
            self.timings.postprocess.observe(now() - started)
            if finished is None:
                return None
            payload = finished
            if watch is not None:
                watch("postprocess", payload)
        return self.respond(event, payload, request_id)


_NO_CONTEXT = Context(id="", attributes={})


def _context(event: Event, id: str) -> Context:
    headers = {
        name.decode("latin-1"): value.decode("latin-1") for name, value in event.origin.headers
    }
    return Context(id=id, attributes=event.attributes, headers=headers)


def _note_answer(event: Event) -> None:
    if event.origin.delivery is not None:
        event.origin.delivery.answered = True


def _forwarded(event: Event) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers a model gets; the event's own trace stands in where HTTP has none."""
    headers = tuple([header for header in event.origin.headers if header[0] in FORWARDED])
    trace = event.attributes.get("traceparent")
    if trace is None or any(name == b"traceparent" for name, _ in headers):
        return headers
    state = event.attributes.get("tracestate")
    own = [(b"traceparent", trace)] + ([(b"tracestate", state)] if state else [])
    return headers + tuple((name, value.encode("ascii", "ignore")) for name, value in own)
