"""A member's own bytes out of a JSON object, wherever it stands."""

from __future__ import annotations

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs import slices
from bridge.codecs.slices import MAX_MEMBERS, is_embeddable, read_array, read_object
from bridge.core.errors import DecodeError
from tests.strategies import json_texts

space = st.sampled_from(["", " ", "\n", "\t\r "])
others = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), json_texts), max_size=4, unique_by=lambda m: m[0]
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[str, str]:
    """Return the text of an object, and of its member `data`, which stands anywhere in it."""
    chosen = draw(json_texts)
    members = draw(others)
    members.insert(
        draw(st.integers(0, len(members))), (draw(st.sampled_from(["data", "d\\u0061ta"])), chosen)
    )
    gap = draw(space)
    inside = f"{gap},{gap}".join(f'"{name}"{gap}:{gap}{value}' for name, value in members)
    return f"{gap}{{{gap}{inside}{gap}}}{gap}", chosen


@given(objects())
def test_the_chosen_member_keeps_its_bytes(drawn: tuple[str, str]) -> None:
    """First, last or between, whatever is in it: exactly what was written."""
    text, chosen = drawn

    members = read_object(text.encode(), "data", max_depth=99)

    assert chosen.encode() == members.raw
    assert members.repeated is None
    expected = orjson.loads(text)
    assert expected.keys() == members.values.keys()
    assert {**expected, "data": 0} == {**members.values, "data": 0}


@given(st.lists(objects(), max_size=4), space)
def test_the_chosen_members_of_an_array(many: list[tuple[str, str]], gap: str) -> None:
    """Every object of an array gives its own."""
    text = f"{gap}[{gap}{','.join(text for text, _ in many)}{gap}]{gap}"

    found = read_array(text.encode(), "data", max_depth=99, max_members=99)

    assert [chosen.encode() for _, chosen in many] == [
        each.raw for each in found if not isinstance(each, DecodeError)
    ]


@given(st.text(st.sampled_from('{}[]",:\\ ad0u\n')))
def test_only_json_is_read(text: str) -> None:
    """The walk accepts nothing that a JSON parser refuses, and all that it accepts."""
    try:
        expected = json.loads(text)
    except ValueError:
        expected = None

    if isinstance(expected, dict):
        assert expected.keys() == read_object(text.encode(), "a", max_depth=99).values.keys()
    else:
        with pytest.raises(DecodeError):
            read_object(text.encode(), "a", max_depth=99)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"a":1,"a":1}', "a"),
        (b'{"a":1,"b":[],"\\u0061":2}', "a"),
        (b'{"data":[],"data":{}}', "data"),
        (b'{"b":{"a":1,"a":2},"a":1}', None),
    ],
)
def test_names_that_occur_twice_are_told(text: bytes, name: str | None) -> None:
    """At the top level only, however the name is spelled."""
    assert name == read_object(text, "data", max_depth=9).repeated


@pytest.mark.parametrize(
    ("data", "is_deep"),
    [
        (b"[[[]]]", False),
        (b"[[[[]]]]", True),
        (b'{"a":{"b":{"c":1}}}', False),
        (b'{"a":[{"b":[]}]}', True),
        (b"[[],[],[],[[]],{},{}]", False),
        (b'["[[[[[[","\\"[[[[","{{{{"]', False),
        (b'["\\\\",[["]]"],[]]]', False),
        (b'["\\\\",[[[]],[]]]', True),
        (b'"[[[[{{{{"', False),
    ],
)
def test_depth_is_of_arrays_and_objects_alone(data: bytes, is_deep: bool) -> None:
    """Brackets in strings and brackets side by side make nothing deeper."""
    assert is_deep == (not is_embeddable(data, max_depth=3))


@pytest.mark.parametrize("body", [b'{"a":%b,"data":1}', b'{"data":%b,"a":1}', b'{"a":1,"data":%b}'])
@pytest.mark.parametrize("depth", [100, 900, 1020, 50_000])
def test_no_depth_runs_out_of_stack(body: bytes, depth: int) -> None:
    """Even with a limit set far too high, deep nesting is read or refused, never a crash."""
    nested = b"[" * depth + b"]" * depth

    try:
        found: Any = read_object(body % nested, "data", max_depth=100_000)
    except DecodeError as error:
        found = error

    assert found.raw in (b"1", nested) if depth == 100 else found


def test_many_members_are_read_in_proportion() -> None:
    """An object of very many containers is walked once, not once for each."""
    body = (
        b"{" + b",".join(b'"%d":[]' % number for number in range(MAX_MEMBERS - 2)) + b',"data":[1]}'
    )

    assert read_object(body, "data", max_depth=9).raw == b"[1]"
    assert read_object(b'{"data":[1],' + body[1:], "data", max_depth=9).repeated == "data"


def test_a_string_without_an_end_is_read_once() -> None:
    """Escaped quotes in a string that never ends are not tried as beginnings, one by one."""
    body = b"[" * 200 + b'"' + b'\\"' * 100_000
    started = time.process_time()

    with pytest.raises(DecodeError, match="not JSON"):
        read_object(body, "data", max_depth=100)

    assert time.process_time() - started < 5


def test_a_string_full_of_brackets_is_no_object() -> None:
    """Where every bracket stands in a string there is no depth, and no crash."""
    with pytest.raises(DecodeError, match="expected a JSON object, found a string"):
        read_object(b'"' + b"[" * 200 + b'"', "data", max_depth=100)


def test_too_many_members_are_refused_before_one_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What an array of millions costs is its parsing, not an object for each of them."""
    monkeypatch.delattr(slices, "_walk_array")

    with pytest.raises(DecodeError, match="batch holds 3 events: expected at most 2"):
        read_array(b"[1,2,3]", "data", max_depth=9, max_members=2)


def test_an_object_of_too_many_members_is_no_event():
    """Refused before it costs time and memory."""
    body = b"{" + b",".join(b'"a%d":1' % number for number in range(MAX_MEMBERS + 1)) + b"}"

    with pytest.raises(DecodeError, match="more than 1000 members"):
        read_object(body, "data", max_depth=10)
