"""Bytes in, answers out: the incoming half of a client's connection, without a socket.

    expect(method) ─▶ take(data) ─▶ None · HttpResponse        end() ─▶ HttpResponse

A head that came before is not parsed again: a server that answers much answers much the
same, so most heads of one second are equal to the last byte.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from bridge.transports.http.chunks import BadChunks, BodyTooLong, ChunkedBody
from bridge.transports.http.fields import BadFields, Fields, framing_of, keeps_alive
from bridge.transports.http.messages import HttpResponse
from bridge.transports.http.writing import BODILESS

#: The largest head of an answer that is read.
MAX_HEAD_BYTES: Final = 64 * 1024

#: Interim answers (1xx) before the final one, at most.
MAX_INTERIM: Final = 16

#: Heads remembered a connection pool, at most so many, of at most so many bytes.
MAX_HEADS: Final = 64
MAX_REMEMBERED_BYTES: Final = 1024

#: How a body ends, where it is not a count of bytes.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2


class BadAnswer(Exception):
    """What came is no answer in HTTP/1.1; the text says how and holds nothing of the input."""


class AnswerTooLong(Exception):
    """The answer's body is longer than its limit."""


class ResponseHead:
    """One parsed head; remembered and shared, so nobody changes it."""

    __slots__ = ("headers", "keep_alive", "length", "status")

    def __init__(self, head: bytes, fields: Fields) -> None:
        """Parse *head* by means of *fields*; raise BadAnswer where it is none."""
        line = head[: head.find(b"\r\n")]
        known = _LINES.get(line)
        if known is None:
            known = _read_line(line)
        self.status, minor = known
        fields.clear()
        try:
            _Parser(fields).feed_data(head)
            framing = fields.framing
            self.headers = fields.headers.copy()
            if len(framing) == 1 and framing[0][0] == b"content-length":
                # The fast path: a length, and nothing that needs a second look.
                self.keep_alive = minor == 1
                self.length = 0 if self.status in BODILESS else int(framing[0][1])
                return
            by_name = framing_of(framing)
        except httptools.HttpParserUpgrade as error:
            raise BadAnswer("it switched protocols unasked") from error
        except (httptools.HttpParserError, BadFields) as error:
            raise BadAnswer(f"response head: {error}") from error
        self.keep_alive = keeps_alive(by_name.get(b"connection", b""), minor)
        length = by_name.get(b"content-length")
        if self.status < 200 or self.status in BODILESS:
            self.length = 0
        elif length is not None:
            self.length = int(length)
        else:
            self.length = CHUNKED if b"transfer-encoding" in by_name else UNTIL_CLOSE


class ResponseReader:
    """Reads one answer after the other.

    *started* tells whether any byte of the current answer has come. After an answer,
    *keep_alive* tells whether the connection may carry another.
    """

    __slots__ = (
        "_bodiless",
        "_chunks",
        "_fields",
        "_head",
        "_heads",
        "_held",
        "_interim",
        "_max_body_bytes",
        "keep_alive",
        "started",
    )

    def __init__(self, max_body_bytes: int, heads: dict[bytes, ResponseHead]) -> None:
        """*heads* are those remembered, shared by the connections of one pool."""
        self._max_body_bytes = max_body_bytes
        self._heads = heads
        self._fields = Fields(apart=True)
        self._held = bytearray()
        self._head: ResponseHead | None = None
        self._chunks: ChunkedBody | None = None
        self._bodiless = False
        self._interim = 0
        self.started = False
        self.keep_alive = True

    def expect(self, method: str) -> None:
        """Get ready for the answer to a *method*: that to a HEAD has no body."""
        self._bodiless = method == "HEAD"
        self._interim = 0
        self.started = False

    def take(self, data: bytes) -> HttpResponse | None:
        """Take *data*; return the answer once it is complete.

        Raise BadAnswer or AnswerTooLong; the connection is of no more use then. Bytes after
        the answer belong to nothing: they end *keep_alive*.
        """
        self.started = True
        held = self._held
        if held or self._head is not None:
            held += data
            data = b""
        if self._head is not None:
            return self._body(self._head)
        while True:
            if held:
                data = bytes(held)
                held.clear()
            end = data.find(b"\r\n\r\n") + 4
            if end < 4 or end > MAX_HEAD_BYTES:
                held += data
                if len(held) > MAX_HEAD_BYTES:
                    raise BadAnswer(f"response head: expected at most {MAX_HEAD_BYTES} bytes")
                if held[:5] != b"HTTP/"[: len(held)]:
                    raise BadAnswer("it does not begin with 'HTTP/'")
                return None
            head = self._read_head(data[:end])
            length = 0 if self._bodiless else head.length
            if head.status >= 200:
                self.keep_alive = head.keep_alive
                if length > self._max_body_bytes:
                    raise AnswerTooLong
                if length >= 0 and len(data) == end + length:
                    # The fast path: all of the answer, and nothing else, in one piece.
                    return HttpResponse(head.status, head.headers, data[end:])
                held += data[end:]
                self._head = head
                if length == CHUNKED:
                    self._chunks = ChunkedBody(self._max_body_bytes)
                return self._body(head)
            self._count_interim(head.status)
            data = data[end:]
            if not data:
                return None

    def end(self) -> HttpResponse | None:
        """Return the answer that the end of the connection completed, or None if none was."""
        head = self._head
        if head is None or head.length != UNTIL_CLOSE or self._bodiless:
            return None
        self._head = None
        return HttpResponse(head.status, head.headers, bytes(self._held))

    def _body(self, head: ResponseHead) -> HttpResponse | None:
        held = self._held
        if self._chunks is not None:
            data = bytes(held)
            held.clear()
            try:
                end = self._chunks.feed(data)
            except BadChunks as error:
                raise BadAnswer(str(error)) from error
            except BodyTooLong as error:
                raise AnswerTooLong from error
            if end < 0:
                return None
            body = self._chunks.body()
            self._chunks = None
            surplus = end < len(data)
        else:
            length = 0 if self._bodiless else head.length
            if length == UNTIL_CLOSE:
                self.keep_alive = False
                if len(held) > self._max_body_bytes:
                    raise AnswerTooLong
                return None
            if len(held) < length:
                return None
            body = bytes(held[:length])
            surplus = len(held) > length
            held.clear()
        if surplus:
            self.keep_alive = False
        self._head = None
        return HttpResponse(head.status, head.headers, body)

    def _read_head(self, head: bytes) -> ResponseHead:
        known = self._heads.get(head)
        if known is None:
            known = ResponseHead(head, self._fields)
            if len(head) <= MAX_REMEMBERED_BYTES:
                if len(self._heads) >= MAX_HEADS:
                    self._heads.clear()
                self._heads[head] = known
        return known

    def _count_interim(self, status: int) -> None:
        self._interim += 1
        if status == 101 or self._interim > MAX_INTERIM:
            raise BadAnswer(f"it sent {status} unasked, or interim answers without end")


_Parser = httptools.HttpResponseParser
#: Status lines remembered, at most so many, of at most so many bytes.
MAX_LINES: Final = 64
MAX_LINE_BYTES: Final = 64
_LINES: dict[bytes, tuple[int, int]] = {}
_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: .*)?")


def _read_line(line: bytes) -> tuple[int, int]:
    """Return status and minor version; what else is in the line is llhttp's to judge."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise BadAnswer("status line: expected 'HTTP/1.1 200 reason'")
    known = (int(found[2]), int(found[1]))
    if len(line) <= MAX_LINE_BYTES:
        if len(_LINES) >= MAX_LINES:
            _LINES.clear()
        _LINES[line] = known
    return known
