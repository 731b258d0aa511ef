"""Honest peers for the HTTP transports: raw sockets that do exactly what a test says."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

from bridge.transports.http import Answer, HttpRequest, HttpResponse, HttpServer

#: Longest wait for anything that must happen; a test that meets it fails.
SECONDS = 10.0

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(request: HttpRequest) -> HttpResponse:
    """Answer with the request's own body."""
    return HttpResponse(200, ((b"content-type", b"text/plain"),), request.body)


class Held:
    """An answer that is made when told to, in order of the requests' arrival."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.ended: list[HttpRequest] = []
        self.cancelled = 0
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.done = asyncio.Event()

    async def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        self.asked.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        self.ended.append(request)
        self.done.set()
        return HttpResponse(200, (), request.body)


@asynccontextmanager
async def serving(answer: Answer = echo, **limits: object) -> AsyncIterator[HttpServer]:
    """Run a listener on a free port."""
    server = HttpServer(answer, **limits)  # type: ignore[arg-type]  # the server's own options
    await server.start("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close()


class Caller:
    """A raw client: what is sent is sent, what comes is read as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def to_port(cls, port: int, **options: Any) -> AsyncIterator[Self]:
        """Connect, and leave again."""
        caller = cls(*await asyncio.open_connection("127.0.0.1", port, **options))
        try:
            yield caller
        finally:
            await caller.leave()

    async def leave(self) -> None:
        self.writer.close()
        with suppress(OSError):  # reset by the other side: that is what some tests are about
            await self.writer.wait_closed()

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        async with asyncio.timeout(SECONDS):
            await self.writer.drain()

    async def answer(self, *, bodiless: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Read one answer with a Content-Length, or none."""
        async with asyncio.timeout(SECONDS):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            found = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", lines[0])
            assert found is not None, lines[0]
            headers = dict(line.split(": ", 1) for line in lines[1:] if line)
            length = 0 if bodiless else int(headers.get("content-length", "0"))
            return int(found[1]), headers, await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Read until the other side ends the connection."""
        async with asyncio.timeout(SECONDS):
            return await self.reader.read()


class FarEnd:
    """A server that plays the peers it is given, one a connection; then refuses to.

    *heads* are the request heads it read, *bodies* what came after them.
    """

    def __init__(self, *peers: Peer) -> None:
        self._peers = list(peers)
        self.connections = 0
        self.closed = 0
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.all_closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        if self.connections:
            async with asyncio.timeout(SECONDS):
                await self.all_closed.wait()

    async def read_request(self, reader: asyncio.StreamReader) -> None:
        """Read one request with a Content-Length."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        found = re.search(rb"(?i)content-length: (\d+)", head)
        self.bodies.append(await reader.readexactly(int(found[1])) if found else b"")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = self._peers[min(self.connections, len(self._peers) - 1)]
        self.connections += 1
        self.all_closed.clear()
        try:
            await peer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left: its right
        finally:
            writer.close()
            with suppress(ConnectionError):  # the client left in the middle
                await writer.wait_closed()
            self.closed += 1
            if self.closed == self.connections:
                self.all_closed.set()

    def answers(self, *answers: bytes, keep: bool = True) -> Peer:
        """Return a peer that answers each request with the next of *answers*, as it stands."""

        async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in answers:
                await self.read_request(reader)
                writer.write(answer)
                await writer.drain()
            if keep:
                await reader.read()

        return peer


def far_end(*answers: bytes, keep: bool = True) -> FarEnd:
    """Return a far end that gives *answers* on its first connection, and on any other."""
    end = FarEnd()
    end._peers.append(end.answers(*answers, keep=keep))
    return end


def pieces(data: bytes, size: int = 1) -> Sequence[bytes]:
    """Return *data* cut into pieces of *size*."""
    return [data[at : at + size] for at in range(0, len(data), size)]


class Proxy:
    """A small real HTTP proxy: CONNECT for https, absolute targets for http.

    *asked* are the request lines it was given. What cannot be reached is answered 502.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._open = 0
        self._all_closed = asyncio.Event()
        self._all_closed.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        await self._server.wait_closed()
        for writer in self._writers:
            writer.transport.abort()
        async with asyncio.timeout(SECONDS):
            await self._all_closed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        self._all_closed.clear()
        self._writers.append(writer)
        try:
            await self._relay(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # one side left
        finally:
            self._open -= 1
            if not self._open:
                self._all_closed.set()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        line, _, rest = head.partition(b"\r\n")
        self.asked.append(line.decode())
        method, target, version = line.split(b" ")
        if method == b"CONNECT":
            address, first = target, b""
        else:
            found = re.fullmatch(rb"http://([^/?]+)(.*)", target)
            assert found is not None, target
            address = found[1].rpartition(b"@")[2]
            first = b"%b %b %b\r\n%b" % (method, found[2] or b"/", version, rest)
        host, _, port = address.decode().rpartition(":")
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        self._writers.append(far_writer)
        if first:
            far_writer.write(first)
        else:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            # One far end a connection: enough for tests that ask one far end.
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(reader, far_writer, first != b""))
                group.create_task(_pump(far_reader, writer, False))
        finally:
            far_writer.close()
            with suppress(ConnectionError):
                await far_writer.wait_closed()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, absolute: bool) -> None:
    """Copy until one side ends; take the origin off further absolute targets."""
    with suppress(ConnectionError):  # one side left: the other is told by the close
        while data := await reader.read(65536):
            if absolute:
                data = re.sub(rb"^([A-Z]+) http://[^/? ]+", rb"\1 ", data)
            writer.write(data)
            await writer.drain()
    writer.close()
