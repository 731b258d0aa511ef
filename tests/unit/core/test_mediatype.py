"""What a media type says of data."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.mediatype import charset, essence, is_json, is_media_type, is_text


@pytest.mark.parametrize(
    ("value", "is_valid"),
    [
        ("application/json", True),
        ("application/vnd.x+json;charset=utf-8", True),
        ('text/plain ; a = b; c="d \\" ; e"', True),
        ("text/plain;", True),
        ("text/plain; charset=", True),
        ("text", False),
        ("text/", False),
        ("/plain", False),
        ("text/plain charset=utf-8", False),
        ("text/plain; charset", False),
        ('text/plain; a="b', False),
        ("text/plän", False),
        ('text/plain; a="ä"', False),
        ("text/plain\r\n", False),
        ("text/plain ", False),
        ("", False),
    ],
)
def test_media_types(value: str, is_valid: bool) -> None:
    """RFC 2046: type, subtype, parameters, all in ASCII."""
    assert is_valid == is_media_type(value)


@pytest.mark.parametrize(
    ("value", "json", "text"),
    [
        ("application/json", True, False),
        ("TEXT/JSON; charset=utf-8", True, False),
        ("application/vnd.x+JSON", True, False),
        ("text/x+json", True, False),
        ("application/json-seq", False, False),
        ("text/plain", False, True),
        ("Application/XML", False, True),
        ("image/svg+xml; a=b", False, True),
        ("application/octet-stream", False, False),
        ("nonsense", False, False),
    ],
)
def test_json_and_text(value: str, json: bool, text: bool) -> None:
    """JSON format 3.1.1: `*/json` and `*/*+json`, parameters and case aside."""
    assert (json, text) == (is_json(value), is_text(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text/plain", None),
        ("text/plain; CharSet=UTF-8", "utf-8"),
        ('text/plain; a=b; charset="iso-8859-\\1"', "iso-8859-1"),
        ('text/plain; a="; charset=x"; charset=y', "y"),
    ],
)
def test_charsets(value: str, expected: str | None) -> None:
    """The parameter's value in lower case, out of its quotes."""
    assert expected == charset(value)


def test_essence() -> None:
    """The media type alone."""
    assert essence(" Text/Plain ; a=b") == "text/plain"


@given(st.text(st.sampled_from('ab/;= "\\+-')))
def test_any_text_is_judged(value: str) -> None:
    """Nothing raises, whatever a sender calls a media type."""
    is_json(value)
    is_text(value)
    charset(value)
    is_media_type(value)


@pytest.mark.parametrize("tail", [" ", ";", "; ", " ;", ";a=b", "; a=", '"', "\\a", ";a=" + '"a'])
def test_long_nonsense_is_judged_at_once(tail: str) -> None:
    """A header full of repetitions costs time in proportion to its length, no more.

    A pattern that goes back and tries again would not end within the life of this test.
    """
    assert is_media_type("a/b" + tail * 20_000 + "(") is False
    assert is_media_type('a/b;a="' + tail * 20_000) is False
    assert charset("a/b" + tail * 20_000) is None
