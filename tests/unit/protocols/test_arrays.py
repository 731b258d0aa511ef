"""JSON's nested arrays become arrays, and no value is changed to make it fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError
from bridge.core.payload import Body
from bridge.core.tensors import Tensor
from bridge.protocols import arrays, json_values


@pytest.mark.parametrize(
    ("values", "datatype", "expected"),
    [
        ([1, 2], "INT64", [1, 2]),
        ([-(1 << 63), (1 << 63) - 1], "INT64", [-(1 << 63), (1 << 63) - 1]),
        ([1 << 63, 1], "UINT64", [1 << 63, 1]),
        ([(1 << 64) - 1], "UINT64", [(1 << 64) - 1]),
        ([1 << 63, -1], "FP64", [2.0**63, -1.0]),
        ([1 << 64], "FP64", [2.0**64]),
        ([1.5, 2], "FP64", [1.5, 2.0]),
        ([2, 1.5], "FP64", [2.0, 1.5]),
        ([True, False], "BOOL", [True, False]),
        (["a", "é\0"], "BYTES", [b"a", "é\0".encode()]),
        ([], "FP64", []),
        ([[], []], "FP64", [[], []]),
        ([[1], [2]], "INT64", [[1], [2]]),
        ([[[1, 2]], [[3, 4]]], "INT64", [[[1, 2]], [[3, 4]]]),
        (5, "INT64", 5),
        ("a", "BYTES", b"a"),
        (["NaN", "x"], "BYTES", [b"NaN", b"x"]),
        (["NaN"], "BYTES", [b"NaN"]),
    ],
)
def test_values_name_their_datatype(values: Any, datatype: str, expected: Any) -> None:
    """What JSON says of a number is all there is to go by."""
    tensor = arrays.read(values, "x", "data")

    assert datatype == tensor.datatype
    assert expected == tensor.array.tolist()
    assert np.array(expected, dtype=tensor.array.dtype).shape == tensor.shape


@pytest.mark.parametrize("values", [[1.5, None], [None, 1.5], [1, None], [None], [1.5, "NaN"]])
def test_null_and_the_name_are_nan_among_numbers(values: list[Any]) -> None:
    """JSON has no other form for it."""
    tensor = arrays.read(values, "x", "data")

    assert "FP64" == tensor.datatype
    assert 1 == np.isnan(tensor.array).sum()


def test_infinities_are_read_by_name() -> None:
    """The policy `text` writes them so."""
    tensor = arrays.read([1, "Infinity", "-Infinity"], "x", "data")

    assert [1.0, float("inf"), float("-inf")] == tensor.array.tolist()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1, True], "holds booleans and integers: expected values of one kind"),
        ([1.5, True], "holds booleans and numbers"),
        ([True, 1.5], "holds booleans and numbers"),
        ([1, "1"], "holds integers and texts"),
        (["1", 1], "holds integers and texts"),
        ([1.5, "nan"], "holds numbers and texts"),
        ([True, None], "holds booleans and null"),
        (["a", None], "holds null and texts"),
        ([{}], "holds objects"),
        ([{"b64": "AA=="}], "holds objects"),
        ([1, [2]], "not rectangular"),
        ([1.5, [2]], "holds arrays and numbers"),
        ([[1], 2], "not rectangular: values beside arrays, 1 deep"),
        ([[1, 2], [3]], "not rectangular: arrays of 1, 2 values, 1 deep"),
        ([[[1], [2]], [[3], [4, 5]]], "not rectangular: arrays of 1, 2 values, 2 deep"),
        ([[1], "a"], "not rectangular"),
        ([[1], {"a": 1}], "not rectangular"),
        ([[], [[]]], "not rectangular"),
    ],
)
def test_what_is_no_array_of_one_kind_is_refused(values: Any, says: str) -> None:
    """The text says where, and what was found there."""
    with pytest.raises(DecodeError, match=f"^data .*{says}"):
        arrays.read(values, "x", "data")


@pytest.mark.parametrize("booleans", [True, False])
@pytest.mark.parametrize("beside", [0.5, None, "NaN"])
@pytest.mark.parametrize("number", [2**53 + 1, -(2**53) - 1, 2**64 - 1])
@pytest.mark.parametrize("others", [0, 20])
def test_a_key_beside_numbers_with_a_fraction_became_another(
    others: int, number: int, beside: Any, booleans: bool
) -> None:
    """An integer that no FP64 holds is refused; one that some FP64 is stays what it was."""
    with pytest.raises(DecodeError, match=f"^data holds {number}, an integer that no FP64 holds"):
        json_values.held([0.5, number, beside, *[1] * others], "data", booleans=booleans)

    _, array = json_values.held([0.5, 2**53 + 2, 1e300, beside, *[1] * others], "data")
    assert 2**53 + 2 == int(array[1])


@pytest.mark.parametrize("booleans", [True, False])
@pytest.mark.parametrize("others", [0, 20])
def test_a_float_as_go_and_javascript_write_it_was_refused_as_an_integer(
    others: int, booleans: bool
) -> None:
    """2^60 is written 1152921504606847000 there: no digit of the float is lost."""
    said = [0.5, 1152921504606847000, -1152921504606847000, *[1] * others]

    _, array = json_values.held(said, "data", booleans=booleans)

    assert [2.0**60, -(2.0**60)] == array[1:3].tolist()
    with pytest.raises(DecodeError, match="holds 1152921504606847001, an integer"):
        json_values.held([0.5, 1152921504606847001, *[1] * others], "data", booleans=booleans)


def test_arrays_nest_no_deeper_than_numpys() -> None:
    """32 dimensions are an array of every numpy, 33 of some."""
    deep: Any = 1
    for _ in range(33):
        deep = [deep]

    assert 32 == arrays.read(deep[0], "x", "data").array.ndim
    with pytest.raises(DecodeError, match="nested deeper than 32"):
        arrays.read(deep, "x", "data")


@pytest.mark.parametrize("booleans", [True, False])
@pytest.mark.parametrize(
    ("datatype", "values", "expected"),
    [
        ("FP32", [1, 2.5, None], [1.0, 2.5, None]),
        ("FP16", [65504, "Infinity"], [65504.0, float("inf")]),
        ("FP64", [1e300], [1e300]),
        ("INT8", [-128, 127.0], [-128, 127]),
        ("UINT64", [(1 << 64) - 1, 0], [(1 << 64) - 1, 0]),
        ("INT64", [9007199254740993, 1.0], [9007199254740993, 1]),
        ("UINT8", [], []),
        ("BYTES", ["a"], [b"a"]),
    ],
)
def test_a_datatype_that_is_told_is_the_arrays(
    datatype: str, values: list[Any], expected: list[Any], booleans: bool
) -> None:
    """A number is taken by what it is, not by how it is written; no digit is lost on the way."""
    found, array = json_values.held(values, "data", datatype, booleans=booleans)

    assert datatype == found
    assert expected == [None if one != one else one for one in array.tolist()]  # NaN is not itself


@pytest.mark.parametrize("booleans", [True, False])
@pytest.mark.parametrize(
    ("datatype", "values", "says"),
    [
        ("FP32", [1e39], "holds a number beyond FP32"),
        ("FP16", [65520], "holds a number beyond FP16"),
        ("FP64", [10**400], "holds a number beyond FP64"),
        ("FP32", ["1.5"], "holds texts: expected numbers, for FP32"),
        ("FP32", [[1]], "holds arrays"),
        ("INT8", [128], "none of INT8: expected -128 to 127"),
        ("UINT8", [-1], "none of UINT8"),
        ("INT64", [1 << 63], "none of INT64"),
        ("INT64", [1 << 64], "none of INT64"),
        ("UINT64", [-1], "none of UINT64"),
        ("UINT64", [2.0**64], "none of UINT64"),
        ("INT32", [1.5], "holds numbers: expected integers, for INT32"),
        ("INT32", [None], "holds null"),
        ("INT32", [float("nan")], "holds numbers"),
        ("INT32", [True], "holds booleans"),
        ("BOOL", [1], "holds integers: expected booleans, for BOOL"),
        ("BYTES", [1], "holds integers: expected texts, for BYTES"),
        ("BYTES", [None], "holds null"),
        ("BYTES", ["\ud800"], "no Unicode"),
        ("BF16", [1], "'BF16' has no form in JSON"),
        ("FP8", [1], "'FP8' is no datatype: expected BOOL, UINT8"),
    ],
)
def test_values_that_are_none_of_their_datatype_are_refused(
    datatype: str, values: list[Any], says: str, booleans: bool
) -> None:
    """Nothing is cut off, wrapped around or made infinite."""
    with pytest.raises(DecodeError, match=f"^data:? .*{says}"):
        json_values.held(values, "data", datatype, booleans=booleans)


@pytest.mark.parametrize("values", [[True], [1.5, True], [True, 1.5]])
def test_a_boolean_is_no_number(values: list[Any]) -> None:
    """Python would take it for one."""
    with pytest.raises(DecodeError, match="holds booleans"):
        json_values.held(values, "data", "FP32", booleans=arrays.has_booleans(Body.of(values)))


def test_a_long_text_costs_the_others_nothing() -> None:
    """Numpy would give each the room of the longest: 4 TB here."""
    tensor = arrays.read(["x" * 1_000_000] + [""] * 1_000_000, "x", "data")

    assert "BYTES" == tensor.datatype


@given(
    st.lists(st.one_of(st.floats(), st.integers(-(1 << 70), 1 << 70), st.none()), max_size=8),
    st.sampled_from([None, "FP64", "FP32", "FP16"]),
)
def test_the_quick_way_is_the_careful_one(values: list[Any], datatype: str | None) -> None:
    """Knowing of no booleans changes how values are read, not what is found or refused."""

    def read(booleans: bool) -> Any:
        try:
            found, array = json_values.held(values, "data", datatype, booleans=booleans)
        except DecodeError as error:
            return str(error)
        return found, array.tobytes()

    assert read(booleans=True) == read(booleans=False)


def test_two_tensors_of_one_name_are_refused() -> None:
    """Nobody could say which is meant."""
    tensor = Tensor.of("x", [1])

    with pytest.raises(DecodeError, match="inputs has two tensors called 'x'"):
        arrays.unique([tensor, tensor], "inputs")


def test_more_tensors_than_any_model_takes_are_refused() -> None:
    """The number is bounded, as everything that a sender chooses."""
    arrays.count_checked(1000, "inputs")

    with pytest.raises(DecodeError, match="inputs has 1001 tensors: expected 1000 at most"):
        arrays.count_checked(1001, "inputs")


@pytest.mark.parametrize(
    "shape", [(3,), (2, 2), (0,), (0, 10**30), (10**30,), (-1,), (-3, 1), (1,) * 70]
)
def test_a_shape_of_other_values_is_refused(shape: tuple[int, ...]) -> None:
    """The error has both."""
    with pytest.raises(DecodeError, match="data has 2 values: expected those of shape"):
        arrays.shaped(np.zeros(2), shape, "data")


@given(
    st.lists(
        st.sampled_from(["true", "false", "tru", "alse", "u", "f", "1", '"', " "]), max_size=30
    ),
    st.sampled_from([0, 1, 1000]),
)
def test_a_body_that_is_said_to_have_no_booleans_has_none(words: list[str], before: int) -> None:
    """Wherever they stand, and whatever looks like one."""
    data = ("ufx"[: before % 3] * before + "".join(words)).encode().ljust(512)

    if b"true" in data or b"false" in data:
        assert arrays.has_booleans(Body(data))


@pytest.mark.parametrize("data", [b"", b'{"inputs":[[1.5,2e-7]]}', b'{"instances":[1]}', b"u" * 63])
def test_a_body_of_numbers_has_no_booleans(data: bytes) -> None:
    """Names with their letters are not taken for them; nobody looks into a small body."""
    assert not arrays.has_booleans(Body(data.ljust(512)))
    assert arrays.has_booleans(Body(data))
