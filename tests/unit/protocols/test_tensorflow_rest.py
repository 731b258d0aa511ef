"""Paths, calls and verdicts of TensorFlow Serving's HTTP API, bodies as it documents them."""

from __future__ import annotations

import re

import pytest

from bridge.core.errors import (
    BridgeError,
    ConfigError,
    DecodeError,
    Doubtful,
    Rejected,
    Unavailable,
)
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensors
from bridge.protocols.nonfinite import Rewritten
from bridge.protocols.port import Asked, Spec
from bridge.protocols.tensorflow_rest import TensorflowRest

PROTOCOL = TensorflowRest(Asked(name="half_plus_three"))
NO_SUCH_MODEL = b'{ "error": "Servable not found for request: Latest(half)" }'
WRONG_SHAPE = b'{ "error": "You must feed a value for placeholder tensor" }'


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        (Asked(name="m"), "/v1/models/m"),
        (Asked(name="m", version="3"), "/v1/models/m/versions/3"),
        (Asked(name="m", label="stable"), "/v1/models/m/labels/stable"),
        (Asked(name="a/b ?ö"), "/v1/models/a%2Fb%20%3F%C3%B6"),
    ],
)
def test_paths_have_name_and_version(asked: Asked, model: str) -> None:
    """Whatever a name holds, it stays one segment."""
    protocol = TensorflowRest(asked)

    assert [f"{model}:predict", model, f"{model}/metadata"] == [
        protocol.path(),
        protocol.probe_path(),
        protocol.metadata_path(),
    ]


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_leads_out_of_its_path_is_refused_at_start(name: str) -> None:
    """Proxies take `/v1/models/..` for `/v1`, escaped or not."""
    for asked in (Asked(name=name), Asked(name="m", version=name), Asked(name="m", label=name)):
        with pytest.raises(ConfigError, match=f"'{re.escape(name)}': expected a name"):
            TensorflowRest(asked)


def test_a_model_without_a_name_cannot_be_asked() -> None:
    """Found at start, not with the first event."""
    with pytest.raises(ConfigError, match="name: expected the model's name, TensorFlow Serving"):
        TensorflowRest(Asked())


def test_a_body_goes_as_it_came() -> None:
    """Under V1's media type, whatever the event called it, and without what names the event."""
    data = b'{"instances": [1.10, NaN]}\n'
    request = Request(
        payload=Body(data, "application/cloudevents+json"),
        id="7",
        headers=((b"x-request-id", b"7"), (b"ce-id", b"7"), (b"host", b"evil")),
    )

    headers, body = PROTOCOL.call(request, request.payload)

    assert data is body
    assert ((b"content-type", b"application/json"), (b"x-request-id", b"7")) == headers


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"inputs":1.10}', b'{"signature_name":"score","inputs":1.10}'),
        (b'{"inputs":1,"signature_name":"own"}', b'{"inputs":1,"signature_name":"own"}'),
        (b'{"signature_name":"","inputs":1}', b'{"signature_name":"","inputs":1}'),
    ],
)
def test_a_signature_is_put_into_a_body_that_names_none(data: bytes, expected: bytes) -> None:
    """What the body says itself stands."""
    protocol = TensorflowRest(Asked(name="m", signature="score"))

    assert expected == protocol.call(Request(Body(data), "7"), Body(data))[1]


def test_tensors_go_as_columns_with_bare_tokens() -> None:
    """The server reads NaN and writes it, JSON or not."""
    protocol = TensorflowRest(Asked(name="m", signature="score"))
    tensors = Tensors.of(x=[1.5, float("nan")], y=[1])

    _, body = protocol.call(Request(Body(b""), "7"), tensors)

    assert b'{"signature_name":"score","inputs":{"x":[1.5,NaN],"y":[1]}}' == body


@pytest.mark.parametrize(
    ("came", "tensors", "expected"),
    [
        (b'{"instances":[1]}', Tensors.of(x=[1], y=[2]), b'{"instances":[{"x":1,"y":2}]}'),
        (b'{"instances":[1]}', Tensors.of(x=[1], y=[2, 3]), b'{"inputs":{"x":[1],"y":[2,3]}}'),
        (b'{"inputs":[1]}', Tensors.of(x=[1]), b'{"inputs":{"x":[1]}}'),
        (b'{"data":{"ndarray":[1]}}', Tensors.of(x=[1]), b'{"inputs":{"x":[1]}}'),
    ],
)
def test_rows_are_asked_with_rows(came: bytes, tensors: Tensors, expected: bytes) -> None:
    """So that they are answered with rows, though their tensors were mapped on the way."""
    assert expected == PROTOCOL.call(Request(Body(came), "7"), tensors)[1]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", Rejected),
        (200, b"[1]", Rejected),
        (200, b"<html>", Unavailable),
        (200, b'{"predictions":[1', Rejected),
        (200, b"{}", Rejected),
        (200, WRONG_SHAPE, Rejected),
        (200, b'{"outputs":null}', Rejected),
        (302, b"", Unavailable),
        (400, WRONG_SHAPE, Rejected),
        (400, b"", Rejected),
        (401, b"", Unavailable),
        (403, b"", Rejected),
        (404, NO_SUCH_MODEL, Unavailable),
        (404, b"", Unavailable),
        (408, b"", Unavailable),
        (409, b'{"error":"aborted"}', Unavailable),
        (413, b"", Rejected),
        (429, b'{"error":"queue is full"}', Unavailable),
        (499, b'{"error":"cancelled"}', Unavailable),
        (500, WRONG_SHAPE, Rejected),
        (500, b'{"error":""}', Unavailable),
        (500, b'{"error":{}}', Unavailable),
        (500, b"<html>", Unavailable),
        (501, b'{"error":"unimplemented"}', Unavailable),
        (502, WRONG_SHAPE, Unavailable),
        (503, b'{"error":"not ready"}', Unavailable),
        (504, b"", Unavailable),
    ],
)
def test_verdict_table(status: int, body: bytes, expected: type[BridgeError]) -> None:
    """Only the model's own judgement is final."""
    with pytest.raises(expected, match=f"^model 'm' at http://m answered ({status}|garbage): ."):
        PROTOCOL.judge(status, (), body, "model 'm' at http://m")


def test_a_failed_batch_of_kserves_batcher_was_published_as_an_answer() -> None:
    """It stands before TensorFlow Serving as well, and says nothing of a single event."""
    failed = b'{"message":"no response from the predictor","batchId":"","predictions":null}'

    with pytest.raises(Doubtful, match="the batch failed: 'no response from the predictor'"):
        PROTOCOL.judge(200, (), failed, "m")


@pytest.mark.parametrize(
    "data", [b'{\n "predictions": [1.10]\n}\n', b'{"outputs":1e400}'[:13] + b"1}"]
)
def test_an_answer_is_the_same_bytes(data: bytes) -> None:
    """Digits and spaces are the server's."""
    answer = PROTOCOL.judge(200, ((b"content-type", b"application/json"),), data, "m")

    assert data is answer.data


def test_an_answer_with_tokens_is_made_json() -> None:
    """As the policy says, every other byte as it came."""
    data = b'{"predictions": [1.10, NaN, -Infinity]}'

    answer = TensorflowRest(Asked(name="m"), non_finite="text").judge(200, (), data, "m")

    assert b'{"predictions": [1.10, "NaN", "-Infinity"]}' == answer.data
    assert isinstance(answer, Rewritten)
    with pytest.raises(Rejected, match=r"^m answered NaN or infinity"):
        TensorflowRest(Asked(name="m"), non_finite="refuse").judge(200, (), data, "m")


def test_a_traceback_of_the_server_is_its_last_line() -> None:
    """What a reply quotes is bounded, and tells nothing of files."""
    trace = "failed: Traceback (most recent call last):\n  File '/srv/m.py'\nValueError: 3\n"
    error = Body.of({"error": trace}).data

    with pytest.raises(Rejected, match=r"answered 500: 'failed: ValueError: 3'$"):
        PROTOCOL.judge(500, (), error, "m")


METADATA = b"""{
"model_spec":{"name": "m", "signature_name": "", "version": "123"},
"metadata": {"signature_def": {"signature_def": {
  "serving_default": {
    "inputs": {"x": {"dtype": "DT_FLOAT", "name": "x:0",
               "tensor_shape": {"dim": [{"size": "-1", "name": ""}, {"size": "1"}],
                                "unknown_rank": false}}},
    "outputs": {"y": {"dtype": "DT_STRING", "tensor_shape": {"dim": [], "unknown_rank": true}},
                "z": {"dtype": "DT_VARIANT", "tensor_shape": {"unknown_rank": false}}},
    "method_name": "tensorflow/serving/predict"},
  "score": {"inputs": {}, "outputs": {}}
}}}}"""


def test_metadata_tells_of_the_signature() -> None:
    """Datatypes and shapes in our words, what has none left open."""
    told = PROTOCOL.read_metadata(METADATA)

    assert ("m", ("123",)) == (told.name, told.versions)
    assert (Spec(name="x", datatype="FP32", shape=(-1, 1)),) == told.inputs
    assert (Spec(name="y", datatype="BYTES"), Spec(name="z", shape=())) == told.outputs
    assert () == TensorflowRest(Asked(name="m", signature="score")).read_metadata(METADATA).inputs


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not JSON"),
        (b"[]", "no JSON object"),
        (b"{}", "no signature 'serving_default': there are none"),
        (b'{"metadata":{"signature_def":[]}}', "no signature"),
        (b'{"metadata":{"signature_def":{"signature_def":{"a":{}}}}}', "there are 'a'"),
    ],
)
def test_what_is_no_metadata_is_a_decode_error(body: bytes, says: str) -> None:
    """The text names what there is."""
    with pytest.raises(DecodeError, match=says):
        PROTOCOL.read_metadata(body)


@pytest.mark.parametrize(
    "info",
    [
        b"7",
        b'{"dtype":[],"tensor_shape":[]}',
        b'{"dtype":1,"tensor_shape":{"dim":7}}',
        b'{"tensor_shape":{"dim":[7]}}',
        b'{"tensor_shape":{"dim":[{"size":"x"}]}}',
        b'{"tensor_shape":{"dim":[{"size":-2}]}}',
    ],
)
def test_a_tensor_that_is_not_understood_is_left_open(info: bytes) -> None:
    """Metadata is for people, and no reason to fail."""
    body = (
        b'{"metadata":{"signature_def":{"signature_def":{"serving_default":{"inputs":{"x":%b}}}}}}'
    )

    inputs = PROTOCOL.read_metadata(body % info).inputs

    assert all(spec.shape is None for spec in inputs)
