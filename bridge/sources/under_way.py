"""Events that a source delivers itself until they are settled: one task each, held in outages.

    offered ─▶ newest state of its object? ─▶ Work: handler ─▶ settled
                    └ known, superseded         └ an outage: held, tried again after a pause

Whoever waits for an outcome owns the work beside others: a request, a listing. Work that
nobody owns any more is given back. Events of one object leave in the order of its states.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial

from bridge.core.clock import Clock
from bridge.core.errors import Unavailable
from bridge.core.event import Origin
from bridge.core.ports import Handler
from bridge.observe.complaints import Complaints
from bridge.sources.found import Found, digest, identity
from bridge.sources.holding import Holding
from bridge.sources.lanes import Lanes, Place
from bridge.sources.minio_options import MinioSourceOptions
from bridge.sources.sequence import Newest, Seen, Verdict


class Work:
    """One event on its way. *held*: why it waits to be tried again, None while it does not.

    *task* is done when the outcome exists, and cancelled when the event was given back.
    """

    task: asyncio.Task[None]

    __slots__ = ("found", "held", "owners", "place", "task")

    def __init__(self, found: Found, place: Place) -> None:
        self.found = found
        self.place = place
        self.held: str | None = None
        self.owners = 0

    def disown(self) -> None:
        """Note that one owner waits no longer; without any it is given back."""
        self.owners -= 1
        if not self.owners:
            self.task.cancel()


class UnderWay:
    """What is under way, and the newest state of each object, settled ones included."""

    def __init__(
        self,
        options: MinioSourceOptions,
        *,
        clock: Clock,
        chance: random.Random,
        complaints: Complaints,
    ) -> None:
        self._clock = clock
        self.holding = Holding(options, clock=clock, chance=chance, complaints=complaints)
        self._lanes = Lanes()
        self._works: dict[Place, Work] = {}
        self._by_place: dict[str, Work] = {}
        self._newest = {bucket: Newest(options.max_keys) for bucket in (*options.buckets, "")}
        self.leaving = False
        self._idle = asyncio.Event()
        self._idle.set()
        self.handle: Handler | None = None
        #: How many events are settled since the start.
        self.settled_total = 0

    def newest(self, bucket: str) -> Newest:
        """Return what is remembered of *bucket*."""
        return self._newest[bucket]

    def has_settled(self, bucket: str, key: str, etag: str | None, ms: int) -> bool:
        """Whether that very state of a listed object is settled: what a pass meets most often."""
        known = self.newest(bucket).get(digest(bucket, key))
        return known is not None and known.settled and known.id == identity(bucket, key, etag, ms)

    def judge(self, found: Found) -> Verdict:
        """Return what *found* is beside what is known of its object."""
        return self.newest(found.bucket).judge(found.place, found.state)

    def newer_than(self, found: Found) -> Seen | None:
        """Return the state that is the newer one by its time, None where there is none.

        Where the store still lists *found*, that was put over it, by a clock that is behind:
        also where the newer one is held, and comes to be settled when no pass looks so far back.
        """
        if self.judge(found) is not Verdict.SUPERSEDED:
            return None
        return self.newest(found.bucket).get(found.place)

    def working_on(self, found: Found) -> Work | None:
        """Return the work on that very state, if it is still under way."""
        work = self._by_place.get(found.place)
        return work if work is not None and work.found.state.id == found.state.id else None

    def begin(self, found: Found) -> Work:
        """Begin to work on *found*, a newer state than any known; to be owned at once.

        Raise Unavailable before `handle` is there, and when the source is leaving.
        """
        handle = self.handle
        if handle is None or self.leaving:
            raise Unavailable("not ready yet" if handle is None else "stopping")
        place = self._lanes.enter(found.place, self._clock.now_ns())
        work = Work(found, place)
        loop = asyncio.get_running_loop()
        event = found.event(Origin("minio", "", False, (), None, place))
        work.task = loop.create_task(self.holding.until_settled(handle, event, place, self))
        self.newest(found.bucket).take(found.place, found.state)
        self._works[place] = work
        self._by_place[found.place] = work
        self._idle.clear()
        work.task.add_done_callback(partial(self._ended, work))
        return work

    # Leaving

    def leave(self) -> None:
        """Begin nothing more, and give back what only waits to be tried again."""
        self.leaving = True
        for work in list(self._works.values()):
            if work.held is not None:
                self.give_back(work.place)

    def cancel(self) -> None:
        """Give back everything that is under way."""
        self.leaving = True
        for work in list(self._works.values()):
            work.task.cancel()

    async def idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()

    # One event

    def hold(self, place: Place, why: str) -> None:
        """Note that the event at *place* waits to be tried again."""
        self._works[place].held = why

    def tried(self, place: Place) -> None:
        """Note that it is tried again."""
        self._works[place].held = None

    def give_back(self, place: Place) -> None:
        """Cancel the event at *place* and what is behind it: newer states of its object."""
        for each in (place, *place.behind()):
            work = self._works.get(each)
            if work is not None:
                work.task.cancel()

    def _ended(self, work: Work, task: asyncio.Task[None]) -> None:
        """Note what became of *work*, before anybody who waits for it is told."""
        place, found = work.place, work.found
        del self._works[place]
        if self._by_place.get(found.place) is work:
            del self._by_place[found.place]
        answered = place.response is not None
        place.response = None  # whose origin is this place: only the collector would free both
        if task.cancelled() or task.exception() is not None:
            self.newest(found.bucket).forget(found.place, found.state)
        else:
            found.state.settled = True
            if answered:
                self.holding.answered(place)
            self.settled_total += 1
        place.leave()
        if not self._works:
            self._idle.set()
