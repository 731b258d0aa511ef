"""Knative's delivery client as a peer: it does to a receiver what a broker would."""

from __future__ import annotations

import base64
from typing import Any

from tests.services.knative import KnativeDispatcher
from tests.services.receiver import Answer, receiving

EVENT = {
    "specversion": "1.0",
    "id": "536808d3-88be-4077-9d7a-a3f162705f79",
    "source": "dev.knative.samples/helloworldsource",
    "type": "seldon.simple-iris-deployment.request",
    "datacontenttype": "application/json",
    "data": {"data": {"ndarray": [[1, 2, 3, 4]]}},
}

REPLY = Answer(
    status=200,
    headers={
        "Ce-Specversion": "1.0",
        "Ce-Id": "a41b4e2a-6db3-4d96-9532-29e8db1f5cef",
        "Ce-Source": "seldon.simple-iris-deployment",
        "Ce-Type": "seldon.simple-iris-deployment.response",
        "Content-Type": "application/json",
    },
    body=b'{"data":{"names":["t:0"],"ndarray":[[0.25]]}}',
)


async def test_delivers_binary_events_and_asks_for_a_reply(
    knative_dispatcher: KnativeDispatcher,
) -> None:
    """A delivery is a binary event with `Prefer: reply`, and its 202 is the outcome."""
    async with receiving() as subscriber:
        outcome = await knative_dispatcher.deliver(EVENT, subscriber.url)

    (request,) = subscriber.received
    assert request.headers["prefer"] == "reply"
    assert EVENT["id"] == request.headers["ce-id"]
    assert EVENT["type"] == request.headers["ce-type"]
    assert request.headers["content-type"] == "application/json"
    assert request.body == b'{"data":{"ndarray":[[1,2,3,4]]}}'
    assert (outcome.code, outcome.error) == (202, "")


async def test_delivers_0_3_as_0_3(knative_dispatcher: KnativeDispatcher) -> None:
    """The version of an event is never changed on the way."""
    async with receiving() as subscriber:
        await knative_dispatcher.deliver({**EVENT, "specversion": "0.3"}, subscriber.url)

    assert subscriber.received[0].headers["ce-specversion"] == "0.3"


async def test_delivers_structured_events_where_the_trigger_says_json(
    knative_dispatcher: KnativeDispatcher,
) -> None:
    """`format: json` makes it one JSON document."""
    async with receiving() as subscriber:
        await knative_dispatcher.deliver(EVENT, subscriber.url, spec={"format": "json"})

    assert subscriber.received[0].headers["content-type"] == "application/cloudevents+json"


async def test_forwards_a_reply(knative_dispatcher: KnativeDispatcher) -> None:
    """An event in the answer goes to the reply address as it came."""
    async with receiving(REPLY) as subscriber, receiving() as broker:
        outcome = await knative_dispatcher.deliver(EVENT, subscriber.url, reply=broker.url)

    (forwarded,) = broker.received
    assert REPLY.headers["Ce-Id"] == forwarded.headers["ce-id"]
    assert REPLY.headers["Ce-Type"] == forwarded.headers["ce-type"]
    assert REPLY.body == forwarded.body
    assert (outcome.code, outcome.error) == (202, "")


async def test_retries_503_but_not_400(knative_dispatcher: KnativeDispatcher) -> None:
    """An outage is tried again, a verdict is not."""
    spec = {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT0.01S"}
    async with receiving(Answer(status=503), Answer(status=503), Answer()) as down:
        recovered = await knative_dispatcher.deliver(EVENT, down.url, spec=spec)
    async with receiving(Answer(status=400, body=b"no event")) as strict:
        refused = await knative_dispatcher.deliver(EVENT, strict.url, spec=spec)

    assert (len(down.received), recovered.code, recovered.error) == (3, 202, "")
    assert (len(strict.received), refused.code, refused.body) == (1, 400, b"no event")
    assert "expected 2xx, got 400" in refused.error


async def test_honours_retry_after_with_retry_after_max_alone(
    knative_dispatcher: KnativeDispatcher,
) -> None:
    """`Retry-After` counts up to retryAfterMax, and for nothing without it."""
    busy = Answer(status=503, headers={"Retry-After": "1"})
    spec: dict[str, Any] = {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0.01S"}
    async with receiving(busy, Answer()) as heard:
        await knative_dispatcher.deliver(EVENT, heard.url, spec={**spec, "retryAfterMax": "PT5S"})
    async with receiving(busy, Answer()) as capped:
        await knative_dispatcher.deliver(
            EVENT, capped.url, spec={**spec, "retryAfterMax": "PT0.3S"}
        )
    async with receiving(busy, Answer()) as ignored:
        await knative_dispatcher.deliver(EVENT, ignored.url, spec=spec)

    pauses = [
        second.at - first.at
        for first, second in (heard.received, capped.received, ignored.received)
    ]
    assert pauses[0] >= 1.0
    assert 0.3 <= pauses[1] < 1.0
    assert pauses[2] < 0.3


async def test_a_dead_letter_says_where_and_why(knative_dispatcher: KnativeDispatcher) -> None:
    """The original event goes to the dead letter sink with the three knativeerror attributes."""
    refusal = Answer(status=422, body=b"too few columns")
    async with receiving(refusal) as subscriber, receiving() as dead_letters:
        outcome = await knative_dispatcher.deliver(
            EVENT, subscriber.url, dead_letter=dead_letters.url
        )

    (letter,) = dead_letters.received
    assert EVENT["id"] == letter.headers["ce-id"]
    assert letter.headers["ce-knativeerrorcode"] == "422"
    assert subscriber.url == letter.headers["ce-knativeerrordest"]
    assert base64.b64decode(letter.headers["ce-knativeerrordata"]) == b"too few columns"
    assert "prefer" not in letter.headers
    assert (outcome.code, outcome.error) == (202, "")


async def test_dies_of_an_error_body_above_768_bytes(
    knative_dispatcher: KnativeDispatcher,
) -> None:
    """The limit of our error bodies is real: 768 bytes are taken, one more is a panic."""
    async with receiving() as dead_letters:
        async with receiving(Answer(status=400, body=b"x" * 768)) as short:
            fine = await knative_dispatcher.deliver(EVENT, short.url, dead_letter=dead_letters.url)
        async with receiving(Answer(status=400, body=b"x" * 769)) as long:
            dead = await knative_dispatcher.deliver(EVENT, long.url, dead_letter=dead_letters.url)

    assert (fine.code, fine.panic) == (202, "")
    assert "index out of range" in dead.panic


async def test_a_destination_that_is_gone_is_an_error(
    knative_dispatcher: KnativeDispatcher,
) -> None:
    """Nobody listening is an outcome with an error, not a lost delivery."""
    async with receiving() as gone:
        pass

    outcome = await knative_dispatcher.deliver(EVENT, gone.url)

    assert "connection refused" in outcome.error
