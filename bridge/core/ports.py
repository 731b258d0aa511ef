"""The ports: what a source, a model, a transformer and a sink promise each other.

    Source ──event──▶ Handler ──▶ preprocess ─▶ Model ─▶ postprocess ──▶ Sinks, or the reply
       ◀── reply / ack / refusal ──┘

**Returning is acknowledging, raising is refusing.** There is no token to settle, so none can
be forgotten. A source owns concurrency, order and acknowledgement, because it alone knows
its requests or partitions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import Any, Protocol, Self

from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.value import value

#: Takes one event. Returns the reply, or None when there is none to give (published,
#: filtered, dead-lettered): either way the event is settled. Raises EventError to refuse it
#: for good, Unavailable to have it delivered again.
Handler = Callable[[Event], Awaitable[Event | None]]


class Component(Protocol):
    """Anything with a far end. Built without touching the network."""

    async def __aenter__(self) -> Self:
        """Connect, as far as that can be done now; a far end that is down is no error."""
        ...

    async def __aexit__(self, *exc: object) -> None:
        """Leave: release everything. May be called twice."""
        ...

    async def ping(self) -> None:
        """Return if the far end answers; raise Unavailable, with its name, if not."""
        ...


class Source(Component, Protocol):
    """Where events come from."""

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        """Give every event to *handle* until *stop* is set.

        Return when all that was taken in is settled or given back. Cancelled, give back
        whatever is still open, so that it is delivered again.
        """
        ...


@value
class Request:
    """One call of a model.

    *id*: the puid; the same event always has the same one. *attributes*: those of the
    event. *headers*: what to forward, names in lower case. *deadline*: on the clock's
    monotonic seconds, None for never.
    """

    payload: Body
    id: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    deadline: float | None = None


class Model(Component, Protocol):
    """Something that answers a payload with a payload."""

    async def predict(self, request: Request) -> Body:
        """Answer in kind: the form of the request is the form of the answer.

        Raise Rejected when the model judged this request and refused it, Unavailable when
        it could not be asked (and DeadlineExceeded when the time was up). May be called
        concurrently.
        """
        ...


@value
class Context:
    """What a transformer may know about the event in hand.

    *state* is the event's own: what preprocess leaves there, postprocess of the same event
    finds, and nobody else. *headers* are the transport's, names in lower case.
    """

    id: str
    attributes: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)


class Transformer(Component, Protocol):
    """What happens to a payload before and after the model."""

    async def preprocess(self, payload: Body, ctx: Context) -> Body | None:
        """Return what the model gets; None: nothing to say, the event counts as filtered.

        Raise Filtered where there is nothing to say and a reason for it. Raise TransformError,
        naming class, method and error, when user code raised; Unavailable when it met an
        outage.
        """
        ...

    async def postprocess(self, payload: Body, ctx: Context) -> Body | None:
        """Return what the response event carries; otherwise as `preprocess`."""
        ...


class Sink(Component, Protocol):
    """Where events go."""

    async def send(self, event: Event) -> None:
        """Return when the far end has *event*, and not before.

        Raise Rejected when it refused it for good, Unavailable for anything that may pass,
        Filtered where there is nothing to send any more.
        May be called concurrently, and again with the same event: its id is the
        idempotency key.
        """
        ...
