"""The oracle of the digit pipeline sees each thing that must not be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.mnist_oracle import Image, Outcome, Response

EXPECTED = {"a": Image("etag-a", 1), "b": Image("etag-b", 2)}
PLACED = {1: {"a": "etag-a"}, 2: {"b": "etag-b"}}
RESPONSES = [Response("1", "a", 1), Response("2", "b", 2)]


def outcome(**changes: Any) -> Outcome:
    """Return an outcome where all is well, changed."""
    return Outcome(**{"expected": EXPECTED, "placed": PLACED, "responses": RESPONSES, **changes})


def test_all_is_well_where_each_image_lies_once_and_is_published() -> None:
    """No failure, also with a letter that must be there and a repeat that may."""
    repeated = outcome(responses=[*RESPONSES, RESPONSES[0]], allowed_repeats=1)

    assert [] == outcome().failures
    assert [] == outcome(letters=["c"], refused={"c"}).failures
    assert ([], 1) == (repeated.failures, repeated.repeats)


@pytest.mark.parametrize(
    ("changes", "failure"),
    [
        ({"placed": {2: {"b": "etag-b"}}}, "a is in []: expected [1]"),
        ({"placed": {2: {"a": "etag-a", "b": "etag-b"}}}, "a is in [2]: expected [1]"),
        ({"placed": {**PLACED, 3: {"a": "etag-a"}}}, "a is in [1, 3]: expected [1]"),
        ({"placed": {**PLACED, 1: {"a": "old"}}}, "a in digit 1 has other bytes: old"),
        ({"placed": {**PLACED, 3: {"c": ""}}}, "c is in digit 3, and nobody expected it"),
        ({"responses": RESPONSES[:1]}, "b has no response"),
        ({"responses": [*RESPONSES, Response("3", "c", 1)]}, "response 3: c is no 1"),
        ({"responses": [*RESPONSES, Response("1", "a", 2)]}, "response 1: a is no 2"),
        ({"responses": [*RESPONSES, Response("3", "a", 1)]}, "a has 2 ids"),
        ({"responses": [*RESPONSES, Response("1", "b", 2)]}, "id 1 is that of 2 images"),
        ({"responses": [*RESPONSES, RESPONSES[0]]}, "1 repeats: at most 0"),
        ({"letters": ["a"]}, "wrongly in the dead letter, or missing there: ['a']"),
        ({"refused": {"c"}}, "wrongly in the dead letter, or missing there: ['c']"),
    ],
)
def test_each_thing_that_must_not_be_is_a_failure(changes: dict[str, Any], failure: str) -> None:
    """Lost, misplaced, doubled, foreign bytes, strangers, repeats, letters."""
    assert failure in outcome(**changes).failures
