"""A model behind HTTP on real sockets: what goes over the wire, and what an answer becomes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from bridge.core.errors import ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.rest import RestModel, RestModelOptions
from tests.fakes_seldon import ScriptedServer, scripted
from tests.services.seldon_microservice import SeldonMicroservice

#: Both ends have to keep their promises on either loop (`tests/integration/conftest.py`).
EVERY_LOOP = True

IRIS = b'{"data": { "ndarray": [[1,2,3,4]]}}'
ANSWER = b'{"data":{"names":["t:0"],"ndarray":[[0.5]]},"meta":{}}\n'
JSON = "Content-Type: application/json"


def request(data: bytes = IRIS, **more: Any) -> Request:
    return Request(payload=Body(data), id="a41b", **more)


def rest(url: str, **options: Any) -> RestModel:
    return RestModel(RestModelOptions(url=url, **options))


@asynccontextmanager
async def asking(
    *answers: bytes | None, **options: Any
) -> AsyncIterator[tuple[ScriptedServer, RestModel]]:
    """Enter a server that gives *answers*, and a model of *options* that asks it."""
    async with ScriptedServer(*answers) as server, rest(server.url, **options) as model:
        yield server, model


async def test_published_request_goes_out_as_it_came() -> None:
    """The event's bytes are the body, under the external API's path and the event's own puid."""
    async with asking(scripted(200, ANSWER, JSON)) as (server, model):
        answer = await model.predict(request(headers=((b"traceparent", b"00-1a-2b-01"),)))

    (asked,) = server.requests
    assert answer == Body(ANSWER, "application/json")
    assert asked.first_line == "POST /api/v1.0/predictions HTTP/1.1"
    assert asked.body == IRIS
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["seldon-puid"] == "a41b"
    assert asked.headers["traceparent"] == "00-1a-2b-01"
    assert "accept-encoding" not in asked.headers


@pytest.mark.parametrize(
    "data",
    [
        b'{"data": {"ndarray": [[1.10, 1e300, 123456789012345678901234567890]]}}',
        b'{ "strData" : "\\u00e4\\u2028" }\r\n',
        b'{"jsonData": {"b": 1, "a": 2, "b": 3, "f": 0.1000000000000000055511151231257827}}',
    ],
)
async def test_bytes_pass_unchanged_both_ways(data: bytes) -> None:
    """Digits, blanks, escapes, order and doubled keys: nothing is parsed and written anew."""
    async with asking(scripted(200, data, JSON)) as (server, model):
        answer = await model.predict(request(data))

    assert answer.data == data
    assert server.requests[0].body == data


async def test_base_path_and_own_path() -> None:
    """The URL may have a path of its own, and `path` takes the place of the protocol's."""
    async with ScriptedServer(scripted(200, ANSWER, JSON)) as server:
        async with rest(server.url + "/seldon/default/iris/") as model:
            await model.predict(request())
        async with rest(server.url, path="predict") as model:
            await model.predict(request())
        async with rest(server.url + "?key=1") as model:
            await model.predict(request())

    assert [asked.first_line for asked in server.requests] == [
        "POST /seldon/default/iris/api/v1.0/predictions HTTP/1.1",
        "POST /predict HTTP/1.1",
        "POST /api/v1.0/predictions?key=1 HTTP/1.1",
    ]


async def test_servers_own_headers_stay_outside() -> None:
    """A server that answers with `ce-` headers names no event of ours: only bytes come back."""
    answer = scripted(200, ANSWER, JSON, "Ce-Id: theirs", "Ce-Type: theirs", "Seldon-Puid: other")

    async with asking(answer) as (_server, model):
        assert await model.predict(request()) == Body(ANSWER, "application/json")


@pytest.mark.parametrize(
    ("answer", "expected", "text"),
    [
        (scripted(200, b"no"), Rejected, "garbage"),
        (scripted(200, b"<html>"), Unavailable, "page"),
        (scripted(200, b""), Rejected, "an empty body"),
        (scripted(200, b'{"status":{"status":"FAILURE","info":"no"}}'), Rejected, "no"),
        (scripted(400, b"what?"), Rejected, "answered 400: 'what\\?'"),
        (scripted(503, b""), Unavailable, "answered 503"),
        (scripted(500, b"oops"), Unavailable, "answered 500: 'oops'"),
        (b"", Unavailable, ""),
        (b"garbage\r\n\r\n", Unavailable, ""),
    ],
)
async def test_every_error_names_the_model(
    answer: bytes, expected: type[Exception], text: str
) -> None:
    """Garbage is a verdict, silence an outage, and each text has the model's name and URL."""
    async with asking(answer, name="iris") as (server, model):
        with pytest.raises(expected, match=f"^model 'iris'.* {server.url}.*{text}"):
            await model.predict(request())


async def test_wrappers_error_is_a_verdict_even_with_500() -> None:
    """A user's exception in the original wrapper is not worth another try."""
    body = (
        b'{"status":{"code":-1,"info":"shape","reason":"MICROSERVICE_INTERNAL_ERROR","status":1}}'
    )

    async with asking(scripted(500, body, JSON)) as (_server, model):
        with pytest.raises(Rejected, match="MICROSERVICE_INTERNAL_ERROR: shape"):
            await model.predict(request())


async def test_a_verdict_says_that_a_server_is_well() -> None:
    """It is an answer, after which those that ask to come back later are counted anew."""
    busy, verdict = scripted(503, b""), scripted(400, b"no")

    async with (
        ScriptedServer(busy, verdict, busy, verdict) as one,
        ScriptedServer(scripted(200, ANSWER, JSON)) as other,
        rest(one.url, replicas=[other.url], breaker={"failures": 2}) as model,
    ):
        for _ in range(8):
            with suppress(Rejected, Unavailable):
                await model.predict(request())

        assert (4, 4) == (len(one.requests), len(other.requests))


@pytest.mark.parametrize(("said", "expected"), [("7", 7.0), ("99999", 3600.0), ("soon", None)])
async def test_retry_after_travels(said: str, expected: float | None) -> None:
    """A server that says when to come back is heard, an hour at most."""
    async with asking(scripted(429, b"", f"Retry-After: {said}")) as (_server, model):
        with pytest.raises(Unavailable) as caught:
            await model.predict(request())

    assert caught.value.retry_after_seconds == expected


async def test_server_that_is_down_is_unavailable() -> None:
    """Nothing listens: an outage with the model's URL, from predict and from ping."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"

        async with rest(url) as model:
            with pytest.raises(Unavailable, match=f"^model: {url}"):
                await model.predict(request())
            with pytest.raises(Unavailable, match=f"^model: {url}"):
                await model.ping()


async def test_silent_server_is_given_up_at_the_time_out() -> None:
    """An answer that does not come within timeout_seconds is DeadlineExceeded."""
    async with asking(None, name="iris", timeout_seconds=0.05) as (server, model):
        with pytest.raises(DeadlineExceeded, match=f"^model 'iris': {server.url}"):
            await model.predict(request())


async def test_events_own_deadline_is_shorter_than_the_time_out() -> None:
    """The time that is left for the event bounds the call."""
    async with asking(None) as (_server, model):
        deadline = asyncio.get_running_loop().time() + 0.05

        with pytest.raises(DeadlineExceeded):
            await model.predict(request(deadline=deadline))


async def test_an_event_without_time_is_not_sent() -> None:
    """When the deadline is past the server is not bothered."""
    async with asking(scripted(200, ANSWER)) as (server, model):
        with pytest.raises(DeadlineExceeded, match="was not asked"):
            await model.predict(request(deadline=0.0))

    assert server.requests == []


async def test_answer_over_the_limit_is_refused() -> None:
    """An answer larger than max_response_bytes is a verdict with the model's name."""
    limit = len(ANSWER) - 1

    async with asking(scripted(200, ANSWER, JSON), max_response_bytes=limit) as (
        server,
        model,
    ):
        with pytest.raises(Rejected, match=f"^model: {server.url}"):
            await model.predict(request())


async def test_two_at_once_are_two_on_the_wire() -> None:
    """A call does not wait for another one's answer."""
    async with asking(None, scripted(200, ANSWER, JSON), timeout_seconds=5.0) as (server, model):
        first = asyncio.create_task(model.predict(request()))
        await server.asked.wait()

        second = await model.predict(request())

        first.cancel()
        await asyncio.gather(first, return_exceptions=True)

    assert second.data == ANSWER


@pytest.mark.parametrize("status", [200, 404])
async def test_ping_asks_for_health(status: int) -> None:
    """A server that is well answers 200; an executor has no such page, and serves."""
    async with asking(scripted(status, b"")) as (server, model):
        await model.ping()

    assert server.requests[0].first_line == "GET /health/status HTTP/1.1"


async def test_ping_of_an_ill_server_is_unavailable() -> None:
    """A server that says 503 of itself is not available, and the text says who."""
    async with asking(scripted(503, b"")) as (server, model):
        with pytest.raises(Unavailable, match=f"^model at {server.url} answered 503"):
            await model.ping()


@pytest.mark.parametrize("protocol", ["tensorflow", "kserve", "oip"])
async def test_ping_of_a_model_that_is_not_there_is_unavailable(protocol: str) -> None:
    """Their probe is a question for the model itself; only Seldon's executor has no such page."""
    async with asking(scripted(404, b"{}"), protocol=protocol, name="iris") as (_server, model):
        with pytest.raises(Unavailable, match="answered 404 to its health check"):
            await model.ping()


def test_a_server_that_is_named_twice_is_refused_at_start() -> None:
    """It would be given the calls of two, and nowhere to go where it fails."""
    with pytest.raises(ConfigError, match="replicas: the same URL twice"):
        rest("http://iris:9000", replicas=["http://other:9000", "http://iris:9000"])


async def test_ping_of_a_page_is_unavailable() -> None:
    """A load balancer answers 200 for a server that is not there, to its probe as well."""
    async with asking(scripted(200, b"<html>maintenance")) as (server, model):
        with pytest.raises(Unavailable, match=f"^model at {server.url} answered a page"):
            await model.ping()


def test_describe_is_the_request_that_would_be_sent() -> None:
    """`check --connect` prints where and how the model is asked."""
    assert rest("http://iris:9000/base").describe().split("\n")[:4] == [
        "POST /base/api/v1.0/predictions HTTP/1.1",
        "host: iris:9000",
        "content-type: application/json",
        "seldon-puid: <the event's puid>",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"url": "iris:9000"},
        {"url": "ftp://iris"},
        {"url": "http://iris", "path": "a b"},
        {"url": "http://iris", "binary": True},
    ],
)
def test_an_address_that_cannot_work_is_found_at_once(options: dict[str, Any]) -> None:
    """As is a form that the protocol has not: when the model is built, not at the first event."""
    with pytest.raises(ConfigError):
        rest(**options)


def test_password_in_the_url_is_never_shown() -> None:
    """Errors and `check --connect` name the server without the credentials of its URL."""
    model = rest("http://user:secret@iris:9000?key=secret", replicas=["http://u:secret@iris:9"])

    names = [replica.name for replica in model._servers.members]
    assert "secret" not in model.describe() + " ".join(names)
    assert names == ["model at http://iris:9000", "model at http://iris:9"]


async def test_a_payload_that_cannot_be_asked_is_refused() -> None:
    """A content type that would end its header line is the event's fault, and never sent."""
    payload = Body(IRIS, "text/plain\r\nX-Injected: 1")

    async with asking(scripted(200, ANSWER)) as (server, model):
        with pytest.raises(Rejected, match="was not asked"):
            await model.predict(Request(payload=payload, id="p"))

    assert server.requests == []


async def test_original_microservice_answers_the_published_request(
    seldon_iris: SeldonMicroservice,
) -> None:
    """Seldon's own wrapper as the model: three probabilities, and its 500 is a verdict."""
    async with rest(seldon_iris.url) as model:
        await model.ping()
        answer = await model.predict(request())
        with pytest.raises(Rejected, match="MICROSERVICE_INTERNAL_ERROR"):
            await model.predict(request(b'{"data":{"ndarray":[[1,2]]}}'))

    (row,) = answer.json()["data"]["ndarray"]
    assert answer.json()["data"]["names"] == ["t:0", "t:1", "t:2"]
    assert row == pytest.approx([0.0341, 0.0061, 0.9598], abs=1e-4)


@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_server_that_tells_nothing_of_its_model_disagrees_with_nothing(status: int) -> None:
    """An older wrapper has no page of metadata: `check --connect` finds nothing wrong with it."""
    async with asking(scripted(status, b"no such page")) as (server, model):
        assert await model.disagreements() == []
        assert await model.metadata() is None

    assert server.requests[0].first_line == "GET /api/v1.0/metadata HTTP/1.1"


async def test_a_server_that_fails_to_tell_of_its_model_is_told_of() -> None:
    """What is broken there may be the model."""
    async with asking(scripted(500, b"boom"), name="iris") as (_server, model):
        with pytest.raises(Unavailable, match="answered 500 to its metadata: 'boom'"):
            await model.disagreements()
