"""Events to an HTTP address: a Knative broker's ingress, K_SINK, any CloudEvents receiver.

What an answer means is Knative's contract (specs/eventing/data-plane.md): 2xx has it; 404,
408, 409, 425, 429 and 5xx may pass; every other status is for good, redirects included,
which are never followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import SecretStr

from bridge.codecs import http as codec
from bridge.config.options import HttpClientOptions, Seconds
from bridge.core.errors import ConfigError, Rejected, Unavailable
from bridge.core.event import Event, shown
from bridge.transports.http import http_client, retry_after_seconds
from bridge.transports.http.client import BaseUrl
from bridge.transports.http.writing import check_headers


class HttpSinkOptions(HttpClientOptions):
    """Events to an HTTP address, such as a broker's ingress."""

    content_mode: codec.ContentMode = "auto"
    """Form of the event; `auto` is binary unless an attribute would need percent-encoding."""
    timeout_seconds: Seconds = 30.0
    """Longest wait for the receiver's answer."""
    headers: Mapping[str, SecretStr] = {}
    """Headers to send along, such as `Authorization`."""


class HttpSink:
    """Posts each event by itself. Idempotency key: the event's source and id."""

    Options = HttpSinkOptions

    def __init__(self, options: HttpSinkOptions) -> None:
        """Raise ConfigError for a URL, a header or a certificate that cannot work."""
        self._options = options
        self._client = http_client(options)
        self._headers = [
            (name.lower().encode(), value.get_secret_value().encode())
            for name, value in options.headers.items()
        ]
        try:
            check_headers(self._headers)
        except ValueError as error:
            raise ConfigError(f"headers: {error}") from error
        own = [name.decode() for name, _ in self._headers if _is_the_events(name)]
        if own:
            raise ConfigError(f"headers: '{own[0]}' is the event's own: expected another header")
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
            [*headers, *self._headers],
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


#: 4xx that are worth another try: Knative's data-plane, and 425 Too Early (RFC 8470).
PASSING = frozenset((404, 408, 409, 425, 429))
