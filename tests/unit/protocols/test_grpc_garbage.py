"""Answers that are cut off, changed or made up: an answer or Rejected, and never anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.core.errors import Rejected
from bridge.core.payload import Body
from bridge.core.tensors import Tensors
from bridge.protocols.oip_grpc import OipGrpc
from bridge.protocols.port import Asked, GrpcProtocol
from bridge.protocols.proto import message
from bridge.protocols.seldon_grpc import SeldonGrpc
from bridge.protocols.tensorflow_grpc import TensorflowGrpc


def _seldon() -> Any:
    said = message("seldon.protos.SeldonMessage")()
    said.data.names.append("a")
    said.data.tensor.shape.extend([1, 2])
    said.data.tensor.values.extend([1.5, 2.5])
    said.meta.tags["t"].list_value.extend([1, "x"])
    return said


def _rows() -> Any:
    said = message("seldon.protos.SeldonMessage")()
    for _ in range(4):
        said.data.ndarray.add_list().extend([1.5] * 6)
    return said


def _oip() -> Any:
    said = message("inference.ModelInferResponse")(raw_output_contents=[b"\0" * 8, b"\1\0\0\0a"])
    said.outputs.add(name="x", datatype="FP32", shape=[1, 2])
    said.outputs.add(name="y", datatype="BYTES", shape=[1])
    return said


def _tensorflow() -> Any:
    said = message("tensorflow.serving.PredictResponse")()
    said.outputs["x"].dtype = 1
    said.outputs["x"].tensor_shape.dim.add().size = 2
    said.outputs["x"].tensor_content = b"\0" * 8
    said.outputs["y"].dtype = 4
    said.outputs["y"].tensor_shape.dim.add().size = 3
    said.outputs["y"].int_val.append(7)
    return said


CASES: list[tuple[GrpcProtocol, bytes]] = [
    (SeldonGrpc(Asked()), _seldon().SerializeToString()),
    (SeldonGrpc(Asked()), _rows().SerializeToString()),
    (OipGrpc(Asked(name="m")), _oip().SerializeToString()),
    (TensorflowGrpc(Asked(name="m")), _tensorflow().SerializeToString()),
]
NAMES = ("seldon", "rows", "oip", "tensorflow")
PAYLOADS = (Body(b'{"data":{"ndarray":[[1]]}}'), Tensors.of(x=[1]))


def heard(protocol: GrpcProtocol, data: bytes) -> None:
    """Have *protocol* read *data* as an answer to each kind of payload."""
    for payload in PAYLOADS:
        try:
            protocol.answer(data, payload, "it")
        except Rejected as error:
            assert str(error).startswith("it answered")  # noqa: PT017  # an answer is right as well


@pytest.mark.parametrize(("protocol", "data"), CASES, ids=NAMES)
def test_cut_off_anywhere(protocol: GrpcProtocol, data: bytes) -> None:
    """Every beginning of an answer is judged, and the whole of it is one."""
    for end in range(len(data)):
        heard(protocol, data[:end])
    for payload in PAYLOADS:
        assert protocol.answer(data, payload, "it")


@pytest.mark.parametrize(("protocol", "data"), CASES, ids=NAMES)
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_anywhere(protocol: GrpcProtocol, data: bytes, drawn: st.DataObject) -> None:
    """Bytes that are other ones, too many or missing never raise anything but Rejected."""
    changed = bytearray(data)
    for _ in range(drawn.draw(st.integers(1, 3))):
        at = drawn.draw(st.integers(0, len(changed) - 1))
        changed[at : at + drawn.draw(st.integers(0, 2))] = drawn.draw(st.binary(max_size=3))
        if not changed:
            break
    heard(protocol, bytes(changed))


@pytest.mark.parametrize("protocol", [case[0] for case in CASES[1:]], ids=NAMES[1:])
@given(data=st.binary(max_size=60))
def test_made_up(protocol: GrpcProtocol, data: bytes) -> None:
    """Any bytes at all."""
    heard(protocol, data)
