"""Bare tokens are read as numbers, and rewritten without touching what stands beside them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.protocols.nonfinite import Rewritten, loaded, rewritten
from tests.tensor_strategies import json_values

ANSWER = b'{"predictions": [1.10, NaN, Infinity, -Infinity], "NaN \\" Infinity": "NaN\\\\"}\n'


def test_tokens_are_numbers_to_who_reads_them() -> None:
    """As TensorFlow Serving and Python write them."""
    said = loaded(Body(ANSWER))["predictions"]

    assert [1.1, math.inf, -math.inf] == [said[0], said[2], said[3]]
    assert math.isnan(said[1])


@pytest.mark.parametrize(
    ("non_finite", "expected"),
    [
        ("null", b"[1.10, null, null, null]"),
        ("text", b'[1.10, "NaN", "Infinity", "-Infinity"]'),
    ],
)
def test_an_answer_is_made_json_and_keeps_every_other_byte(
    non_finite: str, expected: bytes
) -> None:
    """Digits, spaces, names and texts that look like tokens are those of the answer."""
    body = rewritten(Body(ANSWER, "application/json; x=1"), non_finite, "m")  # type: ignore[arg-type]  # a parameter is no Literal

    assert ANSWER.replace(b"[1.10, NaN, Infinity, -Infinity]", expected) == body.data
    assert "application/json; x=1" == body.content_type
    assert json.loads(expected) == body.json()["predictions"]


def test_what_was_rewritten_still_has_its_numbers() -> None:
    """Null would make NaN of infinity where the answer becomes tensors."""
    body = rewritten(Body(ANSWER), "null", "m")

    assert isinstance(body, Rewritten)
    assert math.inf == loaded(body)["predictions"][2]


def test_tokens_are_refused_where_asked() -> None:
    """The text says who answered them."""
    with pytest.raises(Rejected, match=r"^the model answered NaN or infinity"):
        rewritten(Body(ANSWER), "refuse", "the model")


@pytest.mark.parametrize("data", [b'{"a":"NaN"}', b"[1.10]", b"{", b"", b"<NaN", b"[Inf]"])
def test_what_has_no_tokens_or_is_no_json_anyway_stays(data: bytes) -> None:
    """JSON is passed on as it came, and garbage stays what it is."""
    body = Body(data)

    if data == b"<NaN":
        assert b"<null" == rewritten(body, "null", "m").data  # no JSON either way
    else:
        assert body is rewritten(body, "null", "m")


@pytest.mark.parametrize(
    "data",
    [
        b"[NaN",
        b"\xff[NaN]",
        b"[NaN, %b]" % (b"1" * 5000),
        b"[" * 100_000 + b"NaN",
        "[NaN]".encode("utf-16"),
    ],
)
def test_what_is_no_json_even_with_tokens_is_a_decode_error(data: bytes) -> None:
    """Whatever Python's parser has to say of it."""
    with pytest.raises(DecodeError, match="not JSON"):
        loaded(Body(data))


@given(json_values, st.sampled_from([None, 1]))
def test_any_json_with_tokens_becomes_json(value: object, indent: int | None) -> None:
    """Whatever stands beside them: no token within a text is taken for one."""
    written = json.dumps([value, math.nan, "NaN", '\\"NaN'], indent=indent).encode()

    said = rewritten(Body(written), "null", "m").json()

    assert [None, "NaN", '\\"NaN'] == said[1:]


@pytest.mark.parametrize("end", [b"NaN", b"NaN\\", b"NaN,"])
def test_texts_that_do_not_end_take_no_longer_than_others(end: bytes) -> None:
    """They were gone through again from each quotation mark, which took hours."""
    body = Body(b"[" + b'"\\' * 500_000 + end)

    assert body.data == rewritten(body, "null", "m").data
