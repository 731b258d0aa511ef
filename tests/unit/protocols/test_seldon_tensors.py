"""Seldon's messages as tensors, and answers in the encoding and under the meta of their request."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols.seldon_tensors import SeldonForm
from tests.tensor_strategies import of_bytes

FORM = SeldonForm()


@pytest.mark.parametrize(
    ("body", "datatype", "expected"),
    [
        (b'{"data":{"ndarray":[[1,2]]}}', "INT64", [[1, 2]]),
        (b'{"data":{"ndarray":[[1.5,2]]}}', "FP64", [[1.5, 2.0]]),
        (b'{"data":{"ndarray":[true]}}', "BOOL", [True]),
        (b'{"data":{"ndarray":[["a"],["b"]]}}', "BYTES", [[b"a"], [b"b"]]),
        (b'{"data":{"tensor":{"shape":[2,1],"values":[1,2]}}}', "INT64", [[1], [2]]),
        (b'{"data":{"tensor":{"shape":[0]}}}', "FP64", []),
        (b'{"data":{"tensor":{"shape":[],"values":[1.5]}}}', "FP64", 1.5),
        (b'{"strData":"h\xc3\xa9"}', "BYTES", ["hé".encode()]),
        (b'{"binData":"AAA="}', "BYTES", [b"\0\0"]),
        (b'{"strData":"","data":null}', "BYTES", [b""]),
        (b'{"data":{"ndarray":[NaN,Infinity]},"meta":{}}', "FP64", None),
    ],
)
def test_messages_are_one_tensor(body: bytes, datatype: str, expected: Any) -> None:
    """Called `input` in a request and `output` in an answer."""
    tensors = FORM.read_request(Body(body))

    assert ("input",) == tensors.names
    assert ("output",) == FORM.read_answer(Body(body)).names
    assert datatype == tensors.tensors[0].datatype
    assert expected is None or expected == tensors["input"].tolist()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"jsonData":{"a":1}}', "jsonData, which is no tensor: expected data"),
        (b'{"data":{"ndarray":[1]},"strData":"x"}', "carries data and strData"),
        (b'{"meta":{}}', "carries no value"),
        (b"[]", "no Seldon message"),
        (b'{"data":[1]}', "data is no object"),
        (b'{"data":{}}', "data holds nothing: expected one of ndarray, tensor, tftensor"),
        (b'{"data":{"x":1}}', "data holds 'x'"),
        (b'{"data":{"ndarray":[],"tensor":{}}}', "data holds ndarray and tensor"),
        (b'{"data":{"ndarray":7}}', r"data\.ndarray is no array"),
        (b'{"data":{"ndarray":[1,"a"]}}', r"data\.ndarray holds integers and texts"),
        (b'{"data":{"ndarray":[[1],[1,2]]}}', r"data\.ndarray is not rectangular"),
        (b'{"data":{"ndarray":[1],"names":"a"}}', r"data\.names is no list of strings"),
        (b'{"data":{"ndarray":[1],"names":[1]}}', r"data\.names is no list of strings"),
        (b'{"data":{"tensor":[1]}}', r"data\.tensor is no object"),
        (b'{"data":{"tensor":{"values":[1]}}}', r"data\.tensor\.shape is no array of counts"),
        (b'{"data":{"tensor":{"shape":[-1],"values":[1]}}}', "shape is no array of counts"),
        (b'{"data":{"tensor":{"shape":[2],"values":[1]}}}', "has 1 values: expected those of"),
        (b'{"data":{"tensor":{"shape":[1],"values":1}}}', r"data\.tensor\.values is no array"),
        (b'{"data":{"tensor":{"shape":[1],"values":[[1]]}}}', "holds arrays"),
        (b'{"strData":7}', "strData is no text"),
        (b'{"binData":"?"}', "binData is not base64"),
        (b'{"binData":7}', "binData is no text"),
        (b'{"data":{"ndarray":[1]},"meta":[]}', "meta is an array"),
    ],
)
def test_what_is_no_tensor_is_refused(body: bytes, says: str) -> None:
    """The text has the member's path."""
    with pytest.raises(DecodeError, match=says):
        FORM.read_request(Body(body))


def test_names_and_meta_stay_with_the_tensors() -> None:
    """Names with the tensor, whose columns they are; meta with all."""
    body = Body(
        b'{"data":{"names":["a","b"],"ndarray":[[1,2]]},"meta":{"tags":{"x":1},"routing":{"r":1}}}'
    )

    tensors = FORM.read_request(body)

    assert {"names": ["a", "b"]} == tensors.tensors[0].parameters
    assert {"meta": {"tags": {"x": 1}, "routing": {"r": 1}}} == tensors.parameters


NUMBERS = Tensors.of(y=np.array([[0.1, 2]], np.float32))
TEXTS = Tensors.of(y=["a"])
BLOB = Tensors((Tensor("y", "BYTES", of_bytes([b"\xff"], (1,))),))


@pytest.mark.parametrize(
    ("like", "tensors", "expected"),
    [
        (
            b'{"data":{"ndarray":[1]}}',
            NUMBERS,
            b'{"data":{"names":["t:0","t:1"],"ndarray":[[0.1,2.0]]}',
        ),
        (
            b'{"data":{"tensor":{}}}',
            NUMBERS,
            b'{"data":{"names":["t:0","t:1"],"tensor":{"shape":[1,2],"values":[0.1,2.0]}}',
        ),
        (
            b'{"data":{"tftensor":{}}}',
            Tensors.of(y=np.array([1.5], np.float32)),
            b'{"data":{"names":[],"tftensor":{"dtype":"DT_FLOAT","tensorShape":{"dim":'
            b'[{"size":"1"}]},"tensorContent":"AADAPw=="}}',
        ),
        (b'{"strData":"x"}', TEXTS, b'{"strData":"a"'),
        (b'{"strData":"x"}', BLOB, b'{"binData":"/w=="'),
        (b'{"binData":"AA=="}', TEXTS, b'{"binData":"YQ=="'),
        (b'{"data":{"ndarray":[1]}}', TEXTS, b'{"data":{"names":[],"ndarray":["a"]}'),
        (b'{"data":{"ndarray":[1]}}', BLOB, b'{"binData":"/w=="'),
        (b'{"data":{"tensor":{}}}', TEXTS, b'{"data":{"names":[],"ndarray":["a"]}'),
        (b'{"data":{"tensor":{}}}', Tensors.of(y=[True]), b'{"data":{"names":[],"ndarray":[true]}'),
        (
            b'{"strData":"x"}',
            Tensors.of(y=[1]),
            b'{"data":{"names":[],"tensor":{"shape":[1],"values":[1]}}',
        ),
        (
            b'{"jsonData":{}}',
            Tensors.of(y=[1]),
            b'{"data":{"names":[],"tensor":{"shape":[1],"values":[1]}}',
        ),
        (
            b"no JSON",
            Tensors.of(y=[1]),
            b'{"data":{"names":[],"tensor":{"shape":[1],"values":[1]}}',
        ),
        (
            b'{"data":7}',
            Tensors.of(y=[1]),
            b'{"data":{"names":[],"tensor":{"shape":[1],"values":[1]}}',
        ),
        (
            b'{"data":{"ndarray":[1]}}',
            Tensors.of(y=1.5),
            b'{"data":{"names":[],"tensor":{"shape":[],"values":[1.5]}}',
        ),
    ],
)
def test_an_answer_is_in_the_encoding_of_its_request(
    like: bytes, tensors: Tensors, expected: bytes
) -> None:
    """Or in one that can hold it, under the event's puid."""
    answer = FORM.write_answer(tensors, like=Body(like), id="p-1")

    assert expected + b',"meta":{"puid":"p-1"}}' == answer.data


def test_meta_of_an_answer_is_its_requests_and_the_models() -> None:
    """Tags of the model win, metrics are added, routing is not copied: as `encode` does."""
    like = Body(
        b'{"data":{"ndarray":[1]},"meta":{"puid":"mine","tags":{"a":1,"b":1},"routing":{"r":1},'
        b'"metrics":[{"key":"k"}]}}'
    )
    ours = {"meta": {"tags": {"b": 2}, "metrics": [{"key": "l"}], "requestPath": {"m": "i"}}}

    answer = FORM.write_answer(Tensors(Tensors.of(y=[1]).tensors, ours), like=like, id="p-1")

    assert {
        "puid": "mine",
        "tags": {"a": 1, "b": 2},
        "requestPath": {"m": "i"},
        "metrics": [{"key": "k"}, {"key": "l"}],
    } == answer.json()["meta"]


@pytest.mark.parametrize("meta", ["v2", 7, None, {"tags": "none"}, {"puid": 1}])
def test_a_parameter_called_meta_of_another_protocol_is_no_meta(meta: Any) -> None:
    """A model of the Open Inference Protocol may call one so: its answer is an answer."""
    answered = Tensors(Tensors.of(y=[1]).tensors, {"meta": meta})

    answer = FORM.write_answer(answered, like=Body(b'{"data":{"ndarray":[1]}}'), id="p-1")
    asked = FORM.write_request(answered, id="p-1")

    assert {"puid": "p-1"} == answer.json()["meta"] == asked.json()["meta"]


def test_names_of_columns_come_from_the_tensor() -> None:
    """Those of the wrapper's making stand in only where there are none."""
    tensor = Tensor("y", "INT64", np.array([[1, 2]]), {"names": ["a", "b"]})

    answer = FORM.write_answer(Tensors((tensor,)), like=Body(b"{}"), id="7")

    assert ["a", "b"] == answer.json()["data"]["names"]


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        (NUMBERS, b'{"data":{"names":[],"tensor":{"shape":[1,2],"values":[0.1,2.0]}}'),
        (TEXTS, b'{"data":{"names":[],"ndarray":["a"]}'),
        (BLOB, b'{"binData":"/w=="'),
    ],
)
def test_a_request_is_written_as_the_tensor_needs(tensors: Tensors, expected: bytes) -> None:
    """Numbers as `tensor`, which is the fastest to read."""
    assert expected + b',"meta":{"puid":"7"}}' == FORM.write_request(tensors, id="7").data


def test_meta_of_a_request_is_sent() -> None:
    """With the puid it has."""
    tensors = Tensors(NUMBERS.tensors, {"meta": {"puid": "own", "tags": {"a": 1}}})

    assert {"puid": "own", "tags": {"a": 1}} == FORM.write_request(tensors, id="7").json()["meta"]


@pytest.mark.parametrize("tensors", [Tensors.of(a=[1], b=[2]), Tensors(())])
def test_a_message_has_one_tensor(tensors: Tensors) -> None:
    """The text names those there are."""
    with pytest.raises(Rejected, match="a Seldon message has one tensor: expected one of"):
        FORM.write_request(tensors, id="7")


@pytest.mark.parametrize(
    "tensor",
    [
        Tensor.of("y", True),
        Tensor("y", "BYTES", of_bytes([b"a"], ())),
        Tensor("y", "BYTES", of_bytes([b"\xff", b"a"], (2,))),
    ],
)
def test_what_no_encoding_holds_is_refused(tensor: Tensor) -> None:
    """The text names the tensor."""
    with pytest.raises(Rejected, match="tensor 'y'"):
        FORM.write_request(Tensors((tensor,)), id="7")


def test_nan_is_written_as_the_policy_says() -> None:
    """In both encodings of numbers."""
    tensors = Tensors.of(y=[1.5, float("nan")])
    form = SeldonForm(non_finite="text")

    assert b'"values":[1.5,"NaN"]' in form.write_request(tensors, id="7").data
    like = Body(b'{"data":{"ndarray":[1]}}')
    assert b'"ndarray":[1.5,"NaN"]' in form.write_answer(tensors, like=like, id="7").data
    with pytest.raises(Rejected, match="NaN or infinity"):
        SeldonForm(non_finite="refuse").write_request(tensors, id="7")
