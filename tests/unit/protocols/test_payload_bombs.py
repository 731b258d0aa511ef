"""Payloads of a few bytes that would cost gigabytes, or hold the loop: refused before they do."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensors
from bridge.protocols.forms import form_called
from bridge.protocols.port import Asked
from bridge.protocols.proto import message
from bridge.protocols.raw import MAX_EMPTY, from_raw
from bridge.protocols.seldon_grpc import SeldonGrpc
from bridge.protocols.seldon_proto import array_of
from bridge.protocols.tensor_proto import MAX_LEFT_OUT
from bridge.protocols.tensorflow_grpc import TensorflowGrpc


def oip(shape: list[int]) -> Body:
    """Return a request of one tensor without values."""
    tensor = {"name": "x", "shape": shape, "datatype": "FP32", "data": []}
    return Body(orjson.dumps({"inputs": [tensor]}))


def seldon(**data: Any) -> Body:
    return Body(orjson.dumps({"data": data}))


@pytest.mark.parametrize("shape", [[1 << 40, 0], [1000, 1000, 1000, 0], [MAX_EMPTY + 1, 0, 3]])
def test_ninety_bytes_of_an_empty_tensor_stopped_the_process(shape: list[int]) -> None:
    """Each `[]` of a shape without values would be written where the model asks for rows."""
    dimensions = [{"size": str(count)} for count in shape]

    for body, form in (
        (oip(shape), "oip"),
        (seldon(tensor={"shape": shape, "values": []}), "seldon"),
        (seldon(tftensor={"dtype": "DT_FLOAT", "tensorShape": {"dim": dimensions}}), "seldon"),
    ):
        with pytest.raises(DecodeError, match="arrays at most that hold no value"):
            form_called(form).read_request(body)  # type: ignore[arg-type]  # one of the names


def test_an_empty_tensor_of_a_servers_message_is_as_bounded() -> None:
    """What a model answers over gRPC is written as JSON as well."""
    said = message("seldon.protos.SeldonMessage")()
    said.data.tensor.shape.extend([1 << 30, 0])

    with pytest.raises(DecodeError, match="arrays at most that hold no value"):
        array_of(said.data)
    with pytest.raises(DecodeError, match="arrays at most that hold no value"):
        from_raw(b"", "FP32", [1 << 30, 0], "output 'y'")


@pytest.mark.parametrize("shape", [[0], [0, 1024, 1024, 3], [100, 0], [MAX_EMPTY, 0]])
def test_a_batch_of_nothing_is_fine(shape: list[int]) -> None:
    """A tensor may be empty: no rows, or rows of nothing."""
    (tensor,) = form_called("oip").read_request(oip(shape)).tensors

    assert tuple(shape) == tensor.shape
    assert np.float32 == tensor.array.dtype


def test_columns_of_no_rows_were_named_one_by_one() -> None:
    """An answer of shape [0, 1000000000] has no values, and would have had gigabytes of names."""
    empty = Tensors.of(y=np.zeros((0, 1 << 40), dtype=np.float32))

    answer = form_called("seldon").write_answer(empty, like=seldon(ndarray=[[1]]), id="p")

    assert [] == answer.json()["data"]["names"]
    few = form_called("seldon").write_answer(
        Tensors.of(y=np.zeros((0, 2))), like=seldon(ndarray=[[1]]), id="p"
    )
    assert ["t:0", "t:1"] == few.json()["data"]["names"]


@pytest.mark.parametrize(
    "data",
    [
        b'{"strData":"a","status":{"status":Infinity}}',
        b'{"data":{"tftensor":{"dtype":-Infinity}}}',
        b'{"strData":"a","meta":{"metrics":["\\ud800"],"x":NaN}}',
        b'{"strData":"a","meta":{"metrics":[{"key":"k","value":NaN,"type":Infinity}]}}',
        b'{"strData":"a","meta":{"routing":{"a":Infinity}}}',
    ],
)
def test_what_protobuf_stumbles_over_was_an_error_of_ours(data: bytes) -> None:
    """An event with it was answered 500 and delivered again, for ever."""
    body = Body(data)

    with pytest.raises(DecodeError, match=r"^the payload\.(status|meta|data)"):
        SeldonGrpc(Asked()).call(Request(payload=body, id="p"), body)


def test_a_thousand_outputs_that_leave_out_their_values_were_a_hundred_gigabytes() -> None:
    """One value may stand for a shape of millions, and for no more in all of an answer."""
    said = message("tensorflow.serving.PredictResponse")()
    for index in range(3):
        said.outputs[f"y{index}"].dtype = 10  # DT_BOOL
        said.outputs[f"y{index}"].tensor_shape.dim.add().size = MAX_LEFT_OUT // 2 + 1
    model = TensorflowGrpc(Asked(name="m"))

    with pytest.raises(
        Rejected, match=r"^it answered garbage: outputs of \d+ values in \d\d bytes"
    ):
        model.answer(said.SerializeToString(), Tensors.of(x=[1]), "it")
    del said.outputs["y1"], said.outputs["y2"]
    (tensor,) = model.answer(said.SerializeToString(), Tensors.of(x=[1]), "it").tensors

    assert (MAX_LEFT_OUT // 2 + 1,) == tensor.shape
