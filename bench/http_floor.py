"""The floor of the event path: listener + pooled client, and nothing between them.

    load ══▶ HttpServer ─▶ PooledHttpClient ══▶ stub
    CPU 1       the bridge, alone on CPU 0      CPU 1

Prints requests a second and CPU microseconds a request of the bridge process, and what a
whole core would give (1 / CPU time): the number to compare when others use the machine too.
Load and stub are written for this and nothing else, so that they are not the limit; every
answer must be as long as it should be and carry the id of its request.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing as mp
import os
import time
from multiprocessing.connection import Connection
from typing import Any, cast

BODY = b'{"data": { "ndarray": [[1,2,3,4]]}}'
ANSWER = b'{"data":{"names":["t:0","t:1","t:2"],"ndarray":[[0.1,0.2,0.7]]},"meta":{}}'
JSON = ((b"content-type", b"application/json"),)
REQUEST = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Ce-Specversion: 1.0\r\nCe-Type: seldon.simple-iris-deployment.request\r\n"
    b"Ce-Source: seldon.examples.streaming.curl\r\nPrefer: reply\r\nContent-Length: %d\r\n"
    b"ce-id: %%012d\r\n\r\n%b" % (len(BODY), BODY)
)
TIMEOUT_SECONDS = 30.0


class Stub(asyncio.Protocol):
    """Answers each piece of data, which is one request, with the same bytes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        at = data.find(b"ce-id: ") + 7
        self._write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"ce-id: %b\r\n\r\n%b" % (len(ANSWER), data[at : at + 12], ANSWER)
        )


class Load(asyncio.Protocol):
    """Sends a request, checks its answer, sends the next."""

    def __init__(self, counts: dict[str, int], number: int) -> None:
        self._counts = counts
        self._number = number * 1_000_000
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._got = got = self._got + data if self._got else data
        end = got.find(b"\r\n\r\n")
        if end < 0 or len(got) < end + 4 + len(ANSWER):
            return
        right = got.startswith(b"HTTP/1.1 200") and got[end + 4 :] == ANSWER
        if not right or b"ce-id: %012d\r" % self._number not in got:
            self._counts["wrong"] += 1
            self._transport.abort()
            return
        self._got = b""
        self._counts["right"] += 1
        self._next()

    def _next(self) -> None:
        self._number += 1
        self._transport.write(REQUEST % self._number)


def stub(pipe: Connection, cpu: int) -> None:
    import uvloop

    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(Stub, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await _asked_to_end(pipe)
        server.close()

    os.sched_setaffinity(0, {cpu})
    uvloop.run(main())


def bridge(pipe: Connection, cpu: int, stub_port: int, connections: int) -> None:
    """Ask the stub, hand back what it said; without a stub, say it ourselves."""
    import uvloop

    from bridge.config.options import HttpClientOptions
    from bridge.transports.http import HttpRequest, HttpResponse, HttpServer, PooledHttpClient

    async def main() -> None:
        options = HttpClientOptions(
            url=f"http://127.0.0.1:{stub_port or 9}", connections=connections
        )
        async with PooledHttpClient(options) as client:

            async def ask(request: HttpRequest) -> HttpResponse:
                got = await client.request(
                    "POST",
                    "/predict",
                    (*JSON, (b"ce-id", request.header(b"ce-id") or b"")),
                    request.body,
                    timeout_seconds=TIMEOUT_SECONDS,
                )
                headers = (*JSON, (b"ce-id", got.header(b"ce-id") or b""))
                return HttpResponse(got.status, headers, got.body)

            async def alone(request: HttpRequest) -> HttpResponse:
                headers = (*JSON, (b"ce-id", request.header(b"ce-id") or b""))
                return HttpResponse(200, headers, ANSWER)

            server = HttpServer(ask if stub_port else alone)
            await server.start()
            pipe.send(server.port)
            await _asked_to_end(pipe)
            await server.close()

    os.sched_setaffinity(0, {cpu})
    uvloop.run(main())


async def _asked_to_end(pipe: Connection) -> None:
    """Answer `cpu` on *pipe* with the CPU seconds of this process, until told to end."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        try:
            what = pipe.recv()
        except EOFError:  # whoever started us is gone
            what = "end"
        if what == "cpu":
            pipe.send(time.process_time())
        else:
            over.set()

    loop.add_reader(pipe.fileno(), asked)
    await over.wait()
    loop.remove_reader(pipe.fileno())


async def load(port: int, connections: int, seconds: float) -> int:
    """Ask as fast as *connections* allow for *seconds*; return how many answers came."""
    loop = asyncio.get_running_loop()
    counts = {"right": 0, "wrong": 0}
    made = [
        await loop.create_connection(lambda number=number: Load(counts, number), "127.0.0.1", port)
        for number in range(connections)
    ]
    await asyncio.sleep(seconds)
    for transport, _ in made:
        transport.abort()
    if counts["wrong"]:
        raise SystemExit(f"{counts['wrong']} wrong answers")
    return counts["right"]


def measure(name: str, pipe: Connection, port: int, connections: int, seconds: float) -> None:
    """Print one line."""
    import uvloop

    uvloop.run(load(port, connections, min(0.5, seconds)))
    pipe.send("cpu")
    before = pipe.recv()
    began = time.monotonic()
    count = uvloop.run(load(port, connections, seconds))
    took = time.monotonic() - began
    pipe.send("cpu")
    cpu = pipe.recv() - before
    print(
        f"{name:20}{count / took:9,.0f} requests/s{cpu / count * 1e6:7.1f} µs CPU each"
        f"{count / cpu:9,.0f} requests/s on a whole core  (it had {cpu / took:.2f})",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="the floor of the event path, in requests/s")
    parser.add_argument("--connections", type=int, default=32, help="requests under way")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each part is loaded")
    parser.add_argument("--rounds", type=int, default=3, help="how often")
    arguments = parser.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    ours, others = cpus[0], cpus[-1]
    context = mp.get_context("spawn")
    started: list[tuple[Any, Connection]] = []

    def start(target: Any, *args: Any) -> tuple[Connection, int]:
        pipe, end = context.Pipe()
        process = context.Process(target=target, args=(end, *args), daemon=True)
        process.start()
        end.close()  # or a process that fails to start would be waited for
        started.append((process, pipe))
        return pipe, pipe.recv()

    _, stub_port = start(stub, others)
    parts = [
        ("listener", *start(bridge, ours, 0, arguments.connections)),
        ("listener + client", *start(bridge, ours, stub_port, arguments.connections)),
    ]
    os.sched_setaffinity(0, {others})
    for _ in range(arguments.rounds):
        for name, pipe, port in parts:
            measure(name, pipe, port, arguments.connections, arguments.seconds)
    for process, pipe in started:
        pipe.send("end")
        process.join(5)


if __name__ == "__main__":
    main()
