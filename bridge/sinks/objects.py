"""Events as objects of an S3 store: their data, the whole event, or a copy of an object.

    event ─▶ bucket and key, by templates ─▶ data    ─▶ the bytes, attributes as metadata
                                             event   ─▶ the event as JSON
                                             copy    ─▶ the store copies what it has itself

The same event has the same bucket and key and so writes the same object once more: an attempt
that was cut off, and went through all the same, does no harm. So unlike a Kafka sink's, its
time-out may be longer than the event's deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from bridge.codecs import http as codec
from bridge.config.object_names import (
    FOR_BUCKETS,
    BucketName,
    BucketTemplate,
    Facts,
    NameTemplate,
    Template,
    check_bucket,
)
from bridge.config.objects import ObjectStoreOptions
from bridge.config.options import Options
from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, ConfigError, Filtered, Rejected, Unavailable
from bridge.core.event import Event, Letter
from bridge.transports.objects import BucketMissing, ObjectRef, ObjectStore
from bridge.transports.objects.names import MAX_KEY_BYTES, object_path
from bridge.transports.objects.parts import MAX_VALUE

#: The longest name of a file on the file systems that stores run on.
MAX_PART_BYTES: Final = 255

#: What metadata of one's own may come to, prefix and names included (S3's limit, and MinIO's).
MAX_METADATA_BYTES: Final = 2 * 1024


class CopyOptions(Options):
    """Which object is copied. An event says which key and which content, and never which bucket."""

    bucket: BucketName
    """Bucket that it lies in."""
    key: Template = "{subject}"
    """Its key, a template."""
    version: Template | None = None
    """The version that is meant, a template; none where it comes out empty or null."""
    etag: Template | None = None
    """The ETag that its content must still have, a template; any where it is empty or null."""


class ObjectsSinkOptions(Options):
    """Events as objects of an S3 store."""

    store: ObjectStoreOptions
    """The store."""
    bucket: BucketTemplate
    """Bucket to write to, a template that begins with text of its own, such as \
`digit-{data.digit}`; what an event fills in is of a-z, 0-9 and `-`."""
    key: Template = "{id}"
    """Key to write to, a template over attributes (`{id}`, `{extension.<name>}`), members of JSON \
data (`{data.<member>}`) and `{digest}`, which stands for source and id together."""
    content: Literal["data", "event", "copy"] = "data"
    """What the object holds: the event's data, with the attributes as metadata; the whole event \
as JSON; or what the object in `copy` holds, copied by the store itself."""
    copy_: CopyOptions | None = Field(default=None, alias="copy")
    """Which object is copied, for `content: copy`."""
    create_buckets: bool = False
    """Whether a bucket that is missing is made; otherwise its events are refused."""

    @model_validator(mode="after")
    def _copies_what_it_is_told(self) -> Self:
        if (self.content == "copy") != (self.copy_ is not None):
            raise ValueError(
                "expected copy exactly where content is 'copy': which object is copied"
            )
        if self.copy_ is not None and (self.bucket, self.key) == (
            self.copy_.bucket,
            self.copy_.key,
        ):
            raise ValueError(
                f"every object would be copied onto itself, {self.bucket}/{self.key}: expected "
                "another bucket or key"
            )
        return self


class ObjectsSink:
    """Writes each event as an object. Idempotency key: bucket and key."""

    Options = ObjectsSinkOptions

    def __init__(
        self,
        options: ObjectsSinkOptions,
        *,
        clock: Clock | None = None,
        store: ObjectStore | None = None,
    ) -> None:
        """Raise ConfigError for a URL, certificate, credentials or key that cannot work."""
        self._bucket = NameTemplate(options.bucket)
        self._key = _key_template("key", options.key)
        self._content = options.content
        self._copy = None if options.copy_ is None else _Copied(options.copy_)
        self._create_buckets = options.create_buckets
        #: Buckets that are not made here, and what is expected of each.
        self._needed: list[tuple[str, str]] = []
        if options.copy_ is not None:
            self._needed.append((options.copy_.bucket, "the bucket that is copied of"))
        if self._bucket.constant is not None and not options.create_buckets:
            self._needed.append((self._bucket.constant, "the bucket, or `create_buckets: true`"))
        self._store: ObjectStore = store or ObjectStore(options.store, clock=clock)
        #: Buckets that are being made just now: as many at most as there are events in flight.
        self._making: dict[str, asyncio.Future[bool | BridgeError]] = {}

    async def __aenter__(self) -> Self:
        """Open the connection pool; connections are made when they are needed."""
        await self._store.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._store.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the store answers and has the buckets that it must have by now.

        Raise Unavailable if not. Those are the one that is copied of, and the one written to
        where it is the same for all events and is not made.
        """
        await self._store.ping()
        for bucket, expected in self._needed:
            try:
                await self._store.check_bucket(bucket)
            except BucketMissing as error:
                raise Unavailable(f"{error}: expected {expected}") from error

    async def send(self, event: Event) -> None:
        """Return when the store has *event*.

        Raise Rejected for a bucket or key that cannot be made of it and for what the store
        refuses, Filtered for a copy of what is gone or has changed, Unavailable otherwise.
        """
        facts = Facts(event)
        bucket, key = self._bucket_of(facts), self._key_of(event, facts)
        if self._copy is not None:
            try:
                await self._copied(self._copy.source(facts), bucket, key)
            except (Rejected, Filtered):
                if not isinstance(event, Letter):
                    raise
                # It is all that is left of its event. By its digest it takes no object's place.
                key = self._key.head + facts.digest()
            else:
                return
        data, content_type, metadata = self._content_of(event)
        put = partial(
            self._store.put, bucket, key, data, content_type=content_type, metadata=metadata
        )
        await self._written(bucket, put)

    async def _copied(self, source: ObjectRef, bucket: str, key: str) -> None:
        """Return when the store has copied *source*; raise Rejected where that is the copy."""
        if (source.bucket, source.key) == (bucket, key):
            # Each copy is news of the object, which would make the next one.
            raise Rejected(f"{bucket}/{key} would be copied onto itself")
        await self._written(bucket, partial(self._store.copy, source, bucket, key))

    def _content_of(self, event: Event) -> tuple[bytes, str | None, dict[str, str] | None]:
        """Return data, media type and metadata of the object that *event* becomes.

        A letter whose attributes are more than metadata may hold goes as JSON, whole, and so
        does one whose media type is longer than a header that is sent.
        """
        if self._content == "data":
            metadata, content_type = _metadata(event), event.datacontenttype
            fits = (
                _bytes_of(metadata) <= MAX_METADATA_BYTES and len(content_type or "") <= MAX_VALUE
            )
            if fits or not isinstance(event, Letter):
                return event.data or b"", content_type, metadata
        headers, data = codec.encode_structured(event)
        return data, headers[0][1].decode(), None

    async def _written(self, bucket: str, write: Callable[[], Awaitable[object]]) -> None:
        """Return when *write* has written, into a *bucket* that is made where it is missing."""
        made = False
        while True:
            try:
                await write()
            except BucketMissing:
                if made or not self._create_buckets:
                    raise
            else:
                return
            made = await self._make(bucket)

    async def _make(self, bucket: str) -> bool:
        """Return True when *bucket* is made, by this event or another that was about to.

        Who waited for another hears what became of it, and does not ask again: raise what the
        other did. Return False where the other was cut off.
        """
        under_way = self._making.get(bucket)
        if under_way is not None:
            made = await asyncio.shield(under_way)
            if isinstance(made, bool):
                return made
            if isinstance(made, Unavailable):
                again = made.retry_after_seconds
                raise Unavailable(str(made), retry_after_seconds=again) from made
            raise Rejected(str(made)) from made
        under_way = self._making[bucket] = asyncio.get_running_loop().create_future()
        outcome: bool | BridgeError = False
        try:
            await self._store.create_bucket(bucket)
            outcome = True
        except BridgeError as error:
            outcome = error
            raise
        finally:
            del self._making[bucket]
            under_way.set_result(outcome)
        return True

    def _bucket_of(self, facts: Facts) -> str:
        bucket = self._bucket.fill(facts, FOR_BUCKETS)
        if self._bucket.constant is None:
            try:
                check_bucket(bucket)
            except ValueError as error:
                raise Rejected(f"bucket: {error}") from error
        return bucket

    def _key_of(self, event: Event, facts: Facts) -> str:
        """Return the key of *event*.

        A letter is never refused for its key: nobody would be left to take it, and what comes
        behind it would wait. Below what every key begins with it lies by its digest then.
        """
        if not isinstance(event, Letter):
            return self._key.fill(facts)
        try:
            key = self._key.fill(facts)
        except Rejected:
            key = ""
        return key if _is_everywhere_a_key(key) else self._key.head + facts.digest()


class _Copied:
    """The object that is copied for an event."""

    def __init__(self, options: CopyOptions) -> None:
        self._bucket = options.bucket
        self._key = _key_template("copy.key", options.key)
        self._version = NameTemplate(options.version or "")
        self._etag = NameTemplate(options.etag or "")

    def source(self, facts: Facts) -> ObjectRef:
        version = self._version.fill_if_any(facts)
        etag = self._etag.fill_if_any(facts)
        return ObjectRef(
            bucket=self._bucket,
            key=self._key.fill(facts),
            version=None if version == "null" else version,  # an object's that has none
            etag=None if etag is None else etag.strip('"'),
        )


def _key_template(option: str, text: str) -> NameTemplate:
    """Return *text* as a template; raise ConfigError where no event could make a key of it."""
    template = NameTemplate(text)
    try:
        object_path("any", template.filled_with("0"))
    except Rejected as error:
        raise ConfigError(f"{option}: {error}") from error
    return template


def _metadata(event: Event) -> dict[str, str]:
    """Return the attributes as HTTP's binary mode spells them: the store adds `x-amz-meta-`.

    An empty one has no header that all stores take, and is left out.
    """
    headers, _ = codec.encode_binary(event)
    return {
        name.decode(): value.decode()
        for name, value in headers
        if value and name != b"content-type"
    }


def _bytes_of(metadata: Mapping[str, str]) -> int:
    return sum(len("x-amz-meta-") + len(name) + len(value) for name, value in metadata.items())


def _is_everywhere_a_key(key: str) -> bool:
    """Whether also stores take *key* that keep objects as files, as MinIO does."""
    return (
        key.isprintable()
        and len(key.encode()) <= MAX_KEY_BYTES
        and all(
            part not in ("", ".", "..") and len(part.encode()) <= MAX_PART_BYTES
            for part in key.split("/")
        )
    )
