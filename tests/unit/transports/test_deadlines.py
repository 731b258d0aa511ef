"""One timer for many: met on time, armed once, gone with the last member."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, cast

from bridge.transports.http.deadlines import Deadlines


class FakeLoop:
    """A loop's clock and timers, moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None], FakeTimer]] = []
        self.armed = 0

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> FakeTimer:
        timer = FakeTimer()
        self.armed += 1
        self.timers.append((when, callback, timer))
        return timer

    def move_to(self, now: float) -> None:
        """Move the clock, and call what is due on the way."""
        while due := [timer for timer in self.waiting() if timer[0] <= now]:
            first = min(due, key=lambda timer: timer[0])
            self.timers.remove(first)
            self.now = first[0]
            first[1]()
        self.now = now

    def waiting(self) -> list[tuple[float, Callable[[], None], FakeTimer]]:
        return [timer for timer in self.timers if not timer[2].cancelled]


class FakeTimer:
    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Member:
    def __init__(self, loop: FakeLoop, deadline: float) -> None:
        self.loop = loop
        self.deadline = deadline
        self.expired_at: list[float] = []

    def expire(self) -> None:
        self.expired_at.append(self.loop.now)
        self.deadline = inf


def made() -> tuple[FakeLoop, Deadlines]:
    loop = FakeLoop()
    return loop, Deadlines(cast(asyncio.AbstractEventLoop, cast(Any, loop)))


def test_each_expires_at_its_deadline() -> None:
    """Once, and not before."""
    loop, deadlines = made()
    members = [Member(loop, 100.0 + seconds) for seconds in (3, 1, 2)]
    for member in members:
        deadlines.add(member)

    loop.move_to(100.9)
    assert [member.expired_at for member in members] == [[], [], []]
    loop.move_to(200.0)

    assert [round(member.expired_at[0]) for member in members] == [103, 101, 102]
    assert [len(member.expired_at) for member in members] == [1, 1, 1]
    assert loop.waiting() == []


def test_a_deadline_that_moves_on_costs_no_timer() -> None:
    """A thousand requests of thirty seconds arm one timer, not a thousand."""
    loop, deadlines = made()
    member = Member(loop, 130.0)
    deadlines.add(member)

    for _ in range(1000):
        loop.now += 0.01
        member.deadline = loop.now + 30
        deadlines.soon(member.deadline)

    assert loop.armed == 1
    loop.move_to(139.0)
    assert member.expired_at == []
    loop.move_to(141.0)
    assert len(member.expired_at) == 1


def test_an_earlier_deadline_is_not_slept_through() -> None:
    """The timer is armed anew for it."""
    loop, deadlines = made()
    member = Member(loop, 175.0)
    deadlines.add(member)

    member.deadline = 101.0
    deadlines.soon(member.deadline)
    loop.move_to(101.5)

    assert member.expired_at == [101.0]


def test_the_timer_ends_with_the_last_member() -> None:
    """Nothing keeps a loop awake for nobody."""
    loop, deadlines = made()
    first, second = Member(loop, 101.0), Member(loop, 102.0)
    deadlines.add(first)
    deadlines.add(second)

    deadlines.discard(first)
    assert len(loop.waiting()) == 1
    deadlines.discard(second)
    deadlines.discard(second)

    assert loop.waiting() == []


def test_wakes_keep_their_distance() -> None:
    """A thousand staggered deadlines are not a thousand sweeps over a thousand members."""
    loop, deadlines = made()
    members = [Member(loop, 101.0 + number / 1000) for number in range(1000)]
    for member in members:
        deadlines.add(member)

    loop.move_to(200.0)

    assert all(len(member.expired_at) == 1 for member in members)
    assert all(
        member.expired_at[0] <= 101.0 + number / 1000 + 0.011
        for number, member in enumerate(members)
    )
    assert loop.armed < 200
