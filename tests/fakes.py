"""Small honest parts that implement the ports, for tests of what stands around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from bridge import Body, Context, Event, Request
from bridge.core.errors import BridgeError


class FakeClock:
    """A clock that moves only when somebody sleeps on it; remembers each sleep."""

    def __init__(self, start: float = 1000.0) -> None:
        self.now = start
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def now_ns(self) -> int:
        return 1_584_762_088_593_036_193

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class _Component:
    entered = 0
    left = 0

    async def __aenter__(self) -> Self:
        self.entered += 1
        return self

    async def __aexit__(self, *exc: object) -> None:
        self.left += 1

    async def ping(self) -> None:
        return None


class FakeModel(_Component):
    """Answers with what *answer* makes of the request; remembers the requests."""

    def __init__(self, answer: Callable[[Request], Body] | None = None) -> None:
        self.requests: list[Request] = []
        self.answer = answer or (lambda request: Body(b'{"answer":1}'))

    async def predict(self, request: Request) -> Body:
        self.requests.append(request)
        return self.answer(request)


class HeldModel(_Component):
    """Answers only when told to; `asked` is set once it is asked."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.calls = 0

    async def predict(self, request: Request) -> Body:
        self.calls += 1
        self.asked.set()
        await self.go.wait()
        return Body(b'{"answer":1}')


class FakeSink(_Component):
    """Keeps what it is sent; raises *error* instead while there is one."""

    def __init__(self, error: BridgeError | None = None) -> None:
        self.events: list[Event] = []
        self.error = error

    async def send(self, event: Event) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(event)


class FakeTransformer(_Component):
    """Calls *pre* and *post* with payload and context."""

    def __init__(
        self,
        pre: Callable[[Body, Context], Body | None] = lambda payload, ctx: payload,
        post: Callable[[Body, Context], Body | None] = lambda payload, ctx: payload,
    ) -> None:
        self._pre, self._post = pre, post

    async def preprocess(self, payload: Body, ctx: Context) -> Body | None:
        return self._pre(payload, ctx)

    async def postprocess(self, payload: Body, ctx: Context) -> Body | None:
        return self._post(payload, ctx)


def iris_event(**attributes: str) -> Event:
    """Return the published request event, changed by *attributes*."""
    known = {
        "id": "536808d3-88be-4077-9d7a-a3f162705f79",
        "specversion": "0.3",
        "type": "seldon.simple-iris-deployment.request",
        "source": "seldon.examples.streaming.curl",
        "datacontenttype": "application/json",
    }
    return Event({**known, **attributes}, b'{"data": { "ndarray": [[1,2,3,4]]}}')
