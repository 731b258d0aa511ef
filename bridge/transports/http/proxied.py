"""The client where a proxy stands between: aiohttp behind the same promises.

    request ─▶ aiohttp ─▶ proxy ══▶ far end

Ten times the price of the raw client, for the one case that needs it: CONNECT for https,
absolute targets for http. aiohttp itself asks again on a stale connection, and only for
idempotent methods; a POST on one ends in Unavailable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote

from bridge.config.options import HttpClientOptions
from bridge.config.watched import WatchedFile, secret
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.transports.http.client import BaseUrl, check_line, own_side
from bridge.transports.http.client_connection import in_words
from bridge.transports.http.messages import HttpResponse
from bridge.transports.http.names import FRAMING_NAMES
from bridge.transports.http.tls import tell_of_certificates
from bridge.transports.http.writing import check_headers

if TYPE_CHECKING:
    import aiohttp

#: The largest head of an answer that is read, as of the raw client.
MAX_HEAD_BYTES = 64 * 1024


class ProxiedHttpClient:
    """aiohttp's client through a proxy. The promises are those of HttpClient."""

    def __init__(self, options: HttpClientOptions, *, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._options = options
        self._base = base = BaseUrl(options.url)
        self._proxy = _Proxy(options, clock)
        self._credentials, self._tls = own_side(options, base, clock)
        self._stack = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Make the session; no connection yet."""
        import aiohttp

        options = self._options
        tell_of_certificates(self._tls)
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=options.connections,
                keepalive_timeout=options.idle_seconds,
                ssl=self._tls if self._tls is not None else True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            trust_env=False,
        )
        self._session = await self._stack.enter_async_context(session)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection."""
        self._session = None
        await self._stack.aclose()

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
        import aiohttp
        from multidict import CIMultiDict
        from yarl import URL

        check_line(method, target)
        check_headers(headers)
        where = self._base.shown(target)
        session = self._entered()
        sent = CIMultiDict[str]()
        credentials = self._credentials
        for name, value in (*credentials.headers(), *credentials.others(headers)):
            sent.add(name.decode(), _text(name, value))
        try:
            async with (
                asyncio.timeout(timeout_seconds),
                session.request(
                    method,
                    URL(self._base.origin + (target or self._base.target), encoded=True),
                    data=body,
                    headers=sent,
                    proxy=self._proxy.url,
                    proxy_auth=self._proxy.auth(),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(
                        total=None, sock_connect=self._options.connect_timeout_seconds
                    ),
                ) as answer,
            ):
                received = await self._body(answer, where)
        except aiohttp.ConnectionTimeoutError as error:
            seconds = self._options.connect_timeout_seconds
            raise Unavailable(f"{where}: no connection within {seconds:g} s") from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"{where}: no answer within {timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"{where}: no answer through the proxy: {_cause(error)}") from error
        kept = [
            (name.lower(), value)
            for name, value in answer.raw_headers
            if name.lower() not in FRAMING_NAMES
        ]
        return HttpResponse(answer.status, kept, received)

    async def ping(self) -> None:
        """Return if the proxy accepts a connection; whether the far end does it cannot tell."""
        proxy = self._proxy
        seconds = self._options.connect_timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                _, writer = await asyncio.open_connection(proxy.host, proxy.port)
        except OSError as error:
            cause = in_words(error) or f"none within {seconds:g} s"
            raise Unavailable(f"proxy {proxy.url}: no connection: {cause}") from error
        writer.close()
        await writer.wait_closed()

    async def _body(self, answer: aiohttp.ClientResponse, where: str) -> bytes:
        """Return the body, read no further than its limit."""
        limit = self._options.max_response_bytes
        body = bytearray()
        async for piece in answer.content.iter_any():
            body += piece
            if len(body) > limit:
                answer.close()
                raise Rejected(f"{where}: answer: expected at most {limit} bytes")
        return bytes(body)

    def _entered(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError(f"{self._base.shown('')}: asked outside `async with`")
        return self._session


def _text(name: bytes, value: bytes) -> str:
    """Return *value* as aiohttp takes it: it encodes as UTF-8, so nothing else can be sent."""
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"header {name.decode()!r}: through a proxy expected UTF-8") from error


class _Proxy:
    """The proxy's address, without its user, and the credentials for it."""

    def __init__(self, options: HttpClientOptions, clock: Clock) -> None:
        if options.proxy_url is None:
            raise ConfigError("proxy_url is missing: expected http://host:port")
        base = BaseUrl(options.proxy_url)
        if base.scheme != "http":
            raise ConfigError(f"proxy_url {base.origin}: expected http://host:port")
        self.url = base.origin
        self.host, self.port = base.host, base.port
        user, password, file = base.parts.username, base.parts.password, None
        if options.proxy_password_file is not None:
            if user is None or password is not None:
                raise ConfigError(
                    "proxy_password_file: expected a user and no password in proxy_url"
                )
            file = WatchedFile(
                options.proxy_password_file, secret, option="proxy_password_file", clock=clock
            )
        self._user = None if user is None else unquote(user)
        self._password = unquote(password or "")
        self._file = file

    def auth(self) -> aiohttp.BasicAuth | None:
        """Return who we are to the proxy, as of now."""
        import aiohttp

        if self._user is None:
            return None
        password = self._password if self._file is None else self._file.value()
        return aiohttp.BasicAuth(self._user, password, encoding="utf-8")


def _cause(error: Exception) -> str:
    """Return *error* in words; aiohttp's own may hold the proxy's password, so not all of it."""
    import aiohttp

    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f"the proxy answered {error.status}"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"garbage instead of an answer: {error.message[:200]}"
    if isinstance(error, aiohttp.ClientConnectorError):
        return in_words(error.os_error)
    if isinstance(error, OSError):
        return in_words(error)
    return type(error).__name__
