"""The broker's door: HTTP requests in, 202 when every trigger that wants the event has it.

    POST /  ·  POST /<namespace>/<broker> ─▶ decode ─▶ Intake ─▶ 202 · 400 · 404 · 429

Source: Knative pkg/broker/ingress (v0.50.0) and specs/eventing/data-plane.md. Beyond those a
batch is taken too, as a whole or not at all, and `/` is the default broker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

from bridge.broker.intake import Intake
from bridge.codecs import http as codec
from bridge.core.errors import DecodeError, EventError, Overloaded
from bridge.core.event import Event, Origin
from bridge.transports.http import HttpRequest, HttpResponse
from bridge.transports.http.decompression import (
    ACCEPTED_CODINGS,
    TooLarge,
    UnknownCoding,
    unpacked,
)

#: Longest body of an error.
MAX_ERROR_BYTES = 768

ALLOW = (b"allow", b"POST, OPTIONS")
TEXT = (b"content-type", b"text/plain; charset=utf-8")
METRICS = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")


class Ingress:
    """Answers the broker's listener.

    *addresses* are the brokers that are known (`namespace/name`), *default* is the one that
    `/` stands for, None for none. *metrics* gives the body of `/metrics`.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        addresses: Sequence[str],
        default: str | None,
        retry_after_seconds: float,
        metrics: Callable[[], bytes],
        max_body_bytes: int,
        max_decompression_ratio: int,
    ) -> None:
        self._intake = intake
        self._max_body_bytes = max_body_bytes
        self._max_decompression_ratio = max_decompression_ratio
        self._addresses = {f"/{address}": address for address in addresses}
        if default is not None:
            self._addresses[""] = default
        self._retry_after = (b"retry-after", str(ceil(retry_after_seconds)).encode())
        self._metrics = metrics

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the answer to *request*."""
        if request.method != "POST":
            return self._other(request)
        address = self._addresses.get(request.path.removesuffix("/"))
        if address is None:
            known = ", ".join(path or "/" for path in self._addresses)
            return _refusal(404, f"no broker on this path: expected {known}")
        try:
            if request.coding:
                request = unpacked(
                    request, max_bytes=self._max_body_bytes, max_ratio=self._max_decompression_ratio
                )
            self._intake.take(address, _events(request))
        except Overloaded as error:
            return _refusal(429, str(error), self._retry_after)
        except DecodeError as error:
            self._intake.refused_as_invalid()
            if isinstance(error, UnknownCoding):
                return _refusal(415, str(error), ACCEPTED_CODINGS)
            return _refusal(413 if isinstance(error, TooLarge) else 400, str(error))
        except EventError as error:
            return _refusal(400, str(error))
        return _ACCEPTED

    def _other(self, request: HttpRequest) -> HttpResponse:
        """Answer probes, and methods that nobody should use here."""
        if request.method == "OPTIONS":
            return HttpResponse(200, (ALLOW, *_WEBHOOK), b"")
        if request.method in ("GET", "HEAD"):
            if request.path in ("/healthz", "/readyz"):
                return HttpResponse(200, (TEXT,), b"ok")
            if request.path == "/metrics":
                return HttpResponse(200, (METRICS,), self._metrics())
        return _refusal(405, "expected POST with a CloudEvent", ALLOW)


def _events(request: HttpRequest) -> list[Event]:
    """Return the request's event, or every member of its batch; raise DecodeError."""
    origin = Origin(transport="http", path=request.path, headers=request.headers)
    if codec.mode(request.header(b"content-type")) is not codec.Mode.BATCH:
        return [codec.decode(request.headers, request.body, origin=origin)]
    events = []
    members = codec.decode_batch(request.headers, request.body, origin=origin)
    for index, member in enumerate(members):
        if not isinstance(member, Event):
            raise DecodeError(f"member {index} of the batch: {member}") from member
        events.append(member)
    return events


def _refusal(status: int, text: str, *headers: tuple[bytes, bytes]) -> HttpResponse:
    body = text.encode("utf-8", "replace")
    if len(body) > MAX_ERROR_BYTES:
        body = body[: MAX_ERROR_BYTES - 3].decode("utf-8", "ignore").encode() + b"..."
    return HttpResponse(status, (TEXT, *headers), body)


_ACCEPTED = HttpResponse(202, (), b"")
_WEBHOOK = ((b"webhook-allowed-origin", b"*"), (b"webhook-allowed-rate", b"*"))
