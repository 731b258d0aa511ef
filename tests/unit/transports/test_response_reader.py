"""The reader of answers: every cut gives the same answer, garbage is told from a late one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.http.messages import HttpResponse
from bridge.transports.http.response_reader import (
    MAX_HEAD_BYTES,
    MAX_HEADS,
    AnswerTooLong,
    BadAnswer,
    ResponseHead,
    ResponseReader,
)

OK = b"HTTP/1.1 200 OK\r\n"


def reader(
    method: str = "POST",
    *,
    max_body_bytes: int = 1000,
    heads: dict[bytes, ResponseHead] | None = None,
) -> ResponseReader:
    made = ResponseReader(max_body_bytes, {} if heads is None else heads)
    made.expect(method)
    return made


def one(data: bytes, method: str = "POST") -> HttpResponse:
    response = reader(method).take(data)
    assert response is not None
    return response


def test_headers_are_lowered_stripped_and_without_framing() -> None:
    """What belonged to the connection does not look like the author's."""
    response = one(
        OK + b"Ce-Id:  1 \t\r\nX: 1\r\nX: 2\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
        b"Keep-Alive: timeout=5\r\n\r\nok"
    )

    assert response.headers == [(b"ce-id", b"1"), (b"x", b"1"), (b"x", b"2")]
    assert response.header(b"x") == b"1"
    assert response.body == b"ok"


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"ICY 200 OK\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"S",
        b"HTTQ",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        OK + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
        OK + b"Content-Length: -1\r\n\r\n",
        OK + b"Transfer-Encoding: gzip\r\n\r\n",
        OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        OK + b"A: b\r\n folded\r\n\r\n",
        OK + b"A: b\nC: d\r\n\r\n",
        OK + b"A : b\r\n\r\n",
        OK + b"A: \x00\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        OK + b"A: " + b"x" * MAX_HEAD_BYTES,
        OK + b"A: " + b"x" * MAX_HEAD_BYTES + b"\r\n\r\n",
    ],
)
def test_garbage_is_no_answer(data: bytes) -> None:
    """BadAnswer as soon as it is certain, with a text that holds nothing of the input."""
    with pytest.raises(BadAnswer) as caught:
        reader().take(data)

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("data", "keep_alive"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", True),
        (OK + b"Content-Length: 0\r\nConnection: Close\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: Keep-Alive\r\n\r\n", True),
        (OK + b"Content-Length: 0\r\n\r\nsurplus", False),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", True),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nsurplus", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", True),
    ],
)
def test_when_a_connection_may_be_used_again(data: bytes, keep_alive: bool) -> None:
    """Only if both agree on where the answer ended."""
    cutter = reader()

    response = cutter.take(data)

    assert response is not None
    assert response.body == b""
    assert cutter.keep_alive == keep_alive


def test_the_limit_holds_to_the_byte() -> None:
    """For a known length with the head, for any other with the first byte too many."""
    chunked = OK + b"Transfer-Encoding: chunked\r\n\r\n"

    for data in (OK + b"Content-Length: 4\r\n\r\nabcd", chunked + b"4\r\nabcd\r\n0\r\n\r\n"):
        response = reader(max_body_bytes=4).take(data)
        assert response is not None
        assert response.body == b"abcd"
    for data in (OK + b"Content-Length: 5\r\n\r\n", chunked + b"5\r\nabcde", OK + b"\r\nabcde"):
        with pytest.raises(AnswerTooLong):
            reader(max_body_bytes=4).take(data)


def test_only_a_body_without_length_ends_with_the_connection() -> None:
    """The end of the connection completes nothing else."""
    cutter = reader()
    assert cutter.take(OK + b"\r\nsome") is None
    assert cutter.take(b" more") is None
    whole = cutter.end()
    assert whole is not None
    assert whole.body == b"some more"

    for half in (b"HT", OK, OK + b"Content-Length: 5\r\n\r\nhal"):
        cutter = reader()
        assert cutter.take(half) is None
        assert cutter.end() is None


def test_remembered_heads_are_bounded() -> None:
    """A server whose heads always differ fills nothing without end."""
    heads: dict[bytes, ResponseHead] = {}
    cutter = reader(heads=heads)

    for number in range(1000):
        cutter.expect("POST")
        cutter.take(OK + b"X-Id: %d\r\nContent-Length: 0\r\n\r\n" % number)

    assert 0 < len(heads) <= MAX_HEADS


def test_a_remembered_head_is_not_believed_for_head_requests() -> None:
    """The same bytes answer a HEAD without a body and a POST with one."""
    cutter = reader()
    data = OK + b"Content-Length: 2\r\n\r\n"
    assert cutter.take(data + b"ok") is not None
    cutter.expect("HEAD")

    response = cutter.take(data)

    assert response is not None
    assert response.body == b""


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, int, bytes]:
    """Return one answer as bytes, its status and its body."""
    status = draw(st.sampled_from([200, 202, 400, 500]))
    body = draw(st.binary(max_size=60) | st.sampled_from([b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]))
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * draw(st.integers(0, 2))
    if draw(st.booleans()):
        size = draw(st.integers(1, 20))
        pieces = [body[at : at + size] for at in range(0, len(body), size)]
        sent = b"".join(b"%X\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        framing = b"Transfer-Encoding: chunked\r\n\r\n"
    else:
        framing, sent = b"Content-Length: %d\r\n\r\n" % len(body), body
    return interim + b"HTTP/1.1 %d X\r\n" % status + framing + sent, status, body


@given(st.lists(answers(), min_size=1, max_size=4), st.lists(st.integers(0, 500)))
def test_any_answer_cut_anywhere_is_the_same(
    sent: list[tuple[bytes, int, bytes]], cuts: list[int]
) -> None:
    """Where the network cuts the bytes changes nothing, on a connection used again and again."""
    cutter = reader()
    found = []

    for data, _, _ in sent:
        cutter.expect("POST")
        at = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
        taken = [cutter.take(data[a:b]) for a, b in pairwise(at)]
        assert taken[:-1] == [None] * (len(taken) - 1)
        last = taken[-1]
        assert last is not None
        assert cutter.keep_alive
        found.append((last.status, last.body))

    assert found == [(status, body) for _, status, body in sent]


@given(st.binary(max_size=200), st.integers(0, 200))
def test_whatever_comes_is_an_answer_or_refused(garbage: bytes, cut: int) -> None:
    """No other exception ever leaves the reader."""
    for start in (b"", OK, OK + b"Transfer-Encoding: chunked\r\n\r\n"):
        cutter = reader()
        data = start + garbage
        try:
            if cutter.take(data[:cut]) is None:
                cutter.take(data[cut:])
        except (BadAnswer, AnswerTooLong) as refused:
            text = str(refused)
        else:
            text = ""
        assert text == "" or text.isprintable()


def test_the_content_coding_of_an_answer_is_its_authors() -> None:
    """Nobody asked for one, so nobody undoes it; it is told to whoever reads the answer."""
    response = reader().take(OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok")

    assert response is not None
    assert b"gzip" == response.header(b"content-encoding")
    assert b"ok" == response.body
