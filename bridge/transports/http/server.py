"""The listener: requests in, one answer each, in order.

    socket ─▶ RequestReader ─▶ answer(request) ─▶ head + body in one write ─▶ socket
                  └ paused while an answer is under way and more than `HOLD_BYTES` wait

One long-lived task a connection, not one a request; each answer in a context of its own, so
that context variables never leak from one event to the next. Nothing is read ahead but
bytes: a pipelined request is parsed when the one before it is answered.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import ConfigError
from bridge.transports.http.server_connection import Connection
from bridge.transports.http.shared import Answer, OnRefusal, Shared
from bridge.transports.http.tls import tell_of_certificates

#: Connections the kernel queues before they are accepted.
BACKLOG = 1024


class HttpServer:
    """Listens, and has *answer* answer every request.

    Requests of one connection are answered one after the other; those of different
    connections concurrently. *answer* is never cancelled because a client went away, only
    by `close`. What it raises is answered 500 and logged.

    *idle_seconds*: how long a connection may wait for its next request. *request_seconds*:
    how long a request may take to arrive, then 408; as long may a client take to accept an
    answer. *max_connections*: one more is answered 503. *max_receiving_bytes*:
    what all connections together may hold of requests that are still arriving; the one that
    goes beyond is answered 503. *on_refusal* is told of each request
    that is refused before *answer* sees it (400, 408, 413, 431 and their like).
    """

    def __init__(
        self,
        answer: Answer,
        *,
        max_head_bytes: int = 64 * 1024,
        max_body_bytes: int = 8 * 1024 * 1024,
        idle_seconds: float = 75.0,
        request_seconds: float = 30.0,
        max_connections: int = 10_000,
        max_receiving_bytes: int = 256 * 1024 * 1024,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        on_refusal: OnRefusal | None = None,
    ) -> None:
        self._tls = tls
        self._shared = Shared(
            answer=answer,
            clock=clock or SystemClock(),
            max_head_bytes=max_head_bytes,
            max_body_bytes=max_body_bytes,
            idle_seconds=idle_seconds,
            request_seconds=request_seconds,
            max_connections=max_connections,
            max_receiving_bytes=max_receiving_bytes,
            plain=tls is None,
            on_refusal=on_refusal,
        )
        self._listener: asyncio.Server | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """The port that is listened on; of a closed server, the last one."""
        return self._port

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None
    ) -> None:
        """Listen on *host* and *port* (0 picks a free one), or on *sock*, already bound.

        Several processes may share an inherited *sock*; it is closed with the server.
        Return when connections are accepted; raise OSError if they cannot be.
        """
        loop = asyncio.get_running_loop()
        shared = self._shared
        shared.enter(loop)
        tell_of_certificates(self._tls)
        handshake = shared.request_seconds if self._tls is not None else None

        def connection() -> Connection:
            return Connection(shared)

        if sock is not None:
            self._listener = await loop.create_server(
                connection,
                sock=sock,
                backlog=BACKLOG,
                ssl=self._tls,
                ssl_handshake_timeout=handshake,
            )
        else:
            self._listener = await loop.create_server(
                connection,
                host,
                port,
                backlog=BACKLOG,
                ssl=self._tls,
                ssl_handshake_timeout=handshake,
            )
        self._port = self._listener.sockets[0].getsockname()[1]

    def stop_accepting(self) -> None:
        """Close the listener and every idle connection; the others close after their answer.

        A request of which a part has come is still received, within *request_seconds*.
        """
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        self._shared.stop()

    async def drain(self) -> None:
        """Stop accepting; return when every request taken in is answered and written.

        A client that does not read its answer is waited for *request_seconds* at most.
        """
        self.stop_accepting()
        await self._shared.empty.wait()

    async def close(self) -> None:
        """Abort every connection, cancel the answers under way and wait for their end.

        May be called twice, and without `start`.
        """
        self.stop_accepting()
        await self._shared.abort()


def cannot_listen(who: str, host: str, port: int, error: OSError) -> ConfigError:
    """Return what to tell a person about *error*, met when *who* was to listen.

    Event loops wrap the system's own words into longer ones, each in its own way.
    """
    known = error.errno is not None and error.errno > 0  # negative: a host name's own errors
    said = os.strerror(error.errno or 0).lower() if known else (error.strerror or str(error))
    return ConfigError(f"{who}: cannot listen on {host}:{port}: {said}")
