"""What the connections of one listener have in common: who answers, the limits, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from math import inf
from typing import TYPE_CHECKING

from bridge.core.clock import Clock
from bridge.transports.http.deadlines import Deadlines
from bridge.transports.http.messages import HttpRequest, HttpResponse

if TYPE_CHECKING:
    from bridge.transports.http.server_connection import Connection

#: Makes the answer to one request.
Answer = Callable[[HttpRequest], Awaitable[HttpResponse]]

#: Is told status and text of each request that was refused before anybody could answer it.
OnRefusal = Callable[[int, str], None]


class Shared:
    """Known to each connection; counts them in and out. *empty* is set while there is none."""

    def __init__(
        self,
        *,
        answer: Answer,
        clock: Clock,
        max_head_bytes: int,
        max_body_bytes: int,
        idle_seconds: float,
        request_seconds: float,
        max_connections: int,
        max_receiving_bytes: int,
        plain: bool,
        on_refusal: OnRefusal | None = None,
    ) -> None:
        self.answer = answer
        self.clock = clock
        self.max_head_bytes = max_head_bytes
        self.max_body_bytes = max_body_bytes
        self.idle_seconds = idle_seconds
        self.request_seconds = request_seconds
        self.max_connections = max_connections
        self.max_receiving_bytes = max_receiving_bytes
        self.receiving_bytes = 0  # of requests that are not complete, all connections together
        self.plain = plain
        self.on_refusal = on_refusal
        self.stopping = False
        self.aborting = False
        self.connections: dict[Connection, None] = {}
        self.empty = asyncio.Event()
        self.empty.set()
        self._date = b""
        self._date_until = -inf

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve on *loop*."""
        self.loop = loop
        self.deadlines = Deadlines(loop)
        self.stopping = self.aborting = False

    def joined(self, connection: Connection) -> None:
        """Count *connection* in."""
        self.connections[connection] = None
        self.empty.clear()
        self.deadlines.add(connection)

    def left(self, connection: Connection) -> None:
        """Count *connection* out: closed, and its last answer at its end."""
        if connection in self.connections:
            del self.connections[connection]
            self.deadlines.discard(connection)
            if not self.connections:
                self.empty.set()

    def stop(self) -> None:
        """Have every connection close after the answer it owes, or now if it owes none."""
        self.stopping = True
        for connection in list(self.connections):
            connection.stop()

    async def abort(self) -> None:
        """Close every connection at once and wait for the answers to end."""
        self.aborting = True
        for connection in list(self.connections):
            connection.abort()
        await self.empty.wait()

    def date(self, now: float) -> bytes:
        """Return the Date header (RFC 9110, 6.6.1), made anew once a second."""
        if now >= self._date_until:
            self._date_until = now + 1.0
            seconds = self.clock.now_ns() // 1_000_000_000
            self._date = b"date: %b\r\n" % formatdate(seconds, usegmt=True).encode()
        return self._date
