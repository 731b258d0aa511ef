"""Order without waiting: events of a lane are worked on together and let out one by one.

    lane of key "a":   e1 ─ e2 ─ e3          model calls run side by side
                       ▲ out first           e2 leaves when e1 is settled, e3 when both are

A lane is whatever a source keeps in order: a key, or a partition.
"""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterator

from bridge.core.event import Event


class Lanes:
    """The lanes that hold something just now; an empty one costs nothing."""

    def __init__(self) -> None:
        self._last: dict[Hashable, Place] = {}

    def enter(self, lane: Hashable | None, started_ns: int) -> Place:
        """Return the place behind everything that is in *lane*; None is nobody's lane."""
        if lane is None:
            return Place(self, None, None, started_ns)
        place = Place(self, lane, self._last.get(lane), started_ns)
        self._last[lane] = place
        return place

    def __len__(self) -> int:
        """How many lanes hold something."""
        return len(self._last)


class Place:
    """One event's place in its lane, and what tries before this one have made of it.

    It is a `bridge.core.event.Delivery`.
    """

    __slots__ = (
        "_ahead",
        "_behind",
        "_lane",
        "_lanes",
        "_settled",
        "_turn",
        "answered",
        "attempts",
        "begun",
        "published",
        "response",
        "started_ns",
        "waiting",
    )

    def __init__(
        self, lanes: Lanes, lane: Hashable | None, ahead: Place | None, started_ns: int
    ) -> None:
        self.response: Event | None = None
        self.published = 0
        self.answered = False
        self.attempts = 0
        self.begun = 0
        self.started_ns = started_ns
        self.waiting = False
        self._lanes = lanes
        self._lane = lane
        self._ahead = ahead
        self._behind: Place | None = None
        self._settled = False
        self._turn: asyncio.Future[None] | None = None
        if ahead is not None:
            ahead._behind = self

    async def turn(self) -> None:
        """Return when everything ahead in the lane has left it."""
        if self._ahead is None:
            return
        if self._turn is None:
            self._turn = asyncio.get_running_loop().create_future()
        self.waiting = True
        try:
            await asyncio.shield(self._turn)
        finally:
            self.waiting = False

    def behind(self) -> Iterator[Place]:
        """Yield the places behind this one: where it is given back, they cannot be let out."""
        place = self._behind
        while place is not None:
            yield place
            place = place._behind

    def leave(self) -> None:
        """Note that this event is settled; whoever is next has its turn.

        One that is settled early, as it had nothing to say, keeps those behind it waiting for
        those ahead of it.
        """
        self._settled = True
        place: Place | None = self
        while place is not None and place._settled and place._ahead is None:
            place = place._pass_on()

    def _pass_on(self) -> Place | None:
        """Take this place out of its lane; return the one behind, which is now the first."""
        behind, self._behind = self._behind, None
        if behind is None:
            if self._lane is not None and self._lanes._last.get(self._lane) is self:
                del self._lanes._last[self._lane]
            return None
        behind._ahead = None
        if behind._turn is not None and not behind._turn.done():
            behind._turn.set_result(None)
        return behind
