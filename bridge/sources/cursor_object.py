"""The object that a cursor lies in: one writer at a time, and the store's clock.

    claim: read ─▶ nobody's, or quiet for three beats? ─▶ write over what was read: ours
    keep:  write over what we wrote last ─▶ another's by now? Lost

Every write is conditional (If-Match), so of two replicas that list with one cursor only one
gets through; the other stands by and takes over when the first is quiet.
"""

from __future__ import annotations

from typing import Final, Protocol

import structlog

from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, ConfigError, Filtered, Rejected, Unavailable
from bridge.core.payload import JSON
from bridge.sources.cursor import Cursor, decoded, encoded
from bridge.sources.found import milliseconds
from bridge.sources.minio_options import MinioListingOptions, MinioSourceOptions
from bridge.transports.objects.names import object_path
from bridge.transports.objects.port import BucketMissing, ObjectRef, Page, StoredObject

#: How often a cursor is written at least, so that others see that somebody lists.
BEAT_SECONDS: Final = 20.0

#: How many beats without a write make another replica take over.
QUIET_BEATS: Final = 3

log = structlog.get_logger()


class Store(Protocol):
    """What a listing needs of `bridge.transports.objects.ObjectStore`."""

    async def get(self, ref: ObjectRef, *, max_bytes: int | None = None) -> StoredObject:
        """Return the object; raise Filtered, reason `gone`, where there is none."""
        ...

    async def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        if_match: str | None = None,
        if_none_match: bool = False,
    ) -> ObjectRef:
        """Return when it is written; raise Filtered where the condition does not hold."""
        ...

    async def list(
        self, bucket: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Page:
        """Return one page, in the order of keys."""
        ...

    async def create_bucket(self, bucket: str) -> bool:
        """Return when there is such a bucket."""
        ...

    async def check_bucket(self, bucket: str) -> None:
        """Return if there is such a bucket; raise BucketMissing if not."""
        ...

    async def ping(self) -> None:
        """Return if the store answers."""
        ...


class Lost(BridgeError):
    """The cursor is another's by now: it lists, and this replica stands by."""

    reason = "lost"


class CursorObject:
    """Where one listing keeps its cursor. *owner* is this replica, and no other's name."""

    def __init__(
        self,
        store: Store,
        options: MinioSourceOptions,
        listing: MinioListingOptions,
        *,
        owner: str,
        clock: Clock,
    ) -> None:
        """Raise ConfigError for a key that no path carries."""
        self._store = store
        self._options = options
        self._at = listing.cursor
        try:
            object_path(self._at.bucket, self._at.key)
        except Rejected as error:
            raise ConfigError(f"listing.cursor: {error}") from error
        self._where = f"cursor {self._at.bucket}/{self._at.key}"
        self._owner = owner
        self._clock = clock
        self._etag: str | None = None
        self._writes = 0
        self.beat_seconds = min(BEAT_SECONDS, listing.interval_seconds)

    async def claim(self) -> Cursor:
        """Return the cursor when it is ours to go on from; an empty one where there is none.

        While another replica writes it, wait. Raise Unavailable in an outage, CursorUnreadable
        where it is none, Lost where somebody else was faster.
        """
        found = await self._read()
        if found.owner not in (None, self._owner):
            log.info("another replica lists, or did: standing by", cursor=self._where)
            quiet, seen = 0, found.writes
            while quiet < QUIET_BEATS and found.owner is not None:
                await self._clock.sleep(self.beat_seconds)
                found = await self._read()
                quiet = quiet + 1 if found.writes == seen else 0
                seen = found.writes
        self._writes = found.writes
        await self.write(found)
        log.info("listing", cursor=self._where, buckets=self._options.buckets)
        return found

    async def write(self, cursor: Cursor, *, release: bool = False) -> None:
        """Return when *cursor* lies there, as ours, or to *release* it as nobody's.

        Raise Lost where another replica has written it, Unavailable in an outage. A bucket
        that is missing is created.
        """
        self._writes += 1
        said = (None if release else self._owner, self._writes)
        cursor.owner, cursor.writes = said
        data = encoded(cursor, prefix=self._options.prefix, suffix=self._options.suffix)
        try:
            try:
                await self._put(data)
            except BucketMissing:  # not there yet, or not any more, and the cursor with it
                await self._store.create_bucket(self._at.bucket)
                self._etag = None
                await self._put(data)
        except Filtered:  # another's, gone, or our own first try, which went through unanswered
            found = await self._read()
            if self._etag is not None and (found.owner, found.writes) == said:
                return
            if self._etag is not None and found.owner != self._owner:
                raise Lost(f"{self._where}: another replica has written it") from None
            try:
                await self._put(data)
            except Filtered as overtaken:
                raise Lost(f"{self._where}: written by another meanwhile") from overtaken

    async def store_ms(self) -> int:
        """Return when the cursor was written last, on the store's own clock, in milliseconds."""
        page = await self._store.list(self._at.bucket, prefix=self._at.key, limit=1)
        if not page.objects or page.objects[0].ref.key != self._at.key:
            raise Unavailable(f"{self._where}: not listed, though it was written just now")
        return milliseconds(page.objects[0].modified, self._where)

    async def _put(self, data: bytes) -> None:
        ref = await self._store.put(
            self._at.bucket,
            self._at.key,
            data,
            content_type=JSON,
            if_match=self._etag,
            if_none_match=self._etag is None,
        )
        self._etag = ref.etag

    async def _read(self) -> Cursor:
        """Return what lies there, an empty cursor where nothing does; note which content it is."""
        try:
            found = await self._store.get(ObjectRef(bucket=self._at.bucket, key=self._at.key))
        except BucketMissing:
            self._etag = None
            return Cursor()
        except Filtered as error:
            if error.reason != "gone":  # written while it was read
                raise Unavailable(f"{self._where}: {error}") from error
            self._etag = None
            return Cursor()
        self._etag = found.head.ref.etag
        return decoded(
            found.data,
            prefix=self._options.prefix,
            suffix=self._options.suffix,
            where=self._where,
        )
