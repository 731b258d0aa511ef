"""What every source that listens over HTTP has: a listener, a limit, and an honest ledger.

request ─▶ door ─▶ the source's own `answer` ─▶ booked( take() ─▶ handler ) ─▶ response
            └ turned away: 401, 403              └ taken, then settled, refused or given back
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil, isnan
from typing import Annotated, Final

import structlog
from pydantic import Field

from bridge.config.options import Bytes, Options, Seconds, ServerTlsOptions
from bridge.config.problems import tried
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import BridgeError, ConfigError, DeadlineExceeded, Overloaded, Unavailable
from bridge.core.ports import Handler
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries
from bridge.sources.authorization import AuthOptions, Authorization
from bridge.sources.bearer import Denied, kept_private
from bridge.transports.http import (
    HttpRequest,
    HttpResponse,
    HttpServer,
    cannot_listen,
    server_context,
)
from bridge.transports.http.decompression import unpacked

log = structlog.get_logger()

#: Longest pause that a sender is asked for because a far end, or a user's class, asks for one.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0


class ListenerOptions(Options):
    """How a source listens."""

    host: str = "0.0.0.0"  # noqa: S104  # a pod is reached from outside
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 picks a free one."""
    max_in_flight: Annotated[int, Field(ge=1)] = 256
    """Requests under way at most; one more is answered 429."""
    max_body_bytes: Bytes = 8 * 1024 * 1024
    """Largest body that is taken, also once it is unpacked; one byte more is answered 413."""
    max_decompression_ratio: Annotated[int, Field(ge=1)] = 100
    """How many times its size a gzip or deflate body may become; beyond 64 KiB it is 413."""
    max_receiving_bytes: Bytes = 256 * 1024 * 1024
    """What requests still arriving may hold together; one that goes beyond is answered 503."""
    max_head_bytes: Bytes = 64 * 1024
    """Largest head (request line and headers) that is taken; a larger one is answered 431."""
    idle_seconds: Seconds = 75.0
    """How long a connection may wait for its next request."""
    request_seconds: Seconds = 30.0
    """How long a request may take to arrive; a slower one is answered 408."""
    retry_after_seconds: Annotated[int, Field(ge=0)] = 1
    """When to come back, where an outage itself does not say."""
    tls: ServerTlsOptions | None = None
    """Certificates to serve HTTPS; by default plain HTTP."""
    auth: AuthOptions | None = None
    """Who may send; by default whoever reaches the port."""


class Listener:
    """The listener of the source called *name*; *answer* answers its requests.

    With `auth`, *answer* sees of the requests that are *guarded* only those of senders who may
    send, without their token; *refuse* makes the answers to the others. *complaints* tells the
    log of requests that are refused before *answer* sees them.
    """

    def __init__(
        self,
        options: ListenerOptions,
        answer: Callable[[HttpRequest], Awaitable[HttpResponse]],
        *,
        name: str,
        deliveries: Deliveries,
        guarded: Callable[[HttpRequest], bool],
        refuse: Callable[[BridgeError], HttpResponse],
        complaints: Complaints | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._options = options
        self._name = name
        self._deliveries = deliveries
        self._complaints = complaints
        deliveries.limit = options.max_in_flight
        self._handle: Handler | None = None
        self._door: Authorization | None = None
        problems: list[str] = []
        ticking, auth, certificates, tls = clock or SystemClock(), options.auth, options.tls, None
        if certificates is not None:
            tls = tried(lambda: server_context(certificates, clock=ticking), problems)
        if auth is not None:
            self._door = tried(lambda: Authorization(auth, clock=ticking), problems)
        if problems:
            raise ConfigError("; ".join(problems))
        if self._door is not None:
            answer = _Guarded(self._door, answer, guarded, refuse, self.turned_away)
        self._server = HttpServer(
            answer,
            max_head_bytes=options.max_head_bytes,
            max_body_bytes=options.max_body_bytes,
            max_receiving_bytes=options.max_receiving_bytes,
            idle_seconds=options.idle_seconds,
            request_seconds=options.request_seconds,
            tls=tls,
            on_refusal=self.turned_away,
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.port

    @property
    def door(self) -> Authorization | None:
        """What says who may send; None lets everybody."""
        return self._door

    async def open(self) -> None:
        """Listen; raise ConfigError where the address cannot be listened on."""
        host, port = self._options.host, self._options.port
        if self._door is not None:
            await self._door.__aenter__()
        try:
            await self._server.start(host, port)
        except OSError as error:
            await self.close()
            raise cannot_listen(f"source {self._name}", host, port, error) from error
        log.info("listening for requests", source=self._name, host=host, port=self.port)

    async def close(self) -> None:
        """Close every connection and cancel what is under way; may be called twice."""
        await self._server.close()
        if self._door is not None:
            await self._door.__aexit__(None, None, None)

    async def ping(self) -> None:
        """Return if the issuer of the senders' tokens answers, or if there is none.

        Raise Unavailable if it does not.
        """
        if self._door is not None:
            await self._door.ping()

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        """Have requests handled until *stop*; return when every one taken in is answered."""
        self._handle = handle
        await stop.wait()
        self._server.stop_accepting()
        await self._server.drain()

    def take(self) -> Handler:
        """Return the handler for one more delivery, which is booked already.

        Raise Unavailable before `run`, Overloaded beyond `max_in_flight`.
        """
        if self._handle is None:
            raise Unavailable("not ready yet")
        if self._deliveries.open > self._options.max_in_flight:
            raise Overloaded(f"max_in_flight: {self._options.max_in_flight} under way already")
        return self._handle

    def turned_away(self, status: int, text: str) -> None:
        """Count a request that is answered *status* and no delivery, and tell the log why."""
        self._deliveries.turn_away(status)
        if self._complaints is not None:
            self._complaints.of_request(status, text)

    def unpacked(self, request: HttpRequest) -> HttpRequest:
        """Return *request*, whose author packed its body, as it was before; or raise DecodeError.

        TooLarge is 413 and UnknownCoding 415, with ACCEPTED_CODINGS, to whoever answers.
        """
        options = self._options
        return unpacked(
            request,
            max_bytes=options.max_body_bytes,
            max_ratio=options.max_decompression_ratio,
        )

    async def booked(
        self,
        response: Awaitable[HttpResponse],
        refuse: Callable[[BridgeError], HttpResponse],
    ) -> HttpResponse:
        """Return *response*, or what *refuse* makes of its refusal, one delivery in the ledger."""
        deliveries = self._deliveries
        deliveries.taken()
        try:
            made = await response
        except BridgeError as error:
            deliveries.refused(error.reason)
            return refuse(error)
        except asyncio.CancelledError:
            deliveries.given_back()
            raise
        except BaseException:
            deliveries.refused()
            raise
        deliveries.settled()
        return made

    def outage(self, error: Unavailable) -> tuple[int, tuple[bytes, bytes]]:
        """Return status and Retry-After of an outage: 429, 504 or 503, so that it comes again.

        What was asked for may come from a far end or a user's class: it is kept between 0 and
        MAX_RETRY_AFTER_SECONDS.
        """
        asked = error.retry_after_seconds
        seconds = self._options.retry_after_seconds
        if asked is not None and not isnan(asked):
            seconds = ceil(max(0.0, min(asked, MAX_RETRY_AFTER_SECONDS)))
        return _STATUS.get(type(error), 503), (b"retry-after", str(seconds).encode())


_STATUS: dict[type[Unavailable], int] = {Overloaded: 429, DeadlineExceeded: 504}


class _Guarded:
    """The answer of a listener that not everybody may send to."""

    def __init__(
        self,
        door: Authorization,
        answer: Callable[[HttpRequest], Awaitable[HttpResponse]],
        guarded: Callable[[HttpRequest], bool],
        refuse: Callable[[BridgeError], HttpResponse],
        turned_away: Callable[[int, str], None],
    ) -> None:
        self._door = door
        self._answer = answer
        self._guarded = guarded
        self._refuse = refuse
        self._turned_away = turned_away

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._guarded(request):
            return await self._answer(request)
        try:
            admitted, token = await self._door.admit(request)
        except (Denied, Unavailable) as error:
            refused = self._refuse(error)
            cause = error.cause if isinstance(error, Denied) else str(error)
            self._turned_away(refused.status, cause)
            return refused
        response = await self._answer(admitted)
        return kept_private(response) if token.by_query else response
