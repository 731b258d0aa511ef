"""What `bridge dead` and `bridge lag` show of a letter, and what they refuse at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bridge.app.letters import Found, found
from bridge.cli.letters import SHOWN_BYTES, as_json, print_counts, print_letter, readable
from bridge.core.event import Record
from tests.fakes_letters import came, file_with, letter


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "none", ""),
        (b"", "text, 0 bytes", ""),
        (b'{"a":[1]}', "JSON, 9 bytes", '{\n  "a": [\n    1\n  ]\n}'),
        ("grün".encode(), "text, 5 bytes", "grün"),
        (b"\xff\x00\x01", "hex, 3 bytes", "ff 0001"),
        (b"a\x00b", "hex, 3 bytes", "61 0062"),
    ],
)
def test_a_value_is_shown_as_what_it_is(value: bytes | None, form: str, text: str) -> None:
    """JSON is indented, text is text, anything else is hex."""
    assert (form, text) == readable(value)


def test_a_large_value_is_cut() -> None:
    """Its beginning is shown, and its length; a character cut in two is no reason for hex."""
    form, text = readable("ä".encode() * SHOWN_BYTES + b"!")
    odd, odd_text = readable(b"x" + "ä".encode() * SHOWN_BYTES)

    assert f"text, the first {SHOWN_BYTES} of {2 * SHOWN_BYTES + 1} bytes" == form
    assert SHOWN_BYTES // 2 == len(text)
    assert odd.startswith("text")
    assert f"x{'ä' * ((SHOWN_BYTES - 1) // 2)}" == odd_text
    assert readable(b"\xff" * (SHOWN_BYTES + 1))[0].startswith("hex")


def test_everything_of_a_letter_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Why it was refused, whence it came, every header, and what no terminal obeys."""
    one = came(letter(7, "in", redrives=2, value=b"\x1b[2J red"))

    print_letter(found(one))

    shown = capsys.readouterr().out
    for line in (
        "pipeline:    orders",
        "error:       transform",
        "text:        model: number 7 is odd",
        "refused at:  2026-01-31T12:07:00.000000000Z",
        "redrives:    2",
        "came from:   in/0/7",
        "key:         k2",
        "  trace: t7",
        "  empty: (null)",
        "\\x1b[2J red",
    ):
        assert line in shown.splitlines()
    assert "\x1b" not in shown


def test_a_record_that_is_no_letter_is_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    """It says so; its key and value are there."""
    print_letter(Found(record=Record("dead", 0, 1, value=b"x"), told=None))

    shown = capsys.readouterr().out
    assert "no dead letter: the headers that say why are missing" in shown
    assert "key:         (none)" in shown


def test_a_program_is_told_bytes_that_are_no_text() -> None:
    """What cannot be JSON is null, and whole in base64."""
    told = as_json(found(came(letter(1, "in", value=b"\xff"))), whole=True)

    assert (None, "/w==") == (told["value"], told["value_base64"])
    assert {"topic": "in", "partition": 0, "offset": 1} == told["from"]


def test_counts_say_what_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The most frequent first."""
    print_counts("dead", Counter(decode=1, rejected=12), shown=3, strangers=2)

    assert (
        "dead: 13 dead letters, 3 shown\n      12  rejected\n       1  decode\n"
        "       2  records that are no dead letters\n" == capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "{file}", "12"), "'12': expected partition/offset, as `list` has it"),
        (("show", "{file}", "0/-1"), "'0/-1': expected partition/offset, as `list` has it"),
        (("list", "{file}", "--since", "noon"), "--since 'noon': expected a time with an offset"),
        (("list", "{file}", "--pipeline", "order"), "no pipeline 'order'; did you mean 'orders'?"),
        (("replay", "{file}"), "nobody can be asked here: expected --yes, or --dry-run"),
        (("replay", "{file}", "--yes", "--to", "dead"), "is the topic of the dead letters"),
    ],
)
def test_what_cannot_work_is_refused_before_anybody_is_asked(
    bridge, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    """Exit status 2 and one line, without a connection: no broker listens there."""
    file = file_with(tmp_path, "127.0.0.1:1", topic="in", dead="dead")

    ended = bridge("dead", *(argument.format(file=file) for argument in arguments))

    assert 2 == ended.status
    assert said in ended.err
    assert 1 == len(ended.err.splitlines())


def test_a_lag_needs_a_kafka_source(bridge, tmp_path: Path) -> None:
    """A file that reads no topic has no lag."""
    file = tmp_path / "bridge.yaml"
    file.write_text("pipelines:\n  a:\n    source: {type: http}\n    sinks: [{type: log}]\n")

    ended = bridge("lag", file)

    assert 2 == ended.status
    assert "no pipeline has a source of type kafka" in ended.err
