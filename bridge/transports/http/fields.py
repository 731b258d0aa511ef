"""The headers of one head, as llhttp (httptools) calls them out: lowered, stripped, in order.

    head ─▶ llhttp, strict ─▶ on_header(name, value) ─▶ headers, all of them
                                                    └─▶ framing: those the head stands or falls by

One collector a connection, used for head after head: making one for each costs more than
what it does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.transports.http.names import FRAMING_NAMES

Field = tuple[bytes, bytes]

#: Says what a body is packed in: looked for in each head, but its author's own.
CONTENT_ENCODING: Final = b"content-encoding"

#: Those that say where a message ends, what becomes of its connection, who is meant, and how
#: the body is to be read.
FRAMING: Final = FRAMING_NAMES | {b"host", CONTENT_ENCODING}

#: Names remembered at most, and the longest of them; then it starts again.
MAX_NAMES: Final = 1024
MAX_NAME_BYTES: Final = 64


class BadFields(Exception):
    """The headers of a head could be read in two ways; the text holds nothing of the input."""


class Fields:
    """Collects what the parser finds. *on_header* is what the parser calls.

    With *apart*, framing fields are not among *headers*; the content coding always is.
    """

    __slots__ = ("framing", "headers", "on_header")

    def __init__(self, *, apart: bool) -> None:
        self.headers: list[Field] = []
        self.framing: list[Field] = []
        add, frame = self.headers.append, self.framing.append
        self.on_header = _collector(add, frame, frame if apart else add)

    def clear(self) -> None:
        """Get ready for the next head."""
        self.headers.clear()
        self.framing.clear()


def framing_of(framing: list[Field]) -> dict[bytes, bytes]:
    """Return the framing fields of one head by name.

    Raise BadFields for a repeated host (RFC 9112, 3.2), and for a coding that is not
    `chunked` alone. Repeated lengths and codings, and a length beside a coding, are llhttp's
    to refuse.
    """
    by_name = dict(framing)
    if len(by_name) != len(framing):
        for name in by_name:
            values = [value for known, value in framing if known == name]
            if name == b"host" and len(values) > 1:
                raise BadFields("header 'host' is repeated: expected one")
            by_name[name] = b", ".join(values)
    coding = by_name.get(b"transfer-encoding")
    if coding is not None and coding.lower() != b"chunked":
        raise BadFields("header 'transfer-encoding': expected 'chunked' alone")
    return by_name


def keeps_alive(connection: bytes, minor: int) -> bool:
    """Whether HTTP/1.*minor* with the header *connection* goes on (RFC 9112, 9.3)."""
    if not connection:
        return minor == 1
    tokens = [token.strip() for token in connection.lower().split(b",")]
    return b"close" not in tokens and (minor == 1 or b"keep-alive" in tokens)


def _collector(
    add: Callable[[Field], None],
    frame: Callable[[Field], None],
    add_framing: Callable[[Field], None],
) -> Callable[[bytes, bytes], None]:
    ordinary = _ORDINARY.get

    def on_header(name: bytes, value: bytes) -> None:
        lowered = ordinary(name)
        if lowered is None:
            lowered = _other(name)
            if lowered in FRAMING:
                field = (lowered, value.strip())
                frame(field)
                if lowered == CONTENT_ENCODING:
                    add(field)
                elif add_framing is not frame:
                    add_framing(field)
                return
        add((lowered, value.strip()))

    return on_header


def _other(name: bytes) -> bytes:
    """Return *name* in lower case; remember it, unless it frames."""
    lowered = _FRAMING_NAMES.get(name)
    if lowered is not None:
        return lowered
    lowered = name.lower()
    if len(name) <= MAX_NAME_BYTES:
        table = _FRAMING_NAMES if lowered in FRAMING else _ORDINARY
        if len(table) >= MAX_NAMES:
            table.clear()
        table[name] = lowered
    return lowered


#: As received → in lower case.
_ORDINARY: dict[bytes, bytes] = {}
_FRAMING_NAMES: dict[bytes, bytes] = {}
