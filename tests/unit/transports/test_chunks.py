"""Chunked bodies: exactly what llhttp takes for chunks, and no body that holds the loop."""

from __future__ import annotations

import time
from itertools import pairwise

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.http.chunks import MAX_LINE_BYTES, BadChunks, BodyTooLong, ChunkedBody

LAST = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def read(*pieces: bytes, max_bytes: int = 1 << 20) -> tuple[bytes, bytes] | None:
    """Return the body and what follows it in the last piece, None if more must come."""
    body = ChunkedBody(max_bytes)
    for piece in pieces:
        end = body.feed(piece)
        if end >= 0:
            return body.body(), piece[end:]
    return None


def llhttps(data: bytes) -> bytes | None:
    """Return the body that llhttp reads of *data*, which may go on behind it."""
    bodies: list[bytes] = []
    done: list[bool] = []

    class Collector:
        def on_body(self, piece: bytes) -> None:
            if not done:
                bodies.append(piece)

        def on_message_complete(self) -> None:
            done.append(True)

    parser = httptools.HttpRequestParser(Collector())
    parser.feed_data(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
    try:
        parser.feed_data(data)
    except httptools.HttpParserError:
        if not done:
            raise
    return b"".join(bodies) if done else None


def test_eight_megabytes_of_empty_lines_hold_nothing() -> None:
    """They cost what eight megabytes of anything cost; once it was 1.7 s."""
    data = b"\r\n\r\n" * (2 * 1024 * 1024)
    stream = chunk(data) + LAST
    begin = time.process_time()

    found = read(
        *(stream[at : at + 65536] for at in range(0, len(stream), 65536)), max_bytes=9 << 20
    )

    assert time.process_time() - begin < 0.5
    assert found == (data, b"")


def test_a_chunk_that_is_too_long_is_refused_by_its_size() -> None:
    """Before a byte of it is kept."""
    body = ChunkedBody(10)
    assert -1 == body.feed(chunk(b"12345"))

    with pytest.raises(BodyTooLong):
        body.feed(b"6\r\n")

    assert 5 == body.received_bytes


@pytest.mark.parametrize("begin", [b"1;", b"1\r\na\r\n0\r\nname: "])
def test_a_line_has_an_end(begin: bytes) -> None:
    """An extension or a trailer that goes on and on is refused, in one piece and byte by byte."""
    with pytest.raises(BadChunks):
        read(begin + b"a" * MAX_LINE_BYTES + b"\r\n", max_bytes=100)
    with pytest.raises(BadChunks):
        read(begin, *[b"a"] * (MAX_LINE_BYTES + 1), max_bytes=100)


@pytest.mark.parametrize(
    "extension",
    [b";a", b";a=b", b';a="b c"', b';a="\\""', b';a="\\\\";b', b";a;b=c;d"],
)
def test_extensions_are_dropped(extension: bytes) -> None:
    """What RFC 9112, 7.1.1 allows behind a size is read and means nothing here."""
    assert (b"x", b"") == read(b"1%b\r\nx\r\n0%b\r\n\r\n" % (extension, extension))


@pytest.mark.parametrize(
    "extension",
    [
        b";",
        b";=b",
        b' ;a="b',
        b';a="b',
        b";a b",
        b";a=b;",
        b"; a",
        b" ;a",
        b';a="\x00"',
        b'"',
        b"\t",
    ],
)
def test_what_is_no_extension_is_refused(extension: bytes) -> None:
    """Two parsers would end such a line in two places."""
    with pytest.raises(BadChunks):
        read(b"1%b\r\nx\r\n" % extension + LAST)


@pytest.mark.parametrize(
    "trailer",
    [
        b"no colon",
        b" a: b",
        b"a : b",
        b": b",
        b"a: \x00",
        b"a: b\rc",
        b"Content-Length: 1",
        b"hOst: x",
    ],
)
def test_bad_trailers_are_refused(trailer: bytes) -> None:
    """A line that is no field, and one that frames what has been read already."""
    with pytest.raises(BadChunks):
        read(b"0\r\n%b\r\n\r\n" % trailer)


_pieces = st.sampled_from(
    [
        *(b"\r\n", b"\r", b"\n", b"0", b"1", b"a", b"F", b"5", b"00", b"-", b"x", b"\x00", b"\xff"),
        *(b";", b"=", b'"', b" ", b":", b"a: b", b"hello", LAST, b"0\r\n"),
        *(chunk(b"ab"), chunk(b"\r\n\r\n")),
    ]
)


@given(st.lists(_pieces, max_size=12).map(b"".join))
def test_nothing_passes_that_llhttp_would_not_take(data: bytes) -> None:
    """Whatever is read as a body here is the same body there."""
    try:
        found = read(data)
    except (BadChunks, BodyTooLong):
        return

    assert found is None or found[0] == llhttps(data)


@given(
    st.lists(st.binary(min_size=1, max_size=40) | st.just(LAST), max_size=8),
    st.binary(max_size=8),
    st.lists(st.integers(0, 500)),
)
def test_a_body_cut_anywhere_is_the_same(
    chunks: list[bytes], following: bytes, cuts: list[int]
) -> None:
    """The end is found to the byte, however the bytes come."""
    stream = b"".join(map(chunk, chunks)) + LAST
    at = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    pieces = [stream[a:b] for a, b in pairwise(at)]
    pieces[-1] += following

    assert (b"".join(chunks), following) == read(*pieces)
