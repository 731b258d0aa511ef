"""Seldon's external API on a real socket: what a plain caller sends and what he gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from bridge.core.errors import (
    BridgeError,
    DeadlineExceeded,
    DecodeError,
    Overloaded,
    Rejected,
    TransformError,
    Unavailable,
)
from bridge.core.event import Event
from bridge.core.ports import Handler
from bridge.models.local import LocalModel, LocalModelOptions
from bridge.observe.ledger import Deliveries
from bridge.protocols.seldon import ModelRefusal
from tests.fakes_component import predicting, running, source
from tests.fakes_seldon import Exchange, ask

#: Both ends have to keep their promises on either loop (`tests/integration/conftest.py`).
EVERY_LOOP = True

IRIS = b'{"data": { "ndarray": [[1,2,3,4]]}}'
EXAMPLE = Path(__file__).parents[2] / "examples" / "iris"
JSON = "Content-Type: application/json"
EVENT = (
    "Ce-Id: 536808d3-88be-4077-9d7a-a3f162705f79",
    "Ce-specversion: 0.3",
    "Ce-Type: seldon.simple-iris-deployment.request",
    "Ce-Source: dev.knative.samples/helloworldsource",
    JSON,
)


@asynccontextmanager
async def serving_iris() -> AsyncIterator[int]:
    """Serve the example's model and yield the port."""
    async with (
        LocalModel(LocalModelOptions(model="Iris:Iris"), EXAMPLE) as iris,
        running(source(), predicting(iris)) as port,
    ):
        yield port


def echo(seen: list[Event]) -> Handler:
    async def handle(event: Event) -> Event:
        seen.append(event)
        return event

    return handle


def raising(error: Exception) -> Handler:
    async def handle(event: Event) -> Event:
        raise error

    return handle


def status(answer: Exchange) -> dict[str, object]:
    return json.loads(answer.body)["status"]


@pytest.mark.parametrize("path", ["/predict", "/api/v1.0/predictions", "/api/v0.1/predictions"])
async def test_published_request_is_answered_by_the_examples_iris(path: str) -> None:
    """The reference's body gets three named probabilities on each of the three paths."""
    async with serving_iris() as port:
        answer = await ask(port, f"POST {path}", IRIS, (JSON,))

    said = json.loads(answer.body)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in answer.headers if name.startswith("ce-")]
    assert said["data"]["names"] == ["t:0", "t:1", "t:2"]
    assert said["data"]["ndarray"][0] == pytest.approx([0.0341, 0.0061, 0.9598], abs=1e-4)
    assert said["meta"] == {}


async def test_plain_request_becomes_an_event() -> None:
    """Type and source are made of the name, the id is the caller's puid, the bytes are his."""
    seen: list[Event] = []

    async with running(source(), echo(seen)) as port:
        answer = await ask(port, "POST /predict", IRIS, (JSON, "Seldon-Puid: 1"))

    (event,) = seen
    assert event.attributes == {
        "specversion": "1.0",
        "id": "1",
        "source": "seldon.iris.caller",
        "type": "seldon.iris.request",
        "datacontenttype": "application/json",
    }
    assert event.data == IRIS
    assert event.origin.path == "/predict"
    assert (answer.headers["seldon-puid"], answer.body) == ("1", IRIS)


async def test_request_without_puid_gets_a_new_one() -> None:
    """Two callers without a puid have two, and event, header and origin agree on each."""
    seen: list[Event] = []

    async with running(source(), echo(seen)) as port:
        puids = [
            (await ask(port, "POST /predict", IRIS, (JSON,))).headers["seldon-puid"]
            for _ in range(2)
        ]

    assert len(set(puids)) == 2
    assert [event.id for event in seen] == puids
    assert [event.origin.header(b"seldon-puid") for event in seen] == [p.encode() for p in puids]
    assert {(len(puid), puid[14], puid[19] in "89ab") for puid in puids} == {(36, "4", True)}


async def test_cloudevent_is_answered_with_a_cloudevent() -> None:
    """The reference's curl gets the executor's headers, in the specversion of the request."""
    async with serving_iris() as port:
        answer = await ask(port, "POST /api/v1.0/predictions", IRIS, (*EVENT, "Seldon-Puid: 1"))

    assert answer.status == 200
    assert {name: answer.headers[name] for name in answer.headers if name[:3] == "ce-"} == {
        "ce-specversion": "0.3",
        "ce-id": "1",
        "ce-source": "seldon.iris",
        "ce-type": "seldon.iris.response",
        "ce-path": "/api/v1.0/predictions",
    }
    assert answer.headers["seldon-puid"] == "1"
    assert answer.headers["content-type"] == "application/json"


async def test_cloudevent_keeps_its_attributes() -> None:
    """An event that comes in as one goes to the pipeline as that one."""
    seen: list[Event] = []

    async with running(source(), echo(seen)) as port:
        await ask(port, "POST /predict", IRIS, (*EVENT, "Ce-Traceparent: 00-1a-2b-01"))

    (event,) = seen
    assert event.id == "536808d3-88be-4077-9d7a-a3f162705f79"
    assert event.attributes["traceparent"] == "00-1a-2b-01"


async def test_errors_of_cloudevents_are_no_cloudevents() -> None:
    """An error carries no `ce-` header: a broker would publish it as a prediction."""
    async with running(source(), raising(Rejected("no"))) as port:
        refused = await ask(port, "POST /predict", IRIS, EVENT)
        invalid = await ask(port, "POST /predict", IRIS, ("Ce-Specversion: 0.3", JSON))

    assert (refused.status, invalid.status) == (500, 400)
    for answer in (refused, invalid):
        assert not [name for name in answer.headers if name.startswith("ce-")]


@pytest.mark.parametrize(
    ("line", "body", "headers"),
    [
        ("POST /predict", b"json=" + quote(IRIS).encode(), ("application/x-www-form-urlencoded",)),
        ("POST /predict", IRIS, ("application/x-www-form-urlencoded",)),
        ("POST /predict", IRIS, ()),
        ("POST /predict?json=" + quote(IRIS), b"", ()),
        ("GET /predict?json=" + quote(IRIS), b"", ()),
    ],
    ids=["form", "curl", "no content type", "query", "GET"],
)
async def test_json_may_come_as_field_or_unlabelled(
    line: str, body: bytes, headers: tuple[str, ...]
) -> None:
    """A form's or the query's field `json`, and a JSON body that curl calls a form."""
    seen: list[Event] = []

    async with running(source(), echo(seen)) as port:
        answer = await ask(port, line, body, tuple(f"Content-Type: {kind}" for kind in headers))

    assert answer.status == 200
    assert (seen[0].data, seen[0].datacontenttype) == (IRIS, "application/json")


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b"", (JSON,), 400),
        (b"x=1", ("Content-Type: application/x-www-form-urlencoded",), 400),
        (b"&".join([b"x=1"] * 20), ("Content-Type: application/x-www-form-urlencoded",), 400),
        (b"--x--", ("Content-Type: multipart/form-data; boundary=x",), 415),
        (IRIS, (JSON, "Seldon-Puid: a\u0085b"), 400),
        (IRIS, (JSON, "Ce-Specversion: 7", "Ce-Id: 1", "Ce-Type: a", "Ce-Source: b"), 400),
    ],
    ids=["empty", "no field", "fields", "multipart", "puid", "specversion"],
)
async def test_bad_requests_are_the_callers_fault(
    body: bytes, headers: tuple[str, ...], expected: int
) -> None:
    """What cannot be read is a 4xx with the wrapper's error, and nothing is asked."""
    seen: list[Event] = []

    async with running(source(), echo(seen)) as port:
        answer = await ask(port, "POST /predict", body, headers)

    assert (answer.status, seen) == (expected, [])
    assert status(answer)["reason"] == "MICROSERVICE_BAD_DATA"


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}", b'{"data":{"ndarray":[[1],[1,2]]}}', b"\xff"])
async def test_payload_that_is_no_message_is_bad_data(body: bytes) -> None:
    """The component's own refusal of a payload is the wrapper's 400."""
    async with serving_iris() as port:
        answer = await ask(port, "POST /predict", body, (JSON,))

    assert answer.status == 400
    assert status(answer)["reason"] == "MICROSERVICE_BAD_DATA"


async def test_bad_shape_is_the_wrappers_internal_error() -> None:
    """A user's exception is 500 with the wrapper's reason and what was raised."""
    async with serving_iris() as port:
        answer = await ask(port, "POST /predict", b'{"data":{"ndarray":[[1,2]]}}', (JSON,))

    said = status(answer)
    assert answer.status == 500
    assert (said["status"], said["code"], said["reason"]) == (1, -1, "MICROSERVICE_INTERNAL_ERROR")
    assert "Iris.predict: ValueError" in str(said["info"])


@pytest.mark.parametrize(
    ("error", "expected", "reason", "retry_after"),
    [
        (DecodeError("x"), 400, "MICROSERVICE_BAD_DATA", None),
        (Rejected("x"), 500, "MICROSERVICE_INTERNAL_ERROR", None),
        (TransformError("x"), 500, "MICROSERVICE_INTERNAL_ERROR", None),
        (ModelRefusal("x", status=418, code="TEA"), 418, "TEA", None),
        (Overloaded("x"), 429, "OVERLOADED", "1"),
        (Unavailable("x"), 503, "UNAVAILABLE", "1"),
        (Unavailable("x", retry_after_seconds=6.2), 503, "UNAVAILABLE", "7"),
        (DeadlineExceeded("x"), 504, "DEADLINE", "1"),
    ],
)
async def test_refusals_as_the_wrapper_says_them(
    error: BridgeError, expected: int, reason: str, retry_after: str | None
) -> None:
    """Each outcome has its status and reason, outages Retry-After, all the caller's puid."""
    async with running(source(), raising(error)) as port:
        answer = await ask(port, "POST /predict", IRIS, (JSON, "Seldon-Puid: p"))

    assert answer.status == expected
    assert (status(answer)["reason"], status(answer)["info"]) == (reason, "x")
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers["seldon-puid"] == "p"


async def test_long_errors_fit_a_dispatcher() -> None:
    """No error body is longer than a Knative dispatcher survives."""
    async with running(source(), raising(Rejected("ä\x00" * 5000))) as port:
        answer = await ask(port, "POST /predict", IRIS, (JSON,))

    assert len(answer.body) <= 768


async def test_nothing_to_reply_is_accepted() -> None:
    """A pipeline that publishes or filters answers 202 without a body."""

    async def handle(event: Event) -> None:
        return None

    async with running(source(), handle) as port:
        answer = await ask(port, "POST /predict", IRIS, (JSON,))

    assert (answer.status, answer.body) == (202, b"")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/health/ping", b"pong"),
        ("/health/status", b'{"meta":{},"strData":"healthy"}'),
        ("/api/v1.0/health/status", b'{"meta":{},"strData":"healthy"}'),
        ("/ready", b"ok"),
        ("/live", b"ok"),
        ("/healthz", b"ok"),
        ("/readyz", b"ok"),
    ],
)
async def test_health_pages(path: str, body: bytes) -> None:
    """The wrapper's, the executor's and our own probes all answer."""
    async with running(source(), echo([])) as port:
        answer = await ask(port, f"GET {path}")

    assert (answer.status, answer.body) == (200, body)


async def test_not_ready_is_told_and_alive() -> None:
    """Readiness red is a 503, liveness stays green."""
    async with running(source(ready=False), echo([])) as port:
        paths = ("/ready", "/readyz", "/health/status", "/live", "/healthz", "/health/ping")
        told = [(await ask(port, f"GET {path}")).status for path in paths]

    assert told == [503, 503, 503, 200, 200, 200]


@pytest.mark.parametrize(
    ("line", "expected", "allow"),
    [
        ("POST /", 404, None),
        ("GET /nothing", 404, None),
        ("POST /predict/", 404, None),
        ("GET /api/v1.0/predictions", 405, "POST, OPTIONS"),
        ("DELETE /predict", 405, "GET, POST, OPTIONS"),
        ("POST /health/ping", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS /predict", 200, "GET, POST, OPTIONS"),
    ],
)
async def test_other_paths_and_methods(line: str, expected: int, allow: str | None) -> None:
    """An unknown path is 404, a wrong method 405 with the right ones."""
    async with running(source(), echo([])) as port:
        answer = await ask(port, line)

    assert (answer.status, answer.headers.get("allow")) == (expected, allow)


async def test_requests_before_run_are_not_lost() -> None:
    """Listening but not running yet: 503, so the caller comes back."""
    async with source() as listening:
        answer = await ask(listening.port, "POST /predict", IRIS, (JSON,))

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_limit_in_flight_and_drain() -> None:
    """One too many is 429; at a soft stop what was taken in is still answered."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> Event:
        asked.set()
        await go.wait()
        return event

    deliveries = Deliveries()
    limited = source(deliveries=deliveries, max_in_flight=1)
    async with running(limited, handle) as port:
        first = asyncio.create_task(ask(port, "POST /predict", IRIS, (JSON,)))
        await asked.wait()

        second = await ask(port, "POST /predict", IRIS, (JSON,))

        asyncio.get_running_loop().call_soon(go.set)
    assert second.status == 429
    assert (await first).status == 200
    assert deliveries.balanced()
    assert deliveries.counts() == {
        "taken": 2,
        "settled": 1,
        "refused": 1,
        "given_back": 0,
        "open": 0,
    }


async def test_hard_stop_gives_back_what_is_open() -> None:
    """Cancelled with a request under way: no answer, and a ledger that says so."""
    asked = asyncio.Event()

    async def handle(event: Event) -> Event:
        asked.set()
        await asyncio.Event().wait()
        return event

    deliveries = Deliveries()
    stopped = source(deliveries=deliveries)
    async with running(stopped, handle, hard=True) as port:
        caller = asyncio.create_task(ask(port, "POST /predict", IRIS, (JSON,)))
        await asked.wait()

    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await caller
    assert deliveries.balanced()
    assert (deliveries.given_back_total, deliveries.open) == (1, 0)


async def test_two_at_once_are_not_mixed_up() -> None:
    """Each of many overlapping callers gets his own answer and puid."""
    async with running(source(), echo([])) as port:
        answers = await asyncio.gather(
            *(
                ask(port, "POST /predict", b'{"strData":"%d"}' % n, (JSON, f"Seldon-Puid: {n}"))
                for n in range(30)
            )
        )

    assert [json.loads(answer.body)["strData"] for answer in answers] == [str(n) for n in range(30)]
    assert [answer.headers["seldon-puid"] for answer in answers] == [str(n) for n in range(30)]
