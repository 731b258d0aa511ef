"""Events over HTTP: a Knative Trigger's subscriber.

    POST ─▶ decode ─▶ handler ─▶ 200 + reply · 202 · 4xx for good · 429, 503, 504 for now

What each outcome answers is Knative's contract (specs/eventing/data-plane.md): a 2xx body is
a CloudEvent or empty, a 4xx is never sent again, a 429 or 5xx is. Bodies of errors stay
within 768 bytes: a longer one crashes a Knative dispatcher that has a dead letter sink.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Self

from pydantic import Field

from bridge.codecs import http as codec
from bridge.core.clock import Clock
from bridge.core.errors import (
    BridgeError,
    DecodeError,
    EventError,
    Overloaded,
    Unavailable,
    UnsupportedFormat,
)
from bridge.core.event import Event, Origin, shown
from bridge.core.ports import Component, Handler
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries
from bridge.sources.bearer import Denied
from bridge.sources.listener import Listener, ListenerOptions
from bridge.sources.webhook import WebhookOptions, granted
from bridge.transports.http import HttpRequest, HttpResponse
from bridge.transports.http.decompression import ACCEPTED_CODINGS, TooLarge, UnknownCoding

#: The longest body of an error; `knative.dev/eventing` v0.50.0 panics on one byte more.
MAX_ERROR_BYTES = 768

#: Members of one batch under way at once: a batch leaves room for other senders.
MEMBERS_AT_ONCE = 32

PAGES = ("/healthz", "/readyz")
TEXT = (b"content-type", b"text/plain; charset=utf-8")
ACCEPTED = HttpResponse(202, (), b"")


class HttpSourceOptions(ListenerOptions):
    """Events over HTTP, as a Knative Trigger delivers them."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; pipelines with the same one share a listener, 0 picks a free one."""
    path: str | None = None
    """Path that this pipeline takes; by default every path."""
    content_mode: codec.ContentMode = "auto"
    """Form of a reply; `auto` is binary unless an attribute would need percent-encoding."""
    webhook: WebhookOptions | None = None
    """Whom the webhook handshake permits to send; by default nobody asks, or nobody may."""


class HttpSource:
    """One listener. Order: none, as Knative promises none; each request is on its own.

    *replies* tells whether an event will be answered with an event, *knows* whether any
    pipeline takes a path, *ready* whether the process is (for `/readyz`). *complaints* tells
    the log of what is refused before a pipeline.
    """

    Options = HttpSourceOptions

    def __init__(
        self,
        options: HttpSourceOptions,
        *,
        deliveries: Deliveries,
        replies: Callable[[Event], bool],
        knows: Callable[[str], bool],
        ready: Callable[[], bool],
        complaints: Complaints | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._webhook = options.webhook
        self._content_mode = options.content_mode
        self._replies = replies
        self._knows = knows
        self._ready = ready
        self._complaints = complaints
        self._listener = Listener(
            options,
            self._answer,
            name="http",
            deliveries=deliveries,
            guarded=_delivers,
            refuse=lambda error: refusal(error, self._listener),
            complaints=complaints,
            clock=clock,
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._listener.port

    @property
    def far_end(self) -> Component | None:
        """Who is asked for the keys of the senders' tokens, if anybody is."""
        return self._listener.door

    async def __aenter__(self) -> Self:
        """Listen: until `run` is called requests are answered 503.

        Raise ConfigError where the address cannot be listened on.
        """
        await self._listener.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._listener.close()

    async def ping(self) -> None:
        """Return, or raise Unavailable where the issuer of the senders' tokens is down."""
        await self._listener.ping()

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        """Answer requests until *stop*; return when every request taken in is answered."""
        await self._listener.run(handle, stop)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return self._other(request)
        if not self._knows(request.path):
            text = f"path {shown(request.path)}: no pipeline listens on it"
            self._listener.turned_away(404, text)
            return HttpResponse(404, (TEXT,), b"no pipeline listens on this path")
        return await self._listener.booked(self._deliver(request), self._refuse)

    def _refuse(self, error: BridgeError) -> HttpResponse:
        if self._complaints is not None and isinstance(error, (DecodeError, Overloaded)):
            self._complaints.of(error.reason, error)
        return refusal(error, self._listener)

    async def _deliver(self, request: HttpRequest) -> HttpResponse:
        handle = self._listener.take()
        if request.coding:
            request = self._listener.unpacked(request)
        origin = Origin("http", request.path, _wants_reply(request), request.headers)
        content_type = request.header(b"content-type")
        if codec.mode(content_type) is codec.Mode.BATCH:
            return await self._deliver_batch(request, origin, handle)
        reply = await handle(codec.decode(request.headers, request.body, origin=origin))
        return ACCEPTED if reply is None else self._reply(reply)

    def _reply(self, event: Event) -> HttpResponse:
        headers, body = codec.encode(event, self._content_mode)
        return HttpResponse(200, headers, body)

    async def _deliver_batch(
        self, request: HttpRequest, origin: Origin, handle: Handler
    ) -> HttpResponse:
        """Settle a batch as a whole: the bad members are named, an outage refuses them all."""
        members = codec.decode_batch(request.headers, request.body, origin=origin)
        events = [member for member in members if isinstance(member, Event)]
        accept = _listed(request, b"accept")
        if any(map(self._replies, events)) and b"application/cloudevents-batch" not in accept:
            raise UnsupportedFormat(
                "a batch to a pipeline that replies: expected `Accept: "
                "application/cloudevents-batch+json`, or one event a request"
            )
        turns = asyncio.Semaphore(MEMBERS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_outcome(handle, member, turns)) for member in members]
        outcomes = [task.result() for task in tasks]
        for outcome in outcomes:
            if isinstance(outcome, Unavailable):
                raise outcome
        bad = [
            str(outcome) if isinstance(outcome, DecodeError) else f"event {index}: {outcome}"
            for index, outcome in enumerate(outcomes)
            if isinstance(outcome, EventError)
        ]
        if bad:
            raise EventError("; ".join(bad))
        replies = [outcome for outcome in outcomes if isinstance(outcome, Event)]
        if not replies:
            return ACCEPTED
        headers, body = codec.encode_batch(replies)
        return HttpResponse(200, headers, body)

    def _other(self, request: HttpRequest) -> HttpResponse:
        """Answer what is no delivery: probes, and methods nobody should use here."""
        is_page, knows = request.path in PAGES, self._knows(request.path)
        if is_page and request.method in ("GET", "HEAD"):
            ready = request.path == "/healthz" or self._ready()
            return HttpResponse(200 if ready else 503, (TEXT,), b"ok" if ready else b"not ready")
        pages = b"GET, HEAD, " if is_page else b""
        allow = (b"allow", pages + (b"POST, OPTIONS" if knows or not is_page else b"OPTIONS"))
        if request.method == "OPTIONS":
            consent = granted(self._webhook, request) if self._webhook and knows else ()
            return HttpResponse(200, (allow, *consent), b"")
        text = f"method {request.method[:20]}: expected POST with a CloudEvent"
        return HttpResponse(405, (allow, TEXT), text.encode())


def refusal(error: BridgeError, listener: Listener) -> HttpResponse:
    """Return the answer that makes a Knative sender do the right thing about *error*.

    4xx: not sent again, to the dead letter; 429, 503, 504: sent again, after `Retry-After`.
    Who may not send is told by 401 or 403 and the header that RFC 6750 asks for.
    The header `Kne-Bridgereason` becomes an extension of a Kafka broker's dead letter.
    """
    headers: list[tuple[bytes, bytes]] = [TEXT, (b"kne-bridgereason", error.reason.encode())]
    if isinstance(error, Unavailable):
        status, retry_after = listener.outage(error)
        headers.append(retry_after)
    elif isinstance(error, Denied):
        status = error.status
        headers.append(error.challenge)
    elif isinstance(error, UnsupportedFormat):
        status = 415
        if isinstance(error, UnknownCoding):
            headers.append(ACCEPTED_CODINGS)
    elif isinstance(error, DecodeError):
        status = 413 if isinstance(error, TooLarge) else 400
    else:
        status = 422
    text = str(error).encode("utf-8", "replace")
    if len(text) > MAX_ERROR_BYTES:
        text = text[: MAX_ERROR_BYTES - 3].decode("utf-8", "ignore").encode() + b"..."
    return HttpResponse(status, headers, text)


def _delivers(request: HttpRequest) -> bool:
    """Whether *request* brings an event: only those need a token, where any do."""
    return request.method == "POST"


async def _outcome(
    handle: Handler, member: Event | DecodeError, turns: asyncio.Semaphore
) -> Event | BridgeError | None:
    """Return what became of one member of a batch, refusals included, when it has its turn."""
    if isinstance(member, DecodeError):
        return member
    async with turns:
        try:
            return await handle(member)
        except BridgeError as error:
            return error


def _wants_reply(request: HttpRequest) -> bool:
    """Whether `Prefer` asks for a reply (RFC 7240 tokens, Knative's data-plane)."""
    prefer = request.header(b"prefer")
    if prefer is None:
        return False
    if prefer == b"reply":
        return True
    parts = _listed(request, b"prefer").split(b",")
    return any(part.partition(b";")[0].strip() == b"reply" for part in parts)


def _listed(request: HttpRequest, name: bytes) -> bytes:
    """Return the list that the header *name* is, in lower case, in however many fields it came."""
    return b",".join([value for known, value in request.headers if known == name]).lower()
