"""The port of a protocol over HTTP: where to ask, what to send, how to judge the answer.

    Request ──call──▶ headers, body ──(models/rest.py, transports)──▶ status, headers, body
                                                Body, Rejected or Unavailable ◀──judge──┘

A protocol is pure: given bytes, it returns values. It knows no connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

from bridge.core.payload import Body
from bridge.core.ports import Request

#: Header lines, names in lower case.
Headers = tuple[tuple[bytes, bytes], ...]

#: Longest pause that a model's Retry-After can ask of us.
MAX_RETRY_AFTER_SECONDS: Final = 3600.0


class RestProtocol(Protocol):
    """What one family of model servers speaks over HTTP."""

    def path(self, name: str | None) -> str:
        """Return where the model called *name* answers, below the server's base URL.

        Raise ConfigError if the protocol needs a name and there is none.
        """
        ...

    def probe_path(self, name: str | None) -> str:
        """Return where the server says that it is well."""
        ...

    def call(self, request: Request) -> tuple[Headers, bytes]:
        """Return the headers and the body that ask *request*.

        Raise Rejected if its payload cannot be said in this protocol.
        """
        ...

    def judge(
        self, status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, who: str
    ) -> Body:
        """Return the answer's payload, its bytes unchanged.

        Raise Rejected if the model judged the request or answered garbage, Unavailable if
        the request is worth another try. The texts begin with *who*.
        """
        ...


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the first header called *name* (lower case), or None."""
    for known, value in headers:
        if known.lower() == name:
            return value
    return None


def retry_after_seconds(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return the pause that Retry-After asks for, or None if it names none we can read.

    A date is measured on the `Date` of the same answer: one clock, so no skew between two.
    Never negative, never more than MAX_RETRY_AFTER_SECONDS.
    Source: RFC 9110, section 10.2.3.
    """
    headers = tuple(headers)
    value = header(headers, b"retry-after")
    if value is None:
        return None
    text = value.strip()
    if text.isdigit():
        return min(float(text[:20]), MAX_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(text.decode("latin-1"))
        now = parsedate_to_datetime((header(headers, b"date") or b"").decode("latin-1"))
        pause = (until - now).total_seconds()
    except (ValueError, TypeError):  # no date, or one with and one without a zone
        return None
    return min(max(pause, 0.0), MAX_RETRY_AFTER_SECONDS)
