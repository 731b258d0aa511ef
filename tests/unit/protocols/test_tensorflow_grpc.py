"""TensorFlow Serving over gRPC: what is asked, and what an answer becomes."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError, DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols.port import Asked, Metadata, Payload, Spec
from bridge.protocols.proto import message
from bridge.protocols.tensorflow_grpc import TensorflowGrpc

#: The published request for the recommender.
RECOMMENDER = (
    b'{"signature_name":"","inputs":{"products":[[1.0],[2.0],[3.0],[4.0]],'
    b'"users":[[10.0],[10.0],[10.0],[10.0]]}}'
)


def tensorflow(**asked: Any) -> TensorflowGrpc:
    return TensorflowGrpc(Asked(**{"name": "m", **asked}))


def called(payload: Payload, **asked: Any) -> Any:
    data = tensorflow(**asked).call(Request(payload=Body(b""), id="p-1"), payload)
    return message("tensorflow.serving.PredictRequest").FromString(data)


def test_the_published_columns() -> None:
    """Columns are tensors by their names; the empty signature is none."""
    said = called(Body(RECOMMENDER), name="recommender")

    assert "recommender" == said.model_spec.name
    assert "" == said.model_spec.signature_name
    assert ["products", "users"] == sorted(said.inputs)
    products = said.inputs["products"]
    assert [4, 1] == [dim.size for dim in products.tensor_shape.dim]
    assert (2, 32) == (products.dtype, len(products.tensor_content))


@pytest.mark.parametrize(
    ("asked", "body", "signature"),
    [
        ({}, b'{"instances":[[1]]}', ""),
        ({"signature": "mine"}, b'{"instances":[[1]]}', "mine"),
        ({"signature": "mine"}, b'{"instances":[[1]],"signature_name":"theirs"}', "theirs"),
    ],
)
def test_the_signature(asked: dict[str, Any], body: bytes, signature: str) -> None:
    """The one that the payload names, or else the one that the options do."""
    assert signature == called(Body(body), **asked).model_spec.signature_name


def test_version_and_label() -> None:
    """A version is a number; a label stands instead of it."""
    payload = Tensors.of(x=[1.5])

    assert 3 == called(payload, version="3").model_spec.version.value
    assert "stable" == called(payload, label="stable").model_spec.version_label
    assert None is called(payload).model_spec.WhichOneof("version_choice")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": None}, "expected the model's name"),
        ({"version": "v3"}, "version 'v3': expected a number"),
        ({"version": "9" * 30}, "expected a number"),
        ({"version": "1", "label": "stable"}, "expected one of them"),
    ],
)
def test_what_cannot_be_asked(asked: dict[str, Any], told: str) -> None:
    """A model without a name, and a version that is none, are found at start."""
    with pytest.raises(ConfigError, match=told):
        tensorflow(**asked)


def test_a_payload_without_tensors() -> None:
    """What is neither rows nor columns is refused."""
    with pytest.raises(DecodeError):
        called(Body(b'{"data":{}}'))


def test_the_answer() -> None:
    """Its outputs are tensors in the order of their names, its version is the one that answered."""
    said = message("tensorflow.serving.PredictResponse")()
    for name, value in (("b", 1.5), ("a", 2.5)):
        said.outputs[name].dtype = 1
        said.outputs[name].tensor_shape.dim.add().size = 1
        said.outputs[name].float_val.append(value)
    said.model_spec.version.value = 7

    answer = tensorflow().answer(said.SerializeToString(), Body(RECOMMENDER), "it")

    assert ("a", "b") == answer.names
    assert [2.5] == answer["a"].tolist()
    assert "7" == answer.model_version


def test_a_complex_answer_is_garbage() -> None:
    """A type that nobody else has is Rejected, with its name."""
    said = message("tensorflow.serving.PredictResponse")()
    said.outputs["x"].dtype = 8

    with pytest.raises(Rejected, match=r"^it answered garbage: tensor 'x' is of DT_COMPLEX64"):
        tensorflow().answer(said.SerializeToString(), Tensors.of(x=[1]), "it")


def test_text_goes_as_string_val() -> None:
    """TensorFlow has no raw form of texts that others read."""
    said = called(Tensors((Tensor.of("x", ["a"], "BYTES"),)))

    assert [b"a"] == list(said.inputs["x"].string_val)


def test_the_probe() -> None:
    """A version that is AVAILABLE says that the model is ready; one that loads does not."""
    method, _ = tensorflow().probe()
    told = message("tensorflow.serving.GetModelStatusResponse")()
    told.model_version_status.add(version=1, state=50)

    assert "/tensorflow.serving.ModelService/GetModelStatus" == method
    assert not tensorflow().is_well(told.SerializeToString())
    told.model_version_status.add(version=2, state=30)
    assert tensorflow().is_well(told.SerializeToString())


def test_metadata() -> None:
    """The tensors of the signature that is asked, serving_default where none is."""
    _, asked = tensorflow().metadata()
    request = message("tensorflow.serving.GetModelMetadataRequest").FromString(asked)
    signatures = message("tensorflow.serving.SignatureDefMap")()
    for name in ("serving_default", "mine"):
        info = signatures.signature_def[name].inputs[f"x_{name}"]
        info.dtype = 1
        for count in (-1, 4):
            info.tensor_shape.dim.add().size = count
    signatures.signature_def["mine"].outputs["y"].tensor_shape.unknown_rank = True
    told = message("tensorflow.serving.GetModelMetadataResponse")()
    told.model_spec.name = "m"
    told.model_spec.version.value = 3
    told.metadata["signature_def"].value = signatures.SerializeToString()

    assert ["signature_def"] == list(request.metadata_field)
    spec = Spec(name="x_serving_default", datatype="FP32", shape=(-1, 4))
    read = tensorflow().read_metadata(told.SerializeToString())
    assert Metadata(name="m", versions=("3",), platform="tensorflow", inputs=(spec,)) == read
    mine = tensorflow(signature="mine").read_metadata(told.SerializeToString())
    assert (Spec(name="y"),) == mine.outputs
    assert () == tensorflow(signature="none").read_metadata(told.SerializeToString()).inputs
