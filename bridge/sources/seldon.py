"""Seldon's external API: plain callers and Seldon's own tools ask, the pipeline answers.

    POST /predict, /api/v1.0/predictions ─▶ event ─▶ handler ─▶ 200 + the reply's data
                                            seldon.<name>.request     or the wrapper's error JSON

A plain body becomes an event of type `seldon.<name>.request` and source `seldon.<name>.caller`
whose id is the caller's `Seldon-Puid`, or a new one. A body with `Ce-Specversion` is a
CloudEvent already: it keeps its attributes, and the answer is one too, whose id is the
caller's puid or follows from the event. An error never is: its `ce-` headers would have a
broker publish it as a prediction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Annotated, Final, Self
from urllib.parse import parse_qs

from pydantic import Field

from bridge.codecs import http as codec
from bridge.core.clock import Clock
from bridge.core.errors import (
    BridgeError,
    DecodeError,
    Overloaded,
    Unavailable,
    UnsupportedFormat,
)
from bridge.core.event import Event, Origin, check_string
from bridge.core.mediatype import essence, is_json, is_media_type
from bridge.core.payload import JSON
from bridge.core.ports import Component, Handler
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries
from bridge.protocols.seldon import BAD_DATA, INTERNAL_ERROR, ModelRefusal, error_body
from bridge.sources.bearer import Denied
from bridge.sources.listener import Listener, ListenerOptions
from bridge.transports.http import HttpRequest, HttpResponse
from bridge.transports.http.decompression import ACCEPTED_CODINGS, TooLarge, UnknownCoding

#: Where predictions are asked for: the wrapper's own path, and the external API's two.
PREDICT: Final = "/predict"
PREDICTIONS: Final = frozenset((PREDICT, "/api/v1.0/predictions", "/api/v0.1/predictions"))

PUID: Final = b"seldon-puid"
NOSNIFF: Final = (b"x-content-type-options", b"nosniff")

Header = tuple[bytes, bytes]


class SeldonSourceOptions(ListenerOptions):
    """Seldon's external API, for plain callers."""

    port: Annotated[int, Field(ge=0, le=65535)] = 9000
    """Port to listen on; 0 picks a free one."""


class SeldonSource:
    """One listener. Order: none; each request is on its own.

    *name* names the events. *ready* tells whether the process is, *chance* makes the ids of
    requests that bring none, *complaints* tells the log of what is refused before a pipeline.
    """

    Options = SeldonSourceOptions

    #: Whoever asks waits for the response, so it is the reply also where sinks get it.
    answers = True

    def __init__(
        self,
        options: SeldonSourceOptions,
        *,
        name: str,
        deliveries: Deliveries,
        ready: Callable[[], bool],
        chance: Random,
        complaints: Complaints | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._ready = ready
        self._chance = chance
        self._type = f"seldon.{name}.request"
        self._caller = f"seldon.{name}.caller"
        self._complaints = complaints
        self._listener = Listener(
            options,
            self._answer,
            name="seldon",
            deliveries=deliveries,
            guarded=_predicts,
            refuse=lambda error: refusal(error, self._listener, NOSNIFF),
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
        """Listen; until `run` is called requests are answered 503.

        Raise ConfigError where the address cannot be listened on.
        """
        await self._listener.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._listener.close()

    async def ping(self) -> None:
        """Return, or raise Unavailable where the issuer of the callers' tokens is down."""
        await self._listener.ping()

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        """Answer requests until *stop*; return when every request taken in is answered."""
        await self._listener.run(handle, stop)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        if not _predicts(request):
            return self._other(request)
        own = [NOSNIFF]
        return await self._listener.booked(
            self._predict(request, own), lambda error: self._refuse(error, own)
        )

    def _refuse(self, error: BridgeError, own: list[Header]) -> HttpResponse:
        if self._complaints is not None and isinstance(error, (DecodeError, Overloaded)):
            self._complaints.of(error.reason, error)
        return refusal(error, self._listener, *own)

    async def _predict(self, request: HttpRequest, own: list[Header]) -> HttpResponse:
        """Return the answer; add to *own* the headers that an error shall carry too."""
        handle = self._listener.take()
        if request.coding:
            request = self._listener.unpacked(request)
        headers = request.headers
        puid = (request.header(PUID) or b"").decode("utf-8", "replace")
        is_event = request.header(b"ce-specversion") is not None
        if puid:
            check_string("id (from the header Seldon-Puid)", puid)
        elif not is_event:
            # Told onwards as if the caller had sent it, so that event, model and answer agree.
            puid = _new_id(self._chance)
            headers = (*headers, (PUID, puid.encode()))
        if puid:
            own.append((PUID, puid.encode()))
        origin = Origin(transport="http", path=request.path, wants_reply=True, headers=headers)
        if is_event:
            event = codec.decode(request.headers, request.body, origin=origin)
        else:
            event = self._event(puid, *_payload(request), origin)
        reply = await handle(event)
        if reply is None:
            return HttpResponse(202, own, b"")
        if is_event:
            answered, body = codec.encode_binary(reply)
            if not puid:  # the response's own id, always the same for the same event
                own.append((PUID, reply.id.encode("utf-8", "replace")))
            return HttpResponse(200, (*answered, *own), body)
        content_type = (reply.datacontenttype or JSON).encode("utf-8", "replace")
        return HttpResponse(200, (*own, (b"content-type", content_type)), reply.data or b"")

    def _event(self, puid: str, data: bytes, content_type: str, origin: Origin) -> Event:
        attributes = {
            "specversion": "1.0",
            "id": puid,
            "source": self._caller,
            "type": self._type,
            "datacontenttype": content_type,
        }
        return Event(attributes, data, origin)

    def _other(self, request: HttpRequest) -> HttpResponse:
        """Answer what is no prediction: health, unknown paths, wrong methods."""
        page = _PAGES.get(request.path)
        if page is None and request.path not in PREDICTIONS:
            text = f"path {request.path[:100]}: expected {PREDICT} or /api/v1.0/predictions"
            return _error(404, text, BAD_DATA, NOSNIFF)
        allow = (b"allow", (_ALLOW_PAGE if page else _ALLOW.get(request.path, _ALLOW_POST)))
        if request.method == "OPTIONS":
            return HttpResponse(200, (allow, NOSNIFF), b"")
        if page is None or request.method not in ("GET", "HEAD"):
            text = f"method {request.method[:20]}: expected {allow[1].decode()}"
            return _error(405, text, BAD_DATA, NOSNIFF, allow)
        content_type, body, needs_ready = page
        if needs_ready and not self._ready():
            return _error(503, "not ready", Unavailable.reason.upper(), NOSNIFF)
        return HttpResponse(200, ((b"content-type", content_type), NOSNIFF), body)


def refusal(error: BridgeError, listener: Listener, *headers: Header) -> HttpResponse:
    """Return the wrapper's error for *error*, with *headers*.

    A component's verdict brings its own status and code. A payload that is none is 400, any
    other refusal 500, as the wrapper has it. Outages are 429, 503 and 504 with `Retry-After`,
    and a code that no client takes for a verdict.
    """
    text = str(error)
    if isinstance(error, Unavailable):
        status, retry_after = listener.outage(error)
        return _error(status, text, error.reason.upper(), *headers, retry_after)
    if isinstance(error, Denied):
        return _error(error.status, text, error.reason.upper(), *headers, error.challenge)
    if isinstance(error, ModelRefusal):
        return _error(error.status, text, error.code, *headers)
    if isinstance(error, UnsupportedFormat):
        if isinstance(error, UnknownCoding):
            headers = (*headers, ACCEPTED_CODINGS)
        return _error(415, text, BAD_DATA, *headers)
    if isinstance(error, DecodeError):
        return _error(413 if isinstance(error, TooLarge) else 400, text, BAD_DATA, *headers)
    return _error(500, text, INTERNAL_ERROR, *headers)


def _predicts(request: HttpRequest) -> bool:
    """Whether *request* asks for a prediction: only those need a token, where any do."""
    if request.path not in PREDICTIONS:
        return False
    return request.method == "POST" or (request.method == "GET" and request.path == PREDICT)


_ALLOW_POST = b"POST, OPTIONS"
_ALLOW = {PREDICT: b"GET, POST, OPTIONS"}
_ALLOW_PAGE = b"GET, HEAD, OPTIONS"
_TEXT = b"text/plain; charset=utf-8"
_JSON = JSON.encode()
_HEALTHY = b'{"meta":{},"strData":"healthy"}'
#: path → content type, body, and whether it says so only when the process is ready.
_PAGES: dict[str, tuple[bytes, bytes, bool]] = {
    "/health/ping": (_TEXT, b"pong", False),
    "/health/status": (_JSON, _HEALTHY, True),
    "/api/v1.0/health/status": (_JSON, _HEALTHY, True),
    "/live": (_TEXT, b"ok", False),
    "/healthz": (_TEXT, b"ok", False),
    "/ready": (_TEXT, b"ok", True),
    "/readyz": (_TEXT, b"ok", True),
}
#: Fields of a form at most: one is needed, and more only cost.
_MAX_FIELDS = 16


def _payload(request: HttpRequest) -> tuple[bytes, str]:
    """Return the JSON of *request* and its content type; raise DecodeError if there is none.

    It is the body, or a form's or the query's field `json`. A body that begins like JSON is
    JSON whatever its content type says: curl calls it a form.
    """
    body = request.body
    if not body:
        return _field(request.query, "query"), JSON
    said = (request.header(b"content-type") or b"").decode("utf-8", "replace")
    media_type = essence(said)
    if media_type == "application/x-www-form-urlencoded" and body.lstrip()[:1] not in (b"{", b"["):
        return _field(body.decode("latin-1"), "form"), JSON
    if media_type.startswith("multipart/"):
        raise UnsupportedFormat("a multipart body: expected JSON, or a form with the field json")
    return body, said if is_json(said) and is_media_type(said) else JSON


def _field(text: str, where: str) -> bytes:
    try:
        values = parse_qs(text, max_num_fields=_MAX_FIELDS).get("json")
    except ValueError as error:
        raise DecodeError(f"the {where} has more than {_MAX_FIELDS} fields") from error
    if not values:
        raise DecodeError(f"no body, and no field json in the {where}: expected a Seldon message")
    return values[0].encode("utf-8", "surrogatepass")


def _new_id(chance: Random) -> str:
    """Return a random UUID (RFC 9562, version 4) out of *chance*."""
    digits = f"{chance.getrandbits(128) & ~(0xF << 76) & ~(0x3 << 62) | 4 << 76 | 2 << 62:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _error(status: int, text: str, code: str, *headers: Header) -> HttpResponse:
    return HttpResponse(status, ((b"content-type", _JSON), *headers), error_body(text, code))
