"""One connection to a far end: a request out, its answer in, then the next."""

from __future__ import annotations

import asyncio
from math import inf
from typing import Protocol, cast

from bridge.core.errors import Rejected, Unavailable
from bridge.transports.http.messages import HttpResponse
from bridge.transports.http.response_reader import (
    AnswerTooLong,
    BadAnswer,
    ResponseHead,
    ResponseReader,
)
from bridge.transports.http.writing import COPY_BYTES


class Stale(Exception):
    """A connection used before was closed before a byte of the answer came: ask again."""


class TimeIsUp(Exception):
    """No answer came within the deadline."""


class Home(Protocol):
    """The pool, as a connection sees it."""

    def release(self, connection: ClientConnection) -> None:
        """Take back *connection*, ready for the next request."""
        ...

    def forget(self, connection: ClientConnection) -> None:
        """Count out *connection*, closed or about to be. May be called twice."""
        ...

    def gone(self, connection: ClientConnection) -> None:
        """Note that the socket of *connection* is closed."""
        ...


class ClientConnection(asyncio.Protocol):
    """Carries one request at a time. Errors come with the future of `ask`, nowhere else."""

    transport: asyncio.Transport

    def __init__(
        self,
        home: Home,
        loop: asyncio.AbstractEventLoop,
        max_response_bytes: int,
        heads: dict[bytes, ResponseHead],
    ) -> None:
        self._home = home
        self._loop = loop
        self._max_response_bytes = max_response_bytes
        self._reader = ResponseReader(max_response_bytes, heads)
        self._answer: asyncio.Future[HttpResponse] | None = None
        self._reused = False
        self.closed = False
        self.deadline = inf

    def ask(
        self, method: str, head: bytes, body: bytes, deadline: float
    ) -> asyncio.Future[HttpResponse]:
        """Send a request; return the future of its answer.

        It ends with Stale, TimeIsUp, Unavailable or Rejected (texts without the URL) if no
        answer comes. Whoever cancels it calls `abort`.
        """
        answer: asyncio.Future[HttpResponse] = self._loop.create_future()
        if self.closed:
            answer.set_exception(Stale())
            return answer
        transport = self.transport
        self._answer = answer
        self.deadline = deadline
        self._reader.expect(method)
        if len(body) <= COPY_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        return answer

    def abort(self) -> None:
        """Close at once."""
        self._close()
        self.transport.abort()

    def dropped(self) -> None:
        """Close whatever there is: opening the connection failed, or was cancelled."""
        if hasattr(self, "transport"):
            self.abort()
        else:
            self._close()

    def expire(self) -> None:
        """Act on the deadline: an idle connection is closed, a request given up."""
        self.deadline = inf
        self._fail(TimeIsUp())

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Take a piece of the answer."""
        answer = self._answer
        if answer is None or answer.done():
            self._fail(None)  # nobody asked, or whoever asked has gone
            return
        try:
            response = self._reader.take(data)
        except BadAnswer as error:
            self._fail(Unavailable(f"garbage instead of an answer: {error}"))
            return
        except AnswerTooLong:
            limit = self._max_response_bytes
            self._fail(Rejected(f"answer: expected at most {limit} bytes"))
            return
        if response is None:
            return
        self._answer = None
        transport = self.transport
        # An answer that came before the request had left is the last on its connection.
        if self._reader.keep_alive and not transport.get_write_buffer_size() and not self.closed:
            self._reused = True
            self._home.release(self)
        else:
            self.abort()
        answer.set_result(response)

    def eof_received(self) -> bool:
        """The far end sends no more: that ends an answer, or leaves it half."""
        answer = self._answer
        if answer is not None and not answer.done():
            response = self._reader.end()
            if response is not None:
                self._answer = None
                answer.set_result(response)
        self._fail(self._broken("closed the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        cause = "closed the connection" if exc is None else in_words(exc)
        self._fail(self._broken(cause))
        self._home.gone(self)

    def _broken(self, cause: str) -> Exception:
        if self._reader.started:
            return Unavailable(f"half an answer: {cause}")
        if self._reused:
            return Stale()
        return Unavailable(f"no answer: {cause}")

    def _fail(self, error: Exception | None) -> None:
        answer, self._answer = self._answer, None
        self.abort()
        if answer is not None and not answer.done() and error is not None:
            answer.set_exception(error)

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            self.deadline = inf
            self._home.forget(self)


def in_words(error: BaseException) -> str:
    """Return *error* in words, without what asyncio adds to them."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
