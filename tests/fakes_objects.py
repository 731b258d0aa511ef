"""An object store in memory: honest about etags, pages and times, which only a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import md5

from bridge.codecs.listed import rfc3339_ms
from bridge.core.errors import BridgeError, Filtered, Unavailable
from bridge.transports.objects.port import (
    BucketMissing,
    Listed,
    ObjectHead,
    ObjectRef,
    Page,
    StoredObject,
)

#: When the store's clock begins, in milliseconds since 1970.
BEGINNING_MS = 1_795_244_542_000


class FakeStore:
    """Buckets of objects. *now_ms* is its clock; *outages* are what its next answers are."""

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, tuple[bytes, int]]] = {name: {} for name in buckets}
        self.now_ms = BEGINNING_MS
        self.outages: list[BridgeError] = []
        self.writes: list[bytes] = []
        self.pages: list[tuple[str, str]] = []
        self.during: dict[str, Callable[[], None]] = {}  # what happens before the page after a key
        self.dead = False  # to whoever asks: as after a kill
        self.refuses_conditions = False  # takes no condition to hold, as some stores do

    def drop(self, bucket: str, key: str, data: bytes = b"x") -> str:
        """Put *data* there at once, a millisecond later than all before; return its etag."""
        self.now_ms += 1
        self.buckets[bucket][key] = (data, self.now_ms)
        return _etag(data)

    def modified_ms(self, bucket: str, key: str) -> int:
        """Return when it was put."""
        return self.buckets[bucket][key][1]

    async def get(self, ref: ObjectRef, *, max_bytes: int | None = None) -> StoredObject:
        await self._answer()
        found = self._bucket(ref.bucket).get(ref.key)
        if found is None:
            raise Filtered(f"{ref.bucket}/{ref.key} is not there", reason="gone")
        data, modified = found
        pinned = ObjectRef(bucket=ref.bucket, key=ref.key, etag=_etag(data))
        head = ObjectHead(ref=pinned, size=len(data), modified=rfc3339_ms(modified))
        return StoredObject(head=head, data=data)

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
        await self._answer()
        there = self._bucket(bucket).get(key)
        if self.refuses_conditions and (if_match or if_none_match):
            raise Filtered("no condition holds", reason="superseded")
        if if_match is not None and there is None:
            raise Filtered("nothing to match", reason="gone")
        if (if_none_match and there) or (if_match and there and _etag(there[0]) != if_match):
            raise Filtered("another content", reason="superseded")
        self.writes.append(data)
        return ObjectRef(bucket=bucket, key=key, etag=self.drop(bucket, key, data))

    async def list(
        self, bucket: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Page:
        if after in self.during:
            self.during.pop(after)()
        await self._answer()
        self.pages.append((bucket, after))
        there = self._bucket(bucket)
        keys = sorted(key for key in there if key.startswith(prefix) and key > after)
        listed = tuple(
            Listed(
                ref=ObjectRef(bucket=bucket, key=key, etag=_etag(there[key][0])),
                size=len(there[key][0]),
                modified=rfc3339_ms(there[key][1]),
            )
            for key in keys[:limit]
        )
        return Page(objects=listed, next=listed[-1].ref.key if len(keys) > limit else None)

    async def create_bucket(self, bucket: str) -> bool:
        await self._answer()
        return self.buckets.setdefault(bucket, {}) == {}

    async def check_bucket(self, bucket: str) -> None:
        self._bucket(bucket)

    async def ping(self) -> None:
        await self._answer()

    async def _answer(self) -> None:
        await asyncio.sleep(0)
        if self.dead:
            raise Unavailable("object store: no connection")
        if self.outages:
            raise self.outages.pop(0)

    def _bucket(self, bucket: str) -> dict[str, tuple[bytes, int]]:
        if bucket not in self.buckets:
            raise BucketMissing(f"bucket {bucket} is not there", bucket=bucket)
        return self.buckets[bucket]


class GatedClock:
    """A clock on which pauses of the *gated* lengths end when a test says so, others at once."""

    def __init__(self, *gated: float) -> None:
        self._gated = gated
        self._now = 1000.0
        self._waiting: list[asyncio.Future[None]] = []
        self._waits = asyncio.Event()
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self._now

    def now_ns(self) -> int:
        return 1_584_762_088_593_036_193

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        self.slept.append(seconds)
        if seconds not in self._gated:
            await asyncio.sleep(0)
            return
        gate = asyncio.get_running_loop().create_future()
        self._waiting.append(gate)
        self._waits.set()
        await gate

    async def paused(self) -> None:
        """Return when somebody waits for such a pause to end."""
        async with asyncio.timeout(5):
            await self._waits.wait()

    def go_on(self) -> None:
        """Let it end."""
        self._waits.clear()
        gates, self._waiting = self._waiting, []
        for gate in gates:
            if not gate.done():
                gate.set_result(None)


def _etag(data: bytes) -> str:
    return md5(data).hexdigest()  # as S3 does
