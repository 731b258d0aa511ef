"""Answers of model servers that are none: cut, empty, of another shape, or a failure inside 200.

A small server gives them, over REST and over gRPC; what real servers do of themselves is in
`test_protocol_suite.py`. A verdict is Rejected, an outage Unavailable; both name the model.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.core.errors import BridgeError, DeadlineExceeded, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.grpc import GrpcModel, GrpcModelOptions
from bridge.models.rest import RestModel, RestModelOptions
from bridge.protocols.proto import message
from tests.fakes_grpc import FakeGrpcServer, saying, status
from tests.fakes_seldon import ScriptedServer, scripted

JSON = "Content-Type: application/json"

#: Protocol → a request of its own form, and an answer.
ASKED: dict[str, bytes] = {
    "seldon": b'{"data":{"ndarray":[[1,2]]}}',
    "tensorflow": b'{"inputs":{"x":[[1,2]]}}',
    "kserve": b'{"instances":[[1,2]]}',
    "oip": b'{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}',
}
ANSWERS: dict[str, bytes] = {
    "seldon": b'{"data":{"names":["t:0"],"ndarray":[[0.5]]},"meta":{}}',
    "tensorflow": b'{"outputs":[[0.5]]}',
    "kserve": b'{"predictions":[[0.5]]}',
    "oip": b'{"outputs":[{"name":"y","shape":[1,1],"datatype":"FP32","data":[0.5]}]}',
}


async def outcome(model: RestModel | GrpcModel, protocol: str, where: str) -> Body | BridgeError:
    """Return what *model* answers, or the error, which names the model and *where* it is."""
    async with model:
        try:
            return await model.predict(Request(payload=Body(ASKED[protocol]), id="p-1"))
        except BridgeError as error:
            found = error
    assert str(found).startswith("model 'iris'")
    assert where in str(found)
    return found


async def rest(protocol: str, answer: bytes | None, **options: Any) -> Body | BridgeError:
    """Return what a model of *protocol* makes of a server's *answer*, as it is on the wire."""
    said = {"protocol": protocol, "name": "iris", **options}
    async with ScriptedServer(answer) as server:
        model = RestModel(RestModelOptions.model_validate({"url": server.url, **said}))
        return await outcome(model, protocol, server.url)


@asynccontextmanager
async def cutting(answer: bytes) -> AsyncIterator[str]:
    """Yield the URL of a server that answers with *answer* and ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        await reader.readexactly(int(length[1]) if length else 0)
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


def is_a(kind: type[BridgeError], found: object, words: str) -> None:
    """Say that *found* is a *kind* with *words*."""
    assert isinstance(found, kind), repr(found)
    assert words in str(found)


@pytest.mark.parametrize("protocol", ASKED)
class TestRest:
    async def test_an_answer(self, protocol: str) -> None:
        """What is none of these faults is the answer, byte for byte."""
        found = await rest(protocol, scripted(200, ANSWERS[protocol], JSON))

        assert Body(ANSWERS[protocol]) == found

    async def test_a_connection_that_ends_within_the_answer(self, protocol: str) -> None:
        """The rest may come another time: an outage."""
        whole = scripted(200, ANSWERS[protocol], JSON)

        for cut in (whole[:-1], whole[:20], b""):
            async with cutting(cut) as url:
                said = {"protocol": protocol, "name": "iris", "url": url}
                model = RestModel(RestModelOptions.model_validate(said))
                found = await outcome(model, protocol, url)
            is_a(Unavailable, found, "")
            assert not isinstance(found, DeadlineExceeded)

    async def test_json_that_ends_too_early(self, protocol: str) -> None:
        """A whole body that is no JSON is garbage: another try would bring the same."""
        found = await rest(protocol, scripted(200, ANSWERS[protocol][:-2], JSON))

        is_a(Rejected, found, "garbage")

    @pytest.mark.parametrize("body", [b"", b"null", b"[]", b"1", b"{}", b"ok"])
    async def test_200_with_something_else(self, protocol: str, body: bytes) -> None:
        """No answer of this protocol is garbage, but Seldon's, where any object is a message."""
        found = await rest(protocol, scripted(200, body, JSON))

        if (protocol, body) == ("seldon", b"{}"):
            assert Body(body) == found
        else:
            is_a(Rejected, found, "garbage")

    async def test_200_with_a_page(self, protocol: str) -> None:
        """A login's or a load balancer's says nothing of the event."""
        found = await rest(protocol, scripted(200, b"<html>ok</html>", "Content-Type: text/html"))

        is_a(Unavailable, found, "garbage")

    @pytest.mark.parametrize("status", [401, 404, 405, 407, 408, 425, 429, 502, 503, 504])
    async def test_come_back_later(self, protocol: str, status: int) -> None:
        """Whoever wrote them, these say nothing of the event."""
        found = await rest(protocol, scripted(status, b'{"error":"x"}', JSON))

        is_a(Unavailable, found, f"answered {status}")

    async def test_a_redirect(self, protocol: str) -> None:
        """Nobody follows it, and the model was not asked."""
        found = await rest(protocol, scripted(302, b"", "Location: http://elsewhere/"))

        is_a(Unavailable, found, "redirects are not followed")

    async def test_500_of_a_proxy(self, protocol: str) -> None:
        """A page that no model server writes."""
        is_a(Unavailable, await rest(protocol, scripted(500, b"<h1>oops</h1>")), "answered 500")


@pytest.mark.parametrize(
    ("protocol", "body", "kind", "words"),
    [
        (
            "seldon",
            {"status": {"code": 500, "info": "no such node", "status": "FAILURE"}},
            Rejected,
            "failure: 'no such node'",
        ),
        ("seldon", {"status": {"info": "x", "status": 1}}, Rejected, "failure"),
        ("kserve", {"predictions": None, "message": "one was bad"}, Unavailable, "one was bad"),
        ("kserve", {"error": "no"}, Rejected, "'no'"),
        ("tensorflow", {"error": "Servable not found"}, Rejected, "Servable not found"),
        ("oip", {"error": "no"}, Rejected, "'no'"),
        ("oip", {"outputs": None}, Rejected, "garbage"),
    ],
)
async def test_200_with_an_error_inside(
    protocol: str, body: Any, kind: type[BridgeError], words: str
) -> None:
    """A verdict in the server's words; but a null of the batcher's may be another event's."""
    is_a(kind, await rest(protocol, scripted(200, json.dumps(body).encode(), JSON)), words)


@pytest.mark.parametrize(
    ("protocol", "answer"),
    [
        ("tensorflow", b'{"predictions":[[NaN],[-Infinity]]}'),
        ("kserve", b'{"predictions":[[NaN],[-Infinity]]}'),
        ("seldon", b'{"data":{"ndarray":[[NaN],[-Infinity]]},"meta":{}}'),
        (
            "oip",
            b'{"outputs":[{"name":"y","shape":[2],"datatype":"FP32","data":[NaN,-Infinity]}]}',
        ),
    ],
)
async def test_bare_tokens_never_reach_an_event(protocol: str, answer: bytes) -> None:
    """They are no JSON: null by default, their names as text, or a refusal."""
    wire = scripted(200, answer, JSON)

    null, text, refused = [
        await rest(protocol, wire, non_finite=policy) for policy in ("null", "text", "refuse")
    ]

    assert isinstance(null, Body)
    assert isinstance(text, Body)
    assert answer.replace(b"NaN", b"null").replace(b"-Infinity", b"null") == null.data
    assert answer.replace(b"NaN", b'"NaN"').replace(b"-Infinity", b'"-Infinity"') == text.data
    is_a(Rejected, refused, "")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"name": "y", "shape": [2, 1], "datatype": "FP32", "data": [1]}, ""),
        ({"name": "y", "shape": [-1], "datatype": "FP32", "data": [1]}, ""),
        ({"name": "y", "shape": [1], "datatype": "FP31", "data": [1]}, "FP31"),
        ({"name": "y", "shape": [1], "datatype": "UINT8", "data": [256]}, ""),
        ({"name": "y", "shape": [1], "datatype": "INT32", "data": [None]}, ""),
    ],
    ids=["fewer values", "no shape", "no datatype", "too large", "null"],
)
async def test_an_answer_whose_tensors_are_wrong(answer: Any, words: str) -> None:
    """Where they are read they must be what they say they are."""
    body = json.dumps({"outputs": [answer]}).encode()

    found = await rest("oip", scripted(200, body, JSON), outputs={"y": {}})

    is_a(Rejected, found, words)


@pytest.mark.parametrize(
    "head",
    [
        b'{"outputs":[{"name":"y","shape":[2],"datatype":"FP32",'
        b'"parameters":{"binary_data_size":8}}]}',
        b'{"outputs":[{"name":"y","shape":[3],"datatype":"FP32",'
        b'"parameters":{"binary_data_size":7}}]}',
        b'{"outputs":[{"name":"y","shape":[1],"datatype":"FP32",'
        b'"parameters":{"binary_data_size":-4}}]}',
        b"{",
    ],
    ids=["short", "no multiple", "negative", "no JSON"],
)
async def test_binary_tensors_that_are_cut(head: bytes) -> None:
    """Bytes that are fewer than the head tells are garbage, and so is a head that is none."""
    length = f"Inference-Header-Content-Length: {len(head)}"
    wire = scripted(200, head + b"\0" * 7, "Content-Type: application/octet-stream", length)

    is_a(Rejected, await rest("oip", wire, binary=True), "garbage")


async def test_a_server_that_never_answers_costs_one_deadline() -> None:
    """The call ends at the deadline, as an outage."""
    found = await rest("oip", None, timeout_seconds=0.1)

    is_a(Unavailable, found, "no answer within 0.1 s")


async def grpc(protocol: str, answer: Any, **options: Any) -> Body | BridgeError:
    """Return what a model of *protocol* over gRPC makes of *answer*."""
    said = {"protocol": protocol, "name": "iris", **options}
    async with FakeGrpcServer(answer) as server:
        model = GrpcModel(GrpcModelOptions.model_validate({"target": server.target, **said}))
        return await outcome(model, protocol, server.target)


def _wrong_answers() -> list[Any]:
    failure = message("seldon.protos.SeldonMessage")()
    failure.status.status, failure.status.info = 1, "no such node"
    fewer = message("inference.ModelInferResponse")(raw_output_contents=[b"\0" * 4])
    fewer.outputs.add(name="y", datatype="FP32", shape=[2, 1])
    none = message("inference.ModelInferResponse")(raw_output_contents=[b"\0" * 4, b""])
    none.outputs.add(name="y", datatype="FP32", shape=[1])
    values = message("tensorflow.serving.PredictResponse")()
    values.outputs["y"].dtype = 1
    values.outputs["y"].tensor_shape.dim.add(size=1)
    values.outputs["y"].float_val.extend([1, 2])
    return [
        pytest.param("seldon", failure, "no such node", id="seldon-failure"),
        pytest.param("oip", fewer, "garbage", id="oip-fewer-values"),
        pytest.param("oip", none, "garbage", id="oip-more-contents-than-outputs"),
        pytest.param("tensorflow", values, "garbage", id="tensorflow-more-values"),
    ]


@pytest.mark.parametrize(("protocol", "said", "words"), _wrong_answers())
async def test_grpc_answers_that_are_none(protocol: str, said: Any, words: str) -> None:
    """OK with a failure inside, or with tensors that are not what they say: a verdict."""
    is_a(Rejected, await grpc(protocol, saying(said.SerializeToString())), words)


@pytest.mark.parametrize("protocol", ["seldon", "tensorflow", "oip"])
async def test_grpc_bytes_that_are_no_message(protocol: str) -> None:
    """They are garbage."""
    is_a(Rejected, await grpc(protocol, saying(b"\xff\xff\xff")), "garbage")


@pytest.mark.parametrize("protocol", ["seldon", "tensorflow", "oip"])
async def test_a_server_of_another_protocol(protocol: str) -> None:
    """It is an outage that names the method: what is wrong is the file, not the event."""
    found = await grpc(protocol, status("UNIMPLEMENTED", "Method not found!"))

    is_a(Unavailable, found, "is it a server of this protocol?")


@pytest.mark.parametrize("kind", [rest, grpc])
async def test_an_output_that_is_missing(kind: Any) -> None:
    """It is refused by its name, with those that there are."""
    said = message("inference.ModelInferResponse")(raw_output_contents=[b"\0" * 4])
    said.outputs.add(name="y", datatype="FP32", shape=[1, 1])
    wire: Any = saying(said.SerializeToString())
    if kind is rest:
        wire = scripted(200, ANSWERS["oip"], JSON)

    found = await kind("oip", wire, outputs={"a": {"from": "score"}})

    assert isinstance(found, Rejected)
    assert "its answer has no tensor 'score': there are 'y'" in str(found)
