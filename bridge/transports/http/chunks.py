r"""A chunked body (RFC 9112, 7.1), from the first chunk size to the end of the trailers.

    5⏎ hello⏎ 0⏎ trailer: x⏎ ⏎ │ whatever follows
    ◀──────── feed() ────────▶ └ index returned

Parsed here and not by llhttp, which does not tell where a body ended: finding out by cutting
at every empty line cost 1.7 s for 8 MB of nothing but empty lines. A chunk is one slice here,
whatever is in it. `tests/unit/transports/test_chunks.py` holds this to what llhttp accepts.
"""

from __future__ import annotations

import re
from typing import Final

#: Bytes of sizes, extensions and trailers that are free, and those allowed per body byte.
#: The smallest honest chunk (one byte) has five; beyond, somebody sends only framing.
FREE_FRAMING_BYTES: Final = 64 * 1024
FRAMING_PER_BYTE: Final = 16

#: The longest line of a chunk's size with its extensions, and of a trailer.
MAX_LINE_BYTES: Final = 8 * 1024


class BadChunks(Exception):
    """The chunks are malformed; the text says how, and holds nothing of the input."""


class BodyTooLong(Exception):
    """The body is longer than its limit."""


class ChunkedBody:
    """Collects one chunked body of at most *max_bytes*. Trailers are read and dropped."""

    __slots__ = ("_body", "_fed", "_left", "_max_bytes", "_rest")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._body = bytearray()
        self._fed = 0
        self._rest = b""  # of a line that is not complete
        self._left = _AT_SIZE  # or what is missing of an open chunk, its line end included

    def feed(self, data: bytes) -> int:
        """Take *data*; return the index after the body's end, or -1 if more must come.

        Raise BodyTooLong as soon as a chunk's size is over the limit, BadChunks for anything
        that is not exactly chunks.
        """
        self._fed += len(data)
        kept = len(self._rest)
        if kept:
            data = self._rest + data
        body, left, at = self._body, self._left, 0
        while left >= 0:
            if left:
                stop = at + left
                if len(data) < stop:
                    end = min(len(data), stop - 2)
                    body += data[at:end]
                    left -= end - at
                    at = end
                    if data[at:] not in _LINE_ENDS_BEGUN:
                        raise BadChunks(_BAD_END)
                    break
                if data[stop - 2 : stop] != b"\r\n":
                    raise BadChunks(_BAD_END)
                body += data[at : stop - 2]
                at = stop
            line = _SIZE.match(data, at)
            if line is None:
                _check_begun(data, at, _BAD_SIZE)
                left = _AT_SIZE
                break
            size = int(line[1], 16)
            if len(body) + size > self._max_bytes:
                raise BodyTooLong
            left = size + 2 if size else _AT_TRAILER
            if line.end() - at > MAX_LINE_BYTES:
                raise BadChunks(_BAD_SIZE)
            at = line.end()
        self._left = left
        if left == _AT_TRAILER:
            at, ended = _trailers(data, at)
            if ended:
                return at - kept
        self._rest = data[at:]
        framing = self._fed - len(body)
        if framing > FREE_FRAMING_BYTES + FRAMING_PER_BYTE * len(body):
            raise BadChunks("chunked body: more framing than body")
        return -1

    @property
    def received_bytes(self) -> int:
        """How much of the body has come, with the line that has begun."""
        return len(self._body) + len(self._rest)

    def body(self) -> bytes:
        """Return what was collected."""
        return bytes(self._body)


def _trailers(data: bytes, at: int) -> tuple[int, bool]:
    """Read the lines at *at*; return where they end, and whether the empty one has come."""
    while True:
        line = _TRAILER.match(data, at)
        if line is None:
            _check_begun(data, at, _BAD_TRAILER)
            return at, False
        if line.end() - at > MAX_LINE_BYTES:
            raise BadChunks(_BAD_TRAILER)
        at = line.end()
        name = line[1]
        if name is None:
            return at, True
        if name.lower() in _FORBIDDEN:
            raise BadChunks(f"chunked body: trailer '{name.decode().lower()}' has no place there")


def _check_begun(data: bytes, at: int, otherwise: str) -> None:
    """Raise BadChunks unless the line at *at*, which is none yet, may still become one."""
    first = data.find(b"\r", at)
    begun = first < 0 or first == len(data) - 1
    if not begun or data.find(b"\n", at) >= 0 or len(data) - at > MAX_LINE_BYTES:
        raise BadChunks(otherwise)


_AT_SIZE: Final = 0
_AT_TRAILER: Final = -1
_LINE_ENDS_BEGUN: Final = (b"", b"\r")

_BAD_END: Final = "chunked body: expected a line end after the chunk's bytes"
_BAD_SIZE: Final = "chunked body: expected a chunk size, in hexadecimal digits alone"
_BAD_TRAILER: Final = "chunked body: expected 'name: value' or an empty line after the last chunk"

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = rb'"(?:[\t\x20-\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;%b(?:=(?:%b|%b))?+)*+\r\n" % (_TOKEN, _TOKEN, _QUOTED))
_TRAILER = re.compile(rb"(?:(%b):[\t\x20-\x7e\x80-\xff]*+)?+\r\n" % _TOKEN)

#: What says where a message ends has no place behind it (RFC 9110, 6.5.1).
_FORBIDDEN: Final = frozenset((b"content-length", b"host", b"transfer-encoding"))
