"""One attribute's value as an HTTP header's value, and back.

Source: CloudEvents HTTP binding 1.0.2, 3.1.3.2 HTTP Header Values.
"""

from __future__ import annotations

import re
from typing import Final

#: Printable ASCII that needs no percent-encoding: U+0021 to U+007E without `"` and `%`.
PLAIN: Final = bytes(set(range(0x21, 0x7F)) - set(b'"%'))


def decode_value(raw: bytes) -> str:
    """Return the text of header value *raw*; raise UnicodeDecodeError if it is not UTF-8.

    A quoted string is undone, then one round of percent-encoding. What looks like neither
    (a lone `%`, a quote in the middle) is taken as it stands: Go, Java and JavaScript send
    such values unescaped.
    """
    raw = raw.strip(b" \t")
    if raw[:1] == b'"' and _QUOTED.fullmatch(raw) is not None:
        raw = _QUOTED_PAIR.sub(rb"\1", raw[1:-1])
    if b"%" in raw:
        raw = _TRIPLET.sub(_byte, raw)
    return raw.decode()


def encode_value(value: str) -> bytes:
    """Return *value* as a header value, percent-encoded where it must be.

    Raise UnicodeEncodeError for a lone surrogate.
    """
    raw = value.encode()
    return _FORBIDDEN.sub(_triplet, raw) if raw.translate(None, PLAIN) else raw


def _byte(found: re.Match[bytes]) -> bytes:
    return bytes.fromhex(found[1].decode())


def _triplet(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_TRIPLET = re.compile(rb"%([0-9A-Fa-f]{2})")
_FORBIDDEN = re.compile(b"[^" + re.escape(PLAIN) + b"]")
