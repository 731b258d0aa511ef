"""A model that does what a test tells it to, event by event: answer, refuse, hang, babble.

It speaks Seldon's REST protocol and answers with what it was asked: `[[key, number]]`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import web

#: What becomes of one request.
Behaviour = Literal["answer", "refuse", "hang", "garbage", "busy"]

_JSON = "application/json"


def well(key: int, number: int) -> Behaviour:
    """Answer everything."""
    return "answer"


class StubModel:
    """Asks *behave* about each key and number. What hangs does so until it behaves otherwise."""

    def __init__(self) -> None:
        self.url = ""
        self.asked = 0
        self._behave: Callable[[int, int], Behaviour] = well
        self._changed = asyncio.Event()
        self._arrived = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self._port = 0

    def behave(self, behave: Callable[[int, int], Behaviour]) -> None:
        """Decide by *behave* from here on, also about what hangs."""
        self._behave = behave
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for(self, asked: int, *, seconds: float = 60.0) -> None:
        """Return when it was *asked* so often in all."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: self.asked >= asked)

    async def up(self) -> None:
        """Listen, always on the same port."""
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, reuse_address=True).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{self._port}"

    async def down(self) -> None:
        """Close everything: nobody is let in until `up`."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return web.Response(status=204)
        body = await request.read()
        key, number = json.loads(body)["data"]["ndarray"][0][:2]
        async with self._arrived:
            self.asked += 1
            self._arrived.notify_all()
        while (behaviour := self._behave(key, number)) == "hang":
            await self._changed.wait()
        if behaviour == "refuse":
            told = {"status": {"status": "FAILURE", "info": f"k{key}-{number} is poison"}}
            return web.json_response(told, status=400)
        if behaviour == "busy":
            return web.Response(status=503)
        if behaviour == "garbage":
            return web.Response(body=b"\x00no JSON", content_type=_JSON)
        return web.Response(body=body, content_type=_JSON)


@asynccontextmanager
async def stub_model() -> AsyncIterator[StubModel]:
    """Yield a model that is up and well."""
    model = StubModel()
    await model.up()
    try:
        yield model
    finally:
        model.behave(well)
        await model.down()
