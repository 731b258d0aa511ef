"""A request's body, unpacked: what Content-Encoding says was done to it, undone.

    body ──64 KiB──▶ zlib ──▶ at most max_body_bytes, and at most max_ratio × the body
      gzip (RFC 1952), deflate (RFC 1950)                  └ one byte more: TooLarge

Bytes are inflated no further than the limits, so a bomb costs what a large body costs. Pure;
a request without the header is not even looked at: the head's reader has noted the coding.
Source: RFC 9110, 8.4 (the codings), 12.5.3 (what a refusal tells), 15.5.16 (415).
"""

from __future__ import annotations

import zlib
from typing import Final

from bridge.core.errors import DecodeError, UnsupportedFormat
from bridge.core.event import shown
from bridge.transports.http.fields import CONTENT_ENCODING
from bridge.transports.http.messages import HttpRequest

#: Largest unpacked body whatever its ratio: a few hundred bytes may well stand for these.
RATIO_FREE_BYTES: Final = 64 * 1024

#: Parts that one gzip body is made of at most: each costs time, also one that holds nothing.
MAX_PARTS: Final = 1_000

#: What is fed at once, and so copied at most where a part ends.
PIECE_BYTES: Final = 64 * 1024

#: What may be sent: told with the refusal of anything else.
ACCEPTED_CODINGS: Final = (b"accept-encoding", b"gzip, deflate")


class TooLarge(DecodeError):
    """The body is larger than allowed once it is unpacked (HTTP 413)."""


class UnknownCoding(UnsupportedFormat):
    """The body is packed in a way that nobody here undoes (HTTP 415, with ACCEPTED_CODINGS)."""


def unpacked(request: HttpRequest, *, max_bytes: int, max_ratio: int) -> HttpRequest:
    """Return *request* with the body that its author packed, and without what says so.

    A request without Content-Encoding is returned itself. A body of no bytes stays one.
    Raise UnknownCoding for a coding that is not gzip or deflate, and for more than one;
    TooLarge beyond *max_bytes*, or beyond RATIO_FREE_BYTES and *max_ratio* times what was
    sent; DecodeError for a body that is cut short, corrupt, or goes on behind its end.
    """
    said = request.coding
    if not said:
        return request
    coding = said.lower()
    if coding != b"identity" and coding not in _WINDOWS:
        raise UnknownCoding(
            f"header 'content-encoding' is {shown(said.decode('latin-1'))}: "
            "expected gzip, deflate, or none"
        )
    body = request.body
    if body and coding != b"identity":
        body = _inflated(body, coding, max_bytes, max_ratio)
    headers = tuple(field for field in request.headers if field[0] not in _OF_THE_PACKED)
    return HttpRequest(request.method, request.target, request.path, request.query, headers, body)


def _inflated(body: bytes, coding: bytes, max_bytes: int, max_ratio: int) -> bytes:
    by_ratio = max(RATIO_FREE_BYTES, max_ratio * len(body))
    limit = min(max_bytes, by_ratio)
    made: list[bytes] = []
    left = limit
    at, parts = 0, 1
    inflater = zlib.decompressobj(_WINDOWS[coding])
    try:
        while True:
            # One byte more than allowed is asked for: so the limit shows, and nothing waits.
            piece = inflater.decompress(body[at : at + PIECE_BYTES], left + 1)
            made.append(piece)
            left -= len(piece)
            if left < 0:
                raise TooLarge(_too_large(coding, max_bytes, max_ratio, by_ratio))
            at = min(at + PIECE_BYTES, len(body))
            if inflater.eof:
                at -= len(inflater.unused_data)
                if at == len(body):
                    return b"".join(made)
                # Several packed bodies in a row are one (RFC 1952, 2.2).
                parts += 1
                if coding == b"deflate" or parts > MAX_PARTS:
                    raise DecodeError(f"body is no {_shown(coding)}: it goes on behind its end")
                inflater = zlib.decompressobj(_WINDOWS[coding])
            elif at == len(body):
                raise DecodeError(f"body is no whole {_shown(coding)}: it ends too early")
    except zlib.error as error:
        raise DecodeError(f"body is no {_shown(coding)}, as content-encoding says") from error


def _too_large(coding: bytes, max_bytes: int, max_ratio: int, by_ratio: int) -> str:
    if by_ratio < max_bytes:
        expected = f"at most {max_ratio} times its {_shown(coding)} form"
    else:
        expected = f"at most {max_bytes} bytes"
    return f"body, unpacked: expected {expected}"


def _shown(coding: bytes) -> str:
    return coding.decode().removeprefix("x-")


#: coding → the format zlib shall expect, with the largest window.
_WINDOWS: Final = {
    b"gzip": 16 + zlib.MAX_WBITS,
    b"x-gzip": 16 + zlib.MAX_WBITS,  # RFC 9110, 8.4.1.3: the same
    b"deflate": zlib.MAX_WBITS,
}
_OF_THE_PACKED: Final = frozenset((CONTENT_ENCODING, b"content-length"))
