"""One timer for many connections, instead of one a request.

    connection.deadline = now + seconds     an attribute, set as often as one likes
    deadlines.soon(connection.deadline)     re-arms only if it is earlier than the next wake

A timer a request costs more than parsing its head. Here the loop is asked once per period,
whatever the rate. Wakes keep a distance that grows with the number of connections, so that
ten thousand idle ones cost nothing either: with 64 of them a deadline is met to a millisecond.
"""

from __future__ import annotations

import asyncio
from math import inf
from typing import Protocol

#: Least seconds between two wakes, for each connection that is looked at.
SECONDS_EACH = 1e-5


class Timed(Protocol):
    """Something that has until *deadline* (seconds of the loop's clock; `inf` is never)."""

    deadline: float

    def expire(self) -> None:
        """Act on the deadline: set a later one, or leave."""
        ...


class Deadlines:
    """Calls `expire` on each member whose deadline has passed, at *wake_at* or soon after."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._members: dict[Timed, None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.wake_at = inf

    def add(self, member: Timed) -> None:
        """Watch *member* from now on."""
        self._members[member] = None
        self.soon(member.deadline)

    def discard(self, member: Timed) -> None:
        """Watch *member* no longer; the timer ends with the last one."""
        self._members.pop(member, None)
        if not self._members and self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.wake_at = inf

    def soon(self, deadline: float) -> None:
        """Make sure that *deadline*, just set on a member, is not slept through."""
        if deadline < self.wake_at:
            self.wake_at = deadline
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._sweep)

    def _sweep(self) -> None:
        now = self._loop.time()
        self._timer = None
        self.wake_at = inf
        for member in list(self._members):
            if member.deadline <= now:
                member.expire()
        earliest = min((member.deadline for member in self._members), default=inf)
        if earliest < inf:
            self.soon(max(earliest, now + len(self._members) * SECONDS_EACH))
