"""Claim checks: an event without data that says where its data lies (`dataref`).

    event ──dataref──▶ which store's URL is it below? ──GET──▶ store
      ◀── the same event, with data and content type ──────────┘

Source: CloudEvents extension `dataref`. Only what the file names is asked: a reference picks
one of its stores and a path there (`bridge.runtime.references`), the connection goes to the
store's own address, and a redirect is never followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

from bridge.config.pipeline import ClaimStoreOptions
from bridge.core.clock import Clock
from bridge.core.errors import DeadlineExceeded, EventError, Rejected, Unavailable
from bridge.core.event import Event, shown
from bridge.core.mediatype import is_media_type
from bridge.core.payload import Body
from bridge.runtime.references import base, quoted
from bridge.transports.http import HttpResponse, http_client, retry_after_seconds
from bridge.transports.http.client import BaseUrl

#: The attribute that says where the data of an event lies.
DATAREF: Final = "dataref"

#: Longest pause that a store's Retry-After can ask of us.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0


class ClaimStore:
    """A store that events may refer to. Safe to ask concurrently."""

    Options = ClaimStoreOptions

    def __init__(self, options: ClaimStoreOptions, *, clock: Clock | None = None) -> None:
        """Raise ConfigError for a URL, a certificate or credentials that cannot work."""
        self._options = options
        self._base = base(options.url, queries=options.queries)
        self._client = http_client(options, clock=clock)
        self._origin = BaseUrl(options.url).origin

    async def __aenter__(self) -> Self:
        """Open the connection pool; connections are made when they are needed."""
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._client.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the store accepts a connection; raise Unavailable if not."""
        await self._client.ping()

    def target(self, reference: str) -> str | None:
        """Return what to `fetch`, or None where *reference* is not below this store's URL.

        Raise EventError for a reference that no store takes.
        """
        return self._base.target(reference)

    async def fetch(self, target: str) -> Body:
        """Return what lies at *target*, under whatever content type the store says.

        Raise EventError where it will never come: it is not there, not to be read, larger
        than `max_response_bytes`, or elsewhere by now. Raise Unavailable for what may pass,
        our own credentials (401) among it; DeadlineExceeded after `timeout_seconds`.
        """
        try:
            answer = await self._client.request(
                "GET", target, (), b"", timeout_seconds=self._options.timeout_seconds
            )
        except Rejected as error:  # longer than max_response_bytes
            raise EventError(f"{_WHO}: {error}") from error
        except Unavailable as error:
            kind = DeadlineExceeded if isinstance(error, DeadlineExceeded) else Unavailable
            text = f"{_WHO}: {error}"
            raise kind(text, retry_after_seconds=error.retry_after_seconds) from error
        where = f"{_WHO}: {self._origin}{target.partition('?')[0]}"
        return _body(answer, where)


async def redeem(event: Event, stores: Sequence[ClaimStore]) -> Event:
    """Return *event*, which has a `dataref` and no data, with the data that it refers to.

    A `datacontenttype` of its own stays, otherwise it is the store's. Raise EventError where
    the reference lies below the URL of none of *stores*; otherwise as `ClaimStore.fetch`.
    """
    reference = event.attributes[DATAREF]
    for store in stores:
        target = store.target(reference)
        if target is not None:
            return _with_data(event, await store.fetch(target))
    expected = "a URL below that of one of `claim_check.stores`"
    if not stores:
        expected = "data in the event, or `claim_check` in the pipeline"
    raise EventError(
        f"attribute '{DATAREF}' is {quoted(reference)}, and there is no data: expected {expected}"
    )


_WHO: Final = "claim check"

#: 4xx that say nothing of what is asked for: not now, or not with these credentials.
_PASSING: Final = frozenset((401, 407, 408, 425, 429))


def _body(answer: HttpResponse, where: str) -> Body:
    """Return what a store's *answer* carries, or raise what it means for the event."""
    status = answer.status
    if status in _PASSING or status >= 500:
        asked = retry_after_seconds(answer)
        seconds = None if asked is None else min(asked, MAX_RETRY_AFTER_SECONDS)
        raise Unavailable(f"{where}: answered {status}", retry_after_seconds=seconds)
    if 300 <= status < 400:
        raise EventError(f"{where}: answered {status}: redirects are not followed")
    if status != 200:
        raise EventError(f"{where}: answered {status}: expected 200 and the data")
    coding = answer.header(b"content-encoding")
    if coding is not None and coding.lower() != b"identity":
        found = shown(coding.decode("latin-1"))
        raise EventError(f"{where}: the data is encoded as {found}: expected it as it is")
    raw = answer.header(b"content-type")
    return Body(answer.body, None if raw is None else raw.decode("latin-1").strip())


def _with_data(event: Event, body: Body) -> Event:
    """Return *event* with *body*; raise EventError for a content type that is none."""
    content_type = body.content_type
    if content_type is None or "datacontenttype" in event.attributes:
        return Event(event.attributes, body.data, event.origin)
    if not is_media_type(content_type):
        raise EventError(
            f"{_WHO}: the store's content type is {shown(content_type)}: expected a media type, "
            "as application/json, or a datacontenttype in the event"
        )
    attributes = {**event.attributes, "datacontenttype": content_type}
    return Event(attributes, body.data, event.origin)
