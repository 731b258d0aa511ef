"""The Open Inference Protocol over gRPC: raw contents out, raw or typed ones back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.core.errors import BridgeError, ConfigError, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import DTYPES, Tensor, Tensors
from bridge.protocols.oip_grpc import OipGrpc
from bridge.protocols.port import Asked, Metadata, Payload, Spec
from bridge.protocols.proto import message


def oip(**asked: Any) -> OipGrpc:
    return OipGrpc(Asked(**{"name": "iris", **asked}))


def called(payload: Payload, **asked: Any) -> Any:
    data = oip(**asked).call(Request(payload=Body(b""), id="p-1"), payload)
    return message("inference.ModelInferRequest").FromString(data)


def answered(said: Any) -> Tensors:
    return oip().answer(said.SerializeToString(), Tensors.of(x=[1]), "it")


def response(raw: list[bytes] = (), **output: Any) -> Any:  # type: ignore[assignment]  # never changed
    said = message("inference.ModelInferResponse")(raw_output_contents=raw)
    contents = output.pop("contents", None)
    made = said.outputs.add(**{"name": "y", **output})
    for field, values in (contents or {}).items():
        getattr(made.contents, field).extend(values)
    return said


def test_a_body_is_asked_with_raw_contents() -> None:
    """Datatype and shape are the body's own, and so are id, parameters and wanted outputs."""
    said = called(
        Body(
            b'{"id":"mine","parameters":{"a":1,"b":true,"c":"x","d":1.5},'
            b'"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1.5,2],'
            b'"parameters":{"content_type":"np"}}],'
            b'"outputs":[{"name":"y","parameters":{"classification":3}}]}'
        ),
        version="2",
    )

    assert ("iris", "2", "mine") == (said.model_name, said.model_version, said.id)
    (x,) = said.inputs
    assert ("x", "FP32", [1, 2]) == (x.name, x.datatype, list(x.shape))
    assert [np.array([1.5, 2], "<f4").tobytes()] == list(said.raw_input_contents)
    assert "np" == x.parameters["content_type"].string_param
    assert 1 == said.parameters["a"].int64_param
    assert said.parameters["b"].bool_param
    assert "x" == said.parameters["c"].string_param
    assert 1.5 == said.parameters["d"].double_param
    assert 3 == said.outputs[0].parameters["classification"].int64_param


def test_the_puid_is_the_id_where_there_is_none() -> None:
    """KServe fails without an id."""
    assert "p-1" == called(Tensors.of(x=[1.5])).id
    body = b'{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[1]}]}'
    assert "p-1" == called(Body(body)).id


@pytest.mark.parametrize("datatype", DTYPES)
def test_every_datatype_comes_back_raw(datatype: str) -> None:
    """What is asked raw reads the same as an answer."""
    values: Any = [[b"a", b""]] if datatype == "BYTES" else [[1, 0]]
    tensor = Tensor.of("y", np.array(values, dtype=DTYPES[datatype]), datatype)
    asked = called(Tensors((tensor,)))

    answer = answered(response(list(asked.raw_input_contents), datatype=datatype, shape=[1, 2]))

    assert values == answer["y"].tolist()
    assert datatype == answer.tensors[0].datatype


@pytest.mark.parametrize(
    ("datatype", "field", "values"),
    [
        ("BOOL", "bool_contents", [True, False]),
        ("INT8", "int_contents", [-1, 2]),
        ("INT16", "int_contents", [-1, 2]),
        ("INT32", "int_contents", [-1, 2]),
        ("INT64", "int64_contents", [-(2**63), 2]),
        ("UINT8", "uint_contents", [255, 2]),
        ("UINT16", "uint_contents", [65535, 2]),
        ("UINT32", "uint_contents", [2**32 - 1, 2]),
        ("UINT64", "uint64_contents", [2**64 - 1, 2]),
        ("FP32", "fp32_contents", [0.5, 2]),
        ("FP64", "fp64_contents", [0.1, 2]),
        ("BYTES", "bytes_contents", [b"a", b"\xff"]),
    ],
)
def test_typed_contents(datatype: str, field: str, values: list[Any]) -> None:
    """MLServer and KServe answer in kind: every typed field is read."""
    answer = answered(response(datatype=datatype, shape=[2, 1], contents={field: values}))

    assert [[one] for one in values] == answer["y"].tolist()
    assert DTYPES[datatype] == answer["y"].dtype.name


def test_raw_contents_are_looked_at_first() -> None:
    """MLServer sets an empty `contents` beside raw ones."""
    said = response([b"\x00\x00\x80\x3f"], datatype="FP32", shape=[1])
    said.outputs[0].contents.SetInParent()
    said.outputs[0].parameters["p"].string_param = "v"
    said.parameters["q"].int64_param = 1
    said.model_version = "v1"

    answer = answered(said)

    assert [1.0] == answer["y"].tolist()
    assert {"p": "v"} == answer.tensors[0].parameters
    assert ({"q": 1}, "v1") == (answer.parameters, answer.model_version)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (response(datatype="FP32", shape=[2], contents={"fp32_contents": [1]}), "1 values"),
        (response(datatype="FP32", shape=[1], contents={"fp64_contents": [1]}), "0 values"),
        (response(datatype="FP16", shape=[1]), "which is always raw"),
        (response(datatype="FP8", shape=[1]), "which is none of"),
        (response(datatype="INT8", shape=[1], contents={"int_contents": [128]}), "does not fit"),
        (response(datatype="FP32", shape=[-1], contents={"fp32_contents": [1]}), "counts"),
        (response([b"abc"], datatype="FP32", shape=[1]), "3 bytes: expected 4"),
        (response([b"", b""], datatype="FP32", shape=[0]), "2 raw contents for 1 outputs"),
        (response([b"\x09"], datatype="BYTES", shape=[1]), "output 'y'"),
    ],
)
def test_garbage(said: Any, told: str) -> None:
    """Wrong sizes, values and datatypes are Rejected, naming the output."""
    with pytest.raises(Rejected, match=f"^it answered garbage: .*{told}"):
        answered(said)


def test_one_name_twice_is_garbage() -> None:
    """Nobody could say which of the two is meant."""
    said = response([b"", b""], datatype="FP32", shape=[0])
    said.outputs.add(name="y", datatype="FP32", shape=[0])

    with pytest.raises(Rejected, match="two tensors called 'y'"):
        answered(said)


def test_parameters_of_other_forms_stay_here() -> None:
    """What is no text, boolean or number is another form's, as the names of Seldon's columns."""
    tensors = Tensors(
        (Tensor("x", "INT64", np.array([1]), {"names": ["a"], "b": 2}),),
        {"meta": {"tags": {}}, "outputs": ({"name": "y"},), "large": 2**70},
    )

    said = called(tensors)

    assert ["b"] == list(said.inputs[0].parameters)
    assert ["large"] == list(said.parameters)
    assert 2.0**70 == said.parameters["large"].double_param
    assert ["y"] == [one.name for one in said.outputs]


def test_a_model_without_a_name() -> None:
    """Found at start."""
    with pytest.raises(ConfigError, match="expected the model's name"):
        oip(name=None)


def test_the_probe_and_the_metadata() -> None:
    """ModelReady says whether the model is ready, ModelMetadata what it takes."""
    assert ("/inference.GRPCInferenceService/ModelReady", b"\n\x04iris") == oip().probe()
    assert "/inference.GRPCInferenceService/ModelMetadata" == oip().metadata()[0]
    assert oip().is_well(b"\x08\x01")
    assert not oip().is_well(b"")
    told = message("inference.ModelMetadataResponse")(name="iris", versions=["1"], platform="p")
    told.inputs.add(name="x", datatype="FP32", shape=[-1, 4])
    told.outputs.add(name="y", datatype="np", shape=[-1])
    assert Metadata(
        name="iris",
        versions=("1",),
        platform="p",
        inputs=(Spec(name="x", datatype="FP32", shape=(-1, 4)),),
        outputs=(Spec(name="y", shape=(-1,)),),
    ) == oip().read_metadata(told.SerializeToString())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Model iris is not ready yet.", Unavailable),
        ("Model iris with version v2 is not ready yet.", Unavailable),
        ("unexpected input 'Model iris is not ready yet.' for model 'iris'", Rejected),
        ("Model 'Model iris is not ready yet.", Rejected),
    ],
)
def test_a_model_that_mlserver_loads_cost_good_events(
    text: str, expected: type[BridgeError]
) -> None:
    """It says so of a model in a rollout by the status of a bad request."""
    refusal = oip().judge("INVALID_ARGUMENT", text, "model 'iris' at it")

    assert expected is type(refusal)
    assert str(refusal).startswith("model 'iris' at it answered INVALID_ARGUMENT: ")
