"""Which dead letters a filter means, and which moments its words name."""

from __future__ import annotations

import pytest

from bridge.app.letters import found, selected
from bridge.app.selection import Selection, moment, readable_key, refused_ns
from bridge.codecs import letters as codec
from bridge.core.errors import ConfigError
from bridge.core.event import Record
from tests.fakes_letters import MINUTE_NS, NOON_NS, came, letter

HOUR_NS = 3_600_000_000_000


@pytest.mark.parametrize(
    ("selection", "takes"),
    [
        (Selection(), True),
        (Selection(pipeline="orders"), True),
        (Selection(pipeline="order"), False),
        (Selection(error="transform"), True),
        (Selection(error="transfor"), False),
        (Selection(text="NUMBER 7"), True),
        (Selection(text="number 8"), False),
        (Selection(key="k2"), True),
        (Selection(key="0x6b32"), True),
        (Selection(key="k"), False),
        (Selection(since_ns=NOON_NS + 7 * MINUTE_NS), True),
        (Selection(since_ns=NOON_NS + 7 * MINUTE_NS + 1000), False),
        (Selection(until_ns=NOON_NS + 7 * MINUTE_NS), False),
        (Selection(until_ns=NOON_NS + 7 * MINUTE_NS + 1000), True),
        (Selection(error="transform", key="k2", since_ns=NOON_NS), True),
        (Selection(error="transform", key="k1", since_ns=NOON_NS), False),
    ],
)
def test_every_part_of_a_selection_must_agree(selection: Selection, takes: bool) -> None:
    """Each part alone takes or leaves letter 7; together all must take it."""
    seven = found(came(letter(7, "in", error=None)))

    assert "transform" == (seven.told and seven.told.error_type)
    assert takes == selected(seven, selection)


def test_what_is_no_letter_is_never_meant() -> None:
    """A record without the headers of a letter is found, and belongs to no selection."""
    stranger = found(Record("dead", 0, 1, value=b"x", headers=(("bridge-pipeline", b"p"),)))

    assert stranger.told is None
    assert not selected(stranger, Selection())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOON_NS - 90_000_000_000),
        ("30m", NOON_NS - HOUR_NS // 2),
        ("2h", NOON_NS - 2 * HOUR_NS),
        ("7d", NOON_NS - 7 * 24 * HOUR_NS),
        ("2026-01-31T12:00:00Z", NOON_NS),
        ("2026-01-31t13:00:00.000001234+01:00", NOON_NS + 1000),
        (None, None),
    ],
)
def test_a_moment_is_a_time_or_how_long_ago(text: str | None, expected: int | None) -> None:
    """RFC 3339 with any offset and digits, or a number with its unit."""
    assert expected == moment("--since", text, NOON_NS)


@pytest.mark.parametrize(
    "text", ["", "2", "h", "-2h", "2 h", "2w", "1234567h", "12:00", "2026-01-31", "٢h"]
)
def test_what_is_no_moment_is_told(text: str) -> None:
    """The error names the option and what is expected."""
    with pytest.raises(ConfigError, match=r"--until .*: expected a time with an offset"):
        moment("--until", text, NOON_NS)


@pytest.mark.parametrize("told", ["2016-12-31T23:59:60Z", "0000-01-01T00:00:00Z", "yesterday"])
def test_a_header_with_a_strange_time_leaves_the_records_own(told: str) -> None:
    """What stands in a header is anybody's: it never ends a listing."""
    record = Record(
        "dead",
        0,
        1,
        timestamp_ms=5,
        headers=(
            (codec.PIPELINE, b"p"),
            (codec.ERROR_TYPE, b"rejected"),
            (codec.TIME, told.encode()),
        ),
    )

    assert 5_000_000 == refused_ns(record, codec.decode(record))


@pytest.mark.parametrize(
    ("key", "shown"),
    [(b"k1", "k1"), (b"\xff\x00", "0xff00"), (b"a\nb", "0x610a62"), (b"", ""), (None, None)],
)
def test_a_key_as_it_is_shown_finds_its_letters(key: bytes | None, shown: str | None) -> None:
    """What `list` prints can be given to `--key`."""
    assert shown == readable_key(key)
    if key is not None:
        letter_of = Record(
            "dead", 0, 1, key, headers=((codec.PIPELINE, b"p"), (codec.ERROR_TYPE, b"e"))
        )
        assert selected(found(letter_of), Selection(key=shown))
