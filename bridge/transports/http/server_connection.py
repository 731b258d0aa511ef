"""One accepted connection, from its first byte to its last."""

from __future__ import annotations

import asyncio
from math import inf
from typing import cast

import structlog

from bridge.transports.http.isolation import isolated
from bridge.transports.http.messages import HttpRequest, HttpResponse
from bridge.transports.http.request_reader import RequestReader, RequestRefused
from bridge.transports.http.shared import Shared
from bridge.transports.http.writing import (
    BODILESS,
    CLOSE,
    CONTINUE,
    COPY_BYTES,
    KEEP_ALIVE,
    response_head,
)

#: Bytes that may wait while an answer is under way; beyond, reading is paused.
HOLD_BYTES = 64 * 1024

#: How long, and for how many bytes, a connection is still read after its last answer, so
#: that the client gets to read that answer instead of a reset.
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 1024 * 1024

TEXT = (b"content-type", b"text/plain; charset=utf-8")

log = structlog.get_logger()


#: The status of an answer that could not be made; the log has its traceback.
BUG = 500


class Connection(asyncio.Protocol):
    """Reads requests, has them answered one at a time, writes the answers."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._loop = shared.loop
        self._reader = RequestReader(shared.max_head_bytes, shared.max_body_bytes)
        self.deadline = inf
        self._request: HttpRequest | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._write_paused = False
        self._read_paused = False
        self._eof = False
        self._over = False  # no further request will be read
        self._lost = False
        self._lingered = 0
        self._receiving = 0
        self._late = 0  # bytes that came after the listener was asked to stop

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless the listener is stopping or full."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        shared = self._shared
        self.deadline = self._loop.time() + shared.idle_seconds
        crowded = len(shared.connections) >= shared.max_connections
        shared.joined(self)
        self._task = self._loop.create_task(self._run())
        self._task.add_done_callback(self._ended)
        if crowded:
            text = f"connections: {shared.max_connections} are open already"
            self._refuse(RequestRefused(503, text))
        elif shared.stopping:
            self._close()

    def data_received(self, data: bytes) -> None:
        """Take bytes; wake the task once they make a request."""
        waiter = self._waiter
        if self._shared.stopping:
            self._late += len(data)
        if waiter is None or self._over:
            if self._over:
                self._lingered += len(data)
                if self._lingered > LINGER_BYTES:
                    self._transport.abort()
                return
            self._reader.hold(data)
            if self._reader.held_bytes > HOLD_BYTES and not self._read_paused:
                self._read_paused = True
                self._transport.pause_reading()
            return
        reader = self._reader
        began = not reader.midway
        self._take(data)
        if self._request is None and not self._over:
            self._receive(reader.received_bytes)
        elif self._receiving:
            self._receive(0)
        if self._request is not None or self._over:
            self._waiter = None
            waiter.set_result(None)
        elif began and reader.midway:  # an empty line begins nothing, and buys no time
            self._await_rest()

    def eof_received(self) -> bool:
        """The client sends no more; it may still be owed an answer."""
        self._eof = True
        if self._over:
            return False
        if self._waiter is not None:
            # Nothing is owed: what has come of a request will never be whole.
            self._close()
            return False
        # A half-closed TLS connection does not exist: there the answer is lost.
        return self._shared.plain

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's
        """Wake whoever waits; an answer under way runs to its end, and is dropped."""
        self._lost = self._over = True
        self._receive(0)
        self.deadline = inf
        self._wake()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        if self._task.done():
            self._shared.left(self)

    def pause_writing(self) -> None:
        """The client reads slower than we write."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """It caught up."""
        self._write_paused = False
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # What the listener calls

    def stop(self) -> None:
        """Close now if nothing is owed, else after the answer."""
        if self._waiter is not None and not self._reader.midway and not self._over:
            if self._shared.plain:
                self._linger()
            else:
                self._close()
            self._wake()

    def abort(self) -> None:
        """Close at once, and cancel the answer under way."""
        self._over = True
        self._transport.abort()
        self._task.cancel()

    def expire(self) -> None:
        """Act on the deadline that has passed."""
        if self._waiter is not None and not self._over:
            if self._reader.midway:
                seconds = self._shared.request_seconds
                self._refuse(RequestRefused(408, f"request: expected all of it in {seconds:g} s"))
            else:
                self._close()
            self._wake()
        else:
            self.deadline = inf
            self._transport.abort()

    # The task

    async def _run(self) -> None:
        answer = self._shared.answer
        while True:
            self._look()
            if self._request is None and not self._over:
                self._waiter = self._loop.create_future()
                await self._waiter
            request = self._request
            if request is None:
                return
            self._request = None
            self.deadline = inf
            try:
                response = await isolated(answer, request)
                self._respond(request, response)
            except asyncio.CancelledError:
                if self._shared.aborting:
                    raise
                self._failed(request)
            except Exception:  # noqa: BLE001  # a bug in the answer must not end the listener
                self._failed(request)
            if self._write_paused and not self._lost:
                await self._drained()

    def _look(self) -> None:
        """Take the next request from what is held; if there is none, get ready to wait."""
        if self._over:
            return
        reader = self._reader
        if reader.held_bytes:
            self._take(b"")
            if self._request is not None or self._over:
                return
        shared = self._shared
        if self._eof or (shared.stopping and not reader.midway):
            self._close()
            return
        if reader.midway:
            self._await_rest()
        else:
            self.deadline = deadline = self._loop.time() + shared.idle_seconds
            if deadline < shared.deadlines.wake_at:
                shared.deadlines.soon(deadline)
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()

    def _receive(self, held_bytes: int) -> None:
        """Note what is held of a request that is not complete; refuse it if that is too much."""
        shared = self._shared
        shared.receiving_bytes += held_bytes - self._receiving
        self._receiving = held_bytes
        if held_bytes and shared.receiving_bytes > shared.max_receiving_bytes:
            self._receive(0)
            limit = shared.max_receiving_bytes
            self._refuse(RequestRefused(503, f"requests: {limit} bytes are arriving already"))

    def _take(self, data: bytes) -> None:
        try:
            self._request = self._reader.take(data)
        except RequestRefused as refused:
            self._refuse(refused)
            return
        if self._reader.wants_continue:
            self._reader.wants_continue = False
            self._transport.write(CONTINUE)

    def _await_rest(self) -> None:
        """Give the request that has begun its time."""
        self.deadline = deadline = self._loop.time() + self._shared.request_seconds
        self._shared.deadlines.soon(deadline)

    def _respond(self, request: HttpRequest, response: HttpResponse) -> None:
        """Write *response*; raise ValueError, and write nothing, if it cannot be sent."""
        shared = self._shared
        reader = self._reader
        extra = b""
        # Of a listener that stops, only what had begun to come before is still owed.
        if not reader.keep_alive or (shared.stopping and reader.held_bytes <= self._late):
            close = True
            extra = CLOSE
        else:
            close = False
            if reader.minor == 0:
                extra = KEEP_ALIVE
        head = response_head(response, shared.date(self._loop.time()), extra)
        if self._lost:
            return
        body = response.body
        if request.method == "HEAD" or response.status in BODILESS:
            self._transport.write(head)
        elif len(body) <= COPY_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        if close:
            if reader.keep_alive:
                self._linger()
            else:
                self._close()

    def _failed(self, request: HttpRequest) -> None:
        log.exception("answer failed", method=request.method, path=request.path)
        self._refuse(RequestRefused(BUG, "the answer could not be made: see the log"))

    def _refuse(self, refused: RequestRefused) -> None:
        """Answer what is no request, or has no answer, and read no more."""
        if self._shared.on_refusal is not None and refused.status != BUG:
            self._shared.on_refusal(refused.status, refused.text)
        if self._lost:
            return
        response = HttpResponse(refused.status, (TEXT,), refused.text.encode())
        date = self._shared.date(self._loop.time())
        self._transport.write(response_head(response, date, CLOSE) + response.body)
        self._linger()

    def _linger(self) -> None:
        """End our side; go on reading for a moment, or a reset may overtake the answer.

        TLS has no half-closed connections: there the client learns of the end from the
        answer's `connection: close`, and reading goes on just the same.
        """
        if self._lost:
            return
        if self._eof:
            self._close()
            return
        self._over = True
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._read_paused:
            self._read_paused = False
            self._transport.resume_reading()
        self._leave_until(LINGER_SECONDS)

    def _close(self) -> None:
        """Close when what is written has left."""
        self._over = True
        self._transport.close()
        self._leave_until(self._shared.request_seconds)

    def _leave_until(self, seconds: float) -> None:
        if not self._lost:
            self.deadline = deadline = self._loop.time() + seconds
            self._shared.deadlines.soon(deadline)

    async def _drained(self) -> None:
        """Wait until the client has taken most of the answer."""
        if not self._over:
            self._leave_until(self._shared.request_seconds)
        self._writable = self._loop.create_future()
        await self._writable
        self._writable = None

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            error = task.exception()
            if error is not None:
                log.error("connection failed", exc_info=error)
                self._transport.abort()
        if self._lost:
            self._shared.left(self)
