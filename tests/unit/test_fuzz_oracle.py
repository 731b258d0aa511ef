"""The fuzzing's own judge: what must fail does fail, and a case is made again from its number."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fuzz.answers import Broken, judge, read
from tests.fuzz.cases import MALFORMED, Case
from tests.fuzz.event_rules import RULES as EVENT_RULES
from tests.fuzz.every import every
from tests.fuzz.http_rules import RULES as HTTP_RULES
from tests.fuzz.sender import Sender
from tests.fuzz.valid import event
from tests.soak import __main__ as soak

OK = b"HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 2\r\n\r\nok"
BAD = b"HTTP/1.1 400 Bad Request\r\ndate: x\r\ncontent-length: 2\r\n\r\nno"
BUG = b"HTTP/1.1 500 Internal Server Error\r\ndate: x\r\ncontent-length: 0\r\n\r\n"
LONG = b"HTTP/1.1 400 Bad Request\r\ndate: x\r\ncontent-length: 769\r\n\r\n" + b"x" * 769


def judged(received: bytes, **rule: object) -> str:
    return judge(Case(name="a case", data=b"", **rule), read(received))  # type: ignore[arg-type]  # a case's own


@pytest.mark.parametrize(
    "received",
    [
        b"nonsense",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbody",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\nb",
        b"HTTP/1.1 200 OK\r\nx y: z\r\ncontent-length: 0\r\n\r\n",
        OK + b"and more",
    ],
)
def test_what_is_no_answer_is_broken(received: bytes) -> None:
    """Half of one, one without a length, bytes behind the last."""
    with pytest.raises(Broken):
        read(received)


def test_answers_are_read_in_order() -> None:
    """Interim ones are left out; that to a HEAD has a length and no body."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"

    found = read(interim + OK[:-2] + BAD + OK[:-2])

    assert [(200, b""), (400, b"no"), (200, b"")] == [(a.status, a.body) for a in found]


@pytest.mark.parametrize(
    ("received", "rule"),
    [
        (BUG, {}),
        (LONG, {}),
        (b"HTTP/1.1 503 x\r\ndate: x\r\ncontent-length: 0\r\n\r\n", {}),
        (b"HTTP/1.1 200 x\r\ncontent-length: 0\r\n\r\n", {}),
        (OK, {"expected": MALFORMED}),
        (b"", {"expected": MALFORMED}),
        (BAD, {"expected": MALFORMED, "before": 1}),
        (OK + OK + BAD, {"expected": MALFORMED, "before": 1}),
    ],
)
def test_what_must_not_come_back_is_told(received: bytes, rule: dict[str, object]) -> None:
    """A 5xx, a long error, and whatever a rule does not allow."""
    assert judged(received, **rule)


@pytest.mark.parametrize(
    ("received", "rule"),
    [
        (BAD, {}),
        (b"", {}),
        (OK + OK, {}),
        (BAD, {"expected": MALFORMED}),
        (OK + BAD, {"expected": MALFORMED, "before": 1}),
    ],
)
def test_what_may_come_back_is_good(received: bytes, rule: dict[str, object]) -> None:
    """A refusal, or nothing; where a rule speaks, what it says."""
    assert "" == judged(received, **rule)


def test_a_case_is_made_again_from_seed_and_number() -> None:
    """In any order, so that the one that failed can be looked at alone."""
    forwards = [every(7)(number) for number in range(50)]
    backwards = [every(7)(number) for number in reversed(range(50))]

    assert forwards == backwards[::-1]
    assert forwards != [every(8)(number) for number in range(50)]


def test_every_rule_has_its_turn() -> None:
    """Each is drawn, unchanged and mutated, whole and in pieces, with every ending."""
    cases = [every(1)(number) for number in range(2000)]

    assert len({case.name.split(",")[0] for case in cases}) > len(HTTP_RULES) + len(EVENT_RULES)
    assert {"half-close", "wait", "abort"} == {case.ending for case in cases}
    assert 0.3 < sum(case.expected is not None for case in cases) / len(cases) < 0.7
    assert any(len(case.pieces) > 1 for case in cases)
    assert all(b"".join(case.pieces) == case.data for case in cases)


async def test_a_listener_that_answers_wrongly_is_found(tmp_path: Path) -> None:
    """The failing bytes are kept, and named; so is a valid request that is answered otherwise."""
    answered = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        answered += 1
        await reader.read(65536)
        writer.write(OK if answered == 1 else BUG)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    case = Case(name="a case", data=b"its bytes")
    try:
        sender = Sender(server.sockets[0].getsockname()[1], b"valid", tmp_path)
        outcome = await sender.send(lambda number: case, [5])
    finally:
        server.close()
        await server.wait_closed()

    assert 2 == len(outcome.failures)
    assert "case 5 (a case): answered 500" in outcome.failures[0]
    assert "the valid request" in outcome.failures[1]
    assert b"its bytes" == (tmp_path / "case-5.bin").read_bytes()


def test_an_unknown_subject_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """With the names of those there are."""
    with pytest.raises(SystemExit):
        soak.main(["nonsense"])

    assert "expected http" in capsys.readouterr().err


def test_events_of_the_generator_are_new_ones() -> None:
    """No two have one id, or the second would join the first."""
    from random import Random

    chance = Random(1)

    assert event(chance) != event(chance)
