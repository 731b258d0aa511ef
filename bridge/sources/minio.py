"""A bucket's objects as events: told by MinIO's webhook, found by listing, or both.

    webhook ─▶┐                                        ┌─▶ 200, or 503 and MinIO keeps it
              ├─▶ newest state of the object? ─▶ work ─┤
    listing ─▶┘                                        └─▶ the cursor says that it is settled

At least once: a notification is MinIO's until it is answered, a listed object is in the
cursor's way until it is settled. A webhook alone loses what MinIO loses (all of it without a
queue, when we are away); a listing loses nothing but states that were overwritten between two
passes. An older state of an object never leaves after a newer one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from bridge.core.clock import Clock
from bridge.core.errors import Unavailable
from bridge.core.ports import Component, Handler
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries, Events
from bridge.sources.bucket_listing import BucketListing
from bridge.sources.cursor_object import Store
from bridge.sources.found import Found
from bridge.sources.minio_options import MinioSourceOptions
from bridge.sources.minio_webhook import MinioWebhook
from bridge.sources.under_way import UnderWay
from bridge.transports.objects import BucketMissing, ObjectStore

#: How long the last write of the cursor may take when the process is told to end at once.
LAST_WRITE_SECONDS = 3.0

#: The longest cursor that is read: 100 bytes for each of a million objects that are remembered.
MAX_CURSOR_BYTES = 100 * 1024 * 1024


class MinioSource:
    """A webhook, a listing, or both. Order: by object, whichever way its states are found.

    Its `delivers_again`: an event that meets an outage is tried again here. A delivery is a
    request of the webhook, or a listed object. *events* counts what is left out before the
    pipeline. *store* is another than S3's in tests.
    """

    Options = MinioSourceOptions
    delivers_again = True

    def __init__(
        self,
        options: MinioSourceOptions,
        *,
        name: str,
        deliveries: Deliveries,
        clock: Clock,
        chance: random.Random,
        ready: Callable[[], bool],
        events: Events | None = None,
        store: Store | None = None,
    ) -> None:
        """Raise ConfigError for an address, certificate, credential or key that cannot work."""
        self._buckets = options.buckets
        self._events = events or Events()
        self._complaints = Complaints(clock, source=name)
        self._under_way = UnderWay(options, clock=clock, chance=chance, complaints=self._complaints)
        self._webhook: MinioWebhook | None = None
        self._listing: BucketListing | None = None
        self._own_store: ObjectStore | None = None
        self._store = store
        deliveries.limit = 0
        if options.webhook is not None:
            self._webhook = MinioWebhook(
                options,
                options.webhook,
                under_way=self._under_way,
                deliveries=deliveries,
                left_out=self._left_out,
                ready=ready,
                complaints=self._complaints,
                clock=clock,
            )
        if options.listing is not None:
            if store is None:
                reached = options.listing.store.model_copy(
                    update={"max_object_bytes": MAX_CURSOR_BYTES}  # it reads no other object
                )
                store = self._store = self._own_store = ObjectStore(reached, clock=clock)
            self._listing = BucketListing(
                store,
                options,
                options.listing,
                name=name,
                owner=f"{chance.getrandbits(64):016x}",
                under_way=self._under_way,
                deliveries=deliveries,
                complaints=self._complaints,
                clock=clock,
                crash=self._crash,
            )
            deliveries.limit += options.max_in_flight

    @property
    def port(self) -> int:
        """The port that is listened on; 0 where none is."""
        return 0 if self._webhook is None else self._webhook.listener.port

    @property
    def far_end(self) -> Component | None:
        """Who is asked for the keys of MinIO's tokens, if anybody is."""
        return None if self._webhook is None else self._webhook.listener.door

    async def __aenter__(self) -> Self:
        """Listen: until `run` is called notifications are answered 503.

        Raise ConfigError where the address cannot be listened on.
        """
        if self._own_store is not None:
            await self._own_store.__aenter__()
        if self._webhook is not None:
            await self._webhook.listener.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        if self._webhook is not None:
            await self._webhook.listener.close()
        if self._own_store is not None:
            await self._own_store.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the store answers that is listed, and who knows MinIO's tokens.

        Raise Unavailable if one of them does not, and if a bucket to be listed is missing.
        """
        if self._listing is not None and self._store is not None:
            await self._store.ping()
            for bucket in self._buckets:
                try:
                    await self._store.check_bucket(bucket)
                except BucketMissing as error:
                    raise Unavailable(str(error)) from error
        if self._webhook is not None:
            await self._webhook.listener.ping()

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:
        """Give events to *handle* until *stop*; return when all are settled or given back.

        Raise CursorUnreadable, Rejected, and whatever else makes going on impossible.
        """
        under_way = self._under_way
        under_way.handle = handle
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                if self._webhook is not None:
                    group.create_task(self._webhook.listener.run(handle, stop))
                listing = None
                if self._listing is not None:
                    listing = group.create_task(self._listing.run())
                await stop.wait()
                if listing is not None:
                    listing.cancel()
                under_way.leave()
                await under_way.idle()
        finally:
            if self._webhook is not None:
                await self._webhook.listener.close()
            under_way.cancel()
            await under_way.idle()
            if self._listing is not None:
                with suppress(TimeoutError):  # then what is not written is looked at again
                    async with asyncio.timeout(LAST_WRITE_SECONDS):
                        await self._listing.finish()

    def _left_out(self, found: Found, reason: str, text: str) -> None:
        """Book an event that there is nothing to do for, as the pipeline would a filtered one."""
        self._events.accepted()
        self._events.filtered(reason)
        self._complaints.of_filtered(reason, text, id=found.state.id)

    def _crash(self, error: BaseException) -> None:
        """End `run` with *error*: a bug must not go unnoticed."""
        self._group.create_task(_raise(error))


async def _raise(error: BaseException) -> None:
    raise error
