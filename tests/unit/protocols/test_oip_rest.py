"""Paths, calls and verdicts of the Open Inference Protocol, bodies as three servers write them."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from bridge.core.errors import BridgeError, ConfigError, DecodeError, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import oip_binary
from bridge.protocols.oip_rest import OipRest
from bridge.protocols.port import Asked, Payload, Spec

PROTOCOL = OipRest(Asked(name="iris"))
BINARY = OipRest(Asked(name="iris"), binary=True)
OUTPUTS = b'{"model_name":"iris","outputs":[]}'
TRITON_RAISED = orjson.dumps(
    {
        "error": "Failed to process the request(s) for model instance 'iris_0', message: "
        'Exception: Traceback (most recent call last):\n  File "/opt/m.py", line 3\n'
        "ValueError: X has 3 features\n\n\nAt:\n  /opt/model.py(12): execute\n"
    }
)


def test_paths_have_name_and_version() -> None:
    """Probe and metadata are those of the same model."""
    versioned = OipRest(Asked(name="a/b", version="2"))

    assert "/v2/models/iris/infer" == PROTOCOL.path()
    assert "/v2/models/iris/ready" == PROTOCOL.probe_path()
    assert "/v2/models/iris" == PROTOCOL.metadata_path()
    assert "/v2/models/a%2Fb/versions/2/infer" == versioned.path()


@pytest.mark.parametrize(
    "asked", [Asked(), Asked(name="m", label="x"), Asked(name="m", signature="x")]
)
def test_what_the_protocol_has_no_words_for_is_refused_at_start(asked: Asked) -> None:
    """Found by `bridge check`."""
    with pytest.raises(ConfigError, match="the Open Inference Protocol"):
        OipRest(asked)


def test_a_body_goes_as_it_came_but_for_an_id() -> None:
    """KServe fails without one; what has one is the same bytes."""
    request = Request(Body(b""), "p-1", headers=((b"x-request-id", b"1"), (b"ce-id", b"1")))
    own = Body(b'{"id": "mine", "inputs": [1.10]}')

    headers, body = PROTOCOL.call(request, Body(b'{"inputs": [1.10]}\n'))

    assert b'{"id":"p-1","inputs": [1.10]}\n' == body
    assert ((b"content-type", b"application/json"), (b"x-request-id", b"1")) == headers
    assert own.data is BINARY.call(request, own)[1]


def test_tensors_go_as_json() -> None:
    """Under the puid."""
    _, body = PROTOCOL.call(Request(Body(b""), "p-1"), Tensors.of(x=[1]))

    assert b'{"id":"p-1","inputs":[{"name":"x","shape":[1],"datatype":"INT64","data":[1]}]}' == body


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (b'{"id":"mine","inputs":[]}', "mine"),
        (b'{"id":"","inputs":[]}', "p-1"),
        (b'{"id":"not of this protocol"}', "p-1"),
        (b"", "p-1"),
    ],
)
def test_tensors_go_under_the_id_of_the_request_that_came(came: bytes, expected: str) -> None:
    """A given id must come back, though its tensors were mapped on the way."""
    _, body = PROTOCOL.call(Request(Body(came), "p-1"), Tensors.of(x=[1]))

    assert expected == orjson.loads(body)["id"]


@pytest.mark.parametrize("payload", [Body(b'{"id":"7"}'), Tensors.of(x=[1])])
def test_a_header_of_the_event_makes_no_binary_body_of_json(payload: Payload) -> None:
    """Its server would take the values for what stands behind the length that it names."""
    request = Request(Body(b""), "p-1", headers=((oip_binary.LENGTH_HEADER, b"1"),))

    headers, _ = PROTOCOL.call(request, payload)

    assert ((b"content-type", b"application/json"),) == headers


def test_tensors_go_as_binary_where_asked() -> None:
    """The header tells where the values begin; a forwarded one does not double it."""
    tensors = Tensors((Tensor("x", "BF16", np.array([0x3FC0], np.uint16)),))
    request = Request(Body(b""), "p-1", headers=((oip_binary.LENGTH_HEADER, b"1"),))

    headers, body = BINARY.call(request, tensors)

    length = len(body) - 2
    assert (
        (b"content-type", b"application/octet-stream"),
        (b"inference-header-content-length", b"%d" % length),
    ) == headers
    assert tensors["x"].tolist() == oip_binary.read_request(body, length)["x"].tolist()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"", Rejected),
        (200, b'{"error":"no"}', Rejected),
        (200, b'{"outputs":null}', Rejected),
        (200, b"[]", Rejected),
        (200, OUTPUTS[:-1], Rejected),
        (400, b"{\"error\":\"unexpected shape for input 'x' for model 'iris'\"}", Rejected),
        (400, b'{"error":"Request for unknown model: \'iris\' is not found"}', Unavailable),
        (400, b'{"error":"Model iris is not ready yet."}', Unavailable),
        (400, b'{"error":"Model iris with version v2 is not ready yet."}', Unavailable),
        (400, b"{\"error\":\"input 'Request for unknown model' of model 'iris'\"}", Rejected),
        (400, b'{"error":"input \'Model iris is not ready yet.\' is not one"}', Rejected),
        (400, b'{"error":"Model input 3 is not ready yet. Expected 4 of them"}', Rejected),
        (401, b"", Unavailable),
        (404, b"not found", Unavailable),
        (404, b'{"error":"Model with name iris does not exist."}', Unavailable),
        (422, b'{"detail":[{"loc":["body","inputs"],"msg":"Field required"}]}', Rejected),
        (500, b'{"error":"failed to parse the request JSON buffer"}', Rejected),
        (500, TRITON_RAISED, Rejected),
        (500, b"Internal Server Error", Rejected),
        (500, b"<html>500 Internal Server Error</html>", Unavailable),
        (500, b"", Unavailable),
        (501, b'{"error":"not implemented"}', Unavailable),
        (503, b'{"error":"model is not ready"}', Unavailable),
        (503, b"no healthy upstream", Unavailable),
    ],
)
def test_verdict_table(status: int, body: bytes, expected: type[BridgeError]) -> None:
    """As Triton, MLServer and KServe answer."""
    with pytest.raises(expected, match=r"^m at http://m answered (\d|garbage: )"):
        PROTOCOL.judge(status, (), body, "m at http://m")


def test_a_traceback_is_its_last_line() -> None:
    """Files of the server are nobody's business."""
    with pytest.raises(Rejected) as raised:
        PROTOCOL.judge(500, (), TRITON_RAISED, "m")

    assert "ValueError: X has 3 features" in str(raised.value)
    assert "/opt" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_what_a_validator_says_is_in_the_text() -> None:
    """FastAPI's details are an array of objects."""
    with pytest.raises(Rejected, match=r"answered 422: 'Field required; two'$"):
        PROTOCOL.judge(422, (), b'{"detail":[{"msg":"Field required"},{"msg":"two"},7]}', "m")


def test_a_json_answer_is_the_same_bytes() -> None:
    """Also where binary was asked for."""
    headers = ((b"content-type", b"application/json"), (b"ce-id", b"theirs"))

    answer = BINARY.judge(200, headers, OUTPUTS, "m")

    assert isinstance(answer, Body)
    assert OUTPUTS is answer.data


def test_a_binary_answer_is_tensors() -> None:
    """Wherever the header says that it is one."""
    length, body = oip_binary.write_answer(Tensors.of(y=[1.5]), model_name="m", id="7")
    headers = ((oip_binary.LENGTH_HEADER, b"%d" % length),)

    answer = PROTOCOL.judge(200, headers, body, "m")

    assert isinstance(answer, Tensors)
    assert [1.5] == answer["y"].tolist()


@pytest.mark.parametrize("told", [b"x", b"9999", b"3"])
def test_a_binary_answer_that_is_none_is_garbage(told: bytes) -> None:
    """Said with who answered it."""
    length, body = oip_binary.write_answer(Tensors.of(y=[1.5]), model_name="m", id="7")

    with pytest.raises(Rejected, match=r"^m answered garbage: "):
        PROTOCOL.judge(200, ((oip_binary.LENGTH_HEADER, told),), body, "m")
    with pytest.raises(Rejected, match=r"^m answered garbage: "):
        PROTOCOL.judge(200, ((oip_binary.LENGTH_HEADER, b"%d" % length),), body[:-1], "m")


def test_metadata_tells_of_tensors() -> None:
    """As MLServer writes it; what is not understood is left open."""
    told = PROTOCOL.read_metadata(
        b'{"name":"iris","versions":["1",2],"platform":"sklearn","inputs":['
        b'{"name":"x","datatype":"FP32","shape":[-1,4]},{"name":"s","datatype":"TYPE_STRING",'
        b'"shape":["-1"]},{"name":"o","datatype":"?","shape":"?"},{"datatype":"FP32"},7],'
        b'"outputs":null}'
    )

    assert ("iris", ("1", "2"), "sklearn", ()) == (
        told.name,
        told.versions,
        told.platform,
        told.outputs,
    )
    assert (
        Spec(name="x", datatype="FP32", shape=(-1, 4)),
        Spec(name="s", datatype="BYTES", shape=(-1,)),
        Spec(name="o"),
    ) == told.inputs
    with pytest.raises(DecodeError, match="metadata"):
        PROTOCOL.read_metadata(b"[]")
