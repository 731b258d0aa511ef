"""The load: binary CloudEvents as fast as they are answered, or at a fixed rate.

    N connections, one request under way on each ──▶ contender
      ◀── every reply checked (`bench.replies`) ──┘

The events are the published example's, 1.0 and 0.3 in turn, each with an id and a `requestid`
of its own. Without a rate the loop is closed: a reply sends the next request. With a rate,
requests fall due in ticks of a millisecond; one that finds no free connection waits, and its
waiting counts as latency.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from array import array
from collections import deque
from dataclasses import asdict, dataclass, field
from time import perf_counter, process_time  # uvloop's own clock ticks in milliseconds
from typing import cast
from urllib.parse import urlsplit

import orjson
import uvloop

from bench.replies import Replies, Wrong

#: The published request's body.
BODY = b'{"data": { "ndarray": [[1,2,3,4]]}}'

#: How long replies are waited for after the last request was sent.
LAST_REPLY_SECONDS = 10.0

_TICK_SECONDS = 0.001
_LOOK_SECONDS = 0.005
_SPECVERSIONS = (b"1.0", b"0.3")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a load saw. *lost*: sent and never answered; *busy*: its own share of a core."""

    sent: int
    right: int
    wrong: int
    lost: int
    seconds: float
    busy: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    complaints: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Right replies a second."""
        return self.right / self.seconds if self.seconds else 0.0


class Load:
    """One run against *url*: until *events* are sent, or for *seconds*."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 32,
        events: int | None = None,
        seconds: float | None = None,
        rate: float | None = None,
        run: int = 0,
        exact: bool = False,
    ) -> None:
        at = urlsplit(url)
        self._host, self._port = at.hostname or "127.0.0.1", at.port or 80
        self._heads = [
            (
                f"POST {at.path or '/'} HTTP/1.1\r\nHost: {at.netloc}\r\n"
                f"Ce-Id: {run:08x}-88be-4077-9d7a-%012x\r\n"
                f"Ce-Specversion: {version.decode()}\r\n"
                "Ce-Type: seldon.simple-iris-deployment.request\r\n"
                "Ce-Source: seldon.examples.streaming.curl\r\n"
                "Ce-Requestid: %d\r\n"
                "Prefer: reply\r\n"
                "Content-Type: application/json\r\n"
                f"Content-Length: {len(BODY)}\r\n\r\n"
            ).encode()
            + BODY
            for version in _SPECVERSIONS
        ]
        self._connections = connections
        self._events = events if events is not None else sys.maxsize
        self._seconds = seconds
        self._rate = rate
        self.replies = Replies(exact=exact)
        self.sent = 0
        self.in_flight = 0
        self.wrong = 0
        self.last_reply = 0.0
        self.complaints: list[str] = []
        self.latencies = array("d")
        self.waiting: deque[float] = deque()  # when each request without a connection fell due
        self.idle: list[Connection] = []

    async def run(self) -> Result:
        """Return when every reply is there, or none has come for `LAST_REPLY_SECONDS`."""
        loop = asyncio.get_running_loop()
        connections = [
            (await loop.create_connection(lambda: Connection(self), self._host, self._port))[1]
            for _ in range(self._connections)
        ]
        cpu, begin = process_time(), perf_counter()
        self.last_reply = begin
        self._until = begin + self._seconds if self._seconds is not None else float("inf")
        if self._rate is None:
            for connection in connections[: self._events]:
                connection.send(begin)
        else:
            self.idle.extend(connections)
            await self._send_at(self._rate)
        while self.in_flight and perf_counter() < self.last_reply + LAST_REPLY_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
        busy = (process_time() - cpu) / (perf_counter() - begin)
        for connection in connections:
            connection.close()
        return self._result(self.last_reply - begin, busy)

    def may_send(self, now: float) -> bool:
        """Whether the closed loop goes on."""
        return self._rate is None and self.sent < self._events and now < self._until

    def next_request(self) -> tuple[bytes, bytes, bytes]:
        """Return the next request, its requestid and its specversion."""
        number = self.sent
        self.sent = number + 1
        self.in_flight += 1
        kind = number & 1
        return self._heads[kind] % (number, number), b"%d" % number, _SPECVERSIONS[kind]

    def complain(self, text: str) -> None:
        """Keep *text* if it is one of the first few."""
        if len(self.complaints) < 5:
            self.complaints.append(text)

    async def _send_at(self, rate: float) -> None:
        begin, due = perf_counter(), 0
        while (now := perf_counter()) < self._until and due < self._events:
            owed = min(int((now - begin) * rate), self._events) - due
            due += owed
            for _ in range(owed):
                if self.idle:
                    self.idle.pop().send(now)
                else:
                    self.waiting.append(now)
            await asyncio.sleep(_TICK_SECONDS)

    def _result(self, seconds: float, busy: float) -> Result:
        ordered = sorted(self.latencies) or [0.0]
        return Result(
            sent=self.sent,
            right=self.replies.right,
            wrong=self.wrong,
            lost=max(0, self.sent - self.replies.right - self.wrong),
            seconds=seconds,
            busy=busy,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=ordered[len(ordered) * 99 // 100] * 1000,
            complaints=self.complaints,
        )


class Connection(asyncio.Protocol):
    """One connection with at most one request under way."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._unread = b""
        self._asked: tuple[bytes, bytes] | None = None
        self._begin = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was under way: it counts as lost."""
        if self._asked is not None:
            self._asked = None
            self._load.in_flight -= 1
            self._load.complain(f"connection lost: {exc or 'closed by the other end'}")
        if self in self._load.idle:
            self._load.idle.remove(self)

    def close(self) -> None:
        """Close it; there is nothing under way."""
        self._asked = None
        self._transport.close()

    def send(self, begin: float) -> None:
        """Send the next request; its latency counts from *begin*."""
        self._begin = begin
        request, requestid, specversion = self._load.next_request()
        self._asked = (requestid, specversion)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        load = self._load
        if self._unread:
            data = self._unread + data
        try:
            end = load.replies.end_of(data)
            if not end:
                self._unread = data
                return
            if self._asked is None or end != len(data):
                raise Wrong(f"bytes that nobody asked for: {data[:200]!r}")
            load.replies.check(data, *self._asked)
        except Wrong as wrong:
            load.wrong += 1
            load.complain(str(wrong))
            if self._asked is not None:
                self._asked = None
                load.in_flight -= 1
            self._transport.abort()  # what follows on this connection would mean nothing
            return
        self._unread, self._asked = b"", None
        now = perf_counter()
        load.in_flight -= 1
        load.last_reply = now
        load.latencies.append(now - self._begin)
        if load.may_send(now):
            self.send(now)
        elif load.waiting:
            self.send(load.waiting.popleft())
        else:
            load.idle.append(self)


def main() -> None:
    """Run one load and print its result as a line of JSON; end with 1 where a reply is amiss."""
    arguments = argparse.ArgumentParser(description="Send events to a bridge, check its replies.")
    arguments.add_argument("url")
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--events", type=int)
    arguments.add_argument("--seconds", type=float)
    arguments.add_argument("--rate", type=float, help="events a second; as fast as it goes without")
    arguments.add_argument("--run", type=int, default=0, help="makes ids differ from run to run")
    arguments.add_argument("--exact", action="store_true", help="answers equal to the byte")
    chosen = arguments.parse_args()
    if chosen.events is None and chosen.seconds is None:
        arguments.error("say how much: --events or --seconds")
    result = uvloop.run(Load(**vars(chosen)).run())
    sys.stdout.buffer.write(orjson.dumps(asdict(result) | {"rate": result.rate}) + b"\n")
    if result.wrong or result.lost:
        sys.exit(1)


if __name__ == "__main__":
    main()
