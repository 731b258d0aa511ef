"""The real processes that are fuzzed, and what must be true of one when it is over.

bridge_target  ─▶ `bridge run`: an http or seldon source, a filter, a model (a stub), a reply
broker_target  ─▶ `bridge broker`: one trigger whose subscriber takes everything
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import psutil

from bench.stub_model import StubModel
from tests.fuzz.valid import TYPE, binary_headers, request
from tests.services.bridge import READY_SECONDS, bridge_running, iris
from tests.services.process import Process, answers, free_port

ROOT = Path(__file__).parents[2]

#: How long connections may take to be gone once nobody holds them.
SETTLE_SECONDS = 10.0

PROBE = request(
    binary_headers(
        {b"specversion": b"1.0", b"id": b"probe", b"source": b"tests/fuzz", b"type": TYPE}
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A running process: where it listens, where its metrics are, and where it prints."""

    port: int
    metrics_url: str
    process: Process
    is_broker: bool = False

    def rss_bytes(self) -> int:
        """Return what it holds in memory."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def descriptors(self) -> int:
        """Return how many files and sockets it has open."""
        return int(psutil.Process(self.process.pid).num_fds())

    async def settled_descriptors(self, at_most: int) -> int:
        """Return how many it has open, as soon as that is *at_most*."""
        until = time.monotonic() + SETTLE_SECONDS
        while (found := self.descriptors()) > at_most and time.monotonic() < until:
            await asyncio.sleep(0.05)
        return found

    async def wrong(self) -> list[str]:
        """Return what its ledger and its log say that must not be."""
        text = await asyncio.to_thread(_page, self.metrics_url)
        found = _ledger_of_broker(text) if self.is_broker else _ledger(text)
        return found + [
            f"log: {line[:300]}"
            for line in self.process.output.read_text(errors="replace").splitlines()
            if _ALARMING.search(line)
        ]


@asynccontextmanager
async def bridge_target(folder: Path, *, source: str = "http") -> AsyncIterator[Target]:
    """Run a bridge in front of a model that answers every good request."""
    async with _serving(StubModel) as port:
        pipeline = iris(f"http://127.0.0.1:{port}/", source={"type": source})
        with bridge_running(pipeline, folder) as started:
            yield Target(
                port=int(started.url.strip("/").rpartition(":")[2]),
                metrics_url=f"{started.admin_url}metrics",
                process=started.process,
            )


@asynccontextmanager
async def broker_target(folder: Path) -> AsyncIterator[Target]:
    """Run a broker whose subscriber takes every event."""
    port = free_port()
    file = folder / "triggers.yaml"
    async with _serving(Subscriber) as subscriber:
        file.write_text(
            "apiVersion: eventing.knative.dev/v1\nkind: Trigger\nmetadata: {name: all}\n"
            f"spec: {{subscriber: {{uri: 'http://127.0.0.1:{subscriber}/'}}}}\n"
        )
        argv = [sys.executable, "-m", "bridge", "broker", str(file), "--port", str(port)]
        with Process(argv, output=folder / "broker.log", folder=ROOT) as process:
            url = f"http://127.0.0.1:{port}/"
            process.wait_until(lambda: answers(f"{url}readyz"), seconds=READY_SECONDS)
            yield Target(port=port, metrics_url=f"{url}metrics", process=process, is_broker=True)


class Subscriber(asyncio.Protocol):
    """Takes every event, whatever it is."""

    def __init__(self) -> None:
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (end := self._unread.find(b"\r\n\r\n") + 4) >= 4:
            found = _LENGTH.search(self._unread, 0, end)
            end += int(found[1]) if found else 0
            if end > len(self._unread):
                break
            self._unread = self._unread[end:]
            self._write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")


@asynccontextmanager
async def _serving(protocol: Callable[[], asyncio.Protocol]) -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def _page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


def _ledger(metrics: str) -> list[str]:
    """Return what does not add up in a bridge's metrics, once nothing is under way."""
    taken, ended = _sum(metrics, "deliveries_taken_total"), _sum(metrics, "deliveries_total")
    accepted, became = _sum(metrics, "events_accepted_total"), _sum(metrics, "events_total")
    under_way = _sum(metrics, "in_flight") + _sum(metrics, "events_in_flight")
    wrong = []
    if under_way or taken != ended or accepted != became or not taken or not accepted:
        wrong.append(
            f"ledger: {taken:g} taken, {ended:g} ended; {accepted:g} accepted, {became:g} became "
            f"something; {under_way:g} under way"
        )
    if _sum(metrics, "ledger_balanced") != 1:
        wrong.append("ledger: it says itself that it does not add up")
    return wrong


def _ledger_of_broker(metrics: str) -> list[str]:
    """Return what does not add up in a broker's metrics, once nothing is under way."""
    received = _sum(metrics, "broker_received_total")
    delivered = sum(
        float(value)
        for value in re.findall(
            r'^bridge_broker_events_total{.*outcome="delivered".* (\S+)$', metrics, re.M
        )
    )
    if received == delivered > 0:
        return []
    return [f"ledger: {received:g} received, {delivered:g} delivered"]


def _sum(metrics: str, name: str) -> float:
    lines = re.findall(rf"^bridge_{name}(?:{{[^\n]*}})? (\S+)$", metrics, re.M)
    return sum(map(float, lines))


_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

#: What a process prints when something went wrong that should not.
_ALARMING = re.compile(
    r"Traceback|answer failed|connection failed|Exception in|never retrieved"
    r'|"level": "(?:error|critical)"'
)
