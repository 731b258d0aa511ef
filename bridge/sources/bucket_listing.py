"""Objects found by listing their buckets: pass after pass, none lost and few looked at twice.

    claim the cursor ─▶ pass: its bound is the store's time now
                          page ─▶ changed since floor, newer than known? ─▶ work
                          last page ─▶ floor = bound - overlap ─▶ pause ─▶ next pass
    settled ─▶ cursor, after a second or half a window; a kill repeats one window at most

A pass goes by keys, not by time. What is put where it has been already is younger than its
bound, so the next pass, whose floor lies before that bound, finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog

from bridge.core.clock import Clock
from bridge.core.errors import Unavailable
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries
from bridge.sources.cursor import BucketCursor, Cursor
from bridge.sources.cursor_object import CursorObject, Lost, Store
from bridge.sources.found import Found, milliseconds, of_listed
from bridge.sources.listed_bucket import ListedBucket
from bridge.sources.minio_options import MinioListingOptions, MinioSourceOptions
from bridge.sources.sequence import Seen, Verdict
from bridge.sources.store_clock import StoreClock
from bridge.sources.under_way import UnderWay, Work
from bridge.transports.objects.port import BucketMissing, Listed, Page

log = structlog.get_logger()


class BucketListing:
    """The listing of one source; *under_way* works on what is found.

    *owner* is this replica's own name. *crash* is given what a bug has raised in a pipeline.
    """

    def __init__(
        self,
        store: Store,
        options: MinioSourceOptions,
        listing: MinioListingOptions,
        *,
        name: str,
        owner: str,
        under_way: UnderWay,
        deliveries: Deliveries,
        complaints: Complaints,
        clock: Clock,
        crash: Callable[[BaseException], None],
    ) -> None:
        self._crash = crash
        self._options = options
        self._listing = listing
        self._overlap_ms = int(listing.overlap_seconds * 1000)
        self._name = name
        self._store = store
        self._under_way = under_way
        self._deliveries = deliveries
        self._complaints = complaints
        self._available = under_way.holding.available
        self._clock = clock
        self._store_clock = StoreClock(clock, self._overlap_ms, source=name)
        self._cursor = CursorObject(store, options, listing, owner=owner, clock=clock)
        self._writing = asyncio.Lock()
        self._claimed = False
        self._buckets: dict[str, ListedBucket] = {}
        self._open = 0
        self._unwritten = 0  # settled, and not in the cursor
        self._written_total = 0  # settled when it was written, those of a webhook included
        self._room = asyncio.Event()
        self._due = asyncio.Event()

    async def run(self) -> None:
        """List until cancelled; of several replicas with one cursor only one does.

        Raise CursorUnreadable where the cursor is none, Rejected where the store refuses for
        good to be listed, and whatever a bug in the pipeline has raised.
        """
        while True:
            try:
                cursor = await self._available(self._cursor.claim)
                self._restore(cursor)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._passes())
                    group.create_task(self._commit_often())
            except Lost as lost:  # while claiming: a store may refuse every write on condition
                self._let_go(lost)
                await self._clock.sleep(self._cursor.beat_seconds)
            except ExceptionGroup as crash:
                lost_one, others = crash.split(Lost)
                if others is not None:
                    raise others from crash
                self._let_go(lost_one)

    async def finish(self) -> None:
        """Write what is settled, and that nobody lists any more; nothing in an outage."""
        if not self._claimed:
            return
        self._claimed = False
        try:
            async with self._writing:
                await self._cursor.write(self._snapshot(), release=True)
        except (Lost, Unavailable) as error:
            self._complaints.of(error.reason, error)

    # Passes

    async def _passes(self) -> None:
        for bucket, one in self._buckets.items():
            await self._take_up(bucket, one)
        while True:
            bound = await self._available(self._begin_pass)
            for bucket, one in self._buckets.items():
                await self._pass(bucket, one, bound)
            await self._clock.sleep(self._listing.interval_seconds)

    async def _begin_pass(self) -> int:
        """Write the cursor; return when that was, on the store's clock."""
        await self._commit()
        bound = await self._cursor.store_ms()
        self._store_clock.began(bound)
        for bucket, one in self._buckets.items():
            newest = self._under_way.newest(bucket)
            self._store_clock.look_again(bucket, one.cursor, newest, bound)
        return bound

    async def _take_up(self, bucket: str, one: ListedBucket) -> None:
        """Take what was open when the last replica wrote the cursor, where it is still there."""
        for key in list(one.pending):
            page = await self._page(bucket, prefix=key, limit=1)
            if page is None:  # stays by name in the cursor, should the bucket come back
                continue
            for listed in page.objects:
                if listed.ref.key == key:
                    await self._take(bucket, one, listed)
            one.pending.pop(key)

    async def _pass(self, bucket: str, one: ListedBucket, bound: int) -> None:
        """Go through *bucket* once, from where an earlier replica has left off."""
        at = one.cursor
        if at.bound is None:
            at.bound, at.after = bound, ""
            if at.floor is None and self._listing.start == "latest":
                at.floor = bound
                await self._available(self._commit)
        while True:
            page = await self._page(
                bucket,
                prefix=self._options.prefix,
                after=at.after,
                limit=self._listing.page_size,
            )
            if page is None:
                return
            for listed in page.objects:
                if listed.ref.key.endswith(self._options.suffix):
                    await self._take(bucket, one, listed, floor=at.floor)
                at.after = listed.ref.key
            if page.next is None:
                break
            at.after = page.next
        self._end_pass(bucket, at, at.bound)

    def _end_pass(self, bucket: str, at: BucketCursor, bound: int) -> None:
        """Let the floor rise: whatever is older is settled, or open by name."""
        newest, floor = self._under_way.newest(bucket), bound - self._overlap_ms
        if newest.forgotten_ms is not None and newest.forgotten_ms >= floor:
            floor = min(newest.forgotten_ms + 1, bound)
            log.warning(
                "max_keys: too many new objects to remember them all, looking less far back",
                source=self._name,
                bucket=bucket,
                overlap_seconds=(bound - floor) / 1000,
            )
        newest.forgotten_ms = None
        at.floor = floor if at.floor is None else max(at.floor, floor)
        at.bound, at.after = None, ""
        newest.forget_before(at.floor)

    async def _page(self, bucket: str, *, prefix: str, after: str = "", limit: int) -> Page | None:
        """Return one page when the store has it; None where there is no such bucket (yet)."""
        try:
            return await self._available(
                partial(self._store.list, bucket, prefix=prefix, after=after, limit=limit)
            )
        except BucketMissing as error:
            self._complaints.of("bucket_missing", error)
            return None

    # Objects

    async def _take(
        self, bucket: str, one: ListedBucket, listed: Listed, *, floor: int | None = None
    ) -> None:
        """Have *listed* worked on when there is room, if it is news; return when it is."""
        ms = milliseconds(listed.modified, f"bucket '{bucket}': a listed object")
        if floor is not None and ms < floor:
            return
        if self._under_way.has_settled(bucket, listed.ref.key, listed.ref.etag, ms):
            return
        found = of_listed(
            bucket,
            listed.ref.key,
            etag=listed.ref.etag,
            size=listed.size,
            ms=ms,
            region=self._options.region,
        )
        mine = one.open.get(found.key)
        if mine is not None and mine.found.state.id == found.state.id:
            return  # also where its object's other state was told of again meanwhile
        over = self._under_way.newer_than(found)
        if over is not None and not await self._lies_there(bucket, listed):
            return
        while (work := self._news(one, found, over)) is None:
            if self._open + self._unwritten < self._options.max_in_flight:
                work = self._under_way.begin(found)
                break
            self._room.clear()
            await self._room.wait()
        if isinstance(work, Work):
            self._own(one, work)

    async def _lies_there(self, bucket: str, listed: Listed) -> bool:
        """Whether the store lists that very state now, and not only on a page from before."""
        page = await self._page(bucket, prefix=listed.ref.key, limit=1)
        return page is not None and listed in page.objects

    def _news(self, one: ListedBucket, found: Found, over: Seen | None) -> Work | Verdict | None:
        """Return the work on *found* that there is already, what is known of it, None for news.

        *over*: the newer state by its time that *found* was put over.
        """
        verdict = self._under_way.judge(found)
        overtakes = over is not None and self._under_way.newer_than(found) is over
        if verdict is Verdict.NEW or overtakes:
            return None
        work = self._under_way.working_on(found)
        return verdict if work is None or one.open.get(found.key) is work else work

    def _own(self, one: ListedBucket, work: Work) -> None:
        work.owners += 1
        one.open[work.found.key] = work
        self._open += 1
        self._deliveries.taken()
        work.task.add_done_callback(partial(self._ended, one, work))

    def _ended(self, one: ListedBucket, work: Work, task: asyncio.Task[None]) -> None:
        self._open -= 1
        self._room.set()
        if task.cancelled():  # stays open, by name, in the cursor
            self._deliveries.given_back()
            return
        error = task.exception()
        if error is not None:
            self._deliveries.given_back()
            self._crash(error)
            return
        self._deliveries.settled()
        if one.open.get(work.found.key) is work:
            del one.open[work.found.key]
        self._unwritten += 1
        if self._unwritten * 2 >= self._options.max_in_flight:
            self._due.set()

    # The cursor

    def _restore(self, cursor: Cursor) -> None:
        """Go on from *cursor*; what is under way here already stays so."""
        self._claimed = True
        self._store_clock.taken_over()
        self._unwritten = 0
        self._buckets = {}
        for bucket in self._options.buckets:
            at = cursor.buckets.get(bucket, BucketCursor())
            self._buckets[bucket] = ListedBucket(at)
            newest = self._under_way.newest(bucket)
            for place, (ms, known) in at.done.items():
                state = Seen(id=known, ms=ms, settled=True)
                if newest.judge(place, state) is Verdict.NEW:
                    newest.take(place, state)

    def _snapshot(self) -> Cursor:
        return Cursor(
            buckets={
                bucket: one.snapshot(self._under_way, bucket, self._overlap_ms)
                for bucket, one in self._buckets.items()
            }
        )

    async def _commit_often(self) -> None:
        """Write the cursor when something is settled, and every beat in any case."""
        beat = self._cursor.beat_seconds
        pause = min(self._listing.commit_interval_seconds, beat)
        written = self._clock.monotonic()
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._due.wait()
            except TimeoutError:
                pass
            self._due.clear()
            now = self._clock.monotonic()
            news = self._under_way.settled_total > self._written_total
            if news or now - written >= beat:
                await self._available(self._commit)
                written = now

    async def _commit(self) -> None:
        """Write the cursor as it is now; then what it says is not repeated after a kill."""
        async with self._writing:
            settled, total = self._unwritten, self._under_way.settled_total
            await self._cursor.write(self._snapshot())
            self._unwritten -= settled
            self._written_total = total
            self._room.set()

    def _let_go(self, lost: BaseException | None) -> None:
        """Leave the listing to the replica that has the cursor, and what is open with it."""
        self._claimed = False
        log.warning("another replica lists: standing by", source=self._name, error=str(lost))
        for one in self._buckets.values():
            for work in list(one.open.values()):
                work.disown()
            one.open.clear()
        self._buckets = {}
