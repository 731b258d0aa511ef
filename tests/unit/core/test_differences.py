"""How one JSON value differs from another: each place, what was expected, what is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from bridge.core.differences import NOTHING, as_json, differences, read_json
from tests.strategies import json_texts


def found(expected: Any, actual: Any, **options: Any) -> list[tuple[Any, ...]]:
    """Return each difference as a plain tuple."""
    return [
        (one.place, one.expected, one.actual) for one in differences(expected, actual, **options)
    ]


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": [1, None, "x"], "b": {}}, {"b": {}, "a": [1, None, "x"]}),
        (1, 1.0),
        (10**30, 10**30),
        ([], []),
        (None, None),
    ],
)
def test_the_same_value_has_no_difference(expected: Any, actual: Any) -> None:
    """The order of members says nothing, and 1 is 1.0."""
    assert [] == found(expected, actual)


@pytest.mark.parametrize(
    ("expected", "actual", "differs"),
    [
        (1, 2, [((), 1, 2)]),
        (True, 1, [((), True, 1)]),
        (0, False, [((), 0, False)]),
        (None, 0, [((), None, 0)]),
        ("1", 1, [((), "1", 1)]),
        ([1], {"0": 1}, [((), [1], {"0": 1})]),
        ({"a": 1}, {}, [(("a",), 1, NOTHING)]),
        ({"a": None}, {}, [(("a",), None, NOTHING)]),
        ({}, {"a": None}, [(("a",), NOTHING, None)]),
        ([1, 2], [1], [((1,), 2, NOTHING)]),
        ([1], [1, 2], [((1,), NOTHING, 2)]),
        ({"a": [{"b": 1}, 2]}, {"a": [{"b": 3}, 4]}, [(("a", 0, "b"), 1, 3), (("a", 1), 2, 4)]),
        (9007199254740993, 9007199254740992, [((), 9007199254740993, 9007199254740992)]),
    ],
)
def test_each_place_is_told(expected: Any, actual: Any, differs: list[Any]) -> None:
    """Where, and both values; what is not there is NOTHING, which null is not."""
    # By text too: 1 and True are equal to Python.
    assert repr(differs) == repr(found(expected, actual))


@pytest.mark.parametrize(
    ("expected", "actual", "differs"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, []),
        ([{"a": 1}], [{"a": 1, "b": 2}], []),
        ([1], [1, 2], [((1,), NOTHING, 2)]),
        ({"a": 1}, {"b": 1}, [(("a",), 1, NOTHING)]),
        ({}, {"a": 1}, []),
        ({}, [], [((), {}, [])]),
    ],
)
def test_a_subset(expected: Any, actual: Any, differs: list[Any]) -> None:
    """Objects may have further members at any depth; arrays are as long as expected."""
    assert differs == found(expected, actual, subset=True)


@pytest.mark.parametrize(
    ("expected", "actual", "fits"),
    [
        (1, 1.01, True),
        (1.0, 0.9, False),
        (True, 1, False),
        (10**400, 1.5, False),
        (10**400, 10**400 + 1, False),
    ],
)
def test_a_tolerance(expected: Any, actual: Any, fits: bool) -> None:
    """A number may be that far away, truth values are none."""
    assert fits == (not found(expected, actual, tolerance=0.02))


@given(json_texts)
def test_every_value_is_itself(text: str) -> None:
    """Whatever JSON can write differs from itself nowhere."""
    assert [] == found(read_json(text.encode()), read_json(text.encode()))


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", b"[1,]", b"\xff", b"[" * 200_000])
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    """NaN, and what is nested beyond the stack, included."""
    with pytest.raises(ValueError):
        read_json(data)


def test_values_are_shown_as_json() -> None:
    """Letters stay letters; nothing is `nothing`."""
    assert ['{"ä": [true, null]}', "nothing"] == [as_json({"ä": [True, None]}), as_json(NOTHING)]
