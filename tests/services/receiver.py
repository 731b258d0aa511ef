"""A receiver for tests: keeps every POST it is sent, answers what it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came; header names in lower case, *at* in the loop's seconds."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer to give."""

    status: int = 202
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Receiver:
    """Answers each POST with the next of *answers*, and for ever with the last of them.

    Anything else, a ping for example, is answered 204 and not kept.
    """

    def __init__(self, *answers: Answer) -> None:
        self.received: list[Received] = []
        self.url = ""
        self._answers = list(answers) or [Answer()]
        self._arrived = asyncio.Condition()

    async def wait_for(self, count: int, *, seconds: float = 10.0) -> list[Received]:
        """Return what came, as soon as it is at least *count* requests."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return list(self.received)

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response(status=204)
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        at = asyncio.get_running_loop().time()
        async with self._arrived:
            self.received.append(Received(path=request.path, headers=headers, body=body, at=at))
            self._arrived.notify_all()
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


@asynccontextmanager
async def receiving(*answers: Answer, port: int = 0) -> AsyncIterator[Receiver]:
    """Yield a receiver that listens on *port* of 127.0.0.1, or a free one."""
    receiver = Receiver(*answers)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", receiver._handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        host, port = runner.addresses[0][:2]
        receiver.url = f"http://{host}:{port}/"
        yield receiver
    finally:
        await runner.cleanup()
