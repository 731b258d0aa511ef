"""TensorFlow's TensorProto as JSON, by both names that its members may have."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given

from bridge.core.errors import DecodeError
from bridge.core.tensors import Tensors
from bridge.protocols import tftensor
from tests.tensor_strategies import assert_equal, blobs, some_tensors


def read(said: str) -> Any:
    """Return the tensor that *said* is."""
    return tftensor.read(orjson.loads(said), "x", "data.tftensor")


@pytest.mark.parametrize(
    ("said", "datatype", "expected"),
    [
        (
            '"dtype":"DT_FLOAT","tensorShape":{"dim":[{"size":"2"}]},"floatVal":[1.5,"NaN"]',
            "FP32",
            None,
        ),
        ('"dtype":1,"tensor_shape":{"dim":[{"size":1}]},"float_val":[1.5]', "FP32", [1.5]),
        ('"dtype":"DT_DOUBLE","doubleVal":[1.5]', "FP64", 1.5),
        ('"dtype":"DT_INT32","tensorShape":{"dim":[{"size":1},{}]},"intVal":[]', "INT32", [[]]),
        ('"dtype":"DT_UINT8","tensorShape":{"dim":[{"size":2}]},"intVal":[7]', "UINT8", [7, 7]),
        (
            '"dtype":"DT_INT64","tensorShape":{"dim":[{"size":2}]},"int64Val":["-1",2]',
            "INT64",
            [-1, 2],
        ),
        (
            '"dtype":"DT_UINT64","tensorShape":{"dim":[{"size":1}]},"uint64Val":["18446744073709551615"]',
            "UINT64",
            [(1 << 64) - 1],
        ),
        ('"dtype":"DT_BOOL","tensorShape":{"dim":[{"size":1}]},"boolVal":[true]', "BOOL", [True]),
        (
            '"dtype":"DT_STRING","tensorShape":{"dim":[{"size":1}]},"stringVal":["AAA="]',
            "BYTES",
            [b"\0\0"],
        ),
        ('"dtype":"DT_HALF","tensorShape":{"dim":[{"size":1}]},"halfVal":[15872]', "FP16", [1.5]),
        (
            '"dtype":"DT_BFLOAT16","tensorShape":{"dim":[{"size":1}]},"halfVal":[16320]',
            "BF16",
            [16320],
        ),
        (
            '"dtype":"DT_FLOAT","tensorShape":{"dim":[{"size":"1"}]},"tensorContent":"AADAPw=="',
            "FP32",
            [1.5],
        ),
        (
            '"dtype":"DT_FLOAT","tensorShape":{"dim":[{"size":"1"}]},"tensor_content":"AADAPw=="',
            "FP32",
            [1.5],
        ),
    ],
)
def test_values_are_read_by_their_type(said: str, datatype: str, expected: Any) -> None:
    """Integers of 64 bits as texts, halves as their bits, one value for all of a shape."""
    tensor = read("{" + said + "}")

    assert datatype == tensor.datatype
    if expected is None:
        assert 1 == np.isnan(tensor.array).sum()
    else:
        assert expected == tensor.array.tolist()


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("7", "data.tftensor is no object"),
        ("{}", "dtype is none"),
        (
            '{"dtype":"DT_COMPLEX64"}',
            "dtype is 'DT_COMPLEX64': expected a type of numbers or texts",
        ),
        ('{"dtype":true}', "dtype is"),
        ('{"dtype":[]}', "dtype is none"),
        ('{"dtype":1,"tensorShape":7}', "tensorShape is no object with dim"),
        ('{"dtype":1,"tensorShape":{"dim":[7]}}', "tensorShape is no object with dim"),
        ('{"dtype":1,"tensorShape":{"dim":[{"size":"x"}]}}', "size holds what is no integer"),
        ('{"dtype":1,"tensorShape":{"dim":[{"size":-1}]}}', "data.tftensor"),
        ('{"dtype":1,"tensorShape":{"unknownRank":true},"floatVal":[1]}', "has no shape"),
        ('{"dtype":1,"floatVal":7}', "floatVal is no array"),
        ('{"dtype":1,"floatVal":[1,2]}', "floatVal has 2 values"),
        ('{"dtype":1,"floatVal":["1"]}', "floatVal holds texts"),
        ('{"dtype":9,"int64Val":["1.5"]}', "int64Val holds what is no integer"),
        ('{"dtype":7,"stringVal":["?"]}', "stringVal is not base64"),
        ('{"dtype":7,"tensorContent":"AA=="}', "texts in tensorContent: expected stringVal"),
        ('{"dtype":1,"tensorContent":"AA=="}', "tensorContent has 1 bytes: expected 4"),
        ('{"dtype":1,"tensorShape":{"dim":[{"size":1000001}]},"floatVal":[1]}', "has 1 values"),
        ('{"dtype":1,"tensorShape":{"dim":[{"size":1000001}]}}', "has 0 values"),
        ('{"dtype":1,"tensorShape":{"dim":[' + ",".join(["{}"] * 70) + "]}}", "70 dimensions"),
    ],
)
def test_what_is_no_tensor_is_refused(said: str, says: str) -> None:
    """The text has the member's path, and nothing is made room for by its size alone."""
    with pytest.raises(DecodeError, match=says):
        read(said)


@given(some_tensors(values=blobs, max_size=1))
def test_any_tensor_comes_back_the_same(tensors: Tensors) -> None:
    """Every datatype, to the bit."""
    (tensor,) = tensors.tensors

    again = tftensor.read(orjson.loads(orjson.dumps(tftensor.write(tensor))), "x", "x")

    assert (tensor.datatype, tensor.shape) == (again.datatype, again.shape)
    assert_equal(tensor.array, again.array)
