"""The rules of attributes: the quick verdict and the one that explains are the same."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core import attributes as rules
from bridge.core.attributes import canonical, check_attributes, check_name, is_timestamp, shown
from bridge.core.errors import DecodeError
from bridge.core.event import Event
from tests.strategies import events, names, texts, times

VALID = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}


@given(events())
def test_valid_events_pass(event: Event) -> None:
    """What the specification allows is allowed, over all of Unicode."""
    check_attributes(event.attributes)


@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from(["specversion", "id", "source", "type", "subject", "time"]),
            st.sampled_from(["datacontenttype", "dataschema", "schemaurl", "data", "A", "a-b"]),
            names,
        ),
        st.one_of(texts, times, st.text(), st.sampled_from(["1.0", "a/b", "a:b", "x", ""])),
    ),
    st.sampled_from(["1.0", "0.3"]),
    st.booleans(),
)
def test_quick_and_slow_verdict_agree(some: dict[str, str], version: str, is_whole: bool) -> None:
    """What passes quickly is valid; what does not is looked at closely."""
    candidate = {**VALID, "specversion": version, **some} if is_whole else some

    if rules._is_plain(candidate):
        rules._explain(candidate, None)


@pytest.mark.parametrize(
    ("text", "is_valid"),
    [
        ("2018-04-05T17:31:00Z", True),
        ("2018-04-05t17:31:00.123456789z", True),
        ("2018-04-05 17:31:00+05:30", True),
        ("2016-12-31T23:59:60Z", True),
        ("2024-02-29T00:00:00Z", True),
        ("2000-02-29T00:00:00-00:00", True),
        ("0000-02-29T00:00:00Z", True),
        ("2023-02-29T00:00:00Z", False),
        ("1900-02-29T00:00:00Z", False),
        ("2026-02-30T00:00:00Z", False),
        ("2026-04-31T00:00:00Z", False),
        ("2026-13-01T00:00:00Z", False),
        ("2026-00-01T00:00:00Z", False),
        ("2026-01-00T00:00:00Z", False),
        ("2018-04-05T24:00:00Z", False),
        ("2018-04-05T17:60:00Z", False),
        ("2018-04-05T17:31:61Z", False),
        ("2018-04-05T17:31:00", False),
        ("2018-04-05T17:31Z", False),
        ("2018-04-05T17:31:00.Z", False),
        ("2018-04-05T17:31:00+0530", False),
        ("2018-04-05T17:31:00+24:00", False),
        ("20180405T173100Z", False),
        ("2018-W14-4T17:31:00Z", False),
        ("٢٠١٨-04-05T17:31:00Z", False),
        ("2018-04-05T17:31:00Z\n", False),
        ("", False),
    ],
)
def test_timestamps(text: str, is_valid: bool) -> None:
    """RFC 3339 with an offset, on a day that exists, any digits of a second."""
    assert is_valid == is_timestamp(text)


@pytest.mark.parametrize(
    ("name", "version", "is_valid"),
    [
        ("a", "1.0", True),
        ("0", "1.0", True),
        ("averyverylongnameofmorethantwentycharacters", "1.0", True),
        ("datax", "1.0", True),
        ("a-b", "0.3", True),
        ("a-b", "1.0", False),
        ("-a", "0.3", False),
        ("data", "1.0", False),
        ("data", "0.3", False),
        ("data_base64", "1.0", False),
        ("", "1.0", False),
        ("A", "1.0", False),
        ("é", "1.0", False),
        ("a\n", "1.0", False),
    ],
)
def test_names(name: str, version: str, is_valid: bool) -> None:
    """spec.md, Naming Conventions; a dash where 0.3 flattens a map."""
    with nullcontext() if is_valid else pytest.raises(DecodeError, match="is invalid"):
        check_name(name, version)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("x", "x"), (True, "true"), (False, "false"), (0, "0"), (-(2**31), "-2147483648")],
)
def test_canonical_strings(value: object, expected: str) -> None:
    """spec.md, Type System: one text for each value."""
    assert expected == canonical("ext", value)


@pytest.mark.parametrize("value", [1.0, 2**31, -(2**31) - 1, [], {}, b"x"])
def test_no_type_is_no_attribute(value: object) -> None:
    """What the type system has no type for is refused by name."""
    with pytest.raises(DecodeError, match=r"attribute 'ext' is .*: expected a string, a boolean"):
        canonical("ext", value)


def test_the_specifications_attributes_are_strings() -> None:
    """An id that is a number is no id."""
    with pytest.raises(DecodeError, match="attribute 'id' is 5: expected a string"):
        canonical("id", 5)


@given(st.text())
def test_shown_is_short_ascii_on_one_line(text: str) -> None:
    """Whatever came, it can stand in a log line or an error body."""
    found = shown(text)

    assert found.removesuffix("…").isascii()
    assert found.removesuffix("…").isprintable()
    assert len(found) <= 60 * len(r"\U0001f600") + 3


@pytest.mark.parametrize("letter", ["\x00", "\ufffd", "\U0001f600", "ä", "'", "\\"])
def test_shown_bounds_what_is_escaped_too(letter: str) -> None:
    """Two hundred bytes of garbage are no text of two thousand, and begin as they do."""
    text = shown(letter * 500, 200)

    assert len(text) <= 3 * 200 + 3
    assert text.endswith("…")
    assert ascii(letter)[1:-1] in text


def test_shown_keeps_what_fits() -> None:
    """To the last letter, and says so by having no ellipsis."""
    assert shown("x" * 60) == repr("x" * 60)
    assert shown("x" * 61) == repr("x" * 60) + "…"
    assert shown("\x00" * 20) == ascii("\x00" * 20)
