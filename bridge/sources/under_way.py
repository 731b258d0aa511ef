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
from bridge.core.errors import BridgeError, DeadlineExceeded, EventError, Rejected, Unavailable
from bridge.core.event import Invalid, Origin
from bridge.core.ports import Handler
from bridge.observe.complaints import Complaints
from bridge.sources.found import Found, digest, identity
from bridge.sources.lanes import Lanes, Place
from bridge.sources.minio_options import MinioSourceOptions
from bridge.sources.sequence import Newest, Verdict


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
        self._options = options
        self._clock = clock
        self._chance = chance
        self._complaints = complaints
        self._lanes = Lanes()
        self._works: dict[Place, Work] = {}
        self._by_place: dict[str, Work] = {}
        self._newest = {bucket: Newest(options.max_keys) for bucket in (*options.buckets, "")}
        self._answered = 0
        self._leaving = False
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

    def working_on(self, found: Found) -> Work | None:
        """Return the work on that very state, if it is still under way."""
        work = self._by_place.get(found.place)
        return work if work is not None and work.found.state.id == found.state.id else None

    def begin(self, found: Found) -> Work:
        """Begin to work on *found*, a newer state than any known; to be owned at once.

        Raise Unavailable before `handle` is there, and when the source is leaving.
        """
        handle = self.handle
        if handle is None or self._leaving:
            raise Unavailable("not ready yet" if handle is None else "stopping")
        place = self._lanes.enter(found.place, self._clock.now_ns())
        work = Work(found, place)
        loop = asyncio.get_running_loop()
        work.task = loop.create_task(self._until_settled(work, handle))
        self.newest(found.bucket).take(found.place, found.state)
        self._works[place] = work
        self._by_place[found.place] = work
        self._idle.clear()
        work.task.add_done_callback(partial(self._ended, work))
        return work

    # Leaving

    def leave(self) -> None:
        """Begin nothing more, and give back what only waits to be tried again."""
        self._leaving = True
        for work in list(self._works.values()):
            if work.held is not None:
                self._give_back(work)

    def cancel(self) -> None:
        """Give back everything that is under way."""
        self._leaving = True
        for work in list(self._works.values()):
            work.task.cancel()

    async def idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()

    # One event

    async def _until_settled(self, work: Work, handle: Handler) -> None:
        """Have the event handled until its outcome exists; an outage is waited for."""
        options, place = self._options, work.place
        event = work.found.event(Origin("minio", "", False, (), None, place))
        pause, strikes = options.hold_initial_seconds, 0
        while True:
            place.attempts += 1
            answered_before = self._answered
            failure: BridgeError
            try:
                await handle(event)
            except (Unavailable, EventError) as error:
                failure = error
            else:
                return
            if isinstance(failure, DeadlineExceeded) and self._answered > answered_before:
                strikes += 1
                if strikes == options.max_attempts and options.on_dead_letter == "settle":
                    text = f"{failure}, {strikes} times, while others were answered"
                    event = Invalid.of_event(event, Rejected(text))
                    continue
            self._complaints.of(failure.reason, failure, id=event.id)
            work.held = str(failure)
            if self._leaving:
                self._give_back(work)
            asked = getattr(failure, "retry_after_seconds", None) or 0.0
            await self._clock.sleep(min(max(asked, self.jittered(pause)), options.hold_max_seconds))
            work.held = None
            pause = min(pause * 2, options.hold_max_seconds)

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
            self._answered += answered
            self.settled_total += 1
        place.leave()
        if not self._works:
            self._idle.set()

    def _give_back(self, work: Work) -> None:
        """Cancel *work* and what is behind it: newer states that cannot leave before it."""
        for place in (work.place, *work.place.behind()):
            behind = self._works.get(place)
            if behind is not None:
                behind.task.cancel()

    def jittered(self, seconds: float) -> float:
        """Return *seconds*, or up to half of it less, so that not all come back at once."""
        return seconds * (0.5 + self._chance.random() / 2)
