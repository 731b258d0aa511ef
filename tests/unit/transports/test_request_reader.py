"""The reader of requests: every cut gives the same requests, every trick is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.http.messages import HttpRequest
from bridge.transports.http.request_reader import (
    MAX_EMPTY_LINES,
    RequestReader,
    RequestRefused,
)

HOST = b"Host: x\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST


def reader(*, max_head_bytes: int = 4096, max_body_bytes: int = 100) -> RequestReader:
    return RequestReader(max_head_bytes, max_body_bytes)


def one(data: bytes, **limits: int) -> HttpRequest:
    request = reader(**limits).take(data)
    assert request is not None
    return request


def refusal(data: bytes, **limits: int) -> RequestRefused:
    with pytest.raises(RequestRefused) as caught:
        reader(**limits).take(data)
    return caught.value


def everything(pieces: list[bytes], **limits: int) -> list[tuple[str, str, bytes, int, bool]]:
    """Return what a connection would see of *pieces*: one request answered after the other."""
    found = []
    cutter = reader(**limits)
    for piece in pieces:
        request = cutter.take(piece)
        while request is not None:
            found.append(
                (request.method, request.target, request.body, cutter.minor, cutter.keep_alive)
            )
            request = cutter.take(b"")
    assert not cutter.midway
    return found


def test_a_request_in_one_piece() -> None:
    """Method, target, headers in order with repeats, and the body are what was sent."""
    data = (
        b"POST /a/b?c=d&e HTTP/1.1\r\nHost: x\r\nCe-Id:  1 \t\r\nX: 1\r\nx: 2\r\nEmpty:\r\n"
        b"Content-Length: 3\r\n\r\nabc"
    )

    request = one(data)

    assert ("POST", "/a/b?c=d&e", "/a/b", "c=d&e", b"abc") == (
        request.method,
        request.target,
        request.path,
        request.query,
        request.body,
    )
    assert (
        (b"host", b"x"),
        (b"ce-id", b"1"),
        (b"x", b"1"),
        (b"x", b"2"),
        (b"empty", b""),
        (b"content-length", b"3"),
    ) == request.headers
    assert b"1" == request.header(b"x")
    assert request.header(b"y") is None


def test_bytes_beyond_ascii_in_a_value_are_kept() -> None:
    """Knative sends raw UTF-8 in headers; the codec decides what it means."""
    request = one(POST + b"Ce-Subject: \xc3\xa9 100% x\r\n\r\n")

    assert b"\xc3\xa9 100% x" == request.header(b"ce-subject")


@pytest.mark.parametrize(
    ("line", "path", "query"),
    [
        (b"GET http://h:1/p?q HTTP/1.1", "/p", "q"),
        (b"GET HTTP://h HTTP/1.1", "/", ""),
        (b"GET https://u:p@h?q=/x HTTP/1.1", "/", "q=/x"),
        (b"OPTIONS * HTTP/1.1", "*", ""),
        (b"GET //x/y?a?b HTTP/1.1", "//x/y", "a?b"),
        (b"GET /%2e%2E HTTP/1.1", "/%2e%2E", ""),
    ],
)
def test_the_path_of_every_form_of_target(line: bytes, path: str, query: str) -> None:
    """An absolute target counts by its path; nothing is decoded or normalised."""
    request = one(line + b"\r\n" + HOST + b"\r\n")

    assert (path, query) == (request.path, request.query)
    assert line.split(b" ")[1].decode() == request.target


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, POST + b"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n"),
        (400, POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        (400, POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na"),
        (400, POST + b"Content-Length: 1, 1\r\n\r\na"),
        (400, POST + b"Content-Length: +1\r\n\r\na"),
        (400, POST + b"Content-Length: -1\r\n\r\na"),
        (400, POST + b"Content-Length: 0x1\r\n\r\na"),
        (400, POST + b"Content-Length: 1 1\r\n\r\na"),
        (400, POST + b"Content-Length:\r\n\r\na"),
        (400, POST + b"Content-Length: 99999999999999999999999\r\n\r\na"),
        (400, POST + b"Content-Length: \xb2\r\n\r\na"),
        (400, POST + b"Transfer-Encoding: gzip\r\n\r\n"),
        (400, POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        (400, POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n"),
        (400, POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        (400, POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (400, POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        (400, POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
        (400, POST + b"Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
        (400, b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        (400, POST + b"A: b\nC: d\r\n\r\n"),
        (400, POST + b"A: b\rC: d\r\n\r\n"),
        (400, POST + b"A: b\r\n c\r\n\r\n"),
        (400, POST + b"A: b\r\n\tc\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\n Host: x\r\n\r\n"),
        (400, POST + b"A : b\r\n\r\n"),
        (400, POST + b"A\t: b\r\n\r\n"),
        (400, POST + b": b\r\n\r\n"),
        (400, POST + b"A(: b\r\n\r\n"),
        (400, POST + b"A\xe9: b\r\n\r\n"),
        (400, POST + b"no colon\r\n\r\n"),
        (400, POST + b"A: \x00\r\n\r\n"),
        (400, POST + b"A: \x01\r\n\r\n"),
        (400, POST + b"A: \x7f\r\n\r\n"),
        (400, b"POST / HTTP/1.1\r\n\r\n"),
        (400, POST + b"Host: x\r\n\r\n"),
        (400, POST + b"Host: y\r\n\r\n"),
        (400, b"POST / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n"),
        (400, b"POST  / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST /  HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST / HTTP/1.1 \r\n" + HOST + b"\r\n"),
        (400, b"POST\t/\tHTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b" POST / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"\nPOST / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST /\r\n\r\n"),
        (400, b"/ HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST / http/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST / RTSP/1.0\r\n" + HOST + b"\r\n"),
        (400, b"POST / HTTP/1.10\r\n" + HOST + b"\r\n"),
        (400, b"POST / HTTP/11\r\n" + HOST + b"\r\n"),
        (400, b"post / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST /a b HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST /\xe9 HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST /\x01 HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST /a#b HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST a HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST * HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"POST ftp://x/ HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"CONNECT x:80 HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"CONNECT / HTTP/1.1\r\n" + HOST + b"\r\n"),
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        (417, POST + b"Expect: 200-ok\r\nContent-Length: 1\r\n\r\n"),
        (417, POST + b"Expect: 100-continue\r\nExpect: x\r\nContent-Length: 1\r\n\r\n"),
        (400, b"POST / HTTP/1.2\r\n" + HOST + b"\r\n"),
        (400, b"POST / HTTP/0.9\r\n" + HOST + b"\r\n"),
        (400, b"POST / HTTP/2.0\r\n" + HOST + b"\r\n"),
        (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ],
)
def test_what_could_mean_two_things_is_refused(status: int, data: bytes) -> None:
    """What another parser could read otherwise (request smuggling) is no request here."""
    refused = refusal(data)

    assert status == refused.status
    assert len(refused.text) <= 200
    assert refused.text.isprintable()


@pytest.mark.parametrize(
    "chunks",
    [
        b"0x1\r\na\r\n0\r\n\r\n",
        b"+1\r\na\r\n0\r\n\r\n",
        b"-1\r\na\r\n0\r\n\r\n",
        b"1 \r\na\r\n0\r\n\r\n",
        b" 1\r\na\r\n0\r\n\r\n",
        b"\r\na\r\n0\r\n\r\n",
        b"1_0\r\na\r\n0\r\n\r\n",
        b"g\r\na\r\n0\r\n\r\n",
        b"1\na\r\n0\r\n\r\n",
        b"1\r\na0\r\n\r\n",
        b"1\r\na\n0\r\n\r\n",
        b"1\r\nab\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\na",
        b"1;\x00\r\na\r\n0\r\n\r\n",
        b"1;a\nb\r\na\r\n0\r\n\r\n",
        b"1;a\rb\r\na\r\n0\r\n\r\n",
        b"0\r\n\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"0\r\n bad: x\r\n\r\n",
        b"0\r\n\r\x00",
    ],
)
def test_bad_chunks_are_refused(chunks: bytes) -> None:
    """A chunk size that is not exactly hexadecimal digits, or a wrong end, ends it all."""
    refused = refusal(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)

    assert 400 == refused.status


@pytest.mark.parametrize(
    ("chunks", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
        (b"4\r\n\r\n\r\n\r\n4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n\r\n\r\n"),
        (b"5\r\n0\r\n\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n", b"0\r\n\r\nx"),
        (b"1\r\na\r\n0;last\r\nTrailer: x\r\nOther: y\r\n\r\n", b"a"),
    ],
)
def test_chunks_are_put_together(chunks: bytes, body: bytes) -> None:
    """Empty lines inside the data end nothing; extensions and trailers are dropped."""
    stream = POST + b"Transfer-Encoding: Chunked\r\n\r\n" + chunks + b"GET /next HTTP/1.1\r\n"
    cutter = reader()

    request = cutter.take(stream)

    assert request is not None
    assert body == request.body
    assert (b"trailer", b"x") not in request.headers
    assert len(b"GET /next HTTP/1.1\r\n") == cutter.held_bytes


def test_endless_framing_is_refused() -> None:
    """Chunk extensions and trailers cannot be used to send without end."""
    cutter = reader()
    cutter.take(POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n")

    def endless() -> None:
        for number in range(10_000):
            cutter.take(b"trailer-%d: %s\r\n" % (number, b"x" * 100))

    with pytest.raises(RequestRefused, match="more framing than body"):
        endless()


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (POST, True),
        (POST + b"Connection: keep-alive\r\n", True),
        (POST + b"Connection: Close\r\n", False),
        (POST + b"Connection: x , close\r\n", False),
        (POST + b"Connection: x\r\nConnection: close\r\n", False),
        (b"POST / HTTP/1.0\r\n", False),
        (b"POST / HTTP/1.0\r\nConnection: Keep-Alive\r\n", True),
        (b"POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive, close\r\n", False),
    ],
)
def test_when_a_connection_lives_on(head: bytes, keep_alive: bool) -> None:
    """RFC 9112, 9.3: 1.1 unless closed, 1.0 only if kept alive."""
    cutter = reader()

    cutter.take(head + b"\r\n")

    assert keep_alive == cutter.keep_alive


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 3\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_an_offered_upgrade_is_an_ordinary_request(framing: bytes) -> None:
    """Java's client offers h2c with every first request; its body is read all the same."""
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    body = b"abc" if b"Length" in framing else b"3\r\nabc\r\n0\r\n\r\n"

    found = everything([(POST + offer + framing + body) * 2])

    assert [("POST", "/", b"abc", 1, True)] * 2 == found


def test_empty_lines_before_a_request_are_skipped() -> None:
    """RFC 9112, 2.2: old clients send one after a body."""
    found = everything([b"\r\n\r\n", b"\r", b"\n" + POST + b"\r\n\r\n" + POST + b"\r\n"])

    assert [("POST", "/", b"", 1, True)] * 2 == found


def test_empty_lines_without_end_are_refused() -> None:
    """A few are skipped before each request, however they come; more are no request."""
    few = b"\r\n" * MAX_EMPTY_LINES

    found = everything([few + POST + b"\r\n" + few, POST + b"\r\n" + few])

    assert [("POST", "/", b"", 1, True)] * 2 == found
    assert 400 == refusal(few + b"\r\n").status
    assert 400 == refusal(few + b"\r\n" + POST + b"\r\n").status
    cutter = reader()
    for _ in range(MAX_EMPTY_LINES):
        assert cutter.take(b"\r") is None
        assert not cutter.midway
        assert cutter.take(b"\n") is None
    with pytest.raises(RequestRefused):
        cutter.take(b"\r\n")


@pytest.mark.parametrize(
    ("headers", "coding"),
    [
        (b"", b""),
        (b"Content-Encoding: gzip\r\n", b"gzip"),
        (b"content-encoding:\r\n", b""),
        (b"CONTENT-ENCODING: br\r\nContent-Encoding: gzip\r\n", b"br, gzip"),
    ],
)
def test_what_a_body_is_packed_in_is_noted(headers: bytes, coding: bytes) -> None:
    """For whoever decodes the body; the header stays among the author's."""
    request = one(POST + headers + b"Content-Length: 2\r\n\r\nab")

    assert coding == request.coding
    assert headers.count(b"\r\n") == [name for name, _ in request.headers].count(
        b"content-encoding"
    )


def test_the_body_limit_holds_to_the_byte() -> None:
    """As many bytes as allowed pass; one more is refused before it has come, or when it comes."""
    chunked = POST + b"Transfer-Encoding: chunked\r\n\r\n"

    assert b"x" * 8 == one(POST + b"Content-Length: 8\r\n\r\n" + b"x" * 8, max_body_bytes=8).body
    assert b"x" * 8 == one(chunked + b"8\r\n" + b"x" * 8 + b"\r\n0\r\n\r\n", max_body_bytes=8).body
    assert 413 == refusal(POST + b"Content-Length: 9\r\n\r\n", max_body_bytes=8).status
    assert 413 == refusal(chunked + b"9\r\n" + b"x" * 9, max_body_bytes=8).status
    assert 413 == refusal(chunked + b"8\r\n" + b"x" * 8 + b"\r\n1\r\ny", max_body_bytes=8).status


def test_the_head_limit_holds_to_the_byte() -> None:
    """431 for a head of one byte too many, whether its end has come or not."""
    head = POST + b"A: " + b"x" * 60 + b"\r\n\r\n"

    assert "POST" == one(head, max_head_bytes=len(head)).method
    assert 431 == refusal(head, max_head_bytes=len(head) - 1).status
    assert 431 == refusal(head[:-2], max_head_bytes=len(head) - 3).status


def test_a_target_without_end_is_refused_as_such() -> None:
    """414 when not even the request line ended within the limit."""
    assert 414 == refusal(b"POST /" + b"x" * 200, max_head_bytes=100).status
    assert (
        414
        == refusal(
            b"POST /" + b"x" * 200 + b" HTTP/1.1\r\n" + HOST + b"\r\n", max_head_bytes=100
        ).status
    )


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 2\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"]
)
def test_a_sender_that_waits_is_told_so_once(framing: bytes) -> None:
    """`wants_continue` while the body is missing, not after it came."""
    body = b"ab" if b"Length" in framing else b"2\r\nab\r\n0\r\n\r\n"
    cutter = reader()

    assert cutter.take(POST + b"Expect: 100-Continue\r\n" + framing) is None
    assert cutter.wants_continue
    request = cutter.take(body)

    assert request is not None
    assert not cutter.wants_continue


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
        POST + b"Expect: 100-continue\r\n\r\n",
    ],
)
def test_nobody_who_does_not_wait_is_answered_100(head: bytes) -> None:
    """Not in HTTP/1.0, and not where no body will come (RFC 9110, 10.1.1)."""
    cutter = reader()

    cutter.take(head)

    assert not cutter.wants_continue


def test_invented_names_do_not_grow_memory() -> None:
    """A peer that invents header names and targets without end fills nothing without end."""
    from bridge.transports.http import fields, request_reader

    cutter = reader()
    for number in range(3000):
        cutter.take(b"GET /%d HTTP/1.1\r\nHost: x\r\nName-%d: x\r\n\r\n" % (number, number))

    assert len(fields._ORDINARY) <= fields.MAX_NAMES
    assert len(request_reader._LINES) <= request_reader.MAX_LINES


def test_many_pipelined_requests_cost_what_they_cost() -> None:
    """A buffer full of small requests is cut in linear time, each in its turn."""
    stream = (POST + b"\r\n") * 5000

    found = everything([stream])

    assert 5000 == len(found)


tokens = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8).map(
    lambda name: b"x-" + name.encode()
)
values = st.binary(max_size=12).map(
    lambda value: bytes(byte for byte in value if byte > 0x20 and byte != 0x7F)
)


@st.composite
def requests(draw: st.DrawFn) -> tuple[bytes, tuple[str, str, bytes, int, bool]]:
    """Return one valid request as bytes, and as what must be read of it."""
    method = draw(st.sampled_from(["POST", "GET", "PUT", "OPTIONS"]))
    target = "/" + draw(st.text("abc/?=&%20", max_size=10))
    minor = draw(st.sampled_from([1, 1, 1, 0]))
    body = draw(st.binary(max_size=60) | st.sampled_from([b"\r\n\r\n", b"0\r\n\r\n", b"\r\n" * 9]))
    lines = [f"{method} {target} HTTP/1.{minor}".encode(), b"Host: x"]
    lines += [name + b":" + value for name, value in draw(st.lists(st.tuples(tokens, values)))]
    keep_alive = minor == 1
    if draw(st.booleans()):
        keep_alive = not keep_alive
        lines.append(b"Connection: " + (b"keep-alive" if keep_alive else b"close"))
    sent = body
    if minor and draw(st.booleans()):
        lines.append(b"Transfer-Encoding: chunked")
        sizes = draw(st.lists(st.integers(1, 20), max_size=8))
        pieces, rest = [], body
        for size in sizes:
            pieces.append(rest[:size])
            rest = rest[size:]
        pieces.append(rest)
        sent = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)
        sent += b"0\r\n" + draw(st.sampled_from([b"", b"Trailer: x\r\n"])) + b"\r\n"
    elif body or draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + sent, (method, target, body, minor, keep_alive)


@given(st.lists(requests(), min_size=1, max_size=5), st.lists(st.integers(0, 2000)))
def test_any_stream_cut_anywhere_gives_the_same_requests(
    sent: list[tuple[bytes, tuple[str, str, bytes, int, bool]]], cuts: list[int]
) -> None:
    """Where the network cuts the bytes changes nothing."""
    stream = b"".join(data for data, _ in sent)
    at = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    pieces = [stream[a:b] for a, b in pairwise(at)]

    found = everything(pieces)

    assert [expected for _, expected in sent] == found


@given(requests())
def test_any_request_comes_byte_by_byte(
    sent: tuple[bytes, tuple[str, str, bytes, int, bool]],
) -> None:
    """A sender of single bytes is understood like any other."""
    data, expected = sent

    assert [expected] == everything([data[at : at + 1] for at in range(len(data))])


@given(st.binary(max_size=300), st.integers(0, 300))
def test_garbage_is_refused_or_waited_for_but_never_crashes(garbage: bytes, cut: int) -> None:
    """Whatever comes, it is a request, the beginning of one, or RequestRefused."""
    texts: list[str] = []
    for start in (b"", POST, POST + b"Transfer-Encoding: chunked\r\n\r\n"):
        cutter = reader(max_head_bytes=200)
        data = start + garbage
        try:
            for piece in (data[:cut], data[cut:]):
                cutter.take(piece)
        except RequestRefused as refused:
            texts.append(refused.text)
    assert "".join(texts).isprintable()
