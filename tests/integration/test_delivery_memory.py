"""The bridge keeps nothing of an event: its memory stands still, whatever is sent to it.

No two requests are alike, so that whatever remembers names, types or paths shows itself.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.stub_model import StubModel
from bridge.config.options import HttpClientOptions
from bridge.transports.http import PooledHttpClient
from tests.fakes_delivery import REQUEST_TYPE
from tests.services.bridge import Bridge, bridge_running, iris

#: Requests of each sort, and those of them that only warm up.
COUNT, WARM_UP = 20_000, 5_000
CALLERS = 32
ALLOWED_BYTES = 2 * 1024 * 1024

Header = tuple[bytes, bytes]
Make = Callable[[int], tuple[str, list[Header], bytes]]

BODY = b'{"data": { "ndarray": [[1,2,3,4]]}}'


def attributes(number: int, **changes: str) -> list[Header]:
    """Return the headers of event *number*."""
    known = {
        "specversion": "1.0",
        "id": f"id-{number}",
        "source": f"tests/{number}",
        "type": REQUEST_TYPE,
        **changes,
    }
    headers = [(f"ce-{name}".encode(), value.encode()) for name, value in known.items()]
    return [*headers, (b"content-type", b"application/json")]


def event(number: int) -> tuple[str, list[Header], bytes]:
    """Return a good event with an extension of its own, on a path of its own."""
    return f"/{number}", attributes(number, **{f"own{number}": "x"}), BODY


def malformed(number: int) -> tuple[str, list[Header], bytes]:
    """Return a request that is no event, in one of eight ways."""
    json = [(b"content-type", b"application/cloudevents+json")]
    bad: list[tuple[list[Header], bytes]] = [
        (attributes(number, id=""), BODY),
        (attributes(number, specversion=f"9.{number}"), BODY),
        (attributes(number, subject="%C0%A0"), BODY),
        (attributes(number, time=f"{number}"), BODY),
        (json, b'{"id": %d' % number),
        (json, b"[" * 4000),
        (json, b'{"specversion":"1.0","id":"\xff%d"}' % number),
        ([(b"content-type", b"application/cloudevents+%d" % number)], BODY),
    ]
    headers, body = bad[number % len(bad)]
    return f"/{number}", headers, body


async def sent(bridge: Bridge, make: Make, expected: set[int]) -> int:
    """Send COUNT requests and return by how many bytes the bridge grew after the warm-up."""
    process = psutil.Process(bridge.process.pid)
    numbers = iter(range(COUNT))
    statuses: Counter[int] = Counter()
    before = 0
    async with PooledHttpClient(HttpClientOptions(url=bridge.url)) as client:

        async def call() -> None:
            nonlocal before
            for number in numbers:
                if number == WARM_UP:
                    before = process.memory_info().rss
                target, headers, body = make(number)
                answer = await client.request("POST", target, headers, body, timeout_seconds=30)
                statuses[answer.status] += 1

        async with asyncio.TaskGroup() as group:
            for _ in range(CALLERS):
                group.create_task(call())
    assert expected == set(statuses)
    assert statuses.total() == COUNT
    return process.memory_info().rss - before


async def test_memory_stands_still_under_events_and_under_garbage(tmp_path: Path) -> None:
    """Resident memory grows by less than 2 MB over 15,000 of either sort, once it is warm."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(StubModel, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with bridge_running(iris(f"http://127.0.0.1:{port}/"), tmp_path) as bridge:
        by_events = await sent(bridge, event, {200})
        by_garbage = await sent(bridge, malformed, {400, 415})
    server.close()
    await server.wait_closed()

    assert by_events < ALLOWED_BYTES
    assert by_garbage < ALLOWED_BYTES
