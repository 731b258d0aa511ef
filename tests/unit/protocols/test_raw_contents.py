"""Tensors as raw bytes: literal ones, both ways, and what is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.core.errors import DecodeError
from bridge.core.tensors import DTYPES, Tensor
from bridge.protocols.raw import from_raw, to_raw

CASES = [
    ("BOOL", [True, False], b"\x01\x00"),
    ("UINT8", [1, 255], b"\x01\xff"),
    ("UINT16", [1, 258], b"\x01\x00\x02\x01"),
    ("UINT32", [258], b"\x02\x01\x00\x00"),
    ("UINT64", [2**64 - 1], b"\xff" * 8),
    ("INT8", [-1], b"\xff"),
    ("INT16", [-2], b"\xfe\xff"),
    ("INT32", [-2], b"\xfe\xff\xff\xff"),
    ("INT64", [258], b"\x02\x01" + bytes(6)),
    ("FP16", [1.0], b"\x00\x3c"),
    ("BF16", [0x3F80], b"\x80\x3f"),
    ("FP32", [1.0], b"\x00\x00\x80\x3f"),
    ("FP64", [1.0], b"\x00\x00\x00\x00\x00\x00\xf0\x3f"),
    ("BYTES", [b"ab", b""], b"\x02\x00\x00\x00ab\x00\x00\x00\x00"),
]


def test_every_datatype_is_here() -> None:
    """No datatype is left out of the cases."""
    assert list(DTYPES) == [datatype for datatype, _, _ in CASES]


@pytest.mark.parametrize(("datatype", "values", "data"), CASES)
def test_both_ways(datatype: str, values: list[Any], data: bytes) -> None:
    """Little-endian, and texts after their lengths, as the binary extension has them."""
    tensor = Tensor.of("x", np.array(values, dtype=DTYPES[datatype]), datatype)

    assert data == to_raw(tensor)
    array = from_raw(data, datatype, [len(values)], "x")
    assert values == array.tolist()
    assert DTYPES[datatype] == array.dtype.name


@pytest.mark.parametrize(
    ("data", "datatype", "shape", "told"),
    [
        (b"\x00" * 7, "FP32", [2], "x has 7 bytes: expected 8"),
        (b"\x00" * 9, "FP32", [2], "x has 9 bytes: expected 8"),
        (b"\x02", "BOOL", [1], "holds the byte 2 as a boolean"),
        (b"", "FP128", [0], "datatype 'FP128': expected BOOL, UINT8"),
        (b"", "FP32", [-1], r"shape \[-1\]"),
        (b"", "FP32", [1] * 65, "65 dimensions"),
        (b"", "FP32", [2**40, 2**40], "values at most"),
        (b"", "FP32", [0, 2**62, 2**62], "values at most"),
        (b"\x02\x00\x00\x00a", "BYTES", [1], "ends within text 0 of 1"),
        (b"\x01\x00\x00", "BYTES", [1], "expected 1 texts"),
        (b"\xff\xff\xff\xff", "BYTES", [1], "ends within text 0 of 1"),
        (b"\x00\x00\x00\x00\x00", "BYTES", [1], "1 bytes after the last"),
        (b"", "BYTES", [2**39], "expected 549755813888 texts"),
    ],
)
def test_what_is_none(data: bytes, datatype: str, shape: list[int], told: str) -> None:
    """A wrong size is told of with both sizes, and never makes room for what is not there."""
    with pytest.raises(DecodeError, match=told):
        from_raw(data, datatype, shape, "x")


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (1, 1)])
@pytest.mark.parametrize("datatype", ["FP32", "BYTES"])
def test_odd_shapes(shape: tuple[int, ...], datatype: str) -> None:
    """A single value, nothing at all, and dimensions of one stay what they are."""
    array = np.zeros(shape, "f4") if datatype == "FP32" else np.full(shape, b"a", dtype=object)

    read = from_raw(to_raw(Tensor.of("x", array)), datatype, shape, "x")

    assert shape == read.shape
    assert (array == read).all()
