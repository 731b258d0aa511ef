"""Tensors: what array becomes which datatype, and what is refused instead of changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.core.errors import DecodeError
from bridge.core.tensors import DTYPES, Tensor, Tensors, datatype_of


@pytest.mark.parametrize(("datatype", "dtype"), list(DTYPES.items()))
def test_every_datatype_holds_its_own_array_as_it_is(datatype: str, dtype: str) -> None:
    """Without a copy, so that a large tensor costs nothing to pass on."""
    array = np.zeros((2, 3), dtype=dtype)
    if datatype == "BYTES":
        array[:] = b"x"

    tensor = Tensor.of("x", array, datatype)

    assert (tensor.datatype, tensor.shape, str(tensor.array.dtype)) == (datatype, (2, 3), dtype)
    assert datatype == "BYTES" or np.shares_memory(tensor.array, array)


@pytest.mark.parametrize(
    ("values", "datatype"),
    [
        ([1, 2], "INT64"),
        ([1.0, 2], "FP64"),
        ([True, False], "BOOL"),
        ([[1], [2]], "INT64"),
        ("text", "BYTES"),
        (["a", "b"], "BYTES"),
        ([b"\x00", b"b"], "BYTES"),
        (7, "INT64"),
        ([], "FP64"),
        (np.array([1], dtype=">f4"), "FP32"),
        (np.array([2**63], dtype=np.uint64), "UINT64"),
    ],
)
def test_values_have_the_datatype_that_holds_them(values: Any, datatype: str) -> None:
    """Unless one is asked for."""
    assert Tensor.of("x", values).datatype == datatype


def test_what_lies_otherwise_in_memory_is_laid_out() -> None:
    """C-contiguous and in the machine's byte order, with the same values and shape."""
    turned = np.arange(6, dtype=">i4").reshape(2, 3).T

    tensor = Tensor.of("x", turned)

    assert tensor.array.flags.c_contiguous
    assert tensor.array.dtype.isnative
    assert tensor.array.tolist() == turned.tolist()


def test_a_single_value_has_no_dimension() -> None:
    """It is not made a list of one."""
    assert Tensor.of("x", 7).shape == ()
    assert Tensor.of("x", np.float32(7), "FP32").shape == ()


def test_texts_become_their_utf_8() -> None:
    """Of numpy's strings too, trailing nulls of bytes objects included."""
    assert Tensor.of("x", np.array(["ä", "b"])).array.tolist() == ["ä".encode(), b"b"]
    kept = np.empty(1, dtype=object)
    kept[0] = b"a\x00"
    assert Tensor.of("x", kept).array.tolist() == [b"a\x00"]


@pytest.mark.parametrize(
    ("values", "datatype", "expected"),
    [
        ([1, 2], "FP32", [1.0, 2.0]),
        ([1.0, 2.0], "INT32", [1, 2]),
        ([0.1], "FP32", [np.float32(0.1).item()]),
        ([255], "UINT8", [255]),
        ([2**53], "FP64", [2.0**53]),
        ([2**60], "FP64", [2.0**60]),
        ([float("nan")], "FP16", [float("nan")]),
        ([float("inf")], "FP32", [float("inf")]),
        ([-(2**63)], "FP64", [-(2.0**63)]),
        ([], "INT8", []),
    ],
)
def test_a_cast_keeps_the_numbers(values: list[Any], datatype: str, expected: list[Any]) -> None:
    """Only a float's digits may be fewer."""
    array = Tensor.of("x", values, datatype).array

    assert str(array.dtype) == DTYPES[datatype]
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("values", "datatype"),
    [
        ([1.5], "INT32"),
        ([256], "UINT8"),
        ([-1], "UINT64"),
        ([-1.0], "UINT8"),
        ([float("nan")], "INT64"),
        ([float("inf")], "INT32"),
        ([1e39], "FP32"),
        ([70000], "FP16"),
        ([2**53 + 1], "FP64"),
        ([2**24 + 1], "FP32"),
        ([2**63 - 1], "FP64"),
        (np.array([2**64 - 1], dtype=np.uint64), "FP64"),
        (np.array([2**63], dtype=np.uint64), "INT64"),
        ([1e19], "INT64"),
    ],
)
def test_a_value_that_would_change_is_refused(values: Any, datatype: str) -> None:
    """With the tensor's name and what it does not fit; never cut off, wrapped or rounded."""
    with pytest.raises(DecodeError, match=f"tensor 'x': a value does not fit {datatype}"):
        Tensor.of("x", values, datatype)


@pytest.mark.parametrize("values", [[2**53 + 1, 0.5], [[-1], [2**63 + 1]], [2**64 - 1, -1]])
def test_an_integer_became_another_beside_what_no_integer_holds(values: Any) -> None:
    """A float is made of an integer only where both are the same number; numpy looks at neither."""
    with pytest.raises(DecodeError, match="tensor 'x' holds an integer that no FP64"):
        Tensor.of("x", values)

    assert [2.0**53, 0.5] == Tensor.of("x", [2**53, 0.5]).array.tolist()


@pytest.mark.parametrize(
    ("values", "datatype", "text"),
    [
        ([True], "INT64", "holds booleans: expected values of INT64"),
        ([True], "FP32", "does not fit FP32"),
        ([1], "BOOL", "expected values of BOOL"),
        (["1"], "FP32", "holds texts or mixed values: expected values of FP32"),
        ([1.0], "BF16", "BF16 is given as its 16 bits"),
        ([1, "a"], "BYTES", ""),
        ([1], "FLOAT", "of datatype 'FLOAT': expected BOOL"),
        ([[1], [2, 3]], None, "not rectangular"),
        ([1j], None, "values of numpy's complex128"),
        ([object()], None, "values of numpy's object"),
    ],
)
def test_another_kind_of_value_is_refused(values: Any, datatype: str | None, text: str) -> None:
    """A text is no number, and a boolean neither."""
    if values == [1, "a"]:
        values = np.array(values, dtype=object)
        text = "holds int among its texts"
    with pytest.raises(DecodeError, match=text):
        Tensor.of("x", values, datatype)


def test_tensors_are_found_by_name() -> None:
    """And a name that is not there is told with those that are."""
    tensors = Tensors.of(a=[1], b=[2.0])

    assert tensors.names == ("a", "b")
    assert tensors["b"].tolist() == [2.0]
    with pytest.raises(KeyError, match="no tensor 'c': there are 'a', 'b'"):
        tensors["c"]


def test_a_datatype_is_told_of_any_array() -> None:
    """Or that there is none."""
    assert datatype_of(np.array(["a"], dtype=object)) == "BYTES"
    with pytest.raises(DecodeError, match="datetime64"):
        datatype_of(np.array(["2026-01-01"], dtype="datetime64[D]"))
