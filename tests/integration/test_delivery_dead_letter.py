"""The dead letter, by docs/delivery.md: what goes there, in what form, and what never does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bridge.codecs import http as codec
from tests.fakes_delivery import DATA, EVENT, PREDICTION, http_sink, sending, verdict
from tests.services.bridge import bridge_running, iris
from tests.services.receiver import Answer, receiving


async def test_a_refused_event_goes_to_the_dead_letter_as_it_came(tmp_path: Path) -> None:
    """202: settled. The same attributes and bytes, and three extensions that say why."""
    async with receiving(verdict("too few columns")) as model, receiving() as letters:
        pipeline = iris(model.url, dead_letter=http_sink(letters.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(ce_time="2026-01-31T12:00:00.123456789Z", ce_own="mine")

    (letter,) = letters.received
    event = codec.decode(raw(letter.headers), letter.body)
    attributes = dict(event.attributes)
    text = attributes.pop("bridgeerrortext")
    assert (answer.status, answer.body) == (202, b"")
    assert attributes == {
        "specversion": "1.0",
        "id": EVENT["ce-id"],
        "source": EVENT["ce-source"],
        "type": EVENT["ce-type"],
        "datacontenttype": "application/json",
        "time": "2026-01-31T12:00:00.123456789Z",
        "own": "mine",
        "bridgepipeline": "iris",
        "bridgeerrortype": "rejected",
    }
    assert DATA == event.data
    assert "too few columns" in text


def raw(headers: Mapping[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    """Return *headers* as they are on the wire."""
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


async def test_an_outage_never_goes_to_the_dead_letter(tmp_path: Path) -> None:
    """The event is good: its sender holds it, 503."""
    async with receiving(Answer(status=503)) as model, receiving() as letters:
        pipeline = iris(model.url, dead_letter=http_sink(letters.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert answer.status == 503
    assert letters.received == []


async def test_an_undecodable_request_is_400_and_no_dead_letter(tmp_path: Path) -> None:
    """There is no event to keep, and a 400 makes its sender look."""
    async with receiving(PREDICTION) as model, receiving() as letters:
        pipeline = iris(model.url, dead_letter=http_sink(letters.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(ce_id=None)

    assert answer.status == 400
    assert letters.received == []


async def test_a_dead_letter_that_fails_is_an_outage(tmp_path: Path) -> None:
    """Down or refusing, the event is not settled: 503, and the next try goes there."""
    failing = [Answer(status=503), Answer(status=400, body=b"no such topic"), Answer()]
    async with receiving(verdict("no")) as model, receiving(*failing) as letters:
        pipeline = iris(model.url, dead_letter=http_sink(letters.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                down, refused, settled = [await sender.post() for _ in range(3)]
                metrics = (await sender.get(f"{bridge.admin_url}metrics")).text

    assert [503, 503, 202] == [down.status, refused.status, settled.status]
    assert down.headers["retry-after"] == "1"
    assert "the dead letter refused an event" in refused.text
    assert 'bridge_events_total{outcome="dead_lettered",pipeline="iris"} 1.0' in metrics
    assert 'bridge_events_total{outcome="failed",pipeline="iris"} 2.0' in metrics
    refusals = 'bridge_refusals_total{outcome="dead_lettered",pipeline="iris",reason="rejected"}'
    assert f"{refusals} 1.0" in metrics
