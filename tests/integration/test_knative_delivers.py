"""Knative's own delivery client delivers to the bridge: replies, retries, dead letters.

dispatcher (Go, knative.dev/eventing) ──▶ bridge run ──▶ model (a receiver that we script)
    └──▶ reply address, dead letter sink (receivers)
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from bench.stub_model import ANSWER
from tests.services.bridge import bridge_running, iris
from tests.services.knative import KnativeDispatcher
from tests.services.receiver import Answer, receiving

EVENT = {
    "specversion": "0.3",
    "id": "536808d3-88be-4077-9d7a-a3f162705f79",
    "source": "dev.knative.samples/helloworldsource",
    "type": "seldon.simple-iris-deployment.request",
    "datacontenttype": "application/json",
    "data": {"data": {"ndarray": [[1, 2, 3, 4]]}},
}

PREDICTION = Answer(status=200, headers={"Content-Type": "application/json"}, body=ANSWER)

RETRIES = {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT0.01S"}


def verdict(info: str) -> Answer:
    """Return the refusal of Seldon's wrapper."""
    status = {"code": -1, "info": info, "reason": "MICROSERVICE_INTERNAL_ERROR", "status": 1}
    return Answer(
        status=500,
        headers={"Content-Type": "application/json"},
        body=json.dumps({"status": status}).encode(),
    )


@pytest.mark.parametrize("specversion", ["0.3", "1.0"])
async def test_a_reply_reaches_the_broker(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path, specversion: str
) -> None:
    """The response event is forwarded: published type and source, the version in kind."""
    async with receiving(PREDICTION) as model, receiving() as broker:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                {**EVENT, "specversion": specversion}, bridge.url, reply=broker.url
            )

    (response,) = broker.received
    assert response.headers["ce-type"] == "seldon.simple-iris-deployment.response"
    assert response.headers["ce-source"] == "seldon.simple-iris-deployment"
    assert specversion == response.headers["ce-specversion"]
    assert EVENT["id"] != response.headers["ce-id"]
    assert response.body == ANSWER
    assert (outcome.code, outcome.error) == (202, "")


async def test_a_structured_delivery_gets_its_reply(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """A Trigger with `format: json` sends and forwards JSON; no digit of the data is lost."""
    async with receiving(PREDICTION) as model, receiving() as broker:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            await knative_dispatcher.deliver(
                EVENT, bridge.url, reply=broker.url, spec={"format": "json"}
            )

    (response,) = broker.received
    event = json.loads(response.body)
    assert response.headers["content-type"] == "application/cloudevents+json"
    assert event["type"] == "seldon.simple-iris-deployment.response"
    assert event["specversion"] == "0.3"
    assert json.loads(ANSWER) == event["data"]


async def test_a_redelivery_gets_the_same_response_id(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """Knative delivers at least once; the response of a duplicate can be told by its id."""
    async with receiving(PREDICTION) as model, receiving() as broker:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            for _ in range(2):
                await knative_dispatcher.deliver(EVENT, bridge.url, reply=broker.url)

    first, second = broker.received
    assert first.headers["ce-id"] == second.headers["ce-id"]


async def test_an_event_of_another_type_is_accepted_without_a_reply(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """What the filter leaves out is settled: no model call, no reply, no retry."""
    async with receiving(PREDICTION) as model, receiving() as broker:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                {**EVENT, "type": "something.else"}, bridge.url, reply=broker.url, spec=RETRIES
            )

    assert (outcome.code, outcome.error) == (202, "")
    assert model.received == []
    assert broker.received == []


async def test_an_outage_of_the_model_is_retried_until_it_is_over(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """A model that is down twice and then up costs two retries, and one reply comes of it."""
    down = Answer(status=503)
    async with receiving(down, down, PREDICTION) as model, receiving() as broker:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                EVENT, bridge.url, reply=broker.url, spec=RETRIES
            )

    assert (outcome.code, outcome.error) == (202, "")
    assert len(model.received) == 3
    assert len(broker.received) == 1


async def test_retry_after_of_an_outage_is_heard(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """With retryAfterMax the dispatcher waits as long as the bridge says."""
    async with receiving(Answer(status=503), PREDICTION) as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                EVENT, bridge.url, spec={**RETRIES, "retryAfterMax": "PT5S"}
            )

    first, second = model.received
    assert outcome.code == 200
    assert second.at - first.at >= 1.0


async def test_an_outage_that_lasts_goes_to_the_dead_letter_sink_as_503(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """When the retries are used up Knative keeps the event, with our 503 as the reason."""
    async with receiving() as gone:
        pass
    async with receiving() as dead_letters:
        with bridge_running(iris(gone.url), tmp_path) as bridge:
            await knative_dispatcher.deliver(
                EVENT, bridge.url, dead_letter=dead_letters.url, spec=RETRIES
            )

    (letter,) = dead_letters.received
    assert EVENT["id"] == letter.headers["ce-id"]
    assert letter.headers["ce-knativeerrorcode"] == "503"


async def test_a_verdict_of_the_model_goes_to_the_dead_letter_sink_at_once(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """A refused event is not retried; its dead letter says who refused it and why."""
    async with receiving(verdict("too few columns")) as model, receiving() as dead_letters:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                EVENT, bridge.url, dead_letter=dead_letters.url, spec=RETRIES
            )

    (letter,) = dead_letters.received
    assert (outcome.code, outcome.panic) == (202, "")
    assert letter.headers["ce-knativeerrorcode"] == "422"
    assert b"too few columns" in base64.b64decode(letter.headers["ce-knativeerrordata"])
    assert len(model.received) == 1


@pytest.mark.parametrize("length", [600, 800, 5000])
async def test_no_error_of_a_model_is_long_enough_to_kill_a_dispatcher(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path, length: int
) -> None:
    """However much a model says, our error body stays at what Knative survives."""
    async with receiving(verdict("é" * length)) as model, receiving() as dead_letters:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                EVENT, bridge.url, dead_letter=dead_letters.url
            )

    assert outcome.panic == ""
    assert len(dead_letters.received) == 1
