"""Failures as events, by docs/delivery.md: what they say, where they go, what stays an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes_delivery import EVENT, PREDICTION, http_sink, sending, verdict
from tests.services.bridge import bridge_running, iris
from tests.services.knative import KnativeDispatcher
from tests.services.receiver import Answer, receiving

FAILED = "seldon.simple-iris-deployment.failed"


def telling(model_url: str, *, response: dict[str, Any] | None = None, **changes: Any) -> Any:
    """Return a pipeline that tells of failures by events."""
    pipeline = iris(model_url, **changes)
    pipeline["response"] |= {"error_type": FAILED, **(response or {})}
    return pipeline


async def test_a_refused_event_is_answered_by_an_error_event(tmp_path: Path) -> None:
    """200: type, source and carried attributes as of a response; the same id each time."""
    async with receiving(verdict("too few columns")) as model:
        pipeline = telling(model.url, response={"correlate": True})
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                first, again = [
                    await sender.post(ce_correlationid="c", ce_partitionkey="k") for _ in range(2)
                ]
                metrics = (await sender.get(f"{bridge.admin_url}metrics")).text

    assert first.status == 200
    told = json.loads(first.body)
    assert told["error"]["reason"] == "rejected"
    assert "too few columns" in told["error"]["text"]
    assert told["event"] == {name: EVENT[f"ce-{name}"] for name in ("id", "source", "type")}
    attributes = first.attributes
    assert (attributes["type"], attributes["source"]) == (FAILED, "seldon.simple-iris-deployment")
    assert (attributes["replyid"], attributes["partitionkey"]) == ("c", "k")
    assert attributes["bridgehops"] == "1"
    assert attributes["id"] == again.attributes["id"]
    assert 'bridge_events_total{outcome="replied",pipeline="iris"} 2.0' in metrics
    assert 'bridge_error_events_total{pipeline="iris",reason="rejected"} 2.0' in metrics
    assert "bridge_ledger_balanced 1.0" in metrics


async def test_an_error_event_goes_where_a_response_goes(tmp_path: Path) -> None:
    """Sinks have it, the sender gets 202, and it has another id than the response."""
    answers = (verdict("no"), PREDICTION)
    async with receiving(*answers) as model, receiving() as one, receiving() as two:
        pipeline = telling(model.url, sinks=[http_sink(one.url), http_sink(two.url)])
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                statuses = [(await sender.post()).status for _ in range(2)]
                metrics = (await sender.get(f"{bridge.admin_url}metrics")).text

    failed, answered = one.received
    assert [202, 202] == statuses
    assert [FAILED, FAILED] == [failed.headers["ce-type"], two.received[0].headers["ce-type"]]
    assert answered.headers["ce-type"] == "seldon.simple-iris-deployment.response"
    assert failed.headers["ce-id"] != answered.headers["ce-id"]
    assert 'bridge_events_total{outcome="published",pipeline="iris"} 2.0' in metrics


async def test_k_sink_hears_of_a_failure_that_nobody_waits_for(tmp_path: Path) -> None:
    """`Prefer: reply` decides between the reply and K_SINK, as for a response."""
    async with receiving(verdict("no")) as model, receiving() as k_sink:
        environment = {"K_SINK": k_sink.url}
        with bridge_running(telling(model.url), tmp_path, environment=environment) as bridge:
            async with sending(bridge.url) as sender:
                published = await sender.post()
                replied = await sender.post(prefer="reply")

    (failed,) = k_sink.received
    assert [202, 200] == [published.status, replied.status]
    assert [FAILED, FAILED] == [failed.headers["ce-type"], replied.attributes["type"]]


async def test_the_dead_letter_has_the_event_before_anybody_hears_of_it(tmp_path: Path) -> None:
    """Both, and one outcome: dead-lettered."""
    async with receiving(verdict("no")) as model, receiving() as letters, receiving() as sink:
        pipeline = telling(
            model.url, dead_letter=http_sink(letters.url), sinks=[http_sink(sink.url)]
        )
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()
                metrics = (await sender.get(f"{bridge.admin_url}metrics")).text

    (letter,), (failed,) = letters.received, sink.received
    assert answer.status == 202
    assert letter.at < failed.at
    assert failed.headers["ce-type"] == FAILED
    assert 'bridge_events_total{outcome="dead_lettered",pipeline="iris"} 1.0' in metrics
    assert 'bridge_events_total{outcome="published",pipeline="iris"} 0.0' in metrics
    assert 'bridge_error_events_total{pipeline="iris",reason="rejected"} 1.0' in metrics


async def test_with_a_dead_letter_the_error_event_is_still_the_reply(tmp_path: Path) -> None:
    """200 to the sender; a dead letter that is down leaves nobody told."""
    failing = (Answer(status=503), Answer())
    async with receiving(verdict("no")) as model, receiving(*failing) as letters:
        pipeline = telling(model.url, dead_letter=http_sink(letters.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                down, told = [await sender.post() for _ in range(2)]

    assert [503, 200] == [down.status, told.status]
    assert told.attributes["type"] == FAILED


async def test_in_a_batch_an_error_event_stands_among_the_responses(tmp_path: Path) -> None:
    """One bad member of three no longer refuses the others."""
    batch = "application/cloudevents-batch+json"
    names = {"specversion": "1.0", "source": EVENT["ce-source"], "type": EVENT["ce-type"]}
    events = [
        {**names, "id": "1", "data": {"strData": "good"}},
        {**names, "id": "2", "data": {"strData": "bad"}, "expirytime": "never"},
        {**names, "id": "3", "data": {"strData": "good"}},
    ]
    async with receiving(PREDICTION) as model:
        with bridge_running(telling(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(
                    json.dumps(events).encode(),
                    content_type=batch,
                    accept=batch,
                    **dict.fromkeys(("ce_specversion", "ce_id", "ce_source", "ce_type")),
                )

    replies = json.loads(answer.body)
    assert answer.status == 200
    response = "seldon.simple-iris-deployment.response"
    assert [response, FAILED, response] == [reply["type"] for reply in replies]
    assert replies[1]["data"]["event"]["id"] == "2"


async def test_an_outage_is_never_told_by_an_event(tmp_path: Path) -> None:
    """503: the event is good and comes again."""
    async with receiving(Answer(status=503)) as model, receiving() as sink:
        pipeline = telling(model.url, sinks=[http_sink(sink.url)])
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert answer.status == 503
    assert sink.received == []


async def test_an_undecodable_request_is_400_and_no_error_event(tmp_path: Path) -> None:
    """There is no event that one could tell of."""
    async with receiving(PREDICTION) as model:
        with bridge_running(telling(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(ce_id=None)

    assert answer.status == 400


async def test_an_error_event_that_nobody_takes_is_an_outage(tmp_path: Path) -> None:
    """Down or refusing, the event is not settled: 503, until the error event has arrived."""
    failing = (Answer(status=503), Answer(status=400, body=b"no such topic"), Answer())
    async with receiving(verdict("no")) as model, receiving(*failing) as sink:
        pipeline = telling(model.url, sinks=[http_sink(sink.url)])
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                down, refused, settled = [await sender.post() for _ in range(3)]

    assert [503, 503, 202] == [down.status, refused.status, settled.status]
    assert down.headers["retry-after"] == "1"
    assert "error event" in refused.text


async def test_an_error_event_that_would_come_back_is_not_sent(tmp_path: Path) -> None:
    """Told 422 instead: an error event never becomes a request of its own pipeline."""
    async with receiving(verdict("no")) as model:
        pipeline = telling(model.url, response={"error_type": "{type}", "source": "{source}"})
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert (answer.status, answer.headers["kne-bridgereason"]) == (422, "rejected")


async def test_what_the_model_said_can_be_kept_from_whoever_hears_of_it(tmp_path: Path) -> None:
    """`error_detail: reason`; the log has the text all the same."""
    async with receiving(verdict("row 7: Jane Doe")) as model:
        pipeline = telling(model.url, response={"error_detail": "reason"})
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()
        log = bridge.process.tail()

    assert json.loads(answer.body)["error"] == {"reason": "rejected"}
    assert "Jane" not in str(answer)
    assert "Jane" in log


async def test_a_broker_routes_an_error_event_as_a_reply(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """Knative's own client forwards it, and nothing goes to the dead letter sink."""
    event = {
        "specversion": "1.0",
        "id": EVENT["ce-id"],
        "source": EVENT["ce-source"],
        "type": EVENT["ce-type"],
        "datacontenttype": "application/json",
        "data": {"data": {"ndarray": [[1, 2]]}},
    }
    async with (
        receiving(verdict("too few columns")) as model,
        receiving() as broker,
        receiving() as dead_letters,
    ):
        with bridge_running(telling(model.url), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                event, bridge.url, reply=broker.url, dead_letter=dead_letters.url
            )

    (failed,) = broker.received
    assert (outcome.code, outcome.error, outcome.panic) == (202, "", "")
    assert failed.headers["ce-type"] == FAILED
    assert json.loads(failed.body)["event"]["id"] == EVENT["ce-id"]
    assert dead_letters.received == []
