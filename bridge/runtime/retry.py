"""Trying one remote step again, within one delivery: the only place that does.

By default nothing is tried again: whoever delivers the event (a broker) holds it and knows
when to come back. An outage is worth another try, a verdict never is.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from bridge.config.options import RetryOptions
from bridge.core.clock import Clock
from bridge.core.errors import Unavailable
from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.ports import Model, Request, Sink

T = TypeVar("T")


async def tried(
    call: Callable[[], Awaitable[T]], options: RetryOptions, clock: Clock, chance: random.Random
) -> T:
    """Return what *call* returns; after an outage wait and call again.

    Waits between half and all of `initial_seconds`, doubling to `max_seconds`, or as long as
    the far end asked for if that is longer. Raises what the last try raised; the deadline
    around it ends the waiting.
    """
    pause = options.initial_seconds
    for _ in range(options.attempts - 1):
        try:
            return await call()
        except Unavailable as error:
            asked = error.retry_after_seconds or 0.0
            await clock.sleep(max(asked, pause * (0.5 + chance.random() / 2)))
            pause = min(pause * 2, options.max_seconds)
    return await call()


class RetriedModel:
    """A model asked again after an outage."""

    def __init__(
        self, model: Model, options: RetryOptions, clock: Clock, chance: random.Random
    ) -> None:
        self._model = model
        self._rest = (options, clock, chance)

    async def __aenter__(self) -> Self:
        await self._model.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._model.__aexit__(*exc)

    async def ping(self) -> None:
        """Ask the model itself, once."""
        await self._model.ping()

    async def predict(self, request: Request) -> Body:
        """Ask the model, again and again as the options say."""
        return await tried(lambda: self._model.predict(request), *self._rest)


class RetriedSink:
    """A sink sent to again after an outage."""

    def __init__(
        self, sink: Sink, options: RetryOptions, clock: Clock, chance: random.Random
    ) -> None:
        self._sink = sink
        self._rest = (options, clock, chance)

    async def __aenter__(self) -> Self:
        await self._sink.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._sink.__aexit__(*exc)

    async def ping(self) -> None:
        """Ask the sink itself, once."""
        await self._sink.ping()

    async def send(self, event: Event) -> None:
        """Send to the sink, again and again as the options say."""
        await tried(lambda: self._sink.send(event), *self._rest)
