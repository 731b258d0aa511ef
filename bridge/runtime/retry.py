"""Trying one remote step again, within one delivery: the only place that does.

By default nothing is tried again: whoever delivers the event (a broker) holds it and knows
when to come back. An outage is worth another try, a verdict never is.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from bridge.config.options import RetryOptions
from bridge.core.clock import Clock
from bridge.core.errors import DeadlineExceeded, Unavailable
from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.ports import Model, Request, Sink

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How one remote step, called *name* in errors, is tried."""

    name: str
    retry: RetryOptions
    clock: Clock
    chance: random.Random
    timeout_seconds: float | None = None

    async def tried(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return what *call* returns; after an outage wait and call again.

        Waits between half and all of `initial_seconds`, doubling to `max_seconds`, or as
        long as the far end asked for if that is longer. Raises what the last try raised; the
        event's deadline ends the waiting.
        """
        pause = self.retry.initial_seconds
        for _ in range(self.retry.attempts - 1):
            try:
                return await self._once(call)
            except Unavailable as error:
                asked = error.retry_after_seconds or 0.0
                await self.clock.sleep(max(asked, pause * (0.5 + self.chance.random() / 2)))
                pause = min(pause * 2, self.retry.max_seconds)
        return await self._once(call)

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        if self.timeout_seconds is None:
            return await call()
        try:
            async with asyncio.timeout(self.timeout_seconds) as scope:
                return await call()
        except TimeoutError as error:
            if not scope.expired():
                raise
            raise DeadlineExceeded(
                f"{self.name}: not done within {self.timeout_seconds:g} s"
            ) from error


class TriedModel:
    """A model asked as a step says."""

    def __init__(self, model: Model, step: Step) -> None:
        self._model = model
        self._step = step

    async def __aenter__(self) -> Self:
        await self._model.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._model.__aexit__(*exc)

    async def ping(self) -> None:
        """Ask the model itself, once."""
        await self._model.ping()

    async def predict(self, request: Request) -> Body:
        """Ask the model, again and again as the step says."""
        return await self._step.tried(lambda: self._model.predict(request))

    def __getattr__(self, name: str) -> Any:
        """Return what else the model can be asked: to describe its request, its metadata."""
        return getattr(self._model, name)


class TriedSink:
    """A sink sent to as a step says."""

    def __init__(self, sink: Sink, step: Step) -> None:
        self._sink = sink
        self._step = step

    async def __aenter__(self) -> Self:
        await self._sink.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._sink.__aexit__(*exc)

    async def ping(self) -> None:
        """Ask the sink itself, once."""
        await self._sink.ping()

    async def send(self, event: Event) -> None:
        """Send to the sink, again and again as the step says."""
        await self._step.tried(lambda: self._sink.send(event))
