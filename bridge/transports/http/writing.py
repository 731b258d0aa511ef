"""Heads as bytes: one piece for one write, proven free of injected lines.

    status or request line + author's headers + framing ──▶ head, checked as a whole

The proof is one pass at C speed: what is left of a head without its printable bytes must be
exactly one CR LF a line. So no value, wherever it came from, can start a line of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from bridge.transports.http.messages import HttpResponse
from bridge.transports.http.names import CHECKED, check_name

#: Above this size a body is written by itself instead of being copied behind its head.
COPY_BYTES = 64 * 1024

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"connection: close\r\n"
KEEP_ALIVE = b"connection: keep-alive\r\n"


def response_head(response: HttpResponse, date: bytes, extra: bytes) -> bytes:
    """Return the head of *response*, with *date* (unless it has one) and *extra*, or neither.

    Both are whole header lines of the connection's own.

    Raise ValueError for a status that is no final one, a header that is the connection's
    own, a name that is no token, a value that holds CR, LF, NUL or another control character.
    """
    status = response.status
    line = _STATUS_LINES.get(status)
    if line is None:
        line = _status_line(status)
    headers = response.headers
    for name, _ in headers:
        if name not in CHECKED:
            check_name(name)
            if name == b"date":
                date = b""
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    if head.translate(None, _PRINTABLE) != b"\r\n" * len(headers):
        raise ValueError(_offender(headers))
    if status in BODILESS:
        return b"%b%b%b%b\r\n" % (line, head, date, extra)
    return b"%b%bcontent-length: %d\r\n%b%b\r\n" % (line, head, len(response.body), date, extra)


def request_head(
    start: bytes, headers: Sequence[tuple[bytes, bytes]], length: int, proven: bytes = b""
) -> bytes:
    """Return *start* (request line and Host) with *headers* and framing.

    *proven* are whole header lines that `check_headers` has passed.

    A Host among *headers* stands in place of the one in *start*: a virtual host, as an
    ingress wants it.

    Raise ValueError as `response_head` does.
    """
    for name, _ in headers:
        if name not in CHECKED:
            check_name(name)
            if name == b"host":
                start = start[: start.find(b"host: ")]
    head = b"".join([b"%b: %b\r\n" % header for header in headers])
    if head.translate(None, _PRINTABLE) != b"\r\n" * len(headers):
        raise ValueError(_offender(headers))
    return b"%b%b%bcontent-length: %d\r\n\r\n" % (start, proven, head, length)


def check_headers(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Raise ValueError as `response_head` does, for those who write heads elsewhere."""
    for name, value in headers:
        if name not in CHECKED:
            check_name(name)
        if value.translate(None, _PRINTABLE):
            raise ValueError(_offender(headers))


#: Answers that never carry a body (RFC 9110, 15.3.5 and 15.4.5).
BODILESS = frozenset((204, 304))

_PRINTABLE = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

_STATUS_LINES: dict[int, bytes] = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    for status in HTTPStatus
    if status.value >= 200
}


def _status_line(status: int) -> bytes:
    if not 200 <= status <= 599:
        raise ValueError(f"status {status}: expected a final one, 200 to 599")
    return b"HTTP/1.1 %d \r\n" % status


def _offender(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """Name the header whose value cannot be sent; the value itself may be a secret."""
    for name, value in headers:
        if value.translate(None, _PRINTABLE):
            return (
                f"header {name.decode()!r}: its value holds a control character; "
                "expected none of CR, LF, NUL and their like"
            )
    raise AssertionError("every value is printable, and yet the head is not")
