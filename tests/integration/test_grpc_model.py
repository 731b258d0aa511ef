"""A model behind gRPC on real sockets: what goes over the wire, and what an answer becomes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from structlog.testing import capture_logs

from bridge.core.clock import SystemClock
from bridge.core.errors import ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.grpc import GrpcModel, GrpcModelOptions
from bridge.protocols.proto import message
from bridge.protocols.tensor_proto import read
from tests.fakes_grpc import Answer, Asked, FakeGrpcServer, echo, never, saying, status
from tests.fakes_tls import Authority, trusted

#: Both ends have to keep their promises on either loop (`tests/integration/conftest.py`).
EVERY_LOOP = True

IRIS = b'{"data": { "ndarray": [[1,2,3,4]]}}'


def request(data: bytes = IRIS, **more: Any) -> Request:
    return Request(payload=Body(data), id="a41b", **more)


def model(target: str, **options: Any) -> GrpcModel:
    return GrpcModel(GrpcModelOptions(target=target, **options))


@asynccontextmanager
async def asking(answer: Answer, **options: Any) -> AsyncIterator[tuple[FakeGrpcServer, GrpcModel]]:
    """Enter a server that answers with *answer*, and a model of *options* that asks it."""
    async with FakeGrpcServer(answer) as server, model(server.target, **options) as asked:
        yield server, asked


async def test_published_request_goes_out_as_a_message() -> None:
    """The event's JSON is the same SeldonMessage, under the event's own puid, and comes back."""
    async with asking(echo) as (server, seldon):
        answer = await seldon.predict(request(headers=((b"traceparent", b"00-1a-2b-01"),)))

    (asked,) = server.calls
    said = message("seldon.protos.SeldonMessage").FromString(asked.message)
    assert "/seldon.protos.Seldon/Predict" == asked.method
    assert [[1.0, 2.0, 3.0, 4.0]] == [list(row) for row in said.data.ndarray]
    assert "a41b" == asked.metadata["seldon-puid"]
    assert "00-1a-2b-01" == asked.metadata["traceparent"]
    assert {"data": {"names": [], "ndarray": [[1, 2, 3, 4]]}, "meta": {}} == json.loads(answer.data)
    assert "application/json" == answer.content_type


async def test_seldons_json_to_a_server_of_the_open_inference_protocol() -> None:
    """The payload is Seldon's, the model another's: its input by name, the answer in kind."""

    async def infer(asked: Asked) -> bytes:
        said = message("inference.ModelInferRequest").FromString(asked.message)
        answer = message("inference.ModelInferResponse")(
            raw_output_contents=said.raw_input_contents
        )
        answer.outputs.add(name="y", datatype=said.inputs[0].datatype, shape=said.inputs[0].shape)
        assert ("x", "FP32") == (said.inputs[0].name, said.inputs[0].datatype)
        return bytes(answer.SerializeToString())

    options = {"protocol": "oip", "name": "iris", "form": "seldon"}
    async with asking(infer, inputs={"x": {"datatype": "FP32"}}, **options) as (server, oip):
        answer = await oip.predict(request())

    assert "/inference.GRPCInferenceService/ModelInfer" == server.calls[0].method
    assert [[1, 2, 3, 4]] == json.loads(answer.data)["data"]["ndarray"]


async def test_the_published_columns_to_tensorflow() -> None:
    """The recommender's request of two columns, and its answer in columns."""

    async def predict(asked: Asked) -> bytes:
        said = message("tensorflow.serving.PredictRequest").FromString(asked.message)
        answer = message("tensorflow.serving.PredictResponse")()
        answer.outputs["predictions"].CopyFrom(said.inputs["products"])
        assert [[10.0]] * 4 == read("users", said.inputs["users"]).array.tolist()
        return bytes(answer.SerializeToString())

    body = (
        b'{"signature_name":"","inputs":{"products":[[1.0],[2.0],[3.0],[4.0]],'
        b'"users":[[10.0],[10.0],[10.0],[10.0]]}}'
    )
    async with asking(predict, protocol="tensorflow", name="recommender") as (_, tensorflow):
        answer = await tensorflow.predict(request(body))

    assert {"outputs": [[1.0], [2.0], [3.0], [4.0]]} == json.loads(answer.data)


@pytest.mark.parametrize(
    ("answer", "expected", "told"),
    [
        (status("UNKNOWN", "Exception calling application: no"), Rejected, "UNKNOWN: .*no"),
        (status("INTERNAL", "bad shape"), Rejected, "INTERNAL: .*bad shape"),
        (status("NOT_FOUND", "no such model"), Unavailable, "NOT_FOUND: .*no such model"),
        (status("UNAVAILABLE", "loading"), Unavailable, "UNAVAILABLE: .*loading"),
        (status("RESOURCE_EXHAUSTED", "busy"), Unavailable, "busy"),
        (status("DEADLINE_EXCEEDED", ""), DeadlineExceeded, "no answer within"),
        (saying(b"\x1a\x05ab"), Rejected, "answered garbage: 4 bytes"),
    ],
)
async def test_verdict_or_outage(answer: Answer, expected: type[Exception], told: str) -> None:
    """A status or a message that is none, and each names the model and the server."""
    async with asking(answer, name="iris") as (server, asked):
        with pytest.raises(expected, match=rf"^model 'iris' at {server.target}.*{told}") as caught:
            await asked.predict(request())

    assert expected is caught.type


async def test_an_unknown_method_says_which() -> None:
    """A server of another protocol is told of with the method it does not serve."""
    async with FakeGrpcServer({}) as server, model(server.target) as asked:
        with pytest.raises(Unavailable, match=r"UNIMPLEMENTED.*/seldon\.protos\.Seldon/Predict"):
            await asked.predict(request())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"rows":1}', b'{"strData":"\\ud800"}'])
async def test_a_payload_that_is_no_message_is_not_sent(data: bytes) -> None:
    """What cannot be said is a verdict, and the server hears nothing."""
    async with asking(echo) as (server, asked):
        with pytest.raises(Rejected, match="was not asked"):
            await asked.predict(request(data))

    assert [] == server.calls


async def test_a_call_that_nobody_answers_ends_at_both_ends() -> None:
    """The deadline ends the wait here, and the call at the server."""
    async with asking(never, timeout_seconds=0.2) as (server, asked):
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.2 s"):
            await asked.predict(request())

        await asyncio.wait_for(server.calls[0].ended.wait(), 5)


async def test_the_events_own_deadline_is_the_calls() -> None:
    """The sooner of both counts, and an event whose time is up is not sent."""
    async with asking(never) as (server, asked):
        now = SystemClock().monotonic()
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.[0-3]"):
            await asked.predict(request(deadline=now + 0.3))
        with pytest.raises(DeadlineExceeded, match="time is used up"):
            await asked.predict(request(deadline=now))

    assert 1 == len(server.calls)


async def test_a_cancelled_call_is_cancelled_at_the_server() -> None:
    """Who is not waited for any more need not go on."""
    async with asking(never) as (server, asked):
        task = asyncio.create_task(asked.predict(request()))
        await asyncio.wait_for(server.arrived.wait(), 5)

        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.calls[0].ended.wait(), 5)


async def test_a_server_that_is_not_there() -> None:
    """Nobody listens: Unavailable, from predict and from ping."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        async with model(f"127.0.0.1:{held.getsockname()[1]}") as asked:
            with pytest.raises(Unavailable, match="UNAVAILABLE"):
                await asked.predict(request())
            with pytest.raises(Unavailable, match="UNAVAILABLE"):
                await asked.ping()


async def test_a_name_that_is_not_there() -> None:
    """A name that nobody knows is an outage, told with the name."""
    async with model("no-such-name.invalid:9000", timeout_seconds=20) as asked:
        with pytest.raises(
            Unavailable, match=r"no-such-name\.invalid:9000: the name was not found"
        ):
            await asked.predict(request())


async def test_messages_that_are_too_large() -> None:
    """Larger than allowed is a verdict both ways: another try would be as large."""
    async with asking(saying(b"\x0a" * 3000), max_message_bytes=2000) as (server, asked):
        with pytest.raises(Rejected, match="message larger than max"):
            await asked.predict(request())
        with pytest.raises(Rejected, match="expected 2000 at most"):
            await asked.predict(request(b'{"strData":"%b"}' % (b"a" * 2000)))

    assert 1 == len(server.calls)


async def test_a_servers_own_limit_is_a_verdict() -> None:
    """A server that takes 4 MB by default says RESOURCE_EXHAUSTED for good."""
    options = [("grpc.max_receive_message_length", 1000)]
    async with FakeGrpcServer(echo, options=options) as server, model(server.target) as asked:
        with pytest.raises(Rejected, match="larger than max"):
            await asked.predict(request(b'{"strData":"%b"}' % (b"a" * 2000)))


async def test_metadata_goes_along(tmp_path: Path) -> None:
    """Token, configured keys and forwarded headers; what gRPC cannot carry stays here."""
    (tmp_path / "key").write_text("from a file\n")
    options = {
        "token": "secret",
        "headers": {"X-Tenant": "t1"},
        "header_files": {"x-api-key": f"{tmp_path}/key"},
    }
    forwarded = (
        (b"traceparent", b"00-1-2-01"),
        (b"x-tenant", b"theirs"),
        (b"ce-id", b"1"),
        (b"grpc-timeout", b"1m"),
        (b"x-data-bin", b"AA"),
        (b"x-odd", b"\xff"),
        (b"te", b"trailers"),
        (b"user-agent", b"curl"),
    )
    async with asking(echo, **options) as (server, asked):
        await asked.predict(request(headers=forwarded))
        described = asked.describe()

    sent = dict(server.calls[0].metadata)
    assert "grpc" in sent.pop("user-agent")
    assert sent == {
        "authorization": "Bearer secret",
        "x-tenant": "t1",
        "x-api-key": "from a file",
        "seldon-puid": "a41b",
        "traceparent": "00-1-2-01",
    }
    assert "secret" not in described
    assert "authorization: ***" in described


async def test_an_id_that_metadata_cannot_carry_stays_behind() -> None:
    """An event may be called anything: it is asked about all the same."""
    async with asking(echo) as (server, asked):
        await asked.predict(Request(payload=Body(IRIS), id="größe-7"))

    assert "seldon-puid" not in server.calls[0].metadata


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"target": "iris"}, "target 'iris': expected host:port"),
        ({"target": "http://iris:80"}, "expected host:port"),
        ({"target": "iris:0"}, "expected host:port"),
        ({"target": "iris:65536"}, "expected host:port"),
        ({"target": "user:hidden@iris:9"}, "one with an @"),
        ({"target": "[a::b::c]:9"}, "an address in the brackets"),
        ({"replicas": ["h:9", "iris:9000"]}, "the same server twice"),
        ({"headers": {"x-data-bin": "a"}}, "no -bin"),
        ({"headers": {"grpc-timeout": "1"}}, "none of gRPC's own"),
        ({"headers": {"x y": "1"}}, "no key of metadata"),
        ({"headers": {"seldon-puid": "1"}}, "'seldon-puid' is the protocol's own"),
        ({"headers": {"x-a": "\xe4"}}, "printable ASCII"),
        ({"headers": {"authorization": "a"}, "token": "b"}, "expected one of them"),
        ({"token_file": "/nowhere/token"}, "token_file '/nowhere/token'"),
        ({"tls": {"ca_file": "/nowhere/ca.pem"}}, "ca_file '/nowhere/ca.pem'"),
        ({"protocol": "oip"}, "expected the model's name"),
    ],
)
def test_what_cannot_work_is_told_at_start(options: dict[str, Any], told: str) -> None:
    """Each is found before anything is asked, and no secret is told."""
    with pytest.raises(ConfigError, match=told) as caught:
        GrpcModel(GrpcModelOptions.model_validate({"target": "iris:9000", **options}))

    assert "hidden" not in str(caught.value)


async def test_ping_asks_for_the_model() -> None:
    """The protocol's own probe: ready, not ready, not there."""
    method = "/inference.GRPCInferenceService/ModelReady"
    ready = {"answer": saying(b"\x08\x01")}

    async def answer(asked: Asked) -> bytes:
        return await ready["answer"](asked)

    async with (
        FakeGrpcServer({method: answer}) as server,
        model(server.target, protocol="oip", name="iris") as asked,
    ):
        await asked.ping()
        ready["answer"] = saying(b"")
        with pytest.raises(Unavailable, match="answered that the model is not ready"):
            await asked.ping()
        ready["answer"] = status("NOT_FOUND", "no such model")
        with pytest.raises(Unavailable, match="NOT_FOUND"):
            await asked.ping()
        ready["answer"] = status("UNKNOWN", "Unexpected ModelNotFound: Model nobody")  # MLServer's
        with pytest.raises(Unavailable, match="UNKNOWN"):
            await asked.ping()
        ready["answer"] = saying(b"\xff")
        with pytest.raises(Unavailable, match="answered garbage"):
            await asked.ping()
        ready["answer"] = status("UNIMPLEMENTED", "Method not found!")
        with pytest.raises(Unavailable, match=f"it serves no {method}:"):
            await asked.ping()


@pytest.mark.parametrize("protocol", ["seldon", "tensorflow"])
async def test_ping_of_a_server_that_has_no_word_for_it(protocol: str) -> None:
    """Seldon's model may have no metadata, pythie no status: that they answer is enough."""
    answer = status("UNKNOWN", "no") if protocol == "seldon" else status("UNIMPLEMENTED", "no")
    async with asking(answer, protocol=protocol, name="m") as (_, asked):
        await asked.ping()


async def test_metadata_of_the_model() -> None:
    """What the model tells of itself, or why it could not be heard."""
    told = message("seldon.protos.SeldonModelMetadata")(name="iris", versions=["1"])
    async with asking(saying(told.SerializeToString())) as (_, asked):
        said = await asked.metadata()
        assert said is not None
        assert ("iris", ("1",)) == (said.name, said.versions)
    async with asking(status("UNKNOWN", "none")) as (_, asked):
        with pytest.raises(Unavailable, match="UNKNOWN to its metadata"):
            await asked.metadata()
    async with asking(saying(b"\xff")) as (_, asked):
        with pytest.raises(Rejected, match="garbage to its metadata"):
            await asked.metadata()


@asynccontextmanager
async def secured(folder: Path, authority: Authority) -> AsyncIterator[FakeGrpcServer]:
    """Enter a server with a certificate for localhost, which takes clients of *authority* alone."""
    files = authority.issue(folder)
    pair = (Path(files["key_file"]).read_bytes(), Path(files["cert_file"]).read_bytes())
    credentials = grpc.ssl_server_credentials([pair], authority.pem, require_client_auth=True)
    async with FakeGrpcServer(echo, credentials=credentials) as server:
        yield server


async def test_tls_both_ways(tmp_path: Path) -> None:
    """The server is verified by its name, and we prove ourselves."""
    authority = Authority()
    tls = {
        "ca_file": trusted(tmp_path / "ca.pem", authority),
        **authority.issue(tmp_path, "client"),
    }
    async with secured(tmp_path, authority) as server:
        async with model(f"localhost:{server.port}", tls=tls) as asked:
            await asked.predict(request())
        async with model(server.target, tls=tls, authority="localhost") as asked:
            await asked.predict(request())

    assert 2 == len(server.calls)


@pytest.mark.parametrize("wrong", ["authority", "name", "client", "clear"])
async def test_tls_that_does_not_hold(tmp_path: Path, wrong: str) -> None:
    """Another authority, another name, nobody at all, no TLS: nothing is asked."""
    authority = Authority()
    tls: dict[str, str] | None = {
        "ca_file": trusted(tmp_path / "ca.pem", Authority() if wrong == "authority" else authority),
        **({} if wrong == "client" else authority.issue(tmp_path, "client")),
    }
    if wrong == "clear":
        tls = None
    async with secured(tmp_path, authority) as server:
        target = server.target if wrong == "name" else f"localhost:{server.port}"
        async with model(target, tls=tls) as asked:
            with pytest.raises(Unavailable):
                await asked.predict(request())

    assert [] == server.calls


async def test_certificates_are_read_again(tmp_path: Path) -> None:
    """What the files say now holds for new connections; one that is none changes nothing."""
    authority, other = Authority(), Authority()
    ca = trusted(tmp_path / "ca.pem", other)
    tls = {"ca_file": ca, **authority.issue(tmp_path, "client")}
    async with (
        secured(tmp_path, authority) as server,
        model(f"localhost:{server.port}", tls=tls, resolve_seconds=0.05) as asked,
    ):
        with pytest.raises(Unavailable):
            await asked.predict(request())
        with capture_logs() as logs:
            trusted(Path(ca), authority)
            await logged(logs, "certificates read again")
            await asked.predict(request())
            (tmp_path / "ca.pem").write_text("garbage")
            await logged(logs, "certificates not read again: going on with the old")
            await asked.predict(request())


async def logged(logs: list[Any], event: str) -> None:
    """Return once *event* is among *logs*."""
    async with asyncio.timeout(10):
        while event not in [line["event"] for line in logs]:
            await asyncio.sleep(0)


async def test_may_be_left_twice_and_entered_again() -> None:
    """Leaving twice is no error, and an entered model asks again."""
    async with FakeGrpcServer(echo) as server:
        asked = model(server.target)
        async with asked:
            await asked.predict(request())
        await asked.__aexit__(None, None, None)
        async with asked:
            await asked.predict(request())

    assert 2 == len(server.calls)
