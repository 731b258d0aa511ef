"""Packed bodies: undone as sent, and no further than the limits."""

from __future__ import annotations

import gzip
import os
import time
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError
from bridge.transports.http.decompression import (
    MAX_PARTS,
    RATIO_FREE_BYTES,
    TooLarge,
    UnknownCoding,
    unpacked,
)
from bridge.transports.http.messages import HttpRequest
from bridge.transports.http.request_reader import RequestReader

MAX_BYTES = 1024 * 1024


def packed(body: bytes, coding: bytes = b"gzip") -> HttpRequest:
    """Return a request with *body* as it is, and the header, as the listener reads it."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nCe-Id: 1\r\nContent-Encoding: %b\r\n" % coding
    request = RequestReader(4096, 64 * MAX_BYTES).take(
        head + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )
    assert request is not None
    return request


def body_of(body: bytes, coding: bytes = b"gzip", *, limit: int = MAX_BYTES, ratio: int = 100):
    return unpacked(packed(body, coding), max_bytes=limit, max_ratio=ratio).body


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(b"hello")),
        (b"GZIP", gzip.compress(b"hello")),
        (b"x-gzip", gzip.compress(b"hello")),
        (b"gzip", gzip.compress(b"hel") + gzip.compress(b"") + gzip.compress(b"lo")),
        (b"deflate", zlib.compress(b"hello")),
        (b"identity", b"hello"),
    ],
)
def test_what_was_packed_is_undone(coding: bytes, body: bytes) -> None:
    """The body is what its author packed, and nothing says any more that it was packed."""
    request = unpacked(packed(body, coding), max_bytes=MAX_BYTES, max_ratio=100)

    assert b"hello" == request.body
    assert b"" == request.coding
    assert ((b"host", b"x"), (b"ce-id", b"1")) == request.headers


def test_a_request_that_is_not_packed_is_itself() -> None:
    """No copy, no look at its headers."""
    request = HttpRequest("POST", "/", "/", "", ((b"ce-id", b"1"),), b"x")

    assert request is unpacked(request, max_bytes=0, max_ratio=1)


def test_no_bytes_are_no_bytes() -> None:
    """An event without data stays one, whatever a proxy wrote into its head."""
    assert b"" == body_of(b"")


@pytest.mark.parametrize(
    "coding",
    [b"br", b"zstd", b"compress", b"gzip, gzip", b"gzip, identity", b"x", b"gzip;q=1", b"\xff"],
)
def test_an_unknown_coding_is_refused(coding: bytes) -> None:
    """Anything but gzip and deflate, and more than one of them."""
    with pytest.raises(UnknownCoding, match="expected gzip, deflate"):
        body_of(gzip.compress(b"x"), coding)


def test_a_coding_in_two_headers_is_two_codings() -> None:
    """RFC 9110, 5.3: fields that repeat are one list."""
    with pytest.raises(UnknownCoding):
        body_of(b"x", b"gzip\r\nContent-Encoding: gzip")


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
@pytest.mark.parametrize("cut", [1, 4, 8, 12])
def test_a_body_that_is_cut_short_is_refused(coding: bytes, cut: int) -> None:
    """Also where only the check sum at its end is missing."""
    whole = gzip.compress(b"hello") if coding == b"gzip" else zlib.compress(b"hello")

    with pytest.raises(DecodeError, match="ends too early"):
        body_of(whole[:-cut], coding)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", b"hello"),
        (b"gzip", zlib.compress(b"hello")),
        (b"deflate", gzip.compress(b"hello")),
        (b"gzip", gzip.compress(b"hello")[:-8] + b"\0" * 8),
        (b"gzip", gzip.compress(b"hello") + b"behind"),
        (b"gzip", gzip.compress(b"hello") + b"\0"),
        (b"deflate", zlib.compress(b"hello") + zlib.compress(b"hello")),
    ],
)
def test_a_body_that_is_something_else_is_refused(coding: bytes, body: bytes) -> None:
    """Another format, a wrong check sum, bytes behind the end."""
    with pytest.raises(DecodeError, match="body is no"):
        body_of(body, coding)


def test_the_limit_of_a_body_holds_to_the_byte_when_unpacked() -> None:
    """As many bytes as allowed pass, one more is too large."""
    whole = os.urandom(RATIO_FREE_BYTES)

    assert whole == body_of(gzip.compress(whole), limit=len(whole))
    with pytest.raises(TooLarge, match=f"at most {len(whole)} bytes"):
        body_of(gzip.compress(whole + b"x"), limit=len(whole))


def test_the_ratio_counts_beyond_small_bodies() -> None:
    """64 KiB of zeros pass whatever their ratio, one byte more is measured by it."""
    assert RATIO_FREE_BYTES == len(body_of(gzip.compress(bytes(RATIO_FREE_BYTES)), ratio=1))
    with pytest.raises(TooLarge, match="at most 100 times its gzip form"):
        body_of(gzip.compress(bytes(RATIO_FREE_BYTES + 1)))
    assert 100_000 == len(body_of(gzip.compress(bytes(100_000)), ratio=1000))


def test_a_bomb_is_inflated_no_further_than_the_limit() -> None:
    """A gigabyte in a megabyte costs what a body of the limit costs."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeeze.compress(bytes(MAX_BYTES)) for _ in range(1024)) + squeeze.flush()
    begin = time.process_time()

    with pytest.raises(TooLarge):
        body_of(bomb, limit=8 * MAX_BYTES, ratio=10_000)

    assert time.process_time() - begin < 0.5


def test_a_body_of_many_parts_has_an_end() -> None:
    """Parts that hold nothing cost time each: a thousand are taken, one more is refused."""
    part = gzip.compress(b"")

    assert b"" == body_of(part * MAX_PARTS)
    with pytest.raises(DecodeError):
        body_of(part * (MAX_PARTS + 1))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.integers(1, 9))
def test_whatever_is_packed_comes_back(parts: list[bytes], level: int) -> None:
    """Byte for byte, in one part or several."""
    body = b"".join(gzip.compress(part, level) for part in parts)

    assert b"".join(parts) == body_of(body)


@given(st.binary(max_size=200), st.sampled_from([b"gzip", b"deflate"]), st.integers(0, 200))
def test_garbage_is_refused(garbage: bytes, coding: bytes, at: int) -> None:
    """Whatever stands in the body or in the middle of a good one: bytes, or DecodeError."""
    good = gzip.compress(b"hello" * 20) if coding == b"gzip" else zlib.compress(b"hello" * 20)
    for body in (garbage, good[:at] + garbage + good[at:]):
        with suppress(DecodeError):
            assert isinstance(body_of(body, coding), bytes)
