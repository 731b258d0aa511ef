"""Which of a model's servers is asked: the one with the fewest calls under way that answers.

    one ─▶ a replica ─▶ its call ─┬─ answered, or refused for good ─▶ well
                                  ├─ no answer ─────────────────────▶ left alone
                                  ├─ given up early, in a row ──────▶ left alone
                                  └─ "come back later", in a row ───▶ left alone
    left alone ─▶ the protocol's own probe, again and again ─▶ well

A replica that does not answer is left alone while others do, so that one that hangs costs no
more than one deadline. Where none is well, all are asked as if they were: there is nothing to
lose by it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Annotated, Any, Generic, TypeVar

import structlog
from pydantic import Field

from bridge.config.options import Options, Seconds
from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, DeadlineExceeded, Unavailable

log = structlog.get_logger()

T = TypeVar("T")
A = TypeVar("A")

#: Longest pause between two probes of a replica that does not answer, in seconds.
MAX_PROBE_SECONDS = 30.0


class BreakerOptions(Options):
    """When one of several servers is left alone."""

    failures: Annotated[int, Field(ge=1)] = 5
    """Answers in a row that ask to come back later, such as 503, after which a server is left \
alone; one that does not answer at all is left alone at once."""
    probe_seconds: Seconds = 2.0
    """Pause before such a server is asked whether it is well; it doubles up to 30 s."""


@dataclass(eq=False, slots=True)
class Replica(Generic[T]):
    """One server of a model. *calls*: those it was given, *under_way*: not yet answered ones.

    *busy*: answers in a row that asked to come back later, or had little time to come. *turn*:
    when it was asked last. *is_watched*: whether it is asked for, again and again, if it is well.
    """

    far_end: T
    name: str
    calls: int = 0
    turn: int = 0
    under_way: int = 0
    busy: int = 0
    is_well: bool = True
    is_watched: bool = False


class Replicas(Generic[T]):
    """The servers of one model.

    *probe* asks one whether it is well: raises Unavailable if it is not. With one server
    there is no choice, and nothing is watched.
    """

    def __init__(
        self,
        far_ends: Sequence[tuple[str, T]],
        *,
        breaker: BreakerOptions,
        probe: Callable[[T], Coroutine[Any, Any, None]],
        clock: Clock,
    ) -> None:
        self.members = [Replica(far_end, name) for name, far_end in far_ends]
        self._breaker = breaker
        self._probe = probe
        self._clock = clock
        self._ailing = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Replicas[T]:
        """Watch over the servers that fail."""
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop watching; may be called twice."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    def one(self, *, patience_seconds: float = 0.0, until: float | None = None) -> Call[T]:
        """Give the server to ask, in a `with` that lasts as long as its call is under way.

        An Unavailable that is raised in between means that it did not answer. A call that is
        given up, by its own deadline or cancelled by the event's, means so after
        *patience_seconds*; sooner, it counts as one answer to come back later. One that is
        cancelled before the event's time is over, which is *until* on the clock, says nothing:
        whoever sent the event has gone, or its partition has. What its answer was is told to
        `answered`.
        """
        return Call(self, self._pick(), patience_seconds, until, self._clock)

    def answered(self, replica: Replica[T], outage: Unavailable | None = None) -> None:
        """Note that *replica* answered; *outage* if it was to come back later."""
        if outage is None:
            replica.busy = 0
            self._welcome(replica)
            return
        replica.busy += 1
        if replica.busy >= self._breaker.failures:
            self.leave_alone(replica, outage)

    def change(self, far_ends: Sequence[tuple[str, T]]) -> list[T]:
        """Have *far_ends* be the servers, known ones as they are; return those that are no more.

        Calls under way go on at the servers they were given.
        """
        known = {member.name: member for member in self.members}
        self.members = [
            known.pop(name) if name in known else Replica(far_end, name)
            for name, far_end in far_ends
        ]
        return [member.far_end for member in known.values()]

    async def ping(self) -> None:
        """Return as soon as one of the servers is well; else raise what the first of them said."""
        await self.first(self._probe)

    async def first(self, ask: Callable[[T], Coroutine[Any, Any, A]]) -> A:
        """Return the first answer to *ask*, which is put to all at once: some may hang.

        Raise, where it is Unavailable of all, what the first server said.
        """
        asked = [asyncio.ensure_future(ask(member.far_end)) for member in self.members]
        try:
            for answer in asyncio.as_completed(asked):
                with suppress(Unavailable):
                    return await answer
            return await asked[0]
        finally:
            for one in asked:
                one.cancel()
            await asyncio.gather(*asked, return_exceptions=True)

    def _pick(self) -> Replica[T]:
        members = self.members
        if len(members) == 1:
            return members[0]
        well = [member for member in members if member.is_well] or members
        return min(well, key=_free)

    def leave_alone(self, replica: Replica[T], error: Unavailable) -> None:
        """Ask *replica*, whose last word was *error*, no more until its probe is answered."""
        if len(self.members) > 1 and replica.is_well:
            replica.is_well = False
            log.warning("model server left alone", server=replica.name, error=str(error))
            self._ailing.set()

    def _welcome(self, replica: Replica[T]) -> None:
        if not replica.is_well:
            replica.is_well = True
            log.info("model server answers again", server=replica.name)

    async def _watch(self) -> None:
        """Watch over each that is left alone by itself: one that hangs keeps no other waiting."""
        async with asyncio.TaskGroup() as watching:
            while True:
                await self._ailing.wait()
                self._ailing.clear()
                for member in self.members:
                    if not (member.is_well or member.is_watched):
                        member.is_watched = True
                        watching.create_task(self._watch_over(member))

    async def _watch_over(self, member: Replica[T]) -> None:
        """Ask *member* whether it is well, until it is, or is a member no more."""
        pause = self._breaker.probe_seconds
        try:
            while True:
                await self._clock.sleep(pause)
                if member.is_well or member not in self.members:
                    return
                try:
                    await self._probe(member.far_end)
                except BridgeError:
                    pause = min(pause * 2, MAX_PROBE_SECONDS)
                else:
                    member.busy = 0
                    self._welcome(member)
                    return
        finally:
            member.is_watched = False


class Call(Generic[T]):
    """One call of a server. A class, as a generator's `with` costs five times as much."""

    __slots__ = ("_begun", "_clock", "_patience_seconds", "_replica", "_replicas", "_until")

    def __init__(
        self,
        replicas: Replicas[T],
        replica: Replica[T],
        patience_seconds: float,
        until: float | None,
        clock: Clock,
    ) -> None:
        self._replicas = replicas
        self._replica = replica
        self._patience_seconds = patience_seconds
        self._until = until
        self._clock = clock
        self._begun = 0.0

    def __enter__(self) -> Replica[T]:
        replica = self._replica
        replica.under_way += 1
        replica.calls += 1
        replica.turn = next(_TURNS)
        self._begun = self._clock.monotonic()
        return replica

    def __exit__(self, kind: type[BaseException] | None, error: object, _trace: object) -> None:
        self._replica.under_way -= 1
        if isinstance(error, DeadlineExceeded | asyncio.CancelledError):
            self._given_up(error)
        elif isinstance(error, Unavailable):
            self._replicas.leave_alone(self._replica, error)

    def _given_up(self, error: DeadlineExceeded | asyncio.CancelledError) -> None:
        """Note a call that ended without an answer because its time, or its event's, was over."""
        now = self._clock.monotonic()
        waited = now - self._begun
        is_over = True
        if isinstance(error, asyncio.CancelledError):
            is_over = self._until is not None and now >= self._until - EARLY_SECONDS
            error = DeadlineExceeded(f"given up after {waited:.3g} s without an answer")
        if waited >= self._patience_seconds:
            self._replicas.leave_alone(self._replica, error)
        elif is_over:
            self._replicas.answered(self._replica, error)


#: How much sooner than its own deadline an event may be cancelled: its timer was set first, and
#: the loop's clock is no finer than its turns.
EARLY_SECONDS = 0.1

#: Numbers the calls of a process, in their order.
_TURNS = count(1)


def _free(replica: Replica[Any]) -> tuple[int, int]:
    """Return what makes a server the next: the fewest calls, then whose turn is longest ago."""
    return replica.under_way, replica.turn
