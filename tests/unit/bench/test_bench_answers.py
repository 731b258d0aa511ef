"""The judge of what comes out of a topic can fail: losses, repeats, disorder, wrong answers."""

from __future__ import annotations

import pytest

from bench.answers import KEYS, Answers, key_of
from bench.stub_model import ANSWER

EVENTS = KEYS + 2


def requestid(number: int) -> bytes:
    return b"7-%d" % number


def headers(number: int, **changes: bytes) -> list[tuple[str, bytes]]:
    told = {
        "ce_specversion": b"1.0",
        "ce_type": b"seldon.simple-iris-deployment.response",
        "ce_source": b"seldon.simple-iris-deployment",
        "ce_id": b"answer-%d" % number,
        "ce_requestid": requestid(number),
        "content-type": b"application/json",
    }
    return list({**told, **changes}.items())


@pytest.fixture
def answers() -> Answers:
    return Answers(EVENTS, requestid, exact=True)


def take(answers: Answers, number: int, **changes: bytes) -> None:
    answers.take(key_of(number), ANSWER, headers(number, **changes))


def test_all_right(answers: Answers) -> None:
    """Each event answered once, the keys in any order among each other: complete."""
    for number in [*range(KEYS - 1, -1, -1), *range(KEYS, EVENTS)]:
        take(answers, number)

    assert (EVENTS, 0, True) == (answers.right, answers.wrong, answers.complete)


def test_lost(answers: Answers) -> None:
    """Without the last one it is not complete."""
    for number in range(EVENTS - 1):
        take(answers, number)

    assert not answers.complete


def test_repeated(answers: Answers) -> None:
    """A second answer to an event is wrong, also with an id of its own."""
    take(answers, 0)
    take(answers, 0, ce_id=b"another")

    assert (1, 1) == (answers.right, answers.wrong)
    assert ["a second answer to event 0"] == answers.complaints


def test_out_of_order(answers: Answers) -> None:
    """An answer after that to a later event of its key is wrong."""
    take(answers, KEYS)
    take(answers, 0)

    assert (1, 1) == (answers.right, answers.wrong)
    assert "out after" in answers.complaints[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"ce_requestid": b"6-0"}, "no event of this run"),
        ({"ce_specversion": b"0.3"}, "ce_specversion"),
        ({"ce_type": b"other"}, "ce_type"),
        ({"ce_source": b"other"}, "ce_source"),
        ({"content-type": b"text/plain"}, "content-type"),
        ({"ce_id": b""}, "ce_id"),
        ({"ce_id": b"answer-1"}, "ce_id"),
    ],
)
def test_wrong_headers(answers: Answers, changes: dict[str, bytes], why: str) -> None:
    """An answer of another run, of another kind, or with an id that was there is wrong."""
    take(answers, 1)

    answers.take(key_of(0), ANSWER, headers(0, **changes))

    assert (1, 1) == (answers.right, answers.wrong)
    assert why in answers.complaints[0]


@pytest.mark.parametrize("key", [None, b"", key_of(1)])
def test_wrong_key(answers: Answers, key: bytes | None) -> None:
    """An answer under another key would be in another order."""
    answers.take(key, ANSWER, headers(0))

    assert (0, 1) == (answers.right, answers.wrong)


@pytest.mark.parametrize("value", [None, b"", b"{}", ANSWER + b" "])
def test_wrong_value(answers: Answers, value: bytes | None) -> None:
    """An answer that is not the model's to the byte is wrong where that is asked for."""
    answers.take(key_of(0), value, headers(0))

    assert (0, 1) == (answers.right, answers.wrong)


def test_equal_json() -> None:
    """Where it is not asked for to the byte, the same JSON is the model's answer."""
    answers = Answers(EVENTS, requestid, exact=False)

    answers.take(key_of(0), ANSWER + b" ", headers(0))

    assert 1 == answers.right
