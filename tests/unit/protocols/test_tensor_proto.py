"""TensorFlow's TensorProto: both forms of its values, the last one repeated, and what is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.core.errors import DecodeError
from bridge.core.tensors import DTYPES, Tensor
from bridge.protocols.proto import message
from bridge.protocols.tensor_proto import MAX_LEFT_OUT, read, write

VALUES: dict[str, list[Any]] = {
    "BOOL": [True, False],
    "FP16": [1.5, -2.0],
    "BF16": [0x3F80, 0xBF80],
    "BYTES": [b"a", b"\xff"],
}


def proto(**fields: Any) -> Any:
    shape = fields.pop("shape", ())
    made = message("tensorflow.TensorProto")(**fields)
    made.tensor_shape.SetInParent()
    for count in shape:
        made.tensor_shape.dim.add().size = count
    return made


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_datatype_comes_back(datatype: str) -> None:
    """What is written is read as it was: numbers by tensor_content, texts by string_val."""
    values = np.array([VALUES.get(datatype, [1, 2])], dtype=DTYPES[datatype])
    made = message("tensorflow.TensorProto")()

    write(Tensor.of("x", values, datatype), made)

    tensor = read("x", type(made).FromString(made.SerializeToString()))
    assert datatype == tensor.datatype
    assert values.tolist() == tensor.array.tolist()
    assert bool(made.tensor_content) == (datatype != "BYTES")


@pytest.mark.parametrize(
    ("fields", "datatype", "expected"),
    [
        ({"dtype": 1, "float_val": [0.5, 2]}, "FP32", [0.5, 2]),
        ({"dtype": 2, "double_val": [0.1, 2]}, "FP64", [0.1, 2]),
        ({"dtype": 3, "int_val": [-1, 2]}, "INT32", [-1, 2]),
        ({"dtype": 4, "int_val": [255, 2]}, "UINT8", [255, 2]),
        ({"dtype": 5, "int_val": [-1, 2]}, "INT16", [-1, 2]),
        ({"dtype": 6, "int_val": [-1, 2]}, "INT8", [-1, 2]),
        ({"dtype": 7, "string_val": [b"a", b""]}, "BYTES", [b"a", b""]),
        ({"dtype": 9, "int64_val": [-(2**63), 2]}, "INT64", [-(2**63), 2]),
        ({"dtype": 10, "bool_val": [True, False]}, "BOOL", [True, False]),
        ({"dtype": 14, "half_val": [0x3F80, 1]}, "BF16", [0x3F80, 1]),
        ({"dtype": 17, "int_val": [65535, 2]}, "UINT16", [65535, 2]),
        ({"dtype": 19, "half_val": [0x3C00, 0]}, "FP16", [1.0, 0.0]),
        ({"dtype": 22, "uint32_val": [2**32 - 1, 2]}, "UINT32", [2**32 - 1, 2]),
        ({"dtype": 23, "uint64_val": [2**64 - 1, 2]}, "UINT64", [2**64 - 1, 2]),
    ],
)
def test_single_values(fields: dict[str, Any], datatype: str, expected: list[Any]) -> None:
    """Every repeated field is read; half_val holds the 16 bits of each."""
    tensor = read("x", proto(shape=(2, 1), **fields))

    assert datatype == tensor.datatype
    assert [[one] for one in expected] == tensor.array.tolist()
    assert DTYPES[datatype] == tensor.array.dtype.name


def test_the_last_value_stands_for_what_is_left_out() -> None:
    """tensor.proto: fewer values than the shape has are filled up by the last; none is zero."""
    assert [1, 2, 2, 2] == read("x", proto(dtype=1, shape=(4,), float_val=[1, 2])).array.tolist()
    assert [0, 0] == read("x", proto(dtype=1, shape=(2,))).array.tolist()
    assert [b"", b""] == read("x", proto(dtype=7, shape=(2,))).array.tolist()
    assert 7 == read("x", proto(dtype=3, int_val=[7])).array.item()
    assert (0, 3) == read("x", proto(dtype=1, shape=(0, 3))).shape


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"dtype": 8}, "tensor 'x' is of DT_COMPLEX64: expected one of BOOL"),
        ({"dtype": 11}, "DT_QINT8"),
        ({"dtype": 0}, "DT_INVALID"),
        ({"dtype": 99}, "type 99"),
        ({"dtype": 1, "shape": (2,), "float_val": [1, 2, 3]}, "3 values: expected 2"),
        ({"dtype": 1, "shape": (2,), "tensor_content": b"abc"}, "3 bytes: expected 8"),
        ({"dtype": 1, "shape": (-1,), "float_val": [1]}, r"shape \[-1\]"),
        ({"dtype": 1, "shape": (MAX_LEFT_OUT + 1,), "float_val": [1]}, "to be left out"),
        ({"dtype": 1, "shape": (2**50,)}, "values at most"),
        ({"dtype": 4, "shape": (1,), "int_val": [256]}, "does not fit UINT8"),
        ({"dtype": 19, "shape": (1,), "half_val": [65536]}, "does not fit UINT16"),
    ],
)
def test_what_is_no_tensor(fields: dict[str, Any], told: str) -> None:
    """A type that nobody else has, sizes that differ: DecodeError that names the tensor."""
    with pytest.raises(DecodeError, match=told):
        read("x", proto(**fields))


def test_no_shape_is_told_of() -> None:
    """Values without a shape are no array."""
    made = proto(dtype=1, float_val=[1])
    made.tensor_shape.unknown_rank = True

    with pytest.raises(DecodeError, match="has no shape"):
        read("x", made)
