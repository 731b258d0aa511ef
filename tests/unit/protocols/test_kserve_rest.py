"""Paths, calls and verdicts of KServe's V1 protocol."""

from __future__ import annotations

import pytest

from bridge.core.errors import BridgeError, ConfigError, Doubtful, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensors
from bridge.protocols.kserve_rest import KserveRest
from bridge.protocols.port import Asked

PROTOCOL = KserveRest(Asked(name="iris"))
BATCHED = (
    b'{"message":"size of prediction is not equal to the size of instances",'
    b'"batchId":"1","predictions":null}'
)


def test_paths_have_the_name() -> None:
    """V1 tells of no tensors."""
    assert "/v1/models/iris:predict" == PROTOCOL.path()
    assert "/v1/models/iris" == PROTOCOL.probe_path()
    assert PROTOCOL.metadata_path() is None
    assert "iris" == PROTOCOL.read_metadata(b'{"name":"iris","ready":true}').name


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (Asked(), "^name: expected"),
        (Asked(name="m", version="1"), "^version: KServe cannot be told which"),
        (Asked(name="m", label="x"), "^label: "),
        (Asked(name="m", signature="x"), "^signature: "),
    ],
)
def test_what_v1_has_no_words_for_is_refused_at_start(asked: Asked, says: str) -> None:
    """A version in the file that nobody asks for would be a lie."""
    with pytest.raises(ConfigError, match=says):
        KserveRest(asked)


def test_a_body_goes_as_plain_v1_json() -> None:
    """An event in it or around it would be unwrapped, or answered with an event."""
    data = b'{"instances": [[1.10]]}'
    request = Request(
        payload=Body(data, "application/cloudevents+json"),
        id="7",
        headers=((b"ce-id", b"7"), (b"ce-specversion", b"1.0"), (b"x-request-id", b"7")),
    )

    headers, body = PROTOCOL.call(request, request.payload)

    assert data is body
    assert ((b"content-type", b"application/json"), (b"x-request-id", b"7")) == headers


def test_tensors_go_as_rows_of_json() -> None:
    """Its parser refuses bare tokens, so the policy holds for requests too."""
    tensors = Tensors.of(input=[[1.5, float("nan")]])

    assert b'{"instances":[[1.5,null]]}' == PROTOCOL.call(Request(Body(b""), "7"), tensors)[1]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"error":"no"}', Rejected),
        (200, b"{}", Rejected),
        (200, b'{"outputs":[1]}', Rejected),
        (200, b"", Rejected),
        (200, BATCHED, Unavailable),
        (200, b'{"predictions":null}', Doubtful),
        (400, b'{"error":"Expected instances to be a list"}', Rejected),
        (404, b'{"error":"Model with name iris does not exist."}', Unavailable),
        (422, b'{"detail":[{"msg":"field required"}]}', Rejected),
        (500, b'{"error":"ValueError : X has 3 features, expected 4"}', Rejected),
        (500, b"Internal Server Error", Unavailable),
        (501, b'{"error":"predict is not implemented"}', Unavailable),
        (503, b'{"error":"Model with name iris is not ready."}', Unavailable),
        (507, b'{"error":"no room for this batch"}', Rejected),
        (507, b"", Unavailable),
    ],
)
def test_verdict_table(status: int, body: bytes, expected: type[BridgeError]) -> None:
    """Only the model's own judgement of this request is final."""
    with pytest.raises(expected, match=r"^m at http://m answered (\d|garbage: |without)"):
        PROTOCOL.judge(status, (), body, "m at http://m")


def test_a_failed_batch_says_why() -> None:
    """The batcher's words are in the text."""
    with pytest.raises(Doubtful, match="the batch failed: 'size of prediction is not equal"):
        PROTOCOL.judge(200, (), BATCHED, "m")


@pytest.mark.parametrize("data", [b'{"predictions": [1.10]}', b'{"predictions":{"a":1}}'])
def test_an_answer_is_the_same_bytes(data: bytes) -> None:
    """Nothing is read out of it but that it is one."""
    answer = PROTOCOL.judge(200, ((b"content-type", b"application/json"),), data, "m")

    assert data is answer.data


def test_an_answer_with_tokens_is_made_json() -> None:
    """A model of Python's own may write them."""
    answer = PROTOCOL.judge(200, (), b'{"predictions": [NaN]}', "m")

    assert b'{"predictions": [null]}' == answer.data
