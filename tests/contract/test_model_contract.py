"""Every kind of model keeps the promises of `core/ports.py: Model`, on the same requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import DeadlineExceeded, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Model, Request
from bridge.models.grpc import GrpcModel, GrpcModelOptions
from bridge.models.local import LocalModel, LocalModelOptions
from bridge.models.rest import RestModel, RestModelOptions
from tests.fakes_component import predicting, running, source
from tests.fakes_grpc import FakeGrpcServer
from tests.fakes_seldon_grpc import answering

#: Echoes, unless the text says what to do instead.
COMPONENT = """
import asyncio

class Echo:
    async def predict(self, X, names):
        match X if isinstance(X, str) else "echo":
            case "hang": await asyncio.Event().wait()
            case "raise": raise ValueError("no such flower")
            case "outage": raise ConnectionRefusedError("the database is down")
        return X
"""

Entered = Callable[[], AbstractAsyncContextManager[Model]]


@pytest.fixture(params=["local", "rest", "grpc"])
def entered(request: pytest.FixtureRequest, tmp_path: Path) -> Entered:
    """Return what enters a model of each kind; all of them answer alike."""
    (tmp_path / "echo_component.py").write_text(COMPONENT)
    options = LocalModelOptions(model=f"{tmp_path}/echo_component.py:Echo")

    @asynccontextmanager
    async def local() -> AsyncIterator[Model]:
        async with LocalModel(options, tmp_path) as model:
            yield model

    @asynccontextmanager
    async def rest() -> AsyncIterator[Model]:
        async with local() as served, running(source(), predicting(served), hard=True) as port:
            url = f"http://127.0.0.1:{port}"
            async with RestModel(RestModelOptions(url=url)) as model:
                yield model

    @asynccontextmanager
    async def grpc() -> AsyncIterator[Model]:
        async with local() as served, FakeGrpcServer(answering(served)) as server:
            async with GrpcModel(GrpcModelOptions(target=server.target)) as model:
                yield model

    kinds: dict[str, Entered] = {"local": local, "rest": rest, "grpc": grpc}
    return kinds[request.param]


def request(data: bytes, **more: Any) -> Request:
    return Request(payload=Body(data), id="p-1", **more)


def text(word: str) -> bytes:
    return json.dumps({"strData": word}).encode()


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (
            b'{"data": {"ndarray": [[1,2.5]]}}',
            b'{"data":{"names":["t:0","t:1"],"ndarray":[[1.0,2.5]]},"meta":{}}',
        ),
        (
            b'{"data":{"names":["a"],"tensor":{"shape":[2,1],"values":[1,2]}}}',
            b'{"data":{"names":["t:0"],"tensor":{"shape":[2,1],"values":[1,2]}},"meta":{}}',
        ),
        (
            b'{"data":{"ndarray":["x"]},"meta":{"puid":"q","tags":{"t":1}}}',
            b'{"data":{"names":[],"ndarray":["x"]},"meta":{"puid":"q","tags":{"t":1}}}',
        ),
        (b'{"strData":"hi"}', b'{"strData":"hi","meta":{}}'),
        (b'{"binData":"AP8="}', b'{"binData":"AP8=","meta":{}}'),
        (b'{"jsonData":{"a":[null]}}', b'{"jsonData":{"a":[null]},"meta":{}}'),
    ],
    ids=["ndarray", "tensor", "words", "strData", "binData", "jsonData"],
)
async def test_answers_in_kind(entered: Entered, asked: bytes, answered: bytes) -> None:
    """The form of the request is the form of the answer."""
    async with entered() as model:
        answer = await model.predict(request(asked))

    # Over gRPC every number is a double, so 1 comes back as 1.0.
    assert json.loads(answered) == answer.json()
    assert "application/json" == answer.content_type


async def test_a_verdict_is_rejected(entered: Entered) -> None:
    """What the model judged and refused is Rejected, with class, method and error."""
    async with entered() as model:
        with pytest.raises(Rejected, match=r"Echo\.predict: ValueError.*no such flower"):
            await model.predict(request(text("raise")))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"data":{"ndarray":[[1],[2,3]]}}'])
async def test_a_bad_payload_is_rejected(entered: Entered, data: bytes) -> None:
    """A payload that is no message of this protocol is a verdict, not an outage."""
    async with entered() as model:
        with pytest.raises(Rejected):
            await model.predict(request(data))


async def test_an_outage_is_unavailable(entered: Entered) -> None:
    """What the model itself could not reach now is worth another try."""
    async with entered() as model:
        with pytest.raises(Unavailable, match="the database is down"):
            await model.predict(request(text("outage")))


async def test_a_deadline_ends_the_call(entered: Entered) -> None:
    """When the event's time is up the call ends with DeadlineExceeded."""
    async with entered() as model:
        deadline = asyncio.get_running_loop().time() + 0.1

        with pytest.raises(DeadlineExceeded):
            await model.predict(request(text("hang"), deadline=deadline))


async def test_a_past_deadline_is_not_asked(entered: Entered) -> None:
    """An event without time left ends at once."""
    async with entered() as model:
        with pytest.raises(DeadlineExceeded):
            await model.predict(request(text("hi"), deadline=0.0))


async def test_calls_overlap_and_keep_apart(entered: Entered) -> None:
    """Concurrent calls answer each with its own, also while one hangs."""
    async with entered() as model:
        hanging = asyncio.create_task(model.predict(request(text("hang"))))

        answers = await asyncio.gather(*(model.predict(request(text(str(n)))) for n in range(20)))

        hanging.cancel()
        with pytest.raises(asyncio.CancelledError):
            await hanging
    assert [answer.json()["strData"] for answer in answers] == [str(n) for n in range(20)]


async def test_the_request_stays_as_it_was(entered: Entered) -> None:
    """Payloads are shared, so a model changes nothing in them."""
    asked = request(text("hi"))

    async with entered() as model:
        await model.predict(asked)

    assert asked == request(text("hi"))


async def test_ping_of_an_entered_model_returns(entered: Entered) -> None:
    """A model that is up says so."""
    async with entered() as model:
        await model.ping()


async def test_entering_again_after_leaving(entered: Entered) -> None:
    """Leaving twice is no error, and another one may be entered afterwards."""
    async with entered() as model:
        await model.__aexit__(None, None, None)
    async with entered() as model:
        assert (await model.predict(request(text("hi")))).json()["strData"] == "hi"
