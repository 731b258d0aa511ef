"""One partition that is ours just now: what is under way in it, and how much more may be.

fetched ─▶ take: a task each ─▶ settled, or given back
           └ window: taken and not committed, at most `share`
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bridge.core.clock import Clock
from bridge.sources.lanes import Lanes, Place
from bridge.sources.offsets import Offsets
from bridge.transports.kafka.port import Partition


class Assigned:
    """A partition whose first offset `start` will tell.

    *share*: how many records may be taken and not committed; *share_bytes*: how large those
    may be together that are not settled, where there are several.
    """

    def __init__(self, at: Partition, *, share: int, share_bytes: int, clock: Clock) -> None:
        self.at = at
        self.offsets = Offsets(0)
        self.lanes = Lanes()
        self.started = False
        self.leaving = False
        self.pump: asyncio.Task[None] | None = None
        self._share = share
        self._share_bytes = share_bytes
        self._clock = clock
        self._bytes = 0
        self._room = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._held: dict[Place, str] = {}
        self._open: dict[int, tuple[float, int, int]] = {}  # offset: taken at, bytes, events left

    def start(self, offset: int) -> None:
        """Begin at *offset*, which the group has committed."""
        self.offsets = Offsets(offset)
        self.started = True

    # What is taken in

    @property
    def space(self) -> int:
        """How many more records may be taken now."""
        if self._bytes >= self._share_bytes and self._open:
            return 0
        return self._share - self.offsets.window

    async def room(self) -> None:
        """Return when at least one more record may be taken."""
        while self.space <= 0:
            self._room.clear()
            await self._room.wait()

    def take(self, offset: int, size: int, events: int) -> None:
        """Note the record at *offset*, of *size* bytes, that holds so many *events*."""
        self.offsets.take(offset)
        if not events:
            self.offsets.settle(offset)
            return
        self._open[offset] = (self._clock.monotonic(), size, events)
        self._bytes += size

    def begin(self, place: Place, task: asyncio.Task[None]) -> None:
        """Note that *task* works on the event at *place*."""
        self._tasks[place] = task
        self._idle.clear()

    # What becomes of it

    def settle(self, offset: int) -> None:
        """Note that one event of the record at *offset* is done; the last one settles it."""
        since, size, events = self._open[offset]
        if events > 1:
            self._open[offset] = (since, size, events - 1)
            return
        del self._open[offset]
        self._bytes -= size
        self.offsets.settle(offset)
        self._room.set()

    def ended(self, place: Place) -> None:
        """Note that nobody works on the event at *place* any more."""
        del self._tasks[place]
        self._held.pop(place, None)
        if not self._tasks:
            self._idle.set()

    def committed(self, position: int) -> None:
        """Note that the group has *position*: there is room again."""
        self.offsets.commit(position)
        self._room.set()

    @property
    def wants_commit(self) -> bool:
        """Whether so much is settled that waiting for the next commit would cost time."""
        settled = self.offsets.committable
        return settled * 2 >= self._share or (settled > 0 and self.offsets.window >= self._share)

    # What is held, and let go

    def hold(self, place: Place, why: str) -> None:
        """Note that the event at *place* waits to be tried again."""
        self._held[place] = why

    def tried(self, place: Place) -> None:
        """Note that it is tried again."""
        self._held.pop(place, None)

    def give_back_held(self) -> None:
        """Cancel what only waits to be tried again, and what cannot leave before it."""
        for place in list(self._held):
            self.give_back(place)

    def give_back(self, place: Place) -> None:
        """Cancel the event at *place* and those behind it in its lane."""
        for each in (place, *place.behind()):
            task = self._tasks.get(each)
            if task is not None:
                task.cancel()

    async def idle(self) -> None:
        """Return when nothing is under way."""
        await self._idle.wait()

    def cancel(self) -> None:
        """Cancel everything that is under way."""
        for task in list(self._tasks.values()):
            task.cancel()

    # What operators see

    @property
    def held(self) -> Sequence[str]:
        """Why events are held, each in words."""
        return list(self._held.values())

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest record that is not settled has been here; 0 where none is."""
        if not self._open:
            return 0.0
        first = next(iter(self._open.values()))[0]
        return self._clock.monotonic() - first
