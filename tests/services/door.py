"""A door to a server of HTTP/1.1 or of gRPC: it counts the calls that pass, hangs and closes.

    client ──▶ Door ──▶ server        calls    requests that went in, of either protocol
                                      hang()   nothing passes any more, connections stay
                                      shut()   connections end, and new ones at once

Three doors to one server are three replicas as a client sees them. Bytes pass unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

_CHUNK = 65536

#: What a client of HTTP/2 opens with, and its frame that begins a call (RFC 9113, 3.4 and 6.2).
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS = 1


class Door:
    """A door to *target*, `host:port`; its own address is `target` too, `url` for HTTP.

    *delay_seconds* is how long each piece of what passes stays here.
    """

    def __init__(self, target: str) -> None:
        self.calls = 0
        self.delay_seconds = 0.0
        self.target = ""
        self.lead(target)
        self._open = asyncio.Event()
        self._open.set()
        self._is_shut = False
        self._connections: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """Its address as a base URL."""
        return f"http://{self.target}"

    def lead(self, target: str) -> None:
        """Lead new connections to *target*, another server that takes this one's place."""
        self._host, _, port = target.rpartition(":")
        self._port = int(port)

    def hang(self) -> None:
        """Keep everything that comes, from either side, until `answer`."""
        self._open.clear()

    def answer(self) -> None:
        """Let pass what was kept, and all that comes."""
        self._open.set()
        self._is_shut = False

    def shut(self) -> None:
        """End all connections, and new ones as soon as they are there, until `answer`."""
        self._is_shut = True
        for writer in list(self._connections):
            writer.transport.abort()

    def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream: asyncio.StreamWriter | None = None
        seen = _Calls(self._count)
        try:
            if self._is_shut:
                return
            first = await reader.read(_CHUNK)
            seen(first)
            await self._open.wait()  # the server is not kept waiting for what does not come
            answers, upstream = await asyncio.open_connection(self._host, self._port)
            self._connections.add(upstream)
            upstream.write(first)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, upstream, seen))
                tasks.create_task(self._pass(answers, writer, lambda _: None))
        except* OSError:
            pass  # one of the two has ended it
        finally:
            for each in (writer, upstream):
                if each is not None:
                    self._connections.discard(each)
                    each.transport.abort()
                    with suppress(OSError):
                        await each.wait_closed()

    async def _close(self) -> None:
        """End every connection, and return when none is left."""
        while self._tasks or self._connections:
            tasks, left = list(self._tasks), list(self._connections)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for writer in left:  # one whose task had not begun
                self._connections.discard(writer)
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()

    def _count(self) -> None:
        self.calls += 1

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        seen: Callable[[bytes], None],
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            seen(chunk)
            await self._open.wait()
            if self.delay_seconds:
                await asyncio.sleep(self.delay_seconds)  # a slow server is slow
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError("ended")


class _Calls:
    """Tells *begun* of each call in the bytes of one connection: POSTs, or streams of HTTP/2."""

    def __init__(self, begun: Callable[[], None]) -> None:
        self._begun = begun
        self._rest: bytes | None = None
        self._is_first = True

    def __call__(self, chunk: bytes) -> None:
        if self._is_first:
            self._is_first = False
            if chunk.startswith(_PREFACE[:3]):
                self._rest = b""
        if self._rest is None:
            if chunk.startswith(b"POST "):  # one at a time on a connection, so at a chunk's begin
                self._begun()
            return
        self._rest += chunk
        if self._rest.startswith(_PREFACE[:3]):
            if len(self._rest) < len(_PREFACE):
                return
            self._rest = self._rest[len(_PREFACE) :]
        while len(self._rest) >= 9:
            size = 9 + int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < size:
                return
            if self._rest[3] == _HEADERS:
                self._begun()
            self._rest = self._rest[size:]


@asynccontextmanager
async def doors(*targets: str) -> AsyncIterator[list[Door]]:
    """Yield a door to each of *targets*, `host:port`."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_door(target)) for target in targets]


@asynccontextmanager
async def _door(target: str) -> AsyncIterator[Door]:
    found = Door(target)
    server = await asyncio.start_server(found._taken, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    found.target = f"{host}:{port}"
    try:
        yield found
    finally:
        server.close()
        await found._close()
        await server.wait_closed()
