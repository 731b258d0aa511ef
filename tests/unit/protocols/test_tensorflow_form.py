"""TensorFlow Serving's rows and columns, as its documentation has them, and KServe's V1."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols.tensorflow import TensorflowForm
from tests.tensor_strategies import of_bytes

FORM = TensorflowForm()
ROWS = TensorflowForm(rows_only=True)


def lists(tensors: Tensors) -> dict[str, Any]:
    """Return the values of *tensors* by name."""
    return {each.name: each.array.tolist() for each in tensors.tensors}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"instances":["foo","bar","baz"]}', {"input": [b"foo", b"bar", b"baz"]}),
        (b'{"instances":[[[1,2]],[[3,4]]]}', {"input": [[[1, 2]], [[3, 4]]]}),
        (
            b'{"instances":[{"tag":"foo","signal":[1,2],"sensor":[[1,2],[3,4]]},'
            b'{"tag":"bar","signal":[3,4],"sensor":[[4,5],[6,8]]}]}',
            {
                "tag": [b"foo", b"bar"],
                "signal": [[1, 2], [3, 4]],
                "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
            },
        ),
        (
            b'{"inputs":{"tag":["foo","bar"],"signal":[[1,2,3,4,5],[3,4,1,2,5]]}}',
            {"tag": [b"foo", b"bar"], "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]]},
        ),
        (b'{"inputs":[[1.5]]}', {"input": [[1.5]]}),
        (b'{"inputs":5}', {"input": 5}),
        (b'{"instances":[{"b64":"AP8="},"a"]}', {"input": [b"\0\xff", b"a"]}),
        (b'{"instances":[{"image":{"b64":"AP8="}}]}', {"image": [b"\0\xff"]}),
        (b'{"inputs":{"image":[{"b64":"AP8="}]}}', {"image": [b"\0\xff"]}),
        (b'{"inputs":{"b64":"AP8="}}', {"input": b"\0\xff"}),
        (b'{"inputs":{"x":1.5,"y":[true]},"instances":null}', {"x": 1.5, "y": [True]}),
        (b'{"instances":[]}', {"input": []}),
        (b'{"inputs":{"x":[Infinity,-3.5]}}', {"x": [float("inf"), -3.5]}),
    ],
)
def test_requests_of_the_documentation_are_tensors(body: bytes, expected: dict[str, Any]) -> None:
    """Rows or columns, with names or without."""
    assert expected == lists(FORM.read_request(Body(body)))


def test_the_request_of_the_recommender_is_two_columns() -> None:
    """An empty signature is the server's default, and none."""
    body = (
        b'{"signature_name":"","inputs":{"products":[[1.0],[2.0],[3.0],[4.0]],'
        b'"users":[[10.0],[10.0],[10.0],[10.0]]}}'
    )

    tensors = FORM.read_request(Body(body))

    assert ("products", "users") == tensors.names
    assert [("FP64", (4, 1))] * 2 == [(each.datatype, each.shape) for each in tensors.tensors]
    assert {} == tensors.parameters


def test_a_signature_stays_with_the_tensors() -> None:
    """And is asked for again, unless the file names another."""
    tensors = FORM.read_request(Body(b'{"signature_name":"score","inputs":[1]}'))

    assert {"signature_name": "score"} == tensors.parameters
    assert b'{"signature_name":"score","inputs":[1]}' == FORM.write_request(tensors, id="7").data
    assert b'{"signature_name":"other","inputs":[1]}' == FORM.asking(tensors, "other")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b'{"instances":[1],"inputs":[1]}', "has instances and inputs: expected one of them"),
        (b"{}", "holds no tensors: expected instances or inputs"),
        (b'{"predictions":[1]}', "holds no tensors"),
        (b"[1]", "no JSON object"),
        (b'{"instances":[{"a":1},{"b":1}]}', r"instances\[1\] is no object with the names"),
        (b'{"instances":[{"a":1},2]}', r"instances\[1\] is no object with the names"),
        (b'{"instances":[{"a":[1]},{"a":[1,2]}]}', r"instances\[\]\.a is not rectangular"),
        (b'{"instances":[1,{"a":1}]}', "instances holds integers and objects"),
        (b'{"instances":[{"b64":"?"}]}', "instances: b64 is not base64"),
        (b'{"inputs":{"b64":7}}', "inputs: b64 is no text"),
        (b'{"inputs":{"x":[{"b64":"AA==","c":1}]}}', r"inputs\.x holds an object"),
        (b'{"inputs":{"x":["a",1]}}', r"inputs\.x holds integers and texts"),
        (b'{"inputs":[1],"signature_name":7}', "signature_name is no text"),
        (b'{"inputs":{%b}}' % b",".join(b'"%d":1' % n for n in range(1001)), "1001 tensors"),
        (b'{"instances":[{%b}]}' % b",".join(b'"%d":1' % n for n in range(1001)), "1001 tensors"),
    ],
)
def test_what_is_no_request_is_refused(body: bytes, says: str) -> None:
    """The text has the member's path."""
    with pytest.raises(DecodeError, match=says):
        FORM.read_request(Body(body))


def test_columns_are_no_request_of_kserve() -> None:
    """V1 has rows alone."""
    with pytest.raises(DecodeError, match=r"holds no tensors: expected instances$"):
        ROWS.read_request(Body(b'{"inputs":[1]}'))
    with pytest.raises(DecodeError, match=r"expected predictions$"):
        ROWS.read_answer(Body(b'{"outputs":[1]}'))


def test_a_request_is_written_in_columns() -> None:
    """They keep names, and need no rows in common."""
    tensors = Tensors.of(a=np.array([1, 0.1], np.float32), b=[[1, 2, 3]])

    assert b'{"inputs":{"a":[1.0,0.1],"b":[[1,2,3]]}}' == FORM.write_request(tensors, id="7").data
    assert b'{"inputs":[1]}' == FORM.write_request(Tensors.of(input=[1]), id="7").data


def test_a_request_of_kserve_is_written_in_rows() -> None:
    """A tensor called `input` has no name there."""
    tensors = Tensors.of(a=np.array([1, 0.1], np.float32), b=[[1, 2], [3, 4]])

    assert (
        b'{"instances":[{"a":1.0,"b":[1,2]},{"a":0.1,"b":[3,4]}]}'
        == ROWS.write_request(tensors, id="7").data
    )
    assert b'{"instances":[[1.5]]}' == ROWS.write_request(Tensors.of(input=[[1.5]]), id="7").data
    assert b'{"instances":[{"x":[1.5]}]}' == ROWS.write_request(Tensors.of(x=[[1.5]]), id="7").data


@pytest.mark.parametrize("tensors", [Tensors.of(a=[1, 2], b=[[1]]), Tensors.of(a=1)])
def test_tensors_without_rows_in_common_cannot_be_rows(tensors: Tensors) -> None:
    """The text has their names and shapes."""
    with pytest.raises(Rejected, match=r"row by row.*'a' of \["):
        ROWS.write_request(tensors, id="7")


ANSWER = Tensors.of(y=np.array([[0.1], [0.2]], np.float32))
ANSWERS = Tensors.of(y=[1, 2], z=["a", "b"])


@pytest.mark.parametrize(
    ("like", "tensors", "expected"),
    [
        (b'{"instances":[1,2]}', ANSWER, b'{"predictions":[[0.1],[0.2]]}'),
        (b'{"instances":[1,2]}', ANSWERS, b'{"predictions":[{"y":1,"z":"a"},{"y":2,"z":"b"}]}'),
        (b'{"inputs":[1,2]}', ANSWER, b'{"outputs":[[0.1],[0.2]]}'),
        (b'{"inputs":[1,2]}', ANSWERS, b'{"outputs":{"y":[1,2],"z":["a","b"]}}'),
        (b'{"instances":[1],"inputs":null}', ANSWER, b'{"predictions":[[0.1],[0.2]]}'),
        (b"no JSON", ANSWER, b'{"predictions":[[0.1],[0.2]]}'),
        (b"[]", ANSWER, b'{"predictions":[[0.1],[0.2]]}'),
    ],
)
def test_an_answer_is_written_in_kind(like: bytes, tensors: Tensors, expected: bytes) -> None:
    """Rows are answered with rows; one tensor drops its name."""
    assert expected == FORM.write_answer(tensors, like=Body(like), id="7").data


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"predictions":[[0.5],[1]]}', {"output": [[0.5], [1.0]]}),
        (b'{"predictions":[{"y":1,"z":"a"},{"y":2,"z":"b"}]}', {"y": [1, 2], "z": [b"a", b"b"]}),
        (b'{"outputs":[1]}', {"output": [1]}),
        (b'{"outputs":{"y":[1],"z":2}}', {"y": [1], "z": 2}),
    ],
)
def test_answers_are_tensors(body: bytes, expected: dict[str, Any]) -> None:
    """A bare value is called `output`."""
    assert expected == lists(FORM.read_answer(Body(body)))


def test_bytes_are_told_from_text() -> None:
    """By what they are, and by the name that TensorFlow has for it."""
    tensors = Tensors(
        (
            Tensor("x", "BYTES", of_bytes([b"a", b"\xff"], (2,))),
            Tensor("x_bytes", "BYTES", of_bytes([b"a", b"b"], (2,))),
        )
    )

    said = orjson.loads(FORM.write_request(tensors, id="7").data)

    assert {"x": ["a", {"b64": "/w=="}], "x_bytes": [{"b64": "YQ=="}, {"b64": "Yg=="}]} == said[
        "inputs"
    ]


def test_what_is_not_finite_is_written_for_its_reader() -> None:
    """A server takes bare tokens, the data of an event does not."""
    tensors = Tensors.of(x=np.array([np.nan, 1]))

    assert b'{"inputs":{"x":[NaN,1.0]}}' == FORM.asking(tensors, tokens=True)
    assert b'{"inputs":{"x":[null,1.0]}}' == FORM.write_request(tensors, id="7").data
    assert (
        b'{"outputs":["NaN",1.0]}'
        == TensorflowForm(non_finite="text")
        .write_answer(tensors, like=Body(b'{"inputs":[1]}'), id="7")
        .data
    )
