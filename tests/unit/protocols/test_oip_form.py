"""The Open Inference Protocol's JSON: named tensors with datatype and shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols.oip import OipForm
from bridge.protocols.oip_grpc import OipGrpc
from bridge.protocols.port import Asked
from bridge.protocols.proto import parsed
from tests.tensor_strategies import of_bytes

FORM = OipForm()


def request(data: str, shape: str = "[2,2]", datatype: str = "FP32", **members: str) -> Body:
    """Return a request with one tensor."""
    more = "".join(f',"{name}":{value}' for name, value in members.items())
    tensor = f'{{"name":"x","shape":{shape},"datatype":"{datatype}","data":{data}}}'
    return Body(f'{{"inputs":[{tensor}]{more}}}'.encode())


@pytest.mark.parametrize(
    ("data", "shape", "datatype", "expected"),
    [
        ("[1,2.5,3,4]", "[2,2]", "FP32", [[1.0, 2.5], [3.0, 4.0]]),
        ("[[1,2.5],[3,4]]", "[2,2]", "FP64", [[1.0, 2.5], [3.0, 4.0]]),
        ("[1.5]", "[1]", "FP16", [1.5]),
        ("[18446744073709551615]", "[1]", "UINT64", [(1 << 64) - 1]),
        ("[9007199254740993]", "[1]", "INT64", [9007199254740993]),
        ("[true,false]", "[2]", "BOOL", [True, False]),
        ('["a","\\u0000é"]', "[2,1]", "BYTES", [[b"a"], ["\0é".encode()]]),
        ("[5]", "[]", "INT8", 5),
        ("[]", "[0,3]", "INT32", []),
        ("[[],[]]", "[2,0]", "INT32", [[], []]),
        ('["Infinity",-1]', "[2]", "FP32", [float("inf"), -1.0]),
    ],
)
def test_data_is_read_flat_or_nested(data: str, shape: str, datatype: str, expected: Any) -> None:
    """Row by row, in the datatype and the shape that are told."""
    (tensor,) = FORM.read_request(request(data, shape, datatype)).tensors

    assert ("x", datatype) == (tensor.name, tensor.datatype)
    assert expected == tensor.array.tolist()
    assert tuple(orjson.loads(shape)) == tensor.shape


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (request("[1,2,3]"), r"inputs\[0\] has 3 values: expected those of shape '\[2, 2\]'"),
        (request("[[1,2,3,4]]"), r"its data is nested as \[1, 4\]: expected \[2, 2\]"),
        (request("[[1,2],[3]]"), r"inputs\[0\] is not rectangular"),
        (request("1"), "its data is no array"),
        (request("null"), "its data is no array"),
        (request("[1]", "[-1]"), "its shape is no array of counts"),
        (request("[1]", "[true]"), "its shape is no array of counts"),
        (request("[1]", "1"), "its shape is no array of counts"),
        (request("[1]", f"{[1] * 33}"), "its shape is no array of counts"),
        (request("[1]", "[1]", "BF16"), "'BF16' has no form in JSON"),
        (request("[1]", "[1]", "float"), "'float' is no datatype"),
        (request('["a"]', "[1]", "FP32"), "holds texts: expected numbers, for FP32"),
        (request("[300]", "[1]", "UINT8"), "none of UINT8"),
        (request("[null]", "[1]", "INT8"), "holds null"),
        (request("[1]", "[1]", parameters="[]"), "parameters are no object"),
        (request("[1]", "[1]", outputs="[1]"), "outputs is no array of objects with a name"),
        (Body(b"{}"), "has no inputs"),
        (Body(b'{"inputs":{}}'), "has no inputs"),
        (Body(b'{"inputs":[7]}'), r"inputs\[0\] is no object"),
        (Body(b'{"inputs":[{"shape":[1]}]}'), r"inputs\[0\]\.name is no text"),
        (Body(b'{"inputs":[{"name":"x","datatype":[]}]}'), "its datatype is no text"),
        (Body(b"[]"), "no JSON object"),
        (Body(b'{"inputs":[%b]}' % b",".join([b"1"] * 1001)), "inputs has 1001 tensors"),
    ],
)
def test_what_is_no_request_is_refused(body: Body, says: str) -> None:
    """The text has the tensor's place."""
    with pytest.raises(DecodeError, match=says):
        FORM.read_request(body)


def test_two_tensors_of_one_name_are_refused() -> None:
    """Nobody could say which is meant."""
    body = orjson.loads(request("[1,2,3,4]").data)

    with pytest.raises(DecodeError, match="inputs has two tensors called 'x'"):
        FORM.read_request(Body.of({"inputs": body["inputs"] * 2}))


def test_parameters_and_outputs_are_kept() -> None:
    """And said again where the tensors are asked in this protocol."""
    body = Body(
        b'{"id":"9","parameters":{"a":1},"inputs":[{"name":"x","shape":[1],"datatype":"INT8",'
        b'"parameters":{"b":true},"data":[1]}],"outputs":[{"name":"y"},{"name":"z"}]}'
    )

    tensors = FORM.read_request(body)

    assert {"a": 1, "outputs": ({"name": "y"}, {"name": "z"})} == tensors.parameters
    assert {"b": True} == tensors.tensors[0].parameters
    assert orjson.loads(body.data) == orjson.loads(FORM.write_request(tensors, id="9").data)


def test_a_wanted_classification_was_forgotten_where_the_request_is_rewritten() -> None:
    """Triton answers the two best classes with it, and all values without."""
    wanted = [{"name": "y", "parameters": {"classification": 2}}]
    said = {"name": "x", "shape": [1], "datatype": "INT8", "data": [1]}

    tensors = FORM.read_request(Body.of({"inputs": [said], "outputs": wanted}))

    assert wanted == FORM.write_request(tensors, id="9").json()["outputs"]
    message = OipGrpc(Asked(name="m")).call(Request(payload=Body(b""), id="9"), tensors)
    (asked,) = parsed("inference.ModelInferRequest", message, "it").outputs
    assert ("y", 2) == (asked.name, asked.parameters["classification"].int64_param)


def test_parameters_of_other_protocols_are_not_sent() -> None:
    """Seldon's meta and names, TensorFlow's signature: a server may refuse what is new to it."""
    tensor = Tensor("x", "INT8", np.array([1], np.int8), {"names": ["a"], "content_type": "np"})
    tensors = Tensors((tensor,), {"meta": {}, "signature_name": "a", "priority": 1})

    said = orjson.loads(FORM.write_request(tensors, id="7").data)

    assert {"priority": 1} == said["parameters"]
    assert {"content_type": "np"} == said["inputs"][0]["parameters"]


def test_a_request_is_written_flat_and_with_an_id() -> None:
    """A server without a request's id may fail to make an answer."""
    tensors = Tensors.of(x=np.array([[0.1], [np.nan]], np.float32), y=["a"], z=True)

    assert (
        b'{"id":"7","inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[0.1,null]},'
        b'{"name":"y","shape":[1],"datatype":"BYTES","data":["a"]},'
        b'{"name":"z","shape":[],"datatype":"BOOL","data":[true]}]}'
        == FORM.write_request(tensors, id="7").data
    )


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (Tensor("x", "BF16", np.zeros(1, np.uint16)), "BF16, which JSON has no form for"),
        (Tensor("x", "BYTES", of_bytes([b"\xff"], (1,))), "no UTF-8"),
    ],
)
def test_what_json_has_no_form_for_is_refused(tensor: Tensor, says: str) -> None:
    """The binary form has one."""
    with pytest.raises(Rejected, match=says):
        FORM.write_request(Tensors((tensor,)), id="7")


def test_an_answer_with_explicit_nulls_is_read() -> None:
    """KServe writes what it does not have."""
    tensors = FORM.read_answer(
        Body(
            b'{"model_name":"m","model_version":null,"id":"7","parameters":null,"outputs":'
            b'[{"name":"y","shape":[1],"datatype":"INT64","parameters":null,"data":[1]}]}'
        )
    )

    assert [1] == tensors["y"].tolist()
    assert (None, {}) == (tensors.model_version, tensors.parameters)


@pytest.mark.parametrize(
    ("version", "expected"), [(b'"3"', "3"), (b"3", "3"), (b'""', None), (b"null", None)]
)
def test_the_version_that_answered_is_kept(version: bytes, expected: str | None) -> None:
    """As text, whatever the server writes it as."""
    tensors = FORM.read_answer(Body(b'{"model_version":%b,"outputs":[]}' % version))

    assert expected == tensors.model_version


ANSWER = Tensors(Tensors.of(y=[1], z=[2]).tensors, {"a": 1, "meta": {}}, "3")


def test_an_answer_repeats_the_id_of_its_request() -> None:
    """And says which version answered."""
    said = OipForm(model_name="m").write_answer(ANSWER, like=Body(b'{"id":"9"}'), id="7")

    assert (
        b'{"model_name":"m","model_version":"3","id":"9","parameters":{"a":1},"outputs":['
        b'{"name":"y","shape":[1],"datatype":"INT64","data":[1]},'
        b'{"name":"z","shape":[1],"datatype":"INT64","data":[2]}]}' == said.data
    )


@pytest.mark.parametrize("like", [b"{}", b'{"id":null}', b'{"id":""}', b"no JSON", b"[]"])
def test_an_answer_to_a_request_without_an_id_has_the_puid(like: bytes) -> None:
    """The same that the server was asked with."""
    assert "7" == FORM.write_answer(ANSWER, like=Body(like), id="7").json()["id"]


def test_an_answer_has_the_outputs_that_were_asked_for() -> None:
    """In their order; one that is not there is refused with the names there are."""
    like = Body(b'{"outputs":[{"name":"z"},{"name":"y"}]}')

    said = FORM.write_answer(ANSWER, like=like, id="7").json()

    assert ["z", "y"] == [each["name"] for each in said["outputs"]]
    with pytest.raises(Rejected, match="output 'w' is asked for: there are 'y', 'z'"):
        FORM.write_answer(ANSWER, like=Body(b'{"outputs":[{"name":"w"}]}'), id="7")
