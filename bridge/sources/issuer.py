"""The keys of an issuer, fetched over HTTP: shared, seldom, and kept while it is down.

    find(kid, alg) ─▶ known ─────────────────────────────▶ the key (old ones are fetched again)
                   └▶ unknown ─▶ fetched long enough ago ─▶ one fetch for all who wait
                              └▶ just now ─▶ asked for before that fetch: None, there is none
                                          └▶ new since: Unavailable, the sender comes again

A token of a key that came a moment ago is as good as any, so a key that nobody can look up
now is an outage and no refusal. A flood of invented keys costs a fetch each
`refresh_seconds`, and no more.
"""

from __future__ import annotations

import asyncio
from hashlib import sha256
from typing import Final, Self
from urllib.parse import urlsplit

import structlog

from bridge.config.options import ClientTlsOptions, HttpClientOptions
from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, Unavailable
from bridge.sources.keys import Key, pick, read_keys
from bridge.transports.http import HttpClient, http_client

#: Where an issuer says where its keys are (OpenID Connect Discovery 1.0, 4).
DISCOVERY: Final = "/.well-known/openid-configuration"

#: Keys have a media type of their own (RFC 7517, 8.5.1), and Kubernetes' API server answers
#: 406 to whoever accepts plain JSON alone.
ACCEPTED: Final = (b"accept", b"application/json, application/jwk-set+json")

#: The longest answer of an issuer that is read.
MAX_ANSWER_BYTES: Final = 512 * 1024

#: Keys that were asked for and not there, remembered until the next fetch.
MAX_ABSENT: Final = 256

#: Requests that wait for a fetch, at most: each is held whole, whoever sent it, and an issuer
#: that is slow would have strangers fill the memory. One more is told to come again.
MAX_WAITING: Final = 32

log = structlog.get_logger()


class IssuerKeys:
    """The keys at *jwks_url*, or where the discovery document of *issuer* says.

    Building touches no network; raises ConfigError for a URL, a certificate or a *token_file*
    that cannot work. *token_file* goes to the origin that the file names and nowhere else.
    """

    def __init__(
        self,
        issuer: str,
        *,
        jwks_url: str | None,
        tls: ClientTlsOptions,
        token_file: str | None,
        algorithms: frozenset[str],
        max_keys: int,
        timeout_seconds: float,
        refresh_seconds: float,
        max_age_seconds: float,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._discovers = jwks_url is None
        self._url = jwks_url or issuer.removesuffix("/") + DISCOVERY
        self._tls = tls
        self._token_file = token_file
        self._clock = clock
        self._client = self._client_of(self._url)
        self._found: tuple[str, HttpClient] | None = None
        self._algorithms = algorithms
        self._max_keys = max_keys
        self._timeout_seconds = timeout_seconds
        self._refresh_seconds = refresh_seconds
        self._max_age_seconds = max_age_seconds
        self._keys: tuple[Key, ...] = ()
        self._digest = b""
        self._error: str | None = None
        self._next = self._old_at = clock.monotonic()
        self._asked: set[tuple[str | None, str]] = set()
        self._absent: set[tuple[str | None, str]] = set()
        self._fetching: asyncio.Task[None] | None = None
        self._waiting = 0
        self._entered = asyncio.Event()
        #: How often the set has changed.
        self.changes = 0

    async def __aenter__(self) -> Self:
        """Begin to fetch; an issuer that is down is a warning."""
        if urlsplit(self._url).scheme == "http":
            log.warning("keys come over plain HTTP: whoever is between can sign", url=self._url)
        await self._client.__aenter__()
        self._entered.set()
        self._fetch()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End a fetch under way and close every connection; may be called twice."""
        self._entered.clear()
        fetching, self._fetching = self._fetching, None
        if fetching is not None:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)
        await self._client.__aexit__(*exc)
        await self._leave_found()

    async def ping(self) -> None:
        """Return if the issuer accepts a connection; raise Unavailable, with its URL, if not.

        Waits to be entered: far ends are pinged from before sources are. Keys that are old are
        fetched again, so that one that was withdrawn is gone also where nobody has sent since.
        """
        await self._entered.wait()
        if self._clock.monotonic() >= self._old_at:
            self._fetch()
        await self._client.ping()

    async def find(self, kid: str | None, alg: str) -> Key | None:
        """Return the key, None where the issuer has none; raise Unavailable if nobody can say."""
        key = pick(self._keys, kid, alg)
        if key is not None:
            if self._clock.monotonic() >= self._old_at:
                self._fetch()  # and meanwhile go on with what is known
            return key
        asked = (kid, alg)
        if len(self._asked) < MAX_ABSENT:
            self._asked.add(asked)
        fetching = self._fetch()
        if fetching is not None:
            await self._wait_for(fetching)
            key = pick(self._keys, kid, alg)
            if key is not None or self._error is None:
                return key
        elif asked in self._absent:
            return None
        raise _not_now(max(1.0, self._next - self._clock.monotonic()))

    async def _wait_for(self, fetching: asyncio.Task[None]) -> None:
        if self._waiting == MAX_WAITING:
            raise _not_now(1.0)
        self._waiting += 1
        try:
            await asyncio.shield(fetching)  # others wait for it too
        finally:
            self._waiting -= 1

    def _fetch(self) -> asyncio.Task[None] | None:
        """Return the fetch under way, a new one if it is time, or None if it is not."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if self._clock.monotonic() < self._next:
            return None
        self._fetching = asyncio.create_task(self._refresh(), name="keys")
        return self._fetching

    async def _refresh(self) -> None:
        """Fetch the keys; where that fails the old ones stay, and the log says so."""
        try:
            document = await self._document()
            keys = read_keys(document, algorithms=self._algorithms, max_keys=self._max_keys)
        except (BridgeError, ValueError) as error:
            self._error = str(error)
            log.warning(
                "keys of the issuer not fetched",
                issuer=self._issuer,
                keys=len(self._keys),
                error=self._error,
            )
        else:
            self._error = None
            self._old_at = self._clock.monotonic() + self._max_age_seconds
            self._absent = {asked for asked in self._asked if pick(keys, *asked) is None}
            self._asked.clear()
            digest = sha256(document).digest()
            if digest != self._digest:
                self._digest, self._keys = digest, keys
                self.changes += 1
                log.info("keys of the issuer", issuer=self._issuer, keys=len(keys))
        finally:
            self._next = self._clock.monotonic() + self._refresh_seconds

    async def _document(self) -> bytes:
        if not self._discovers:
            return await self._ask(self._client, self._url)
        described = await self._ask(self._client, self._url)
        url = jwks_uri(described, issuer=self._issuer)
        if self._found is None or self._found[0] != url:
            client = self._client_of(url)
            await self._leave_found()
            self._found = (url, await client.__aenter__())
        return await self._ask(self._found[1], url)

    async def _leave_found(self) -> None:
        found, self._found = self._found, None
        if found is not None:
            await found[1].__aexit__(None, None, None)

    async def _ask(self, client: HttpClient, url: str) -> bytes:
        """Return what *url* answers; raise BridgeError where that is not 200."""
        answer = await client.request(
            "GET", "", (ACCEPTED,), b"", timeout_seconds=self._timeout_seconds
        )
        if answer.status != 200:
            where = url.partition("?")[0]
            raise Unavailable(f"{where} answered {answer.status}: expected 200, and no redirect")
        return answer.body

    def _client_of(self, url: str) -> HttpClient:
        """Return the client for *url*: with our token only where the file itself names it."""
        at_home = _origin(url) == _origin(self._url)
        options = HttpClientOptions(
            url=url,
            tls=self._tls,
            token_file=self._token_file if at_home else None,
            connections=2,  # one to ask with, one to ping with
            max_response_bytes=MAX_ANSWER_BYTES,
        )
        return http_client(options, clock=self._clock)


def jwks_uri(document: bytes, *, issuer: str) -> str:
    """Return where the keys are, of the discovery *document* of *issuer*.

    Raise ValueError where it is that of another issuer (OpenID Connect Discovery 1.0, 4.3),
    or where it leads from HTTPS to plain HTTP.
    """
    import orjson

    try:
        said = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise ValueError("the discovery document is no JSON") from error
    if not isinstance(said, dict) or said.get("issuer") != issuer:
        raise ValueError(f"the discovery document is not that of issuer '{issuer}'")
    url = said.get("jwks_uri")
    if not isinstance(url, str):
        raise ValueError("no jwks_uri in the discovery document")  # noqa: TRY004  # its value is
    if issuer.startswith("https:") and not url.startswith("https:"):
        raise ValueError("the discovery document's jwks_uri: expected https://, as the issuer's")
    return url


def _not_now(seconds: float) -> Unavailable:
    """Return an outage that is over in *seconds*.

    Whoever asks may be anybody: where the issuer is, and what ails it, is for the log.
    """
    return Unavailable("the token's key cannot be looked up now", retry_after_seconds=seconds)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
