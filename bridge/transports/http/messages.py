"""A request and an answer as values: what both ends of a connection hand around.

Built once an event, so they are plain classes with slots: half the price of a frozen
dataclass. Nobody changes one after it is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parsedate_to_datetime

#: Names in lower case, values without outer whitespace, in the order they came, repeats kept.
Headers = tuple[tuple[bytes, bytes], ...]


class HttpRequest:
    """One request, received to its last byte.

    *target* is as sent; *path* is its path and *query* what follows the question mark, both
    undecoded. Of an absolute target (`http://host/path`) only the path counts. *coding* is
    what its Content-Encoding says, empty if there is none: the body is as sent, and
    `decompression.unpacked` undoes it.
    """

    __slots__ = ("body", "coding", "headers", "method", "path", "query", "target")

    def __init__(  # noqa: PLR0917  # built by position: twice as fast, in one place
        self,
        method: str,
        target: str,
        path: str,
        query: str,
        headers: Headers,
        body: bytes,
        coding: bytes = b"",
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.coding = coding

    def header(self, name: bytes) -> bytes | None:
        """Return the first header called *name* (lower case), or None."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    def __repr__(self) -> str:
        """Name the request; headers, query and body may hold secrets and are left out."""
        return f"<HttpRequest {self.method} {self.path} {len(self.body)} bytes>"


class HttpResponse:
    """One answer, complete.

    *headers* are the author's alone: Content-Length, Transfer-Encoding, Connection and their
    like belong to the connection, which adds them and takes them off. Names are in lower case.
    """

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name: bytes) -> bytes | None:
        """Return the first header called *name* (lower case), or None."""
        for known, value in self.headers:
            if known == name:
                return value
        return None

    def __repr__(self) -> str:
        """Name the answer; headers and body may hold secrets and are left out."""
        return f"<HttpResponse {self.status} {len(self.body)} bytes>"


def retry_after_seconds(response: HttpResponse) -> float | None:
    """Return how long *response* asks to wait (RFC 9110, 10.2.3), or None if it does not say.

    A date is measured against the answer's own Date, so that two clocks need not agree; an
    unreadable value, or a date without a Date, says nothing.
    """
    value = response.header(b"retry-after")
    if value is None:
        return None
    if value.isdigit() and len(value) <= _MAX_DIGITS:
        return float(value)
    date = response.header(b"date")
    if date is None:
        return None
    try:
        until = parsedate_to_datetime(value.decode("latin-1"))
        sent = parsedate_to_datetime(date.decode("latin-1"))
        return max(0.0, (until - sent).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


#: A pause with more digits than these is no answer anybody meant.
_MAX_DIGITS = 9
