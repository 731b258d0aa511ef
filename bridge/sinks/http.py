"""Events to an HTTP address: a Knative broker's ingress, K_SINK, any CloudEvents receiver.

What an answer means is Knative's contract (specs/eventing/data-plane.md): 2xx has it; 404,
408, 409, 425, 429 and 5xx may pass; every other status is for good, redirects included,
which are never followed. 401 and 407 may pass as well, which is ours: they say that our
credentials are not taken, and nothing of the event.
"""

from __future__ import annotations

from typing import Self

from bridge.codecs import http as codec
from bridge.config.options import HttpClientOptions, Seconds
from bridge.core.clock import Clock
from bridge.core.errors import Rejected, Unavailable
from bridge.core.event import Event, shown
from bridge.transports.http import http_client, retry_after_seconds
from bridge.transports.http.client import BaseUrl
from bridge.transports.http.credentials import check_not_own


class HttpSinkOptions(HttpClientOptions):
    """Events to an HTTP address, such as a broker's ingress."""

    content_mode: codec.ContentMode = "auto"
    """Form of the event; `auto` is binary unless an attribute would need percent-encoding."""
    timeout_seconds: Seconds = 30.0
    """Longest wait for the receiver's answer."""


class HttpSink:
    """Posts each event by itself. Idempotency key: the event's source and id."""

    Options = HttpSinkOptions

    def __init__(self, options: HttpSinkOptions, *, clock: Clock | None = None) -> None:
        """Raise ConfigError for a URL, a header or a certificate that cannot work."""
        self._options = options
        self._client = http_client(options, clock=clock)
        check_not_own(options, _is_the_events, "the event's")
        self._who = f"sink {BaseUrl(options.url).shown('')}"

    async def __aenter__(self) -> Self:
        """Open the connection pool; connections are made when they are needed."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._client.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the receiver accepts a connection; raise Unavailable if not."""
        await self._client.ping()

    async def send(self, event: Event) -> None:
        """Return when the receiver answered 2xx; raise Rejected or Unavailable otherwise."""
        headers, body = codec.encode(event, self._options.content_mode)
        response = await self._client.request(
            "POST",
            "",
            headers,
            body,
            timeout_seconds=self._options.timeout_seconds,
        )
        status = response.status
        if 200 <= status < 300:
            return
        said = shown(response.body[:200].decode("utf-8", "replace"), 200)
        text = f"{self._who}: answered {status} {said}"
        if status in PASSING or status >= 500:
            raise Unavailable(text, retry_after_seconds=retry_after_seconds(response))
        raise Rejected(text)


def _is_the_events(name: bytes) -> bool:
    """Whether the header called *name* says something of the event itself."""
    return name == b"content-type" or name.startswith(b"ce-")


#: 4xx that are worth another try: Knative's data-plane, 425 Too Early (RFC 8470), and those
#: that are about us.
PASSING = frozenset((401, 404, 407, 408, 409, 425, 429))
