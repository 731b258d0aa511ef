"""JSON as protobuf's Value: what is written is what protobuf reads, and the other way round."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError
from bridge.protocols.proto import message
from bridge.protocols.proto_values import (
    MAX_EXACT,
    MAX_NESTED,
    decode_array,
    decode_list,
    decode_value,
    encode_array,
    encode_list,
    encode_value,
)


def listed(data: bytes) -> Any:
    return message("google.protobuf.ListValue").FromString(data)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_EXACT, MAX_EXACT)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.text(st.characters(exclude_categories=("Cs",)), max_size=5), inner)
    ),
    max_leaves=30,
)


@given(JSON)
def test_any_json_comes_back(said: Any) -> None:
    """What is written is a Value to protobuf itself, byte for byte, and reads as it was."""
    data = encode_value(said, "it")

    value = message("google.protobuf.Value").FromString(data)

    assert said == decode_value(value)
    assert len(value.SerializeToString()) == len(data)


@given(
    st.lists(st.integers(1, 7), min_size=1, max_size=4).flatmap(
        lambda shape: st.tuples(st.just(shape), st.integers(0, 2**32 - 1))
    )
)
def test_arrays_come_back(drawn: tuple[list[int], int]) -> None:
    """An array of any shape is the ListValue that its lists are, and is read as it was."""
    shape, seed = drawn
    array = np.random.default_rng(seed).standard_normal(shape)

    data = encode_array(array)

    assert encode_list(array.tolist(), "it") == data
    assert array.tolist() == decode_list(listed(data))
    read = decode_array(listed(data))
    assert read is not None
    assert array.shape == read.shape
    assert (array == read).all()


@pytest.mark.parametrize(
    "said",
    [
        [],
        [[]],
        [[], []],
        ["a"],
        [1.5, "a"] * 20,
        [1.5, None] * 20,
        [True, 1] * 20,
        [[1.0] * 20, [1.0] * 19],
        [[1.0] * 20, 1.0],
        [1.0, [1.0] * 20],
        [{"a": 1}] * 20,
        [[[1.0] * 20] * 2, [[1.0] * 20] * 3],
        [[1.0, 2.0] * 20, ["x" * 9, "y" * 9] * 20],
    ],
)
def test_what_is_no_array_of_numbers_is_none(said: list[Any]) -> None:
    """Ragged, mixed or empty lists have no array, and are what they were as lists."""
    read = listed(encode_list(said, "it"))

    assert decode_array(read) is None
    assert said == decode_list(read)


@pytest.mark.parametrize("said", [MAX_EXACT + 1, -MAX_EXACT - 1, 10**400, 12345678901234567890])
def test_an_integer_that_no_double_holds_is_refused(said: int) -> None:
    """No digit is lost in silence: the refusal says where it stands."""
    with pytest.raises(DecodeError, match=r"^it\[3\]\.a is -?\d+"):
        encode_list([1, 2, 3, {"a": said}], "it")
    with pytest.raises(DecodeError, match=r"^it\[1\] is"):
        encode_list([1, said], "it")


def test_an_integer_beside_nan_was_rounded() -> None:
    """Among so many numbers that they are written at once; NaN is the maximum of any array."""
    with pytest.raises(DecodeError, match=r"x\[1\] is 9007199254740993: "):
        encode_list([float("nan"), MAX_EXACT + 1, *[1.5] * 20], "x")


def test_a_large_integer_that_is_a_double_goes() -> None:
    """What a double holds exactly is no loss."""
    assert [2.0**60] == decode_list(listed(encode_list([2**60], "it")))


def test_what_nests_too_deep_is_refused() -> None:
    """Protobuf reads 100 messages deep: more is refused here, and not by the server."""
    said: Any = 1
    for _ in range(MAX_NESTED):
        said = {"a": said}
    encoded = encode_value(said, "it")

    made = message("seldon.protos.SeldonMessage")()
    made.meta.tags["t"].MergeFromString(encoded)
    assert made == type(made).FromString(made.SerializeToString())
    with pytest.raises(DecodeError, match="nests deeper than 30"):
        encode_value([said], "it")


@pytest.mark.parametrize("length", [0, 1, 123, 124, 125, 126, 127, 128, 20_000])
def test_texts_alone_are_written_at_once(length: int) -> None:
    """Eight times as fast, which a body of millions of them needs; the lengths are varints."""
    texts = ["é" * (length // 2) + "x" * (length % 2), "", "b"]

    assert texts == decode_list(listed(encode_list(texts, "x")))
    assert [*texts, 1] == decode_list(listed(encode_list([*texts, 1], "x")))
