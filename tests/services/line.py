"""A line between two processes that a test can watch, slow down, hold and cut.

    bridge ──▶ Line ──▶ server        requests    method and path of each that passed, in order
                                      statuses    those of the answers, in order
                                      hold(...)   answers stay here until `release`
                                      cut()       connections end, and new ones at once

Bytes pass unchanged, also the Host that a request is signed for. HTTP/1.1 without pipelining is
understood just so far that a request begins where bytes come after an answer has begun.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import unquote

_REQUEST = re.compile(rb"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP/1\.1\r\n")
_ANSWER = re.compile(rb"HTTP/1\.1 (\d{3}) ")
_CHUNK = 65536


class Line:
    """A line to *port* of 127.0.0.1; its own address is `url`.

    *delay_seconds* is how long each piece of an answer stays here.
    """

    def __init__(self, port: int) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.refused = 0
        self.answered_bytes = 0
        self.statuses: list[int] = []
        self.delay_seconds = 0.0
        self._port = port
        self._held: Callable[[str], bool] = lambda _: False
        self._holding = 0
        self._is_cut = False
        self._changed = asyncio.Condition()
        self._connections: set[asyncio.StreamWriter] = set()

    def count(self, pattern: str) -> int:
        """Return how many requests match *pattern*, `PUT /digit-` for example: decoded."""
        return sum(bool(re.match(pattern, request)) for request in self.requests)

    async def wait_for(self, pattern: str, count: int = 1, *, seconds: float = 30.0) -> None:
        """Return as soon as *count* requests match *pattern*."""
        await self._until(lambda: self.count(pattern) >= count, seconds, f"{count} × {pattern}")

    async def wait_for_statuses(self, status: int, count: int, *, seconds: float = 30.0) -> None:
        """Return as soon as *count* answers have had *status*."""
        what = f"{count} answers {status}"
        await self._until(lambda: self.statuses.count(status) >= count, seconds, what)

    async def wait_for_held(self, count: int = 1, *, seconds: float = 30.0) -> None:
        """Return as soon as *count* answers are here and held: the server has done its part."""
        await self._until(lambda: self._holding >= count, seconds, f"{count} held answers")

    async def wait_for_refused(self, count: int, *, seconds: float = 30.0) -> None:
        """Return once *count* connections more than now were taken and cut, or met no server."""
        already = self.refused
        await self._until(
            lambda: self.refused >= already + count, seconds, f"{count} more connections"
        )

    def hold(self, pattern: str) -> None:
        """Keep the answers that match *pattern* until `release`: `PUT /a/b 200` in full."""
        self._held = lambda request: re.match(pattern, request) is not None

    async def release(self) -> None:
        """Pass on what was held."""
        self._held = lambda _: False
        await self._notify()

    def cut(self) -> None:
        """End all connections, and new ones as soon as they are there, until `mend`."""
        self._is_cut = True
        for writer in list(self._connections):
            writer.transport.abort()

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def _until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(true)
        except TimeoutError as error:
            seen = "\n".join(self.requests[-20:])
            raise TimeoutError(f"no {what} in {seconds:g} s; the last requests:\n{seen}") from error

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        self._connections.add(writer)
        try:
            if self._is_cut:
                raise ConnectionRefusedError("cut")
            answers, upstream = await asyncio.open_connection("127.0.0.1", self._port)
            self._connections.add(upstream)
            current = [""]
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._forward(reader, upstream, current))
                tasks.create_task(self._back(answers, writer, current))
        except* OSError:
            self.refused += 1
            await self._notify()
        finally:
            for each in (writer, upstream):
                if each is not None:
                    self._connections.discard(each)
                    each.transport.abort()
                    with suppress(OSError):
                        await each.wait_closed()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, current: list[str]
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            if begun := _REQUEST.match(chunk):
                current[0] = f"{begun[1].decode()} {unquote(begun[2].decode())}"
                self.requests.append(current[0])
                await self._notify()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError("the client has ended it")

    async def _back(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, current: list[str]
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)  # a slow line is slow
            self.answered_bytes += len(chunk)
            if begun := _ANSWER.match(chunk):
                self.statuses.append(int(begun[1]))
                await self._notify()
            answer = f"{current[0]} {self.statuses[-1]}"
            if self._held(answer):
                self._holding += 1
                await self._notify()
                async with self._changed:
                    await self._changed.wait_for(lambda: not self._held(answer))  # noqa: B023  # within the loop
                self._holding -= 1
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError("the server has ended it")


@asynccontextmanager
async def line(to: str) -> AsyncIterator[Line]:
    """Yield a line to the server at *to*, a URL of this machine."""
    found = Line(int(to.rstrip("/").rpartition(":")[2]))
    server = await asyncio.start_server(found._serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    found.url = f"http://{host}:{port}"
    try:
        yield found
    finally:
        server.close()
        found.cut()
        await found.release()
        await server.wait_closed()
