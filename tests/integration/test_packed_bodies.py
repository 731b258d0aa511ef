"""Packed bodies (Content-Encoding) at each listener: undone within bounds, or refused."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from bridge.broker.broker import Broker, BrokerOptions
from bridge.broker.triggers import read
from bridge.core.clock import SystemClock
from bridge.core.event import Event
from bridge.observe.ledger import Deliveries
from bridge.sources.http import HttpSource, HttpSourceOptions
from tests.fakes_component import running, source
from tests.fakes_http import Caller

EVENT = (
    b"ce-specversion: 1.0\r\nce-id: 1\r\nce-source: tests\r\nce-type: t\r\n"
    b"content-type: application/json\r\n"
)
ENVELOPE = b'{"specversion":"1.0","id":"1","source":"tests","type":"t","data":[1.50]}'
STRUCTURED = b"content-type: application/cloudevents+json\r\n"
BATCH = b"content-type: application/cloudevents-batch+json\r\n"
IRIS = b'{"data": { "ndarray": [[1,2,3,4]]}}'
BOMB = gzip.compress(bytes(4 * 1024 * 1024))

Seen = list[Event]
Serving = Callable[[Seen], AbstractAsyncContextManager[int]]


@asynccontextmanager
async def http_source(seen: Seen) -> AsyncIterator[int]:
    async def handle(event: Event) -> None:
        seen.append(event)

    stop = asyncio.Event()
    deliveries = Deliveries()
    served = HttpSource(
        HttpSourceOptions(host="127.0.0.1", port=0, max_body_bytes=1024 * 1024),
        deliveries=deliveries,
        replies=lambda event: False,
        knows=lambda path: True,
        ready=lambda: True,
    )
    async with served, asyncio.TaskGroup() as group:
        group.create_task(served.run(handle, stop))
        await asyncio.sleep(0)
        yield served.port
        stop.set()
    assert deliveries.balanced()


@asynccontextmanager
async def seldon_source(seen: Seen) -> AsyncIterator[int]:
    async def handle(event: Event) -> None:
        seen.append(event)

    async with running(source(max_body_bytes=1024 * 1024), handle) as port:
        yield port


@asynccontextmanager
async def broker(seen: Seen, *, file: Path) -> AsyncIterator[int]:
    """Serve a broker whose only subscriber keeps what it is given."""
    async with http_source(seen) as port:
        file.write_text(
            "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: all}\n"
            f"spec: {{subscriber: {{uri: 'http://127.0.0.1:{port}/'}}}}\n"
        )
        options = BrokerOptions(port=0, max_body_bytes=1024 * 1024)
        async with Broker(options, read([file], {}), clock=SystemClock()) as started:
            yield started.port
            async with asyncio.timeout(10):
                await started.idle()
            assert started.counts().balanced


@pytest.fixture(params=["http", "seldon", "broker"])
def serving(request: pytest.FixtureRequest, tmp_path: Path) -> Serving:
    """Each listener that takes events, in turn."""
    if request.param == "broker":
        return lambda seen: broker(seen, file=tmp_path / "triggers.yaml")
    return http_source if request.param == "http" else seldon_source


async def sent(port: int, headers: bytes, body: bytes) -> tuple[int, dict[str, str], bytes]:
    """Post *body* where every listener takes it, and return the answer."""
    async with Caller.to_port(port) as caller:
        await caller.send(
            b"POST %b HTTP/1.1\r\nhost: x\r\n%bcontent-length: %d\r\n\r\n%b"
            % (b"/predict" if b"x-seldon" in headers else b"/", headers, len(body), body)
        )
        return await caller.answer()


def to(serving: Serving) -> bytes:
    """Return the header that sends a request to Seldon's path, where that is what is served."""
    return b"x-seldon: 1\r\n" if serving is seldon_source else b""


@pytest.mark.parametrize(
    ("coding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress)]
)
async def test_the_event_has_the_bytes_that_were_packed(
    serving: Serving, coding: bytes, pack: Callable[[bytes], bytes]
) -> None:
    """And nothing that goes on says that they were: a model would try to undo it again."""
    seen: Seen = []
    async with serving(seen) as port:
        headers = EVENT + to(serving) + b"content-encoding: %b\r\n" % coding

        status, _, _ = await sent(port, headers, pack(IRIS))

    assert 202 == status
    assert [IRIS] == [event.data for event in seen]
    assert seen[0].origin.header(b"content-encoding") is None


@pytest.mark.parametrize(("headers", "body"), [(STRUCTURED, ENVELOPE), (BATCH, b"[%b]" % ENVELOPE)])
async def test_an_envelope_may_be_packed(headers: bytes, body: bytes) -> None:
    """The event, or the batch of them, is read from the bytes that were packed."""
    seen: Seen = []
    async with http_source(seen) as port:
        status, _, _ = await sent(
            port, headers + b"content-encoding: gzip\r\n", gzip.compress(body)
        )

    assert 202 == status
    assert [b"[1.50]"] == [event.data for event in seen]


@pytest.mark.parametrize(
    ("status", "coding", "body"),
    [
        (400, b"gzip", IRIS),
        (400, b"gzip", gzip.compress(IRIS)[:-1]),
        (400, b"deflate", gzip.compress(IRIS)),
        (413, b"gzip", BOMB),
        (415, b"br", IRIS),
        (415, b"gzip, gzip", gzip.compress(gzip.compress(IRIS))),
    ],
)
async def test_what_cannot_be_unpacked_is_refused(
    serving: Serving, status: int, coding: bytes, body: bytes
) -> None:
    """Broken 400, too large 413, unknown 415 with what may be sent; then the next is taken."""
    seen: Seen = []
    async with serving(seen) as port:
        headers = EVENT + to(serving)
        answer = await sent(port, headers + b"content-encoding: %b\r\n" % coding, body)
        following = await sent(port, headers, IRIS)

    assert status == answer[0]
    assert ("gzip, deflate" if status == 415 else None) == answer[1].get("accept-encoding")
    assert len(answer[2]) <= 768
    assert 202 == following[0]
    assert 1 == len(seen)
