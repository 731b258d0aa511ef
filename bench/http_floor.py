"""The floor of the event path: listener + pooled client, and nothing between them.

    load ══▶ HttpServer ─▶ PooledHttpClient ══▶ stub          load ══▶ stub
     CPU 1        the bridge, alone on CPU 0     CPU 1

Prints requests a second and CPU microseconds a request of the bridge process, and what a
whole core would give (1 / CPU time): the number to compare when others use the machine too.
The load is the same client, its answers checked one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing as mp
import os
import time
from multiprocessing.connection import Connection

HEADERS = (
    (b"content-type", b"application/json"),
    (b"ce-specversion", b"1.0"),
    (b"ce-type", b"seldon.simple-iris-deployment.request"),
    (b"ce-source", b"seldon.examples.streaming.curl"),
    (b"prefer", b"reply"),
)
BODY = b'{"data": { "ndarray": [[1,2,3,4]]}}'
ANSWER = b'{"data":{"names":["t:0","t:1","t:2"],"ndarray":[[0.1,0.2,0.7]]},"meta":{}}'
JSON = ((b"content-type", b"application/json"),)
TIMEOUT_SECONDS = 30.0


def stub(pipe: Connection, cpu: int) -> None:
    """Answer every request with the same bytes."""
    from bridge.transports.http import HttpRequest, HttpResponse

    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (*JSON, (b"ce-id", request.header(b"ce-id") or b"")), ANSWER)

    serve(pipe, cpu, answer)


def bridge(pipe: Connection, cpu: int, stub_port: int, connections: int) -> None:
    """Ask the stub, hand back what it said."""
    import uvloop

    from bridge.config.options import HttpClientOptions
    from bridge.transports.http import HttpRequest, HttpResponse, PooledHttpClient

    async def main() -> None:
        options = HttpClientOptions(url=f"http://127.0.0.1:{stub_port}", connections=connections)
        async with PooledHttpClient(options) as client:

            async def answer(request: HttpRequest) -> HttpResponse:
                puid = request.header(b"ce-id") or b""
                got = await client.request(
                    "POST",
                    "/predict",
                    (*JSON, (b"ce-id", puid)),
                    request.body,
                    timeout_seconds=TIMEOUT_SECONDS,
                )
                headers = (*JSON, (b"ce-id", got.header(b"ce-id") or b""))
                return HttpResponse(got.status, headers, got.body)

            await serving(pipe, answer)

    os.sched_setaffinity(0, {cpu})
    uvloop.run(main())


def serve(pipe: Connection, cpu: int, answer: object) -> None:
    """Run a listener until the pipe says to end."""
    import uvloop

    os.sched_setaffinity(0, {cpu})
    uvloop.run(serving(pipe, answer))


async def serving(pipe: Connection, answer: object) -> None:
    """Listen; report the port; answer `cpu` on the pipe with CPU seconds until told to end."""
    from bridge.transports.http import HttpServer

    server = HttpServer(answer)  # type: ignore[arg-type]  # an Answer, imported late
    await server.start()
    pipe.send(server.port)
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if pipe.recv() == "cpu":
            pipe.send(time.process_time())
        else:
            over.set()

    loop.add_reader(pipe.fileno(), asked)
    await over.wait()
    loop.remove_reader(pipe.fileno())
    await server.close()


async def load(port: int, connections: int, seconds: float) -> int:
    """Ask as fast as *connections* allow for *seconds*; return how many answers came."""
    from bridge.config.options import HttpClientOptions
    from bridge.transports.http import PooledHttpClient

    count = 0
    options = HttpClientOptions(url=f"http://127.0.0.1:{port}", connections=connections)
    async with PooledHttpClient(options) as client:
        until = time.monotonic() + seconds

        async def one(worker: int) -> None:
            nonlocal count
            number = 0
            while time.monotonic() < until:
                number += 1
                puid = b"%d-%d" % (worker, number)
                got = await client.request(
                    "POST", "/", (*HEADERS, (b"ce-id", puid)), BODY, timeout_seconds=30
                )
                if got.status != 200 or got.header(b"ce-id") != puid or got.body != ANSWER:
                    raise SystemExit(f"wrong answer to {puid!r}: {got!r}")
                count += 1

        async with asyncio.TaskGroup() as group:
            for worker in range(connections):
                group.create_task(one(worker))
    return count


def measure(name: str, pipe: Connection, port: int, connections: int, seconds: float) -> None:
    """Print one line."""
    import uvloop

    uvloop.run(load(port, connections, min(1.0, seconds)))
    pipe.send("cpu")
    before = pipe.recv()
    began = time.monotonic()
    count = uvloop.run(load(port, connections, seconds))
    took = time.monotonic() - began
    pipe.send("cpu")
    cpu = pipe.recv() - before
    print(
        f"{name:24} {count / took:9,.0f} requests/s {cpu / count * 1e6:7.1f} µs CPU each"
        f" {count / cpu:9,.0f} on a whole core   ({cpu / took:.2f} cores used)"
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
    stub_pipe, stub_end = context.Pipe()
    bridge_pipe, bridge_end = context.Pipe()
    processes = [context.Process(target=stub, args=(stub_end, others), daemon=True)]
    processes[0].start()
    stub_port = stub_pipe.recv()
    processes.append(
        context.Process(
            target=bridge, args=(bridge_end, ours, stub_port, arguments.connections), daemon=True
        )
    )
    processes[1].start()
    bridge_port = bridge_pipe.recv()
    os.sched_setaffinity(0, {others})
    for _ in range(arguments.rounds):
        for name, pipe, port in (
            ("listener", stub_pipe, stub_port),
            ("listener + client", bridge_pipe, bridge_port),
        ):
            measure(name, pipe, port, arguments.connections, arguments.seconds)
    for pipe in (bridge_pipe, stub_pipe):
        pipe.send("end")
    for process in processes:
        process.join(5)


if __name__ == "__main__":
    main()
