"""A model behind HTTP: the payload's own bytes out, the answer's own bytes back.

    Request ──protocol.call──▶ transports.http ══▶ model server
       Body ◀──protocol.judge── status, headers, body ◀══

The client does not retry: that is middleware. Nothing of the server's headers but the
answer's content type enters our world, so a server's own `ce-*` never name our event.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NoReturn, Self
from urllib.parse import urlsplit

from bridge.config.options import HttpClientOptions, Seconds
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import (
    BridgeError,
    ConfigError,
    DeadlineExceeded,
    EventError,
    Rejected,
    Unavailable,
)
from bridge.core.event import shown
from bridge.core.payload import JSON, Body
from bridge.core.ports import Request
from bridge.transports.http import http_client, retry_after_seconds
from bridge.transports.http.client import check_line
from bridge.transports.http.credentials import check_not_own, sent_names

if TYPE_CHECKING:
    from bridge.protocols.port import Headers, RestProtocol

#: Longest pause that a model's Retry-After can ask of us.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0


class RestModelOptions(HttpClientOptions):
    """A model server that is asked over HTTP."""

    type: Literal["rest"] = "rest"
    """The kind: a model behind HTTP."""
    protocol: Literal["seldon"] = "seldon"
    """What the server speaks."""
    name: str | None = None
    """The model's name, for protocols that put it in the path, and in errors."""
    path: str | None = None
    """Path below `url` to ask, instead of the protocol's own."""
    timeout_seconds: Seconds = 30.0
    """Longest wait for an answer, a free connection included."""


class RestModel:
    """A model over HTTP. Safe to call concurrently."""

    Options = RestModelOptions

    def __init__(self, options: RestModelOptions, *, clock: Clock | None = None) -> None:
        """Raise ConfigError for a URL, a path, a header or a certificate that cannot work."""
        self._options = options
        self._clock = clock or SystemClock()
        self._protocol = _protocol(options.protocol)
        self._client = http_client(options, clock=self._clock)
        own = {name for name, _ in self._example()[0]}
        check_not_own(options, own.__contains__, "the protocol's")
        path = self._protocol.path(options.name) if options.path is None else options.path
        self._target = _target(options.url, path)
        self._probe = _target(options.url, self._protocol.probe_path(options.name))
        self._who = _who(options)

    async def __aenter__(self) -> Self:
        """Open the pool; connections are made when there is something to ask."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection."""
        await self._client.__aexit__(*exc)

    async def predict(self, request: Request) -> Body:
        """Return the server's answer, its bytes unchanged.

        Raise Rejected if the model refused the request or answered garbage, Unavailable if
        it could not be asked, DeadlineExceeded after `timeout_seconds` or at the request's
        own deadline; each names the model and its URL.
        """
        timeout = self._options.timeout_seconds
        if request.deadline is not None:
            timeout = min(timeout, request.deadline - self._clock.monotonic())
            if timeout <= 0:
                raise DeadlineExceeded(f"{self._who} was not asked: the event's time is used up")
        headers, body = self._protocol.call(request)
        try:
            answer = await self._client.request(
                "POST", self._target, headers, body, timeout_seconds=timeout
            )
        except (Unavailable, EventError) as error:
            self._named(error)
        except ValueError as error:  # a content type or id that cannot stand in a header
            raise Rejected(f"{self._who} was not asked: {error}") from error
        try:
            return self._protocol.judge(answer.status, answer.headers, answer.body, self._who)
        except Unavailable as error:
            asked = retry_after_seconds(answer)
            if asked is not None:
                error.retry_after_seconds = min(asked, MAX_RETRY_AFTER_SECONDS)
            raise

    async def ping(self) -> None:
        """Return if the server says that it is well, or has no page that would say so."""
        try:
            answer = await self._client.request(
                "GET", self._probe, (), b"", timeout_seconds=self._options.timeout_seconds
            )
        except (Unavailable, EventError) as error:
            self._named(error)
        # A 404 is an answer: something serves there, and the executor has no such page.
        if not 200 <= answer.status < 300 and answer.status != 404:
            raise Unavailable(f"{self._who} answered {answer.status} to its health check")

    def describe(self) -> str:
        """Return the request that one event becomes.

        But for what may be a secret: the query, and the values of configured headers.
        """
        headers, _ = self._example()
        configured = sent_names(self._options)
        lines = [f"POST {self._target.partition('?')[0]} HTTP/1.1"]
        if b"host" not in configured:
            lines.append(f"host: {_host(self._options.url)}")
        lines += [f"{name.decode()}: ***" for name in configured]
        lines += [f"{name.decode()}: {value.decode()}" for name, value in headers]
        return "\n".join((*lines, "", "<the event's data, or what preprocess made of it>"))

    def _example(self) -> tuple[Headers, bytes]:
        """Return the call that an event without a payload makes."""
        return self._protocol.call(Request(payload=Body(b"", JSON), id="<the event's puid>"))

    def _named(self, error: BridgeError) -> NoReturn:
        """Raise what the transport raised again, which has the URL, with the model in front."""
        text = f"{_called(self._options)}: {error}"
        if isinstance(error, Unavailable):
            raise type(error)(text, retry_after_seconds=error.retry_after_seconds) from error
        raise Rejected(text) from error


def _protocol(name: str) -> RestProtocol:
    """Return the protocol called *name*, imported now and not before."""
    if name == "seldon":
        from bridge.protocols.seldon_rest import SeldonRest

        return SeldonRest()
    raise AssertionError(f"protocol {name!r} passed the options, but is not known here")


def _target(url: str, path: str) -> str:
    """Return what stands in the request line: the URL's own path, then *path*, then its query."""
    parts = urlsplit(url)
    target = parts.path.rstrip("/") + "/" + path.lstrip("/")
    target = f"{target}?{parts.query}" if parts.query else target
    try:
        check_line("POST", target)
    except ValueError as error:
        raise ConfigError(f"path {shown(path)}: {error}") from error
    return target


def _host(url: str) -> str:
    """Return host and port of *url*, without the password that may stand before them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _called(options: RestModelOptions) -> str:
    return f"model {options.name!r}" if options.name else "model"


def _who(options: RestModelOptions) -> str:
    """Return how errors call the model: its name if it has one, its URL without a password."""
    url = urlsplit(options.url)._replace(netloc=_host(options.url), query="").geturl()
    return f"{_called(options)} at {url}"
