"""A store of objects in memory that keeps `ObjectStore`'s promises, as far as a sink asks."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from bridge.core.errors import Filtered, Unavailable
from bridge.transports.objects import BucketMissing, ObjectRef
from bridge.transports.objects.parts import check_sendable


@dataclass(frozen=True)
class Kept:
    """What lies at a key."""

    data: bytes
    content_type: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return hashlib.sha256(self.data).hexdigest()[:8]


class FakeObjectStore:
    """*buckets* are what there is; *asked* is every request, in order.

    *copied*: what was asked to be copied. *down*: each request is an outage. *gate*: what
    creating a bucket waits for.
    """

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, Kept]] = {bucket: {} for bucket in buckets}
        self.asked: list[tuple[str, ...]] = []
        self.copied: list[ObjectRef] = []
        self.down = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def ping(self) -> None:
        if self.down:
            raise Unavailable("down")

    async def check_bucket(self, bucket: str) -> None:
        if bucket not in self.buckets:
            raise BucketMissing(f"no bucket {bucket}", bucket=bucket)

    async def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> ObjectRef:
        if content_type is not None:
            check_sendable("content-type", content_type, "fake")
        self._bucket("put", bucket, key)[key] = Kept(data, content_type, dict(metadata or {}))
        return ObjectRef(bucket=bucket, key=key)

    async def copy(self, source: ObjectRef, bucket: str, key: str) -> ObjectRef:
        self.copied.append(source)
        target = self._bucket("copy", bucket, key)
        found = self._bucket("read", source.bucket, source.key).get(source.key)
        if found is None:
            raise Filtered("gone", reason="gone")
        if source.etag not in (None, found.etag):
            raise Filtered("superseded", reason="superseded")
        target[key] = found
        return ObjectRef(bucket=bucket, key=key)

    async def create_bucket(self, bucket: str) -> bool:
        self.asked.append(("create", bucket))
        await self.gate.wait()
        if self.down:
            raise Unavailable("down")
        is_new = bucket not in self.buckets
        self.buckets.setdefault(bucket, {})
        return is_new

    def _bucket(self, what: str, bucket: str, key: str) -> dict[str, Kept]:
        self.asked.append((what, bucket, key))
        if self.down:
            raise Unavailable("down")
        if bucket not in self.buckets:
            raise BucketMissing(f"no bucket {bucket}", bucket=bucket)
        return self.buckets[bucket]
