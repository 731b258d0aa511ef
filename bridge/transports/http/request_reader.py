"""Bytes in, requests out: one connection's incoming half, without a socket.

    data ─▶ take() ─▶ None (more must come) · HttpRequest · raise RequestRefused
               └ held: what came after the request, untouched until the next take()

llhttp (httptools) parses each head, strictly; `tests/unit/transports/test_request_reader.py`
holds it to that. What it lets through and HTTP/1.1 does not is refused here: see `_read_head`.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from bridge.transports.http.chunks import BadChunks, BodyTooLong, ChunkedBody
from bridge.transports.http.fields import (
    CONTENT_ENCODING,
    BadFields,
    Field,
    Fields,
    framing_of,
    keeps_alive,
)
from bridge.transports.http.messages import HttpRequest

#: Empty lines before a request that are skipped (RFC 9112, 2.2 asks for one at least).
MAX_EMPTY_LINES: Final = 8


class RequestRefused(Exception):
    """What came is no request that will be answered; the connection cannot go on.

    *text* says what, where and what was expected. It holds nothing of the input.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class RequestReader:
    """Cuts a stream into requests.

    After `take` returned None, *wants_continue* tells that the sender waits for a
    `100 Continue` before it sends the body; whoever sends it sets it back. After a request,
    *keep_alive* and *minor* (of `HTTP/1.minor`) are those of that request.
    """

    __slots__ = (
        "_chunks",
        "_empty_lines",
        "_fields",
        "_held",
        "_length",
        "_max_body_bytes",
        "_max_head_bytes",
        "_request",
        "_searched",
        "keep_alive",
        "minor",
        "wants_continue",
    )

    def __init__(self, max_head_bytes: int, max_body_bytes: int) -> None:
        self._max_head_bytes = max_head_bytes
        self._max_body_bytes = max_body_bytes
        self._held = bytearray()
        self._searched = 0
        self._empty_lines = 0
        self._request: HttpRequest | None = None
        self._length = 0
        self._chunks: ChunkedBody | None = None
        self._fields = Fields(apart=False)
        self.keep_alive = True
        self.minor = 1
        self.wants_continue = False

    @property
    def held_bytes(self) -> int:
        """How many bytes wait for the next `take`."""
        return len(self._held)

    @property
    def received_bytes(self) -> int:
        """How much is kept of a request that is not complete."""
        return len(self._held) + (0 if self._chunks is None else self._chunks.received_bytes)

    @property
    def midway(self) -> bool:
        """Whether a part of a request has come, and not all of it; empty lines are none."""
        held = self._held
        return self._request is not None or (len(held) > 0 and held != b"\r")

    def hold(self, data: bytes) -> None:
        """Keep *data* for the next `take`."""
        self._held += data

    def take(self, data: bytes) -> HttpRequest | None:
        """Take *data* (or none) and return the next request, once it is complete.

        Call it again with no data for further requests that came along. After
        RequestRefused the reader is of no more use.
        """
        if self._request is None and not self._held:
            # The fast path: a request, or its head at least, came in one piece.
            end = data.find(b"\r\n\r\n") + 4
            if end < 4 or data[0] == _CR:
                self._held += data
                return self._from_held()
            request = self._read_head(data[:end])
            stop = end + self._length
            if self._chunks is None and len(data) >= stop:
                if len(data) > stop:
                    self._held += data[stop:]
                request.body = data[end:stop]
                return request
            self._request = request
            self._held += data[end:]
            return self._rest_of(request)
        self._held += data
        return self._from_held()

    def _from_held(self) -> HttpRequest | None:
        held = self._held
        request = self._request
        if request is None:
            while held[:2] == b"\r\n":
                self._empty_lines += 1
                if self._empty_lines > MAX_EMPTY_LINES:
                    raise RequestRefused(400, "request line: empty lines came instead")
                del held[:2]
                self._searched = 0
            end = held.find(b"\r\n\r\n", max(0, self._searched - 3)) + 4
            if end < 4:
                self._searched = len(held)
                if len(held) > self._max_head_bytes:
                    raise self._head_too_long(held)
                return None
            self._searched = 0
            head = bytes(held[:end])
            self._request = request = self._read_head(head)
            del held[:end]
        return self._rest_of(request)

    def _rest_of(self, request: HttpRequest) -> HttpRequest | None:
        held = self._held
        if self._chunks is None:
            length = self._length
            if len(held) < length:
                return None
            request.body = bytes(held[:length])
            del held[:length]
        else:
            data = bytes(held)
            held.clear()
            try:
                end = self._chunks.feed(data)
            except BadChunks as error:
                raise RequestRefused(400, str(error)) from error
            except BodyTooLong as error:
                raise self._body_too_long() from error
            if end < 0:
                return None
            held += data[end:]
            request.body = self._chunks.body()
            self._chunks = None
        self._request = None
        self.wants_continue = False
        return request

    def _read_head(self, head: bytes) -> HttpRequest:
        """Return the request of *head*, its body to come; decide how the body is framed.

        Beyond llhttp: other protocols and versions, two spaces in the request line, Host
        missing or repeated, codings besides chunked, a coding in HTTP/1.0, fragments.
        """
        if len(head) > self._max_head_bytes:
            raise self._head_too_long(head)
        line = head[: head.find(b"\r\n")]
        known = _LINES.get(line)
        if known is None:
            known = _read_line(line)
        fields = self._fields
        fields.clear()
        try:
            _Parser(fields).feed_data(head)
        except httptools.HttpParserUpgrade:
            pass  # offered, not taken: RFC 9110, 7.8 lets a server go on in HTTP/1.1
        except httptools.HttpParserInvalidMethodError as error:
            raise RequestRefused(400, "request line: a method nobody here knows") from error
        except httptools.HttpParserError as error:
            raise RequestRefused(400, f"request head: {error}") from error
        method, target, path, query, self.minor = known
        self._empty_lines = 0
        coding = self._read_framing(fields.framing)
        return HttpRequest(method, target, path, query, tuple(fields.headers), b"", coding)

    def _read_framing(self, framing: list[Field]) -> bytes:
        """Decide how long the body is, and what becomes of the connection.

        Return the body's content coding, empty if it has none.
        """
        self.wants_continue = False
        minor = self.minor
        if len(framing) == 2 and minor:
            # The fast path: Host and Content-Length, and nothing that needs a second look.
            (first, _), (second, length) = framing
            if first == b"content-length":
                first, second, length = second, first, framing[0][1]
            if first == b"host" and second == b"content-length":
                self._length = int(length)
                if self._length > self._max_body_bytes:
                    raise self._body_too_long()
                self.keep_alive = True
                return b""
        try:
            by_name = framing_of(framing)
        except BadFields as error:
            raise RequestRefused(400, f"request head: {error}") from error
        if minor and b"host" not in by_name:
            raise RequestRefused(400, "header 'host' is missing: HTTP/1.1 expects one")
        self._length = int(by_name.get(b"content-length", b"0"))
        if self._length > self._max_body_bytes:
            raise self._body_too_long()
        coding = by_name.get(b"transfer-encoding")
        if coding is not None:
            if not minor:
                raise RequestRefused(400, "header 'transfer-encoding': HTTP/1.0 has none")
            self._chunks = ChunkedBody(self._max_body_bytes)
        self.keep_alive = keeps_alive(by_name.get(b"connection", b""), minor)
        expect = by_name.get(b"expect")
        if expect is not None and minor:
            if expect.lower() != b"100-continue":
                raise RequestRefused(417, "header 'expect': expected '100-continue' or none")
            self.wants_continue = self._length > 0 or coding is not None
        return by_name.get(CONTENT_ENCODING, b"")

    def _head_too_long(self, head: bytes | bytearray) -> RequestRefused:
        limit = self._max_head_bytes
        if head.find(b"\r\n", 0, limit) < 0:
            return RequestRefused(414, f"request line: expected a head of at most {limit} bytes")
        return RequestRefused(431, f"request head: expected at most {limit} bytes")

    def _body_too_long(self) -> RequestRefused:
        return RequestRefused(413, f"body: expected at most {self._max_body_bytes} bytes")


#: A request line, read: method, target, path, query, minor version.
_Line = tuple[str, str, str, str, int]

#: Request lines remembered, at most so many, of at most so many bytes: most are the same.
MAX_LINES: Final = 256
MAX_LINE_BYTES: Final = 256
_LINES: dict[bytes, _Line] = {}

_Parser = httptools.HttpRequestParser
_CR = 13
_LINE = re.compile(rb"([A-Z][A-Z-]*) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])")
_ORIGIN = re.compile(r"(?i:https?)://[^/?#]+")


def _read_line(line: bytes) -> _Line:
    found = _LINE.fullmatch(line)
    if found is None:
        raise RequestRefused(400, "request line: expected 'METHOD /path HTTP/1.1'")
    if found[3] != b"1" or found[4] not in b"01":
        # 505 would have a Knative sender come again, with the same line.
        raise RequestRefused(400, "request line: expected HTTP/1.1 or HTTP/1.0")
    method, target = found[1].decode(), found[2].decode()
    if method == "CONNECT":
        raise RequestRefused(400, "method CONNECT: this is no proxy")
    rest = target
    if not target.startswith("/"):
        origin = _ORIGIN.match(target)
        if origin is not None:
            rest = target[origin.end() :]
            if not rest.startswith("/"):
                rest = "/" + rest
        elif not (target == "*" and method == "OPTIONS"):
            raise RequestRefused(400, "request target: expected a path that starts with '/'")
    if "#" in target:
        raise RequestRefused(400, "request target: expected no fragment")
    path, _, query = rest.partition("?")
    known = (method, target, path, query, int(found[4]))
    if len(line) <= MAX_LINE_BYTES:
        if len(_LINES) >= MAX_LINES:
            _LINES.clear()
        _LINES[line] = known
    return known
