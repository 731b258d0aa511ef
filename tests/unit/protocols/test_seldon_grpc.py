"""Seldon v1 over gRPC: what is asked for each form, and what an answer becomes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bridge.core.errors import BridgeError, DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols.port import Asked, Metadata, NonFinite, Payload, Spec
from bridge.protocols.proto import message
from bridge.protocols.seldon_grpc import SeldonGrpc
from bridge.protocols.seldon_proto import FEEDBACK, feedback_json, to_feedback
from bridge.protocols.written import dumps


def seldon(non_finite: NonFinite = "null", **asked: Any) -> SeldonGrpc:
    return SeldonGrpc(Asked(**asked), non_finite=non_finite)


def called(payload: Payload) -> Any:
    """Return the message that *payload* is asked with."""
    data = seldon().call(Request(payload=Body(b""), id="p-1"), payload)
    return message("seldon.protos.SeldonMessage").FromString(data)


def answered(said: Any, payload: Payload | None = None, **more: Any) -> Payload:
    asked = Body(b'{"data":{"ndarray":[[1]]}}') if payload is None else payload
    return seldon(**more).answer(said.SerializeToString(), asked, "it")


def test_the_published_request() -> None:
    """The iris row is an ndarray of one row of four doubles, and nothing else."""
    said = called(Body(b'{"data": { "ndarray": [[1,2,3,4]]}}'))

    assert "data" == said.WhichOneof("data_oneof")
    assert [[1.0, 2.0, 3.0, 4.0]] == [[*row] for row in said.data.ndarray]
    assert not said.HasField("meta")


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"names": ["a", "b"], "ndarray": [[1.5, 2.0]]}, "meta": {}},
        {"data": {"names": [], "ndarray": [["x", None, True, [1.5]], []]}, "meta": {}},
        {"data": {"names": [], "ndarray": []}, "meta": {}},
        {"data": {"names": ["a"], "tensor": {"shape": [2, 1], "values": [1.5, 2.0]}}, "meta": {}},
        {
            "data": {
                "names": [],
                "tftensor": {
                    "dtype": "DT_FLOAT",
                    "tensorShape": {"dim": [{"size": "2"}]},
                    "floatVal": [1.5, 2.5],
                },
            },
            "meta": {},
        },
        {"strData": "ä\u2028", "meta": {}},
        {"binData": "AP8=", "meta": {}},
        {"jsonData": {"a": [None, 1, 1.5, "x", True, {}]}, "meta": {}},
        {"jsonData": None, "meta": {}},
        {
            "strData": "x",
            "meta": {
                "puid": "q",
                "tags": {"t": 1, "list": [1.5, {"a": None}]},
                "routing": {"router": -1},
                "requestPath": {"iris": "local/iris:1"},
                "metrics": [
                    {"key": "k", "type": "COUNTER", "value": 1.0},
                    {"key": "g", "type": "GAUGE", "value": 22.1, "tags": {"a": "b"}},
                ],
            },
        },
        {
            "strData": "x",
            "meta": {},
            "status": {"code": 200, "info": "i", "reason": "r", "status": "SUCCESS"},
        },
    ],
)
def test_json_goes_through(body: dict[str, Any]) -> None:
    """Nothing of a message in JSON is added, lost or turned into another form."""
    asked = Body(json.dumps(body).encode())

    answer = answered(called(asked), asked)

    assert isinstance(answer, Body)
    assert body == json.loads(answer.data)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b"[]", "expected an object"),
        (b'{"data":{"ndarray":[1]},"strData":"x"}', "carries data and strData"),
        (b'{"datum":1}', "has 'datum', which Seldon's gRPC has no room for"),
        (b'{"data":{"ndarray":[1],"tensor":{}}}', "holds tensor and ndarray"),
        (b'{"data":{"rows":[1]}}', "'rows'"),
        (b'{"data":{"ndarray":{}}}', "ndarray is no array"),
        (b'{"data":{"names":"a","ndarray":[1]}}', "names is no array"),
        (b'{"data":{"names":[1],"ndarray":[1]}}', "names is no text"),
        (b'{"data":{"ndarray":[9007199254740993]}}', r"data\.ndarray\[0\] is 9007199254740993"),
        (b'{"data":{"tensor":{"shape":[1],"values":[9007199254740993]}}}', r"values\[0\] is"),
        (b'{"data":{"tensor":{"shape":[-1],"values":[1]}}}', "no array of counts"),
        (b'{"data":{"tensor":{"shape":[1],"values":["a"]}}}', "what is no number"),
        (b'{"data":{"tensor":{"shape":[1],"values":[true]}}}', "what is no number"),
        (b'{"data":{"tensor":{"shape":[1],"values":{}}}}', "values is no array"),
        (b'{"data":{"tftensor":{"dtype":"DT_NONE"}}}', "tftensor: "),
        (b'{"strData":1}', "strData is no text"),
        (b'{"binData":"*"}', "not base64"),
        (b'{"customData":{}}', "customData"),
        (b'{"strData":"x","meta":{"tags":[]}}', "tags is no object"),
        (b'{"strData":"x","meta":{"routing":{"r":"x"}}}', r"meta: "),
        (b'{"strData":"x","meta":{"routes":{}}}', r"meta: .*routes"),
        (b'{"strData":"x","meta":[1]}', "meta is no object"),
        (b'{"strData":"x","status":{"status":"BROKEN"}}', "status: "),
    ],
)
def test_what_the_message_has_no_room_for(body: bytes, told: str) -> None:
    """A payload that cannot be said is refused with the name of the member, not cut."""
    with pytest.raises(DecodeError, match=told):
        called(Body(body))


def test_bare_tokens_are_doubles() -> None:
    """NaN and infinity, as tokens or as proto3's texts, are doubles like others."""
    said = called(Body(b'{"data":{"tensor":{"shape":[4],"values":[NaN,-Infinity,1,2]}}}'))
    named = called(Body(b'{"data":{"tensor":{"shape":[2],"values":["NaN","Infinity"]}}}'))

    assert np.isnan(said.data.tensor.values[0])
    assert -np.inf == said.data.tensor.values[1]
    assert np.inf == named.data.tensor.values[1]


@pytest.mark.parametrize("form", ["tensor", "ndarray", "jsonData", "mixed"])
def test_nan_in_an_answer(form: str) -> None:
    """JSON has no form for NaN: null, its name, or a refusal, as the option says."""
    said = message("seldon.protos.SeldonMessage")()
    if form == "tensor":
        said.data.tensor.shape.extend([2])
        said.data.tensor.values.extend([np.nan, 1.5])
    elif form == "jsonData":
        said.jsonData.list_value.extend([np.nan, 1.5])
    else:
        said.data.ndarray.extend([np.nan, 1.5])
        if form == "mixed":
            said.data.ndarray.append("x")

    assert b"[null,1.5" in body_of(answered(said))
    assert b'["NaN",1.5' in body_of(answered(said, non_finite="text"))
    with pytest.raises(Rejected, match="NaN or infinity"):
        answered(said, non_finite="refuse")


def body_of(answer: Payload) -> bytes:
    assert isinstance(answer, Body)
    return answer.data


def test_tensors_are_a_tensor_of_doubles() -> None:
    """Numbers of any datatype go as doubles, with their columns' names and the puid."""
    for datatype in ("FP32", "INT8", "FP16", "UINT64"):
        tensor = Tensor.of("x", np.array([[1, 2]]), datatype)
        said = called(Tensors((Tensor("x", datatype, tensor.array, {"names": ["a", "b"]}),)))

        assert [1, 2] == list(said.data.tensor.shape)
        assert [1.0, 2.0] == list(said.data.tensor.values)
        assert ["a", "b"] == list(said.data.names)
        assert "p-1" == said.meta.puid


def test_bf16_is_the_number_that_its_bits_are() -> None:
    """0x3FC0 is 1.5."""
    said = called(Tensors((Tensor.of("x", np.array([0x3FC0], "u2"), "BF16"),)))

    assert [1.5] == list(said.data.tensor.values)


@pytest.mark.parametrize(
    ("values", "datatype", "expected"),
    [([["a", "b"]], "BYTES", '[["a","b"]]'), ([True, False], "BOOL", "[true,false]")],
)
def test_texts_and_booleans_are_an_ndarray(values: Any, datatype: str, expected: str) -> None:
    """What a tensor of doubles cannot hold goes as the JSON form of Seldon would say it."""
    said = called(Tensors((Tensor.of("x", values, datatype),)))

    assert expected.encode() in body_of(answered(said))


@pytest.mark.parametrize(
    "tensors",
    [
        Tensors.of(a=[1], b=[2]),
        Tensors(()),
        Tensors((Tensor.of("x", [2**60 + 1], "INT64"),)),
        Tensors((Tensor.of("x", [2**60 + 1], "UINT64"),)),
    ],
)
def test_tensors_that_it_cannot_say(tensors: Tensors) -> None:
    """One tensor a message, and no integer that a double does not hold."""
    with pytest.raises(Rejected):
        called(tensors)


@pytest.mark.parametrize("form", ["tensor", "ndarray", "tftensor"])
def test_an_answer_to_tensors_is_tensors(form: str) -> None:
    """Each form of numbers is the tensor `output`; a tftensor keeps its datatype."""
    said = message("seldon.protos.SeldonMessage")()
    said.data.names.extend(["a", "b"])
    said.meta.tags["t"].number_value = 1
    if form == "tensor":
        said.data.tensor.shape.extend([1, 2])
        said.data.tensor.values.extend([1, 2])
    elif form == "ndarray":
        said.data.ndarray.add_list().extend([1, 2])
    else:
        said.data.tftensor.dtype = 1
        for count in (1, 2):
            said.data.tftensor.tensor_shape.dim.add().size = count
        said.data.tftensor.float_val.extend([1, 2])

    answer = answered(said, Tensors.of(x=[[1]]))

    assert isinstance(answer, Tensors)
    (tensor,) = answer.tensors
    assert ("output", "FP32" if form == "tftensor" else "FP64") == (tensor.name, tensor.datatype)
    assert [[1.0, 2.0]] == tensor.array.tolist()
    assert ["a", "b"] == tensor.parameters["names"]
    assert {"tags": {"t": 1}} == answer.parameters["meta"]


def test_text_as_an_answer_to_tensors() -> None:
    """A strData is a tensor of one text."""
    answer = answered(message("seldon.protos.SeldonMessage")(strData="hi"), Tensors.of(x=[1]))

    assert isinstance(answer, Tensors)
    assert [b"hi"] == answer["output"].tolist()


@pytest.mark.parametrize("payload", [Body(b'{"strData":"x"}'), Tensors.of(x=[1])])
@pytest.mark.parametrize(
    ("shape", "values", "told"),
    [([3], [1, 2], "2 values"), ([-1], [1], "expected counts"), ([1] * 33, [1], "33 dimensions")],
)
def test_sizes_that_differ_are_garbage(
    payload: Payload, shape: list[int], values: list[float], told: str
) -> None:
    """A tensor whose values are not those of its shape is Rejected, never numpy's own error."""
    said = message("seldon.protos.SeldonMessage")()
    said.data.tensor.shape.extend(shape)
    said.data.tensor.values.extend(values)

    with pytest.raises(Rejected, match=f"^it answered garbage: .*{told}"):
        answered(said, payload)


def test_a_failure_is_rejected() -> None:
    """A message that tells of a failure is no answer."""
    said = message("seldon.protos.SeldonMessage")()
    said.status.status, said.status.reason, said.status.info = 1, "BAD", "no such row"

    with pytest.raises(Rejected, match=r"^it answered with a failure: 'BAD: no such row'"):
        answered(said)


def test_what_has_no_form_in_json_is_garbage() -> None:
    """A customData is of a type that only its owner knows."""
    said = message("seldon.protos.SeldonMessage")()
    said.customData.type_url = "type.googleapis.com/their.Own"

    with pytest.raises(Rejected, match=r"customData of type .*their\.Own"):
        answered(said)


def test_metadata() -> None:
    """What the wrapper tells of a model, by the names of the Open Inference Protocol."""
    method, asked = seldon(name="iris").metadata()
    told = message("seldon.protos.SeldonModelMetadata")(name="iris", versions=["1"], platform="s")
    told.inputs.add(name="x", datatype="FP32", shape=[-1, 4])
    told.outputs.add(messagetype="strData")

    assert ("/seldon.protos.Seldon/ModelMetadata", b"\n\x04iris") == (method, asked)
    assert Metadata(
        name="iris",
        versions=("1",),
        platform="s",
        inputs=(Spec(name="x", datatype="FP32", shape=(-1, 4)),),
        outputs=(Spec(name=""),),
    ) == seldon().read_metadata(told.SerializeToString())


def test_feedback_goes_through() -> None:
    """Feedback is the same in JSON and as a message, both ways."""
    said = {
        "request": {"data": {"names": [], "ndarray": [[1.5]]}, "meta": {}},
        "response": {"strData": "x", "meta": {"routing": {"r": 1}}},
        "truth": {"jsonData": 1, "meta": {}},
        "reward": 0.1,
    }

    made = to_feedback(said)
    read = message(FEEDBACK).FromString(made.SerializeToString())

    assert said == json.loads(dumps(feedback_json(read)))
    with pytest.raises(DecodeError, match="'rewards'"):
        to_feedback({"rewards": 1})


def test_any_answer_says_that_somebody_serves() -> None:
    """The wrapper has no health check over gRPC: its metadata are asked for."""
    assert seldon().metadata() == seldon().probe()
    assert seldon().is_well(b"")


def test_a_status_is_judged_for_the_method() -> None:
    """UNKNOWN is the user's class that raised."""
    error: BridgeError = seldon().judge("UNKNOWN", "Exception calling application: no", "it")

    assert isinstance(error, Rejected)
