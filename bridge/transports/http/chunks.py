"""A chunked body (RFC 9112, 7.1), from the first chunk size to the end of the trailers.

    5⏎ hello⏎ 0⏎ trailer: x⏎ ⏎ │ whatever follows
    ◀──────── feed() ────────▶ └ index returned

llhttp parses; it does not tell where a body ended. But a chunked body always ends with an
empty line, so it is fed in pieces that are cut after each one: what follows the end is never
touched, and the next request on the connection stays for its own parser.
"""

from __future__ import annotations

import httptools

#: Bytes of sizes, extensions and trailers that are free, and those allowed per body byte.
#: The smallest honest chunk (one byte) has five; beyond, somebody sends only framing.
FREE_FRAMING_BYTES = 64 * 1024
FRAMING_PER_BYTE = 16


class BadChunks(Exception):
    """The chunks are malformed; the text says how, and holds nothing of the input."""


class BodyTooLong(Exception):
    """The body is longer than its limit."""


class ChunkedBody:
    """Collects one chunked body of at most *max_bytes*. Trailers are read and dropped."""

    __slots__ = ("_body", "_done", "_fed", "_max_bytes", "_parser", "_tail")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._body = bytearray()
        self._fed = 0
        self._tail = b""
        self._done = False
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(_HEAD)

    def feed(self, data: bytes) -> int:
        """Take *data*; return the index after the body's end, or -1 if more must come.

        Raise BodyTooLong with the first byte over the limit, BadChunks for anything that is
        not exactly chunks.
        """
        joined = self._tail + data
        before = len(self._tail)
        start = search = 0
        while start < len(data):
            end = joined.find(b"\r\n\r\n", search)
            stop = len(data) if end < 0 else end + 4 - before
            try:
                self._parser.feed_data(data[start:stop])
            except httptools.HttpParserError as error:
                raise BadChunks(f"chunked body: {error}") from error
            if len(self._body) > self._max_bytes:
                raise BodyTooLong
            if self._done:
                return stop
            start = stop
            search = end + 2
        self._fed += len(data)
        if self._fed - len(self._body) > FREE_FRAMING_BYTES + FRAMING_PER_BYTE * len(self._body):
            raise BadChunks("chunked body: more framing than body")
        self._tail = joined[-3:]
        return -1

    @property
    def received_bytes(self) -> int:
        """How much of the body has come."""
        return len(self._body)

    def body(self) -> bytes:
        """Return what was collected."""
        return bytes(self._body)

    def on_body(self, piece: bytes) -> None:
        """Take a piece of the body (called by the parser)."""
        self._body += piece

    def on_message_complete(self) -> None:
        """Note the end of the body (called by the parser)."""
        self._done = True


#: A head that puts the parser where a chunked body begins.
_HEAD = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
