"""A subscriber on a real socket, and a clock that never lets anybody wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from bridge.codecs import http as codec
from bridge.core.event import Event
from bridge.transports.http import HttpRequest, HttpResponse, HttpServer

DONE = HttpResponse(202, (), b"")

Reaction = HttpResponse | Callable[[HttpRequest], Awaitable[HttpResponse]]


class InstantClock:
    """Time that only passes when somebody sleeps, and then at once."""

    def __init__(self, now_ns: int = 1_584_762_088_000_000_000) -> None:
        self.slept: list[float] = []
        self._now_ns = now_ns

    def monotonic(self) -> float:
        return self._now_ns / 1e9

    def now_ns(self) -> int:
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now_ns += int(seconds * 1e9)
        await asyncio.sleep(0)


class Subscriber:
    """Answers with *reactions* one after the other, and with the last one for ever."""

    def __init__(self, *reactions: Reaction) -> None:
        self.requests: list[HttpRequest] = []
        self._reactions: Sequence[Reaction] = reactions or (DONE,)
        self._changed = asyncio.Condition()
        self._server = HttpServer(self._answer)

    async def __aenter__(self) -> Self:
        await self._server.start("127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/"

    @property
    def events(self) -> list[Event]:
        """What was delivered, every try of it."""
        return [codec.decode(request.headers, request.body) for request in self.requests]

    async def called(self, times: int) -> None:
        """Return when *times* requests arrived."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.requests) >= times)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        reaction = self._reactions[min(len(self.requests), len(self._reactions) - 1)]
        async with self._changed:
            self.requests.append(request)
            self._changed.notify_all()
        return reaction if isinstance(reaction, HttpResponse) else await reaction(request)


def replying(event: Event, status: int = 200) -> HttpResponse:
    """Return the answer that carries *event* in binary mode."""
    headers, body = codec.encode_binary(event)
    return HttpResponse(status, tuple(headers), body)
