"""Dead letters: as it came, why, and back again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs import letters
from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import Event, Letter, Origin, Record
from bridge.sources.lanes import Lanes

HEADERS: tuple[tuple[str, bytes | None], ...] = (("a", b"1"), ("a", None), ("ce_id", b"\xff"))


def letter(record: Record | None, text: str = "model: no") -> Letter:
    """Return what a dead letter sink is sent for *record*, or for an event from elsewhere."""
    attributes = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
    place = Lanes().enter(None, 1_600_000_000_000_000_000)
    place.attempts = 3
    origin = Origin("kafka", record=record, delivery=place) if record else Origin("http")
    attributes |= {"bridgeerrortext": text}
    error = Rejected(text)
    return Letter(attributes, b"{}", origin, error, "iris", 1_600_000_060_000_000_000)


def stored(written: letters.Written, **changed: object) -> Record:
    """Return *written* as it is read back from the dead letter topic."""
    record = Record("dead", 2, 7, written.key, written.value, tuple(written.headers), 0)
    for name, value in changed.items():
        setattr(record, name, value)
    return record


def test_a_letter_is_the_record_as_it_came_and_what_went_wrong() -> None:
    """Key, value and headers to the last byte; the rest is added."""
    record = Record("in", 1, 42, b"key", b"\x00value", HEADERS, 1_599_999_999_000)

    written = letters.encode(letter(record))

    assert (b"key", b"\x00value") == (written.key, written.value)
    assert list(HEADERS) == written.headers[: len(HEADERS)]
    assert {
        "bridge-pipeline": b"iris",
        "bridge-error-type": b"rejected",
        "bridge-error-text": b"model: no",
        "bridge-topic": b"in",
        "bridge-partition": b"1",
        "bridge-offset": b"42",
        "bridge-timestamp-ms": b"1599999999000",
        "bridge-attempts": b"3",
        "bridge-first-time": b"2020-09-13T12:26:40.000000000Z",
        "bridge-time": b"2020-09-13T12:27:40.000000000Z",
    } == dict(written.headers[len(HEADERS) :])


def test_an_event_that_was_no_record_goes_as_one() -> None:
    """In binary mode, its own attributes and not those of the refusal."""
    written = letters.encode(letter(None))

    assert b"{}" == written.value
    assert ("ce_id", b"1") in written.headers
    assert not [name for name, _ in written.headers if name.startswith("ce_bridge")]
    assert "model: no" == letters.decode(stored(written)).error_text


@given(
    st.one_of(st.none(), st.binary()),
    st.one_of(st.none(), st.binary()),
    st.lists(
        st.tuples(
            st.text().filter(lambda name: not name.startswith("bridge-")),
            st.one_of(st.none(), st.binary()),
        )
    ),
    st.integers(0, 5),
)
def test_any_record_comes_back_from_the_dead_as_it_was(key, value, headers, times) -> None:
    """But for the count of its returns, which only grows."""
    record = Record("in", 0, 1, key, value, tuple(headers), 0)

    for _ in range(times):
        back = letters.original(stored(letters.encode(letter(record))))
        record = Record("in", 0, 1, back.key, back.value, tuple(back.headers), 0)

    count = [("bridge-redrives", str(times).encode())] if times else []
    assert (key, value, [*headers, *count]) == (record.key, record.value, list(record.headers))


def test_a_value_that_was_too_large_is_named_and_cannot_come_back() -> None:
    """Position and length are kept, so that it can be looked for."""
    written = letters.encode(letter(Record("in", 1, 42, b"k", b"x" * 99)), without_value=True)

    told = letters.decode(stored(written))

    assert (None, 99) == (written.value, told.value_bytes)
    with pytest.raises(DecodeError, match="expected it at in/1/42"):
        letters.original(stored(written))


def test_a_long_text_is_cut_between_characters() -> None:
    """Whatever a model said, a header stays small and readable."""
    written = letters.encode(letter(Record("in", 0, 0), "é" * 5000))

    text = dict(written.headers)[letters.ERROR_TEXT]

    assert text is not None
    assert 4096 == len(text)
    assert "é" * 2048 == text.decode()


@pytest.mark.parametrize("number", [b"x", b"-1", b"\xff", b"9" * 30, None])
def test_a_header_that_is_no_number_is_none(number: bytes | None) -> None:
    """Somebody else's record in the topic breaks no listing."""
    record = Record(
        "dead",
        0,
        0,
        headers=(
            ("bridge-pipeline", b"p"),
            ("bridge-error-type", b"t"),
            ("bridge-offset", number),
            ("bridge-redrives", number),
        ),
    )

    told = letters.decode(record)

    assert (None, 0) == (told.offset, told.redrives)


def test_what_is_no_dead_letter_is_refused() -> None:
    """By the name of what is missing, and where it is."""
    with pytest.raises(DecodeError, match="dead/0/9: no dead letter: header 'bridge-pipeline'"):
        letters.decode(Record("dead", 0, 9))


def test_a_letter_is_an_event_to_any_other_sink() -> None:
    """With what went wrong in its extensions."""
    assert isinstance(letter(None), Event)
