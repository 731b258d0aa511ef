"""The pooled client: one far end, a connection a request, as few microseconds as can be.

    request ─▶ head, checked ─▶ pool ─▶ one write ══▶ far end
                answer, status as it is ◀── ResponseReader ◀══

It never follows a redirect and never judges a status. It repeats a request in one case: the
connection had been used before, and was closed before a byte of the answer came.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Sequence
from typing import Protocol, Self
from urllib.parse import SplitResult, urlsplit

from bridge.config.options import HttpClientOptions
from bridge.config.problems import tried
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import BridgeError, ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.transports.http.client_connection import Stale, TimeIsUp
from bridge.transports.http.credentials import Credentials
from bridge.transports.http.messages import HttpResponse
from bridge.transports.http.pool import Pool
from bridge.transports.http.tls import client_context, tell_of_certificates
from bridge.transports.http.writing import request_head

#: Request lines remembered by one client, at most.
MAX_STARTS = 64


class HttpClient(Protocol):
    """What a far end is asked through. Built without touching the network."""

    async def __aenter__(self) -> Self:
        """Get ready; connections are made when they are needed."""
        ...

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; requests under way end in Unavailable. May be called twice."""
        ...

    async def request(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        *,
        timeout_seconds: float,
    ) -> HttpResponse:
        """Return the far end's answer, whatever its status.

        *target* is what stands in the request line: a path that starts with `/`, with its
        query; empty means that of the client's URL. *headers* have their names in lower
        case; a configured one stands in place of theirs. *timeout_seconds* covers all of it:
        the wait for a free connection, connecting, and the answer to its last byte.

        Raise Unavailable when there was no answer, or garbage; DeadlineExceeded when the
        time was up; Rejected when the answer is longer than `max_response_bytes`. Each
        names the URL, without password and query. Raise ValueError, with nothing sent, for
        a header or target that cannot stand in a request. May be called concurrently.
        Cancelled, it closes its connection.
        """
        ...

    async def ping(self) -> None:
        """Return if the far end accepts a connection; raise Unavailable if not."""
        ...


def http_client(options: HttpClientOptions, *, clock: Clock | None = None) -> HttpClient:
    """Return the client for *options*: the raw one, or aiohttp's where a proxy is set.

    Files of certificates and credentials are read again when they change, as *clock* tells.
    Raise ConfigError for a URL, a certificate or credentials that cannot work.
    """
    if options.proxy_url is not None:
        from bridge.transports.http.proxied import ProxiedHttpClient

        return ProxiedHttpClient(options, clock=clock)
    if options.proxy_password_file is not None:
        raise ConfigError("proxy_password_file without proxy_url: expected both, or neither")
    return PooledHttpClient(options, clock=clock)


class PooledHttpClient:
    """The raw client. One a far end; the promises are those of HttpClient."""

    def __init__(self, options: HttpClientOptions, *, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._options = options
        self._base = base = BaseUrl(options.url)
        self._credentials, self._tls = own_side(options, base, clock)
        self._starts: dict[tuple[str, str], bytes] = {}
        self._pool: Pool | None = None

    async def __aenter__(self) -> Self:
        """Make the pool; no connection yet."""
        options = self._options
        tell_of_certificates(self._tls)
        self._pool = Pool(
            self._base.host,
            self._base.port,
            self._tls,
            connections=options.connections,
            connect_timeout_seconds=options.connect_timeout_seconds,
            idle_seconds=options.idle_seconds,
            max_response_bytes=options.max_response_bytes,
        )
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def request(
        self,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        *,
        timeout_seconds: float,
    ) -> HttpResponse:
        """Return the far end's answer; see HttpClient."""
        head = self._head(method, target, headers, len(body))
        pool = self._entered()
        deadline = self._loop.time() + timeout_seconds
        connection = pool.idle(deadline)
        answer: asyncio.Future[HttpResponse] | None = None
        try:
            if connection is None:
                connection = await pool.take(deadline)
            answer = connection.ask(method, head, body, deadline)
            try:
                return await answer
            except Stale:
                connection = await pool.take(deadline)
                answer = connection.ask(method, head, body, deadline)
                return await answer
        except asyncio.CancelledError:
            # With its answer complete the connection is somebody else's already.
            if connection is not None and answer is not None and answer.cancelled():
                connection.abort()
            raise
        except TimeIsUp as error:
            where = self._base.shown(target)
            raise DeadlineExceeded(f"{where}: no answer within {timeout_seconds:g} s") from error
        except Stale as error:
            where = self._base.shown(target)
            raise Unavailable(f"{where}: no answer: closed the connection, twice") from error
        except (Unavailable, Rejected) as error:
            raise self._base.named(error, target) from error

    async def ping(self) -> None:
        """Open a connection, or find an open one; see HttpClient."""
        pool = self._entered()
        deadline = self._loop.time() + self._options.connect_timeout_seconds
        try:
            connection = pool.idle(deadline) or await pool.take(deadline)
        except TimeIsUp as error:
            seconds = self._options.connect_timeout_seconds
            where = self._base.shown("")
            raise Unavailable(f"{where}: no connection within {seconds:g} s") from error
        except Unavailable as error:
            raise self._base.named(error, "") from error
        pool.release(connection)

    def _entered(self) -> Pool:
        if self._pool is None:
            raise RuntimeError(f"{self._base.shown('')}: asked outside `async with`")
        return self._pool

    def _head(
        self, method: str, target: str, headers: Sequence[tuple[bytes, bytes]], length: int
    ) -> bytes:
        start = self._starts.get((method, target))
        if start is None:
            start = self._start(method, target)
        credentials = self._credentials
        if not credentials.names:
            return request_head(start, headers, length)
        return request_head(start, credentials.others(headers), length, credentials.lines())

    def _start(self, method: str, target: str) -> bytes:
        """Return the request line and Host, and remember them."""
        check_line(method, target)
        at = target or self._base.target
        host = self._credentials.host or self._base.authority.encode()
        start = b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method.encode(), at.encode(), host)
        if len(self._starts) >= MAX_STARTS:
            self._starts.clear()
        self._starts[method, target] = start
        return start


class BaseUrl:
    """The URL of a far end, taken apart once; raise ConfigError where it is none."""

    def __init__(self, url: str) -> None:
        self.parts = parts = _split(url)
        self.scheme = parts.scheme
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.scheme == "https" else 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = host if parts.port is None else f"{host}:{parts.port}"
        self.origin = f"{self.scheme}://{self.authority}"
        path = parts.path or "/"
        self.target = f"{path}?{parts.query}" if parts.query else path

    def shown(self, target: str) -> str:
        """Return the URL of *target* for an error: no password, no query."""
        return self.origin + (target or self.target).partition("?")[0]

    def named(self, error: Unavailable | Rejected, target: str) -> BridgeError:
        """Return *error* with the URL in front."""
        text = f"{self.shown(target)}: {error}"
        return Rejected(text) if isinstance(error, Rejected) else Unavailable(text)


def own_side(
    options: HttpClientOptions, base: BaseUrl, clock: Clock
) -> tuple[Credentials, ssl.SSLContext | None]:
    """Return how we show who we are, and whom we believe; None where *base* is plain HTTP.

    Raise ConfigError for everything that cannot work, of both.
    """
    problems: list[str] = []
    credentials = tried(lambda: Credentials(options, base.parts, clock), problems)
    tls = None
    if base.scheme == "https":
        tls = tried(lambda: client_context(options.tls, clock=clock), problems)
    if credentials is None or problems:
        raise ConfigError("; ".join(problems))
    return credentials, tls


def check_line(method: str, target: str) -> None:
    """Raise ValueError unless *method* and *target* may stand in a request line."""
    if _METHOD.fullmatch(method) is None:
        raise ValueError(f"method {method!r}: expected a name, as 'POST'")
    if target and _TARGET.fullmatch(target) is None:
        raise ValueError("target: expected printable ASCII that starts with '/', or nothing")


def _split(url: str) -> SplitResult:
    expected = "expected http:// or https://, a host, and no fragment"
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        # It quotes the port, which is a piece of the password where that holds one of these.
        whole = "@" not in re.sub("^[^/]*//[^/?#]*", "", url)
        cause = f"{error}; " if whole else ""
        raise ConfigError(f"url {_shown(url)}: {cause}{expected}") from (error if whole else None)
    if not good or parts.fragment or _URL.fullmatch(url) is None:
        raise ConfigError(f"url {_shown(url)}: {expected}")
    return parts


def _shown(url: str) -> str:
    """Return as much of a URL that is none as holds no secret for sure."""
    head = re.split("[?#]", url, maxsplit=1)[0]
    if "@" in url[len(head) :]:
        return "with '@' behind '?' or '#'"
    return ascii(head.rpartition("@")[2][:200])


_METHOD = re.compile(r"[A-Z][A-Z-]{0,30}")
_TARGET = re.compile(r"/[\x21\x22\x24-\x7e]*")
_URL = re.compile(r"[\x21-\x7e]+")
