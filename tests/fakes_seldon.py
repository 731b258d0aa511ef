"""Both ends of a Seldon call, small and by hand: a scripted server, and a plain caller."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as a server saw it, or one answer as a caller did; names in lower case."""

    first_line: str
    headers: dict[str, str]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.first_line.split()[1])


def scripted(status: int, body: bytes, *headers: str) -> bytes:
    """Return a whole answer as it stands on the wire."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


class ScriptedServer:
    """Gives one answer after the other, the last one again and again; remembers the requests.

    The answer None never comes, and `asked` is set; an empty one closes the connection.
    """

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._connections: set[asyncio.StreamWriter] = set()
        self.requests: list[Exchange] = []
        self.asked = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        for writer in list(self._connections):
            writer.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while True:
                self.requests.append(await _read(reader))
                self.asked.set()
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if answer is None:
                    await reader.read()  # until the caller gives up
                    return
                if not answer:
                    return
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            self._connections.discard(writer)
            writer.close()


async def ask(
    port: int, line: str, body: bytes = b"", headers: Sequence[str] = (), host: str = "127.0.0.1"
) -> Exchange:
    """Return the answer to one request on a connection of its own; *line* is `POST /path`."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        lines = [f"{line} HTTP/1.1", "Host: test", f"Content-Length: {len(body)}", *headers]
        writer.write("\r\n".join((*lines, "", "")).encode("utf-8") + body)
        return await _read(reader, empty=line.startswith("HEAD "))
    finally:
        writer.close()
        await writer.wait_closed()


async def _read(reader: asyncio.StreamReader, *, empty: bool = False) -> Exchange:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    length = 0 if empty else int(headers.get("content-length", 0))
    return Exchange(head[0], headers, await reader.readexactly(length))
