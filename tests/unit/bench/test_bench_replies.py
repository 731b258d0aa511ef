"""The judge of the benchmark can fail: every fault that a bridge could have is seen."""

from __future__ import annotations

import pytest

from bench.replies import Replies, Wrong
from bench.stub_model import ANSWER, StubModel


def reply(
    *,
    id: str = "a",
    requestid: str = "7",
    status: str = "200 OK",
    type: str = "seldon.simple-iris-deployment.response",
    source: str = "seldon.simple-iris-deployment",
    specversion: str = "1.0",
    body: bytes = ANSWER,
) -> bytes:
    """Return a reply as a bridge would write it, right unless said otherwise."""
    head = (
        f"HTTP/1.1 {status}\r\nCe-Id: {id}\r\nCe-Type: {type}\r\nCe-Source: {source}\r\n"
        f"Ce-Specversion: {specversion}\r\nCe-Requestid: {requestid}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@pytest.fixture(params=["first", "later"])
def replies(request: pytest.FixtureRequest) -> Replies:
    """A judge that has seen nothing, and one that already knows how replies look."""
    judge = Replies()
    if request.param == "later":
        judge.check(reply(id="first", requestid="6"), b"6", b"1.0")
    return judge


def test_a_right_reply_counts(replies: Replies) -> None:
    """What was asked for is right, first and later."""
    before = replies.right

    replies.check(reply(), b"7", b"1.0")

    assert before + 1 == replies.right


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": "202 Accepted"}, "status 200"),
        ({"type": "seldon.simple-iris-deployment.request"}, "ce-type"),
        ({"source": "seldon.simple-iris-deployment2"}, "ce-source"),
        ({"specversion": "0.3"}, "ce-specversion"),
        ({"requestid": "70"}, "ce-requestid"),
        ({"id": ""}, "ce-id"),
        ({"body": ANSWER[:-1] + b" "}, "body"),
        ({"body": b"{}"}, "body"),
    ],
)
def test_each_fault_is_seen(replies: Replies, fault: dict[str, str], says: str) -> None:
    """One thing wrong makes the reply wrong, and the error names it."""
    with pytest.raises(Wrong, match=says):
        replies.check(reply(**fault), b"7", b"1.0")  # type: ignore[arg-type]  # parametrised


def test_a_second_reply_with_the_same_id_is_wrong(replies: Replies) -> None:
    """Ids are distinct, or two requests got one answer."""
    replies.check(reply(id="same", requestid="8"), b"8", b"1.0")

    with pytest.raises(Wrong, match="a second reply"):
        replies.check(reply(id="same", requestid="9"), b"9", b"1.0")


def test_json_equal_but_not_to_the_byte_is_told_apart() -> None:
    """A peer may write its JSON anew, an exact contender may not."""
    spaced = reply(body=ANSWER.replace(b",", b", "))

    Replies().check(spaced, b"7", b"1.0")

    with pytest.raises(Wrong, match="body"):
        Replies(exact=True).check(spaced, b"7", b"1.0")


def test_a_reply_ends_where_its_length_says() -> None:
    """Half a reply is not there yet, and what follows it does not belong to it."""
    whole = reply()
    judge = Replies()

    ends = [judge.end_of(whole[:end]) for end in range(len(whole))]

    assert [0] * len(whole) == ends
    assert len(whole) == judge.end_of(whole + b"HTTP/1.1 200 OK\r\n")


class _Written:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.content = b""

    def write(self, data: bytes) -> None:
        """Keep *data*."""
        self.content += data


def test_the_stub_answers_each_of_several_requests_in_any_pieces() -> None:
    """Pipelined and torn requests get one answer each; one without Seldon data is refused."""
    request = b'POST /predict HTTP/1.1\r\ncontent-length: 15\r\n\r\n{"ndarray": []}'
    empty = b"POST /predict HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}"
    stream = request + request + empty + request
    written = _Written()
    stub = StubModel()
    stub.connection_made(written)  # type: ignore[arg-type]  # all it needs of a transport

    for begin in range(0, len(stream), 7):
        stub.data_received(stream[begin : begin + 7])

    statuses = [part[:3] for part in written.content.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"200", b"200", b"400", b"200"]
