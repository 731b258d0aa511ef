"""Header names that may be written: checked once, and remembered.

The same twenty names go with every event. Whoever invents names fills the memory up to its
limit, and then it starts again.
"""

from __future__ import annotations

import re

#: Names remembered at most, and the longest of them.
MAX_NAMES = 1024
MAX_NAME_BYTES = 64

#: Those that frame a message or belong to one connection: never an author's to set.
FRAMING_NAMES = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)

#: Good names that a head has once, so that the author's replaces the connection's own.
RARE = frozenset((b"date", b"host"))

#: Names that `check_name` has passed.
CHECKED: set[bytes] = set()


def check_name(name: bytes) -> None:
    """Raise ValueError unless *name* is a token (RFC 9110, 5.6.2) an author may set.

    A good name is remembered in CHECKED; RARE ones are not, so that whoever writes a head
    can look for them where a name is new.
    """
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"header name {name[:60]!r}: expected a token, as content-type")
    if name.lower() in FRAMING_NAMES:
        raise ValueError(f"header {name.decode()!r}: it belongs to the connection")
    if len(name) <= MAX_NAME_BYTES and name not in RARE:
        if len(CHECKED) >= MAX_NAMES:
            CHECKED.clear()
        CHECKED.add(name)


_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
