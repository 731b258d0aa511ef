"""Connections to one address: last used first, never more than so many, waiters in line.

take ─▶ idle? the last one used · fewer than the limit? a new one · else wait in line
release ─▶ the first who waits, else idle       forget ─▶ a place for the first who waits
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from math import inf

from bridge.core.errors import Unavailable
from bridge.transports.http.client_connection import ClientConnection, TimeIsUp, in_words
from bridge.transports.http.deadlines import Deadlines
from bridge.transports.http.response_reader import ResponseHead


class Pool:
    """At most *connections* to *host* and *port*; entered where its loop runs."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        *,
        connections: int,
        connect_timeout_seconds: float,
        idle_seconds: float,
        max_response_bytes: int,
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._connections = connections
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle_seconds = idle_seconds
        self._max_response_bytes = max_response_bytes
        self._loop = asyncio.get_running_loop()
        self._deadlines = Deadlines(self._loop)
        self._heads: dict[bytes, ResponseHead] = {}
        self._idle: list[ClientConnection] = []
        self._places = 0  # connections that are open or about to be
        self._sockets: dict[ClientConnection, None] = {}
        self._waiters: deque[asyncio.Future[ClientConnection | None]] = deque()
        self._empty = asyncio.Event()
        self._empty.set()
        self._closed = False

    def idle(self, deadline: float) -> ClientConnection | None:
        """Return the connection that was used last, or None; it has until *deadline*."""
        if not self._idle:
            return None
        if deadline < self._deadlines.wake_at:
            self._deadlines.soon(deadline)
        return self._idle.pop()

    async def take(self, deadline: float) -> ClientConnection:
        """Return a connection that is not idle: a new one, or one that is handed over.

        Raise TimeIsUp at *deadline*, Unavailable if it cannot be opened.
        """
        if self._closed:
            raise Unavailable("the client is closed")
        self._deadlines.soon(deadline)
        if self._places < self._connections:
            self._places += 1
        else:
            handed = await self._wait(deadline)
            if handed is not None:
                return handed
        return await self._open(deadline)

    def release(self, connection: ClientConnection) -> None:
        """Hand *connection* to the first who waits, or keep it."""
        waiters = self._waiters
        while waiters:
            waiter = waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        connection.deadline = deadline = self._loop.time() + self._idle_seconds
        if deadline < self._deadlines.wake_at:
            self._deadlines.soon(deadline)
        self._idle.append(connection)

    def forget(self, connection: ClientConnection) -> None:
        """Count out *connection*: its place goes to the first who waits."""
        if connection in self._idle:
            self._idle.remove(connection)
        self._deadlines.discard(connection)
        self._free_place()

    def gone(self, connection: ClientConnection) -> None:
        """Note that a socket is closed."""
        self._sockets.pop(connection, None)
        if not self._sockets:
            self._empty.set()

    async def close(self) -> None:
        """Close every connection, whatever it is doing; return when the sockets are closed."""
        self._closed = True
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(Unavailable("the client is closed"))
        for connection in list(self._sockets):
            connection.abort()
        await self._empty.wait()

    async def _wait(self, deadline: float) -> ClientConnection | None:
        """Wait in line; return a connection, or None with a place for a new one."""
        waiter: asyncio.Future[ClientConnection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        timed = _Waiting(waiter, deadline)
        self._deadlines.add(timed)
        try:
            return await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # Given to us while we were leaving: pass it on.
                given = waiter.result()
                if given is None:
                    self._free_place()
                elif not given.closed:
                    self.release(given)
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise
        finally:
            self._deadlines.discard(timed)
            del waiter, timed  # TimeIsUp is in them, and knows that it was raised here

    async def _open(self, deadline: float) -> ClientConnection:
        """Return a new connection, in the place that was kept for it."""
        now = self._loop.time()
        limit = min(deadline, now + self._connect_timeout_seconds)
        connection = ClientConnection(self, self._loop, self._max_response_bytes, self._heads)
        try:
            async with asyncio.timeout_at(limit):
                await self._loop.create_connection(
                    lambda: connection,
                    self._host,
                    self._port,
                    ssl=self._tls,
                    server_hostname=self._host if self._tls is not None else None,
                )
        except BaseException as error:
            connection.dropped()
            if isinstance(error, TimeoutError) and not error.strerror:
                if limit == deadline:
                    raise TimeIsUp from error
                seconds = self._connect_timeout_seconds
                raise Unavailable(f"no connection within {seconds:g} s") from error
            if isinstance(error, OSError):
                raise Unavailable(f"no connection: {in_words(error)}") from error
            raise
        if connection.closed:
            raise Unavailable("no connection: it was closed at once")
        self._sockets[connection] = None
        self._empty.clear()
        self._deadlines.add(connection)
        if self._closed:
            connection.abort()
            raise Unavailable("the client is closed")
        return connection

    def _free_place(self) -> None:
        """Give up a place, or give it to the first who waits."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._places -= 1


class _Waiting:
    """Somebody who waits in line, until *deadline*. A time-out of its own would cost more."""

    __slots__ = ("_waiter", "deadline")

    def __init__(self, waiter: asyncio.Future[ClientConnection | None], deadline: float) -> None:
        self._waiter = waiter
        self.deadline = deadline

    def expire(self) -> None:
        """Tell them."""
        self.deadline = inf
        if not self._waiter.done():
            self._waiter.set_exception(TimeIsUp())
