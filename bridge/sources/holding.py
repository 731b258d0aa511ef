"""What a source does with an event that it delivers again itself: hold it, never skip it.

    handler ─┬─ returned ────────────────────────────────────────────▶ settled
             ├─ doubtful, max_attempts times, each time overtaken ────▶ refused, as bad events are
             └─ an outage ─▶ held ─▶ a pause, longer each time ─▶ handler

Whoever holds events gives them back when it leaves: cancelled, one is delivered again later.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, Protocol, TypeVar

from pydantic import Field

from bridge.config.options import Options, Seconds
from bridge.core.clock import Clock
from bridge.core.errors import (
    BridgeError,
    DeadlineExceeded,
    Doubtful,
    EventError,
    Rejected,
    Unavailable,
)
from bridge.core.event import Event, Invalid
from bridge.core.ports import Handler
from bridge.observe.complaints import Complaints
from bridge.sources.lanes import Place

T = TypeVar("T")


class HoldingOptions(Options):
    """How events are held, and when one of them is at fault."""

    on_dead_letter: Literal["settle", "hold"] = "settle"
    """What a refused event does: go to the dead letter, or stop its key until it is taken."""
    hold_after_refusals: Annotated[int, Field(ge=0)] = 0
    """How many refusals in a row hold the source: a model was rolled out badly; 0 for never."""
    max_attempts: Annotated[int, Field(ge=1)] = 5
    """Tries of an event that runs out of time, or fails with its batch, while others that began \
after it are answered; then it is refused."""
    hold_initial_seconds: Seconds = 0.1
    """Pause before the second try of an event that met an outage; it doubles from try to try."""
    hold_max_seconds: Seconds = 30.0
    """Longest pause between two tries."""


class Holder(Protocol):
    """Who an event is held by. *leaving*: it begins nothing more, and gives back what waits."""

    leaving: bool

    def hold(self, place: Place, why: str) -> None:
        """Note that the event at *place* waits to be tried again."""
        ...

    def tried(self, place: Place) -> None:
        """Note that it is tried again."""
        ...

    def give_back(self, place: Place) -> None:
        """Cancel the event at *place*, and those that cannot leave before it."""
        ...


class Holding:
    """The patience of one source."""

    def __init__(
        self,
        options: HoldingOptions,
        *,
        clock: Clock,
        chance: random.Random,
        complaints: Complaints,
    ) -> None:
        self._options = options
        self._clock = clock
        self._chance = chance
        self._complaints = complaints
        self._begun = 0
        self._latest_answered = 0

    def answered(self, place: Place) -> None:
        """Note that a model has answered the event at *place*.

        What was filtered or refused is not to be told here: it says nothing of the model,
        which may hang for all the others.
        """
        self._latest_answered = max(self._latest_answered, place.begun)

    async def until_settled(
        self, handle: Handler, event: Event, place: Place, holder: Holder, *, serial: bool = False
    ) -> None:
        """Return when *event* is settled; an outage is waited for.

        *serial*: not before it is its turn. Raise what *handle* raises that is no error of
        ours.
        """
        options = self._options
        pause, strikes, doubted = options.hold_initial_seconds, 0, 0
        if serial:
            await place.turn()
            if holder.leaving:  # it has not begun, and who waits for its end has others to wait for
                holder.give_back(place)
                await asyncio.sleep(0)
        while True:
            place.attempts += 1
            self._begun = begun = place.begun = self._begun + 1
            failure: BridgeError
            try:
                await handle(event)
            except (Unavailable, EventError) as error:
                failure = error
            else:
                return
            if isinstance(failure, Doubtful):
                for behind in place.behind():
                    if behind.response is not None:  # it is answered, and waits for this one to go
                        self.answered(behind)
            # Overtaken: what began later is answered. Those that only wait in line, for a busy
            # model or a free connection, are not; nor is anybody where the model hangs. What
            # fails at once has no time for that, and is overtaken from one try to another.
            doubtful = isinstance(failure, Doubtful)
            if doubtful and (isinstance(failure, DeadlineExceeded) or not doubted):
                doubted = begun
            if doubtful and self._latest_answered > doubted:
                strikes, doubted = strikes + 1, begun
                # Where nothing is refused for good, it is asked about again until it is answered.
                if strikes == options.max_attempts and options.on_dead_letter == "settle":
                    text = f"{failure}, {strikes} times, while later ones were answered"
                    event = Invalid.of_event(event, Rejected(text))
                    continue
            self._complaints.of(failure.reason, failure, id=event.id)
            if holder.leaving:
                holder.give_back(place)
            holder.hold(place, str(failure))
            await self.wait(pause, getattr(failure, "retry_after_seconds", None))
            holder.tried(place)
            pause = self.next(pause)

    async def available(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return what *ask* returns, as soon as it meets no outage."""
        pause = self._options.hold_initial_seconds
        while True:
            try:
                return await ask()
            except Unavailable as error:
                self._complaints.of("unavailable", error)
                asked = error.retry_after_seconds
            await self.wait(pause, asked)
            pause = self.next(pause)

    async def wait(self, pause: float, asked: float | None = None) -> None:
        """Wait for *pause*, or for as long as was *asked* for if that is longer; within bounds."""
        seconds = max(asked or 0.0, pause * (0.5 + self._chance.random() / 2))
        await self._clock.sleep(min(seconds, self._options.hold_max_seconds))

    def next(self, pause: float) -> float:
        """Return the pause after *pause*."""
        return min(pause * 2, self._options.hold_max_seconds)
