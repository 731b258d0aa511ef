"""A model behind HTTP: the payload's own bytes out, the answer's own bytes back.

    Request ──transcoding──▶ protocol.call ──▶ a replica ──▶ transports.http ══▶ model server
       Body ◀──transcoding── protocol.judge ◀── status, headers, body ◀══

The client does not retry: that is middleware. Nothing of the server's headers but the
answer's content type enters our world, so a server's own `ce-*` never name our event.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NoReturn, Self
from urllib.parse import urlsplit

from bridge.config.options import HttpClientOptions
from bridge.config.problems import tried
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
from bridge.models.agreement import disagreements
from bridge.models.asking import AskingOptions, FormName
from bridge.models.replicas import BreakerOptions, Replicas
from bridge.models.transcoding import Transcoding
from bridge.protocols.verdicts import is_page
from bridge.transports.http import HttpClient, HttpResponse, http_client, retry_after_seconds
from bridge.transports.http.client import check_line
from bridge.transports.http.credentials import check_not_own, sent_names

if TYPE_CHECKING:
    from bridge.protocols.port import Headers, Metadata, RestProtocol

#: Longest pause that a model's Retry-After can ask of us.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0


class RestModelOptions(HttpClientOptions, AskingOptions):
    """A model server that is asked over HTTP."""

    type: Literal["rest"] = "rest"
    """The kind: a model behind HTTP."""
    protocol: FormName = "seldon"
    """What the server speaks: Seldon v1, TensorFlow Serving, KServe V1, or the Open Inference \
Protocol (KServe V2)."""
    path: str | None = None
    """Path below `url` to ask, instead of the protocol's own."""
    binary: bool = False
    """Whether tensors go as the Open Inference Protocol's binary data, instead of JSON."""
    replicas: Sequence[str] = ()
    """Base URLs of further servers of the same model, beside `url`; the one with the fewest \
calls under way is asked."""
    breaker: BreakerOptions = BreakerOptions()
    """When one of several servers is left alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """One server of the model, and where on it to ask."""

    client: HttpClient
    who: str
    target: str
    probe: str
    metadata: str | None


class RestModel:
    """A model over HTTP. Safe to call concurrently."""

    Options = RestModelOptions

    def __init__(self, options: RestModelOptions, *, clock: Clock | None = None) -> None:
        """Raise ConfigError for a URL, a path, a header or a certificate that cannot work."""
        self._options = options
        self._clock = clock or SystemClock()
        self._protocol = _protocol(options)
        self._transcoding = Transcoding(options, options.protocol, wire=not options.binary)
        own = {name for name, _ in self._example()[0]}
        check_not_own(options, own.__contains__, "the protocol's")
        urls = (options.url, *options.replicas)
        if len(set(urls)) < len(urls):
            raise ConfigError("replicas: the same URL twice, `url` included: expected others")
        problems: list[str] = []
        servers = [tried(partial(self._server, url), problems) for url in urls]
        if problems:
            raise ConfigError("; ".join(dict.fromkeys(problems)))
        self._servers = Replicas(
            [(server.who, server) for server in servers if server is not None],
            breaker=options.breaker,
            probe=self._ping,
            clock=self._clock,
        )

    async def __aenter__(self) -> Self:
        """Open the pools; connections are made when there is something to ask."""
        for server in self._servers.members:
            await server.far_end.client.__aenter__()
        await self._servers.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection."""
        await self._servers.__aexit__(*exc)
        for server in self._servers.members:
            await server.far_end.client.__aexit__(*exc)

    async def predict(self, request: Request) -> Body:
        """Return the server's answer, its bytes unchanged where nothing has to be rewritten.

        Raise Rejected if the model refused the request or answered garbage, Unavailable if
        it could not be asked, DeadlineExceeded after `timeout_seconds` or at the request's
        own deadline; each names the model and its URL. DecodeError where the payload is not
        in the form it should be in.
        """
        timeout = self._options.timeout_seconds
        if request.deadline is not None:
            timeout = min(timeout, request.deadline - self._clock.monotonic())
            if timeout <= 0:
                who = self._servers.members[0].name
                raise DeadlineExceeded(f"{who} was not asked: the event's time is used up")
        payload = self._transcoding.request(request.payload)
        headers, body = self._protocol.call(request, payload)
        patience = self._options.timeout_seconds / 2
        with self._servers.one(patience_seconds=patience, until=request.deadline) as replica:
            server = replica.far_end
            try:
                answer = await server.client.request(
                    "POST", server.target, headers, body, timeout_seconds=timeout
                )
            except (Unavailable, EventError) as error:
                self._named(error)
            except ValueError as error:  # a content type or id that cannot stand in a header
                raise Rejected(f"{server.who} was not asked: {error}") from error
        try:
            said = self._protocol.judge(answer.status, answer.headers, answer.body, server.who)
        except Unavailable as error:
            asked = retry_after_seconds(answer)
            if asked is not None:
                error.retry_after_seconds = min(asked, MAX_RETRY_AFTER_SECONDS)
            self._servers.answered(replica, error)
            raise
        except EventError:
            self._servers.answered(replica)  # a verdict is an answer
            raise
        self._servers.answered(replica)
        return self._transcoding.answer(said, like=request.payload, id=request.id, who=server.who)

    async def ping(self) -> None:
        """Return if a server says that it is well, or has no page that would say so."""
        await self._servers.ping()

    async def metadata(self) -> Metadata | None:
        """Return what the model says of itself; None where it has no such words.

        Raise Unavailable if it does not answer, Rejected if what it answers is none.
        """
        return await self._servers.first(self._told)

    @property
    def transcoding(self) -> Transcoding:
        """How payloads become requests of this model, and its answers payloads."""
        return self._transcoding

    async def disagreements(self) -> list[str]:
        """Return what the file says of the model's tensors that the model itself does not."""
        told = await self.metadata()
        return [] if told is None else disagreements(self._options, told)

    def describe(self) -> str:
        """Return the request that one event becomes.

        But for what may be a secret: the query, and the values of configured headers.
        """
        headers, _ = self._example()
        configured = sent_names(self._options)
        server = self._servers.members[0].far_end
        lines = [f"POST {server.target.partition('?')[0]} HTTP/1.1"]
        if b"host" not in configured:
            lines.append(f"host: {_host(self._options.url)}")
        lines += [f"{name.decode()}: ***" for name in configured]
        lines += [f"{name.decode()}: {value.decode()}" for name, value in headers]
        body = "<the event's data, or what preprocess made of it>"
        if not self._transcoding.passes:
            body = f"{body[:-1]}, as {self._options.protocol} says it>"
        also = [f"or to {_host(url)}, where fewer are under way" for url in self._options.replicas]
        return "\n".join((*lines, "", body, *also))

    def _example(self) -> tuple[Headers, bytes]:
        """Return the call that an event without a payload makes."""
        payload = Body(b"", JSON)
        return self._protocol.call(Request(payload=payload, id="<the event's puid>"), payload)

    def _server(self, url: str) -> _Server:
        """Return the server at *url*; raise ConfigError where it cannot be one."""
        options = self._options
        path = self._protocol.path() if options.path is None else options.path
        metadata = self._protocol.metadata_path()
        return _Server(
            client=http_client(options.model_copy(update={"url": url}), clock=self._clock),
            who=f"{_called(options)} at {_without_secrets(url)}",
            target=_target(url, path),
            probe=_target(url, self._protocol.probe_path()),
            metadata=None if metadata is None else _target(url, metadata),
        )

    async def _ping(self, server: _Server) -> None:
        """Return if *server* says that it is well; raise Unavailable if not."""
        answer = await self._get(server, server.probe)
        if 200 <= answer.status < 300:
            if is_page(answer.body):
                raise Unavailable(f"{server.who} answered a page to its health check, no model's")
            return
        # A 404 is an answer: Seldon's executor serves models, and has no such page.
        if answer.status != 404 or self._options.protocol != "seldon":
            raise Unavailable(f"{server.who} answered {answer.status} to its health check")

    async def _told(self, server: _Server) -> Metadata | None:
        """Return what *server* tells of the model; None where it has no such words."""
        if server.metadata is None:
            return None
        answer = await self._get(server, server.metadata)
        if answer.status in _NO_SUCH_PAGE and self._options.protocol == "seldon":
            return None  # older wrappers, and a class of `bridge component`, have no such page
        if not 200 <= answer.status < 300:
            said = shown(answer.body[:200].decode("utf-8", "replace"), 200)
            raise Unavailable(f"{server.who} answered {answer.status} to its metadata: {said}")
        try:
            return self._protocol.read_metadata(answer.body)
        except EventError as error:
            raise Rejected(f"{server.who} answered garbage to its metadata: {error}") from error

    async def _get(self, server: _Server, target: str) -> HttpResponse:
        try:
            return await server.client.request(
                "GET", target, (), b"", timeout_seconds=self._options.timeout_seconds
            )
        except (Unavailable, EventError) as error:
            self._named(error)

    def _named(self, error: BridgeError) -> NoReturn:
        """Raise what the transport raised again, which has the URL, with the model in front."""
        text = f"{_called(self._options)}: {error}"
        if isinstance(error, Unavailable):
            raise type(error)(text, retry_after_seconds=error.retry_after_seconds) from error
        raise Rejected(text) from error


_NO_SUCH_PAGE = frozenset((404, 405, 501))


def _protocol(options: RestModelOptions) -> RestProtocol:
    """Return what the server speaks, imported now and not before.

    Raise ConfigError where the options are not those of the protocol.
    """
    asked, non_finite = options.asked(), options.non_finite
    if options.binary and options.protocol != "oip":
        raise ConfigError(f"binary: {options.protocol} has no such form: expected protocol oip")
    if options.protocol == "oip":
        from bridge.protocols.oip_rest import OipRest

        return OipRest(asked, binary=options.binary, non_finite=non_finite)
    if options.protocol == "tensorflow":
        from bridge.protocols.tensorflow_rest import TensorflowRest

        return TensorflowRest(asked, non_finite=non_finite)
    if options.protocol == "kserve":
        from bridge.protocols.kserve_rest import KserveRest

        return KserveRest(asked, non_finite=non_finite)
    from bridge.protocols.seldon_rest import SeldonRest

    return SeldonRest(asked, non_finite=non_finite)


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


def _without_secrets(url: str) -> str:
    """Return *url* as errors call it, without password and query."""
    return urlsplit(url)._replace(netloc=_host(url), query="").geturl()
