"""The port of a protocol over HTTP: where to ask, what to send, how to judge the answer.

    Request ──call──▶ headers, body ──(models/rest.py, transports)──▶ status, headers, body
                                                Body, Rejected or Unavailable ◀──judge──┘

A protocol is pure: given bytes, it returns values. It knows no connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bridge.core.payload import Body
from bridge.core.ports import Request

#: Header lines, names in lower case.
Headers = Sequence[tuple[bytes, bytes]]


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

    def judge(self, status: int, headers: Headers, body: bytes, who: str) -> Body:
        """Return the answer's payload, its bytes unchanged.

        Raise Rejected if the model judged the request or answered garbage, Unavailable if
        the request is worth another try. The texts begin with *who*.
        """
        ...


def header(headers: Headers, name: bytes) -> bytes | None:
    """Return the first header called *name* (lower case), or None."""
    for known, value in headers:
        if known == name:
            return value
    return None
