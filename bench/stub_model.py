"""A model that costs next to nothing: the same Seldon answer to every request.

It reads only as much of HTTP as it must (Content-Length, keep-alive, requests one behind the
other), and answers 400 where the body holds no Seldon data, so that a contender that sends
nothing cannot win.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from typing import cast

import uvloop

#: The answer of the published example.
ANSWER = (
    b'{"data":{"names":["t:0","t:1","t:2"],"ndarray":[[0.0006985194531162841,'
    b'0.003668039039435755,0.9956334415074478]]},"meta":{}}'
)

_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class StubModel(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        if self._unread:
            data = self._unread + data
        begin = 0
        answers = []
        while (head_end := data.find(b"\r\n\r\n", begin)) != -1:
            found = _LENGTH.search(data, begin, head_end + 2)
            end = head_end + 4 + (int(found[1]) if found else 0)
            if end > len(data):
                break
            asked = data.find(b'"ndarray"', head_end, end) != -1
            answers.append(_OK if asked or data.startswith(b"GET ", begin) else _BAD)
            begin = end
        self._unread = data[begin:]
        if answers:
            self._write(b"".join(answers))


async def serve(port: int) -> None:
    """Serve on *port* of 127.0.0.1 (0: a free one) until cancelled; print the address."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(StubModel, "127.0.0.1", port, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, default=0)
    uvloop.run(serve(arguments.parse_args().port))
