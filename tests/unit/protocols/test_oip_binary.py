"""The Open Inference Protocol's binary tensors: sizes are checked before anything is read."""

from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import oip_binary
from tests.tensor_strategies import assert_same, blobs, of_bytes, some_tensors

X = np.array([[1.5, -2]], np.float32)


def answer(outputs: list[dict[str, object]], data: bytes, **members: object) -> tuple[bytes, int]:
    """Return an answer of a server, and the length of its JSON."""
    said = orjson.dumps({"model_name": "m", **members, "outputs": outputs})
    return said + data, len(said)


def output(size: object, datatype: str = "FP32", shape: object = (1, 2)) -> dict[str, object]:
    """Return an output with binary values."""
    parameters = {"binary_data_size": size}
    return {"name": "y", "shape": shape, "datatype": datatype, "parameters": parameters}


def test_a_request_is_json_and_then_the_values() -> None:
    """Little-endian, texts with their lengths before them, and the answer asked for so."""
    tensors = Tensors(
        (
            Tensor("x", "FP32", X, {"a": 1}),
            Tensor("t", "BYTES", of_bytes([b"ab", b""], (2,))),
            Tensor("h", "BF16", np.array([0x3FC0], np.uint16)),
            Tensor("b", "BOOL", np.array(True)),
        ),
        {"p": 1, "outputs": ({"name": "y"},)},
    )

    length, body = oip_binary.write_request(tensors, "7")

    said = orjson.loads(body[:length])
    assert {"p": 1, "binary_data_output": True} == said["parameters"]
    assert ("7", [{"name": "y"}]) == (said["id"], said["outputs"])
    assert {
        "name": "x",
        "shape": [1, 2],
        "datatype": "FP32",
        "parameters": {"a": 1, "binary_data_size": 8},
    } == said["inputs"][0]
    assert (
        struct.pack("<2f", 1.5, -2) + b"\2\0\0\0ab\0\0\0\0" + b"\xc0\x3f" + b"\1" == body[length:]
    )


def test_binary_and_json_stand_side_by_side() -> None:
    """Binary values come in the order of their tensors, whatever stands between."""
    data, length = answer(
        [
            output(8),
            {"name": "t", "shape": [1], "datatype": "BYTES", "data": ["a"], "parameters": None},
            {**output(2, "INT16", [1]), "name": "z"},
        ],
        struct.pack("<2fh", 1.5, -2, 7),
        model_version="3",
    )

    tensors = oip_binary.read_answer(data, length)

    assert [[[1.5, -2.0]], [b"a"], [7]] == [each.array.tolist() for each in tensors.tensors]
    assert ("3", {}) == (tensors.model_version, tensors.tensors[0].parameters)


@given(some_tensors(values=blobs))
def test_any_tensors_come_back_the_same(tensors: Tensors) -> None:
    """Every datatype, NaN and infinity, bytes that are no text, with and without dimensions."""
    length, body = oip_binary.write_request(tensors, "7")
    assert_same(tensors, oip_binary.read_request(body, length))

    length, body = oip_binary.write_answer(tensors, model_name="m", id="7")
    assert_same(tensors, oip_binary.read_answer(body, length))


def test_an_image_is_not_copied() -> None:
    """What was read shares the bytes of the answer."""
    data, length = answer([output(8)], X.tobytes())

    assert not oip_binary.read_answer(data, length)["y"].flags.owndata


@pytest.mark.parametrize(
    ("outputs", "data", "says"),
    [
        ([output(8)], b"\0" * 7, "binary_data_size is 8: expected 7 at most"),
        ([output(8)], b"\0" * 9, "has 1 bytes after its tensors: expected none"),
        ([output(-1)], b"", "binary_data_size is -1"),
        ([output("8")], b"\0" * 8, "binary_data_size is 8: expected"),
        ([output(True)], b"\0", "binary_data_size is True"),
        ([output([8] * 1000)], b"\0" * 8, "binary_data_size is no number"),
        ([output(4)], b"\0" * 4, "has 4 bytes: expected 8"),
        ([output(8, "FP8")], b"\0" * 8, "datatype 'FP8'"),
        ([output(8, shape=[1, 2, 10**9])], b"\0" * 8, "has 8 bytes: expected"),
        ([output(8, shape=[1 << 40, 1 << 40])], b"\0" * 8, "expected"),
        ([output(2, "BOOL", [2])], b"\1\2", "holds the byte 2 as a boolean"),
        ([output(4, "BYTES", [1])], b"\5\0\0\0", "ends within text 0"),
        ([output(4, "BYTES", [1 << 30])], b"\0\0\0\0", "texts and their lengths"),
        ([output(5, "BYTES", [1])], b"\0\0\0\0x", "1 bytes after the last"),
        ([output(3, "BYTES", [0])], b"abc", "after the last"),
        ([output(8), output(8)], b"\0" * 16, "two tensors called 'y'"),
        ([{"name": "y", "shape": [1], "datatype": "FP32"}], b"", "its data is no array"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    outputs: list[dict[str, object]], data: bytes, says: str
) -> None:
    """Before room is made for them; the text has both numbers."""
    body, length = answer(outputs, data)

    with pytest.raises(DecodeError, match=says):
        oip_binary.read_answer(body, length)


@pytest.mark.parametrize("told", [b"", b"x", b"-1", b"11", b"9" * 30, b"1 ", b"\xb2", b"0x1"])
def test_a_length_that_is_none_is_refused(told: bytes) -> None:
    """The header is the server's, and as good as any of its bytes."""
    with pytest.raises(DecodeError, match=r"inference-header-content-length is .*: expected 10 at"):
        oip_binary.length_of(told, b"0123456789")


def test_a_length_within_the_body_is_taken() -> None:
    """Up to the whole of it: an answer may be JSON alone."""
    assert 10 == oip_binary.length_of(b"10", b"0123456789")
    assert 0 == oip_binary.length_of(b"0", b"0123456789")


@given(st.binary(max_size=60), st.integers(0, 60))
def test_any_bytes_are_tensors_or_a_decode_error(data: bytes, length: int) -> None:
    """Never another exception."""
    with suppress(DecodeError):
        oip_binary.read_answer(data, min(length, len(data)))


@given(some_tensors(values=blobs), st.data())
def test_a_body_cut_or_changed_anywhere_is_tensors_or_a_decode_error(
    tensors: Tensors, data: st.DataObject
) -> None:
    """A truncated answer is garbage, whichever byte it ends with."""
    length, body = oip_binary.write_answer(tensors, model_name="m", id="7")
    at = data.draw(st.integers(0, len(body) - 1))
    changed = (
        body[:at] + data.draw(st.binary(max_size=2)) + body[at + data.draw(st.integers(0, 2)) :]
    )

    with suppress(DecodeError):
        oip_binary.read_answer(changed, min(length, len(changed)))
