"""Between the form that payloads are written in and what a model server speaks."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from bridge.core.errors import ConfigError, DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensor, Tensors
from bridge.models.rest import RestModelOptions
from bridge.models.transcoding import Transcoding
from bridge.protocols.oip_grpc import OipGrpc
from bridge.protocols.port import Asked
from bridge.protocols.proto import parsed
from bridge.protocols.seldon_grpc import SeldonGrpc

SELDON = Body(
    b'{"data": {"names": ["a", "b"], "ndarray": [[1.10, 2], [3, 4]]}, "meta": {"puid": "p"}}'
)
COLUMNS = Body(b'{"inputs": {"products": [[1.0], [2.0]], "users": [[10], [10]]}}')


def transcoding(own: Any = "seldon", **options: Any) -> Transcoding:
    wire = options.pop("wire", True)
    told = RestModelOptions.model_validate({"url": "http://model", "protocol": own, **options})
    return Transcoding(told, own, wire=wire)


def asked(made: Transcoding, body: Body) -> Tensors:
    payload = made.request(body)
    assert isinstance(payload, Tensors)
    return payload


def test_the_same_form_is_passed_as_it_came():
    """Not a byte is read, either way: not even of what is no such payload."""
    made = transcoding()
    garbage = Body(b"\x00")

    assert made.passes
    assert made.request(garbage) is garbage
    assert made.answer(garbage, like=SELDON, id="p") is garbage


def test_a_wire_without_json_is_given_tensors():
    """Also where the form is the protocol's own."""
    tensors = asked(transcoding(wire=False), SELDON)

    assert tensors.tensors[0].array.tolist() == [[1.1, 2.0], [3.0, 4.0]]


def test_seldon_to_open_inference_and_back_in_kind():
    """The answer is an ndarray since the request was one, and keeps its puid."""
    made = transcoding("oip", form="seldon")

    tensors = asked(made, SELDON)
    answer = made.answer(Tensors.of(scores=np.array([[0.5]])), like=SELDON, id="p")

    assert [(tensor.datatype, tensor.shape) for tensor in tensors.tensors] == [("FP64", (2, 2))]
    said = answer.json()
    assert said["data"]["ndarray"] == [[0.5]]
    assert said["meta"]["puid"] == "p"


def test_the_answer_of_the_protocol_is_read_in_its_own_form():
    """A JSON answer of another protocol comes out in the form of the payload."""
    made = transcoding("oip", form="tensorflow")
    answer = Body(
        b'{"model_name":"m","outputs":[{"name":"y","datatype":"FP32","shape":[2,1],"data":[1,2]}]}'
    )

    said = made.answer(answer, like=COLUMNS, id="p").json()

    assert said == {"outputs": [[1.0], [2.0]]}


def test_inputs_are_renamed_and_cast():
    """The model's names and datatypes, from whatever the payload calls them."""
    made = transcoding(
        "oip",
        form="tensorflow",
        inputs={
            "item": {"from": "products", "datatype": "FP32"},
            "user": {"from": "users", "datatype": "FP32", "shape": [-1]},
        },
    )

    tensors = asked(made, COLUMNS)

    assert [(t.name, t.datatype, t.array.tolist()) for t in tensors.tensors] == [
        ("item", "FP32", [[1.0], [2.0]]),
        ("user", "FP32", [10.0, 10.0]),
    ]


def test_the_only_tensor_needs_no_name():
    """A Seldon array has none, and whatever the model calls it is meant."""
    made = transcoding("oip", form="seldon", inputs={"x": {"datatype": "FP32"}})

    assert asked(made, SELDON).names == ("x",)


def test_columns_of_an_array_become_tensors_by_their_names():
    """As a recommender takes products and users, each [rows, 1]."""
    made = transcoding("oip", form="seldon", inputs={"a": {}, "second": {"from": "b"}})

    tensors = asked(made, SELDON)

    assert [(t.name, t.array.tolist()) for t in tensors.tensors] == [
        ("a", [[1.1], [3.0]]),
        ("second", [[2.0], [4.0]]),
    ]


def test_names_of_more_columns_than_there_are_name_none():
    """A column that is not there was a tensor without values."""
    made = transcoding("oip", form="seldon", inputs={"b": {}, "c": {"from": "c"}})
    short = Body(b'{"data": {"names": ["a", "b", "c"], "ndarray": [[1, 2]]}}')

    with pytest.raises(Rejected, match="no tensor 'c'"):
        made.request(short)


def test_what_the_model_is_to_be_given_and_is_missing_is_refused_by_name():
    """With the names that there are."""
    made = transcoding("oip", form="tensorflow", inputs={"x": {"from": "product"}})

    with pytest.raises(Rejected, match=r"no tensor 'product': there are 'products', 'users'"):
        made.request(COLUMNS)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"datatype": "INT8"}, "does not fit INT8"),
        ({"shape": [3, -1]}, r"of shape \[2, 2\]: expected what can be shaped \[3, -1\]"),
    ],
)
def test_what_does_not_fit_is_the_events_fault(options: dict[str, Any], text: str):
    """A value of 1.1 is no integer, and four values are no rows of three."""
    made = transcoding("oip", form="seldon", inputs={"x": options})

    with pytest.raises(Rejected, match=text):
        made.request(SELDON)


def test_outputs_are_chosen_and_renamed():
    """What is not named is left out of the answer."""
    made = transcoding("oip", form="tensorflow", outputs={"rating": {"from": "predict"}})
    answered = Tensors.of(predict=np.array([[1.5]]), debug=np.array([9]))

    assert made.answer(answered, like=COLUMNS, id="p").json() == {"outputs": [[1.5]]}


def test_a_mapped_answer_of_the_own_form_is_rewritten():
    """Passing it on as it came would keep the model's names."""
    made = transcoding("oip", outputs={"y": {"from": "output-0"}})
    request = Body(b'{"id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}')
    answer = Body(
        b'{"model_name":"m","model_version":"3",'
        b'"outputs":[{"name":"output-0","datatype":"FP32","shape":[1],"data":[2]}]}'
    )

    said = made.answer(answer, like=request, id="7").json()

    ((name, data),) = [(output["name"], output["data"]) for output in said["outputs"]]
    assert ("y", [2.0], "3") == (name, data, said["model_version"])


@pytest.mark.parametrize("wire", [True, False])
def test_an_event_that_wants_a_renamed_output_was_refused_by_the_model(wire: bool):
    """The model does not know the name: it is asked for all, and the wanted one is answered."""
    outputs = {"kind": {"from": "output-0"}, "score": {"from": "output-1"}}
    made = transcoding("oip", outputs=outputs, wire=wire)
    said = {"name": "x", "datatype": "FP32", "shape": [1], "data": [1]}
    request = Body.of({"id": "7", "inputs": [said], "outputs": [{"name": "kind"}]})
    answered = Tensors.of(**{"output-0": [2], "output-1": [0.5], "debug": [9]})

    tensors = asked(made, request)
    (output,) = made.answer(answered, like=request, id="7").json()["outputs"]

    assert dict(tensors.parameters) == {}
    assert (output["name"], output["data"]) == ("kind", [2])


def test_a_wanted_output_that_is_missing_is_refused():
    """The model does not do what the file says of it."""
    made = transcoding("oip", form="tensorflow", outputs={"rating": {"from": "score"}})

    with pytest.raises(Rejected, match="the model answered: its answer has no tensor 'score'"):
        made.answer(Tensors.of(predict=np.array([1.0])), like=COLUMNS, id="p")


def test_an_answer_that_cannot_be_read_is_garbage():
    """It is the model's, not the event's data: Rejected, and no DecodeError."""
    made = transcoding("oip", form="tensorflow")

    with pytest.raises(Rejected, match="answered garbage"):
        made.answer(Body(b'{"outputs": 5}'), like=COLUMNS, id="p")


def test_a_payload_in_another_form_is_told():
    """With the member that was expected."""
    with pytest.raises(DecodeError, match="inputs"):
        transcoding("oip", form="tensorflow").request(Body(b'{"data": 1}'))


def test_two_dimensions_of_any_size_are_refused_at_start():
    """No value could say how they share."""
    with pytest.raises(ConfigError, match=r"inputs\.x\.shape: -1 may stand for one"):
        transcoding("oip", inputs={"x": {"shape": [-1, -1]}})


def test_a_shape_that_no_tensor_has_is_refused_at_start():
    """Found with the first event, it would take every event to the dead letter."""
    with pytest.raises(ConfigError, match=r"inputs\.x\.shape: expected 32 dimensions at most"):
        transcoding("oip", inputs={"x": {"shape": [1] * 33}})


@pytest.mark.parametrize(
    "options", [{"form": "seldon"}, {"inputs": {"x": {}}}, {"outputs": {"x": {}}}, {"wire": False}]
)
def test_tensors_without_numpy_are_refused_at_start(monkeypatch, options):
    """Every event was answered 500, of a file in which `bridge check` found no mistake."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    assert transcoding("oip").passes
    with pytest.raises(ConfigError, match=r"expected the extra inference-bridge\[tensors\]"):
        transcoding("oip", **options)


def test_tensors_of_a_payload_and_of_an_answer_can_be_shown():
    """For `bridge try`, in the form that the file's payloads have."""
    made = transcoding("oip", form="tensorflow")

    assert made.tensors(COLUMNS, answer=False).names == ("products", "users")
    assert made.tensors(Body(b'{"outputs": [1.0]}'), answer=True).names == ("output",)


def test_bytes_and_parameters_go_through_a_mapping():
    """A name changes, and nothing else of a tensor."""
    made = transcoding("oip", outputs={"text": {"from": "raw"}})
    raw = Tensor.of("raw", ["ä"])
    like = Body(b'{"id":"7","inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[1]}]}')

    (output,) = made.answer(Tensors((raw,)), like=like, id="7").json()["outputs"]

    assert (output["name"], output["datatype"], output["data"]) == ("text", "BYTES", ["ä"])


@pytest.mark.parametrize("names", [5, True, "ab", {"a": 1}, [1, None], 1.5, [["a"]]])
def test_names_that_are_no_list_were_an_error_of_ours(names: Any):
    """An event may say any parameters: it is asked with, or refused, and never tried for ever."""
    said = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    body = Body.of({"inputs": [{**said, "parameters": {"names": names}}]})
    request = Request(payload=body, id="p")

    for made in (transcoding("seldon", form="oip"), transcoding(form="oip", inputs={"z": {}})):
        message = SeldonGrpc(Asked()).call(request, made.request(body))
        assert not parsed("seldon.protos.SeldonMessage", message, "it").data.names
    with pytest.raises(Rejected, match="has no tensor 'a': there are 'x'"):
        transcoding(form="oip", inputs={"z": {"from": "a"}}).request(body)


@pytest.mark.parametrize("outputs", [5, True, "y", ["y"], [1], {}])
def test_outputs_among_the_parameters_are_no_wanted_outputs(outputs: Any):
    """Which outputs are wanted is said beside the parameters; a number there was our error."""
    said = {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}
    body = Body.of({"inputs": [said], "parameters": {"outputs": outputs}})
    made = transcoding("oip", inputs={"x": {}})

    message = OipGrpc(Asked(name="m")).call(Request(payload=body, id="p"), made.request(body))

    assert not parsed("inference.ModelInferRequest", message, "it").outputs
