"""One signed request to the store and its answer, whatever it says.

method, path, query, headers, body ─▶ hash ─▶ Signer ─▶ HttpClient ══▶ store
                                        HttpResponse · Unavailable ◀── answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final, Self

from bridge.config.objects import ObjectStoreOptions
from bridge.config.options import HttpClientOptions
from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.transports.http import HttpResponse, http_client
from bridge.transports.http.client import BaseUrl
from bridge.transports.objects.names import named
from bridge.transports.objects.refusals import refusal
from bridge.transports.objects.signing import EMPTY, Signer

#: Room for an answer that is no object: a page of 1,000 keys of 1,024 bytes, each encoded.
MAX_DOCUMENT_BYTES: Final = 8 * 1024 * 1024

#: Bodies above this are hashed on a thread: 256 KiB take the loop a third of a millisecond.
THREAD_BYTES: Final = 256 * 1024

#: No headers.
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


class Calls:
    """The connection pool of a store, and who we are to it. Safe to ask concurrently."""

    def __init__(self, options: ObjectStoreOptions, clock: Clock) -> None:
        """Raise ConfigError for a URL, a certificate or credentials that cannot work."""
        base = BaseUrl(options.url)
        if base.target != "/" or "@" in base.parts.netloc:
            raise ConfigError(
                f"url {base.origin}: expected no path, query or user; "
                "credentials go to access_key and secret_key"
            )
        self._who = f"object store {base.origin}"
        self._seconds = options.timeout_seconds
        #: The longest answer that is read.
        self.max_bytes = max(options.max_object_bytes, MAX_DOCUMENT_BYTES)
        self._signer = Signer(options, base.authority, clock)
        self.anonymous = self._signer.anonymous
        self._client = http_client(
            HttpClientOptions(
                url=options.url,
                tls=options.tls,
                proxy_url=options.proxy_url,
                proxy_password_file=options.proxy_password_file,
                connections=options.connections,
                connect_timeout_seconds=options.connect_timeout_seconds,
                idle_seconds=options.idle_seconds,
                max_response_bytes=self.max_bytes,
            ),
            clock=clock,
        )

    async def __aenter__(self) -> Self:
        """Open the connection pool; connections are made when they are needed."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._client.__aexit__(*exc)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        headers: Mapping[str, str] = NOTHING,
        body: bytes = b"",
    ) -> HttpResponse:
        """Return the store's answer to a signed request, whatever its status.

        *path* and *query* are percent-encoded, each name of *query* with its `=`; *headers*
        have names in lower case and values of printable ASCII. Raise Unavailable where there
        is no answer (DeadlineExceeded: within `timeout_seconds`), Rejected where it is longer
        than *max_bytes*.
        """
        body_hash = EMPTY
        if body and not self.anonymous:
            small = len(body) <= THREAD_BYTES
            hashed = sha256(body) if small else await asyncio.to_thread(sha256, body)
            body_hash = hashed.hexdigest()
        sent = self._signer.signed(method, path, query, headers, body_hash)
        target = f"{path}?{query}" if query else path
        try:
            return await self._client.request(
                method, target, sent, body, timeout_seconds=self._seconds
            )
        except Rejected as error:  # longer than the client reads
            raise Rejected(f"object store: {error}") from error
        except Unavailable as error:
            kind = DeadlineExceeded if isinstance(error, DeadlineExceeded) else Unavailable
            raise kind(f"object store: {error}") from error

    def refused(self, answer: HttpResponse, what: str, bucket: str) -> BridgeError:
        """Return what *answer* means, which is not the one hoped for; *what* was asked of."""
        return refusal(answer, f"{self._who}: {what}", bucket, self._signer.hidden)

    def where(self, bucket: str, key: str | None = None) -> str:
        """Return how an error begins that is about an object, or a bucket."""
        return f"{self._who}: {named(bucket, key)}"
