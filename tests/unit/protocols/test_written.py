"""Arrays become JSON with the digits of their datatype, and nothing that JSON does not have."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.core.errors import Rejected
from bridge.core.tensors import Tensor
from bridge.protocols import written
from bridge.protocols.written import Written
from tests.tensor_strategies import of_bytes


def said(tensor: Tensor, non_finite: Written = "null", **how: bool) -> bytes:
    """Return *tensor*'s values as JSON."""
    return written.dumps(written.values(tensor, non_finite, **how))


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([[0.1, 1]], np.float32), b"[[0.1,1.0]]"),
        (np.array([0.1], np.float64), b"[0.1]"),
        (np.array([1.5], np.float16), b"[1.5]"),
        (np.array([True, False]), b"[true,false]"),
        (np.array([(1 << 64) - 1], np.uint64), b"[18446744073709551615]"),
        (np.array([-128], np.int8), b"[-128]"),
        (np.zeros((2, 0)), b"[[],[]]"),
        (np.float32(0.1), b"0.1"),
        (np.array(True), b"true"),
        (np.array([[1, 2], [3, 4]], np.int32).T, b"[[1,3],[2,4]]"),
        (np.array([1, 2], ">i4"), b"[1,2]"),
    ],
)
def test_numbers_have_the_digits_of_their_datatype(array: Any, expected: bytes) -> None:
    """A float of 32 bits is not written with those of 64."""
    assert expected == said(Tensor("x", "FP32", np.asarray(array)))


def test_numbers_that_do_not_lie_as_the_machine_has_them_are_written() -> None:
    """An answer's binary values may begin at any byte."""
    data = b"\0" + np.array([1.5, 2.5], np.float32).tobytes()
    array = np.frombuffer(memoryview(data)[1:], np.float32)

    assert not array.flags.aligned
    assert b"[1.5,2.5]" == said(Tensor("x", "FP32", array))


def test_bf16_is_written_as_the_numbers_it_holds() -> None:
    """Its 16 bits are the upper half of an FP32."""
    bits = np.array([[0x3FC0, 0xC000], [0x7F80, 0]], np.uint16)

    assert b"[[1.5,-2.0],[null,0.0]]" == said(Tensor("x", "BF16", bits))
    assert b"[1.5,-2.0,null,0.0]" == said(Tensor("x", "BF16", bits), flat=True)


@pytest.mark.parametrize(
    ("non_finite", "expected"),
    [
        ("null", b"[[0.1,null],[null,null]]"),
        ("text", b'[[0.1,"NaN"],["Infinity","-Infinity"]]'),
        ("token", b"[[0.1,NaN],[Infinity,-Infinity]]"),
    ],
)
def test_what_is_not_finite_is_written_as_asked(non_finite: Written, expected: bytes) -> None:
    """And the numbers beside it stay as they were."""
    array = np.array([[0.1, np.nan], [np.inf, -np.inf]], np.float32)

    assert expected == said(Tensor("x", "FP32", array), non_finite)


@pytest.mark.parametrize("array", [np.array([1, np.inf]), np.array(np.nan), np.float16("nan")])
def test_what_is_not_finite_is_refused_where_asked(array: Any) -> None:
    """The text names the tensor."""
    with pytest.raises(Rejected, match="tensor 'x' holds NaN or infinity"):
        said(Tensor("x", "FP64", np.asarray(array)), "refuse")


@pytest.mark.parametrize("non_finite", ["null", "text", "refuse", "token"])
def test_finite_numbers_are_written_alike_by_every_policy(non_finite: Written) -> None:
    """A policy is for what JSON has no form for, and nothing else."""
    assert b"[1.5]" == said(Tensor.of("x", [1.5]), non_finite)
    assert b"1.5" == said(Tensor.of("x", 1.5), non_finite)
    assert b"[1]" == said(Tensor.of("x", [1]), non_finite)


def test_a_single_value_that_is_not_finite_is_written() -> None:
    """It has no dimension, and its form all the same."""
    tensor = Tensor.of("x", np.float32("inf"))

    assert [b"null", b'"Infinity"'] == [said(tensor), said(tensor, "text")]


def test_texts_are_written_as_texts() -> None:
    """In the shape they lie in."""
    tensor = Tensor("x", "BYTES", of_bytes([b"a", "é".encode()], (2, 1)))

    assert '[["a"],["é"]]'.encode() == said(tensor)
    assert '["a","é"]'.encode() == said(tensor, flat=True)
    assert b'"a"' == said(Tensor("x", "BYTES", of_bytes([b"a"], ())))


def test_bytes_that_are_no_text_are_base64_where_there_is_such_a_form() -> None:
    """Elsewhere they are refused: a replacement character would not come back."""
    tensor = Tensor("x", "BYTES", of_bytes([b"\xff", b"a"], (2,)))

    assert b'[{"b64":"/w=="},"a"]' == said(tensor, b64=True)
    with pytest.raises(Rejected, match="tensor 'x' holds bytes that are no UTF-8"):
        said(tensor)


def test_all_values_of_a_tensor_named_so_are_base64() -> None:
    """TensorFlow Serving tells bytes from text by the name alone."""
    tensor = Tensor("image_bytes", "BYTES", of_bytes([b"a"], (1,)))

    assert b'[{"b64":"YQ=="}]' == said(tensor, b64=True)
    assert b'["a"]' == said(tensor)


def test_what_json_has_no_form_for_is_refused() -> None:
    """A parameter of any kind is no TypeError on the way of an event."""
    with pytest.raises(Rejected, match="no form in JSON"):
        written.dumps({"x": object()})
