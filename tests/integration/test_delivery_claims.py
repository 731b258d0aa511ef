"""Expiry, claim checks and correlation, by docs/delivery.md, on a real process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes_delivery import DATA, EVENT, PREDICTION, http_sink, sending
from tests.fakes_store import found, storing
from tests.services.bridge import bridge_running, iris
from tests.services.receiver import receiving

#: Long past, and far away: whenever the test runs.
PAST, FUTURE = "2020-03-21T03:41:28Z", "2999-12-31T23:59:59Z"


async def test_an_expired_event_is_settled_and_the_model_never_asked(tmp_path: Path) -> None:
    """202, counted as filtered, and told once in the log; one with time left is answered."""
    async with receiving(PREDICTION) as model, receiving() as letters:
        pipeline = iris(model.url, dead_letter=http_sink(letters.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                expired = [await sender.post(ce_expirytime=PAST) for _ in range(2)]
                fresh = await sender.post(ce_expirytime=FUTURE)
                metrics = (await sender.get(f"{bridge.admin_url}metrics")).text
        told = [line for line in bridge.process.tail().splitlines() if '"expired"' in line]

    assert [(202, b"")] * 2 == [(answer.status, answer.body) for answer in expired]
    assert fresh.status == 200
    assert "expirytime" not in fresh.attributes
    assert len(model.received) == 1
    assert letters.received == []
    assert 'bridge_events_total{outcome="filtered",pipeline="iris"} 2.0' in metrics
    assert 'bridge_filtered_total{pipeline="iris",reason="expired"} 2.0' in metrics
    assert len(told) == 1


async def test_expired_events_are_processed_where_the_file_says_so(tmp_path: Path) -> None:
    """`expired: process`."""
    async with receiving(PREDICTION) as model:
        with bridge_running(iris(model.url, expired="process"), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(ce_expirytime=PAST)

    assert answer.status == 200


async def test_an_expirytime_that_is_no_time_is_refused(tmp_path: Path) -> None:
    """422, naming it, or the dead letter."""
    async with receiving(PREDICTION) as model, receiving() as letters:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                refused = await sender.post(ce_expirytime="tomorrow")
        pipeline = iris(model.url, dead_letter=http_sink(letters.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                settled = await sender.post(ce_expirytime="tomorrow")

    assert (refused.status, refused.headers["kne-bridgereason"]) == (422, "event")
    assert "attribute 'expirytime' is 'tomorrow'" in refused.text
    assert settled.status == 202
    assert len(letters.received) == 1
    assert model.received == []


def claim_check(url: str, **options: Any) -> dict[str, Any]:
    return {"stores": [{"url": f"{url}/events/", **options}]}


async def test_a_claim_is_refused_unless_the_file_allows_it(tmp_path: Path) -> None:
    """422 with the option's name; nobody asks the store."""
    async with receiving(PREDICTION) as model, storing({"/events/1": found(DATA)}) as store:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(b"", ce_dataref=f"{store.url}/events/1")

    assert (answer.status, answer.headers["kne-bridgereason"]) == (422, "event")
    assert "attribute 'dataref'" in answer.text
    assert "`claim_check`" in answer.text
    assert model.received == []
    assert store.requests == []


async def test_a_claim_below_a_store_is_fetched_and_answered(tmp_path: Path) -> None:
    """The model gets the store's bytes, the store shows among the components, and counts."""
    there = {"/events/1": found(DATA)}
    async with receiving(PREDICTION) as model, storing(there) as store:
        pipeline = iris(model.url, claim_check=claim_check(store.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                claimed = await sender.post(
                    b"", ce_dataref=f"{store.url}/events/1", content_type=None
                )
                both = await sender.post(ce_dataref=f"{store.url}/events/1")
                ready = (await sender.get(f"{bridge.admin_url}readyz?verbose")).text
                metrics = (await sender.get(f"{bridge.admin_url}metrics")).text

    assert [200, 200] == [claimed.status, both.status]
    assert claimed.attributes["id"] == both.attributes["id"]
    assert "dataref" not in claimed.attributes
    assert [DATA, DATA] == [request.body for request in model.received]
    assert len(store.requests) == 1
    assert "iris.claim_check.stores.0: ok" in ready.splitlines()
    assert 'bridge_step_seconds_count{pipeline="iris",step="claim_check"} 1.0' in metrics


async def test_a_claim_elsewhere_is_refused_and_nobody_is_asked(tmp_path: Path) -> None:
    """Another port, another folder: no request leaves the bridge, to whomever."""
    async with (
        receiving(PREDICTION) as model,
        storing({"/events/1": found(DATA), "/secret": found(DATA)}) as store,
        storing({"/events/1": found(DATA)}) as stranger,
    ):
        pipeline = iris(model.url, claim_check=claim_check(store.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answers = [
                    await sender.post(b"", ce_dataref=reference)
                    for reference in (
                        f"{stranger.url}/events/1",
                        f"{store.url}/secret",
                        f"{store.url}/events/../secret",
                        f"{store.url}/events/%252e%252e/secret",
                        f"{store.url}@{stranger.url[7:]}/events/1",
                        "file:///etc/passwd",
                    )
                ]

    assert [422] * 6 == [answer.status for answer in answers]
    assert stranger.requests == store.requests == model.received == []


async def test_a_redirect_of_the_store_is_not_followed(tmp_path: Path) -> None:
    """What the file does not name is not reached by way of what it does."""
    async with receiving(PREDICTION) as model, storing({"/in": found(DATA)}) as inside:
        moved = found(b"", (b"location", f"{inside.url}/in".encode()), status=302)
        async with storing({"/events/1": moved}) as store:
            pipeline = iris(model.url, claim_check=claim_check(store.url))
            with bridge_running(pipeline, tmp_path) as bridge:
                async with sending(bridge.url) as sender:
                    answer = await sender.post(b"", ce_dataref=f"{store.url}/events/1")

    assert answer.status == 422
    assert "redirects are not followed" in answer.text
    assert inside.requests == []


async def test_a_store_that_is_down_never_costs_an_event(tmp_path: Path) -> None:
    """503 while it is down, and the next try is answered; what is not there is 422."""
    async with receiving(PREDICTION) as model, storing({}) as store:
        pipeline = iris(model.url, claim_check=claim_check(store.url))
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                store.objects["/events/1"] = found(b"", status=503)
                down = await sender.post(b"", ce_dataref=f"{store.url}/events/1")
                store.objects["/events/1"] = found(DATA)
                up = await sender.post(b"", ce_dataref=f"{store.url}/events/1")
                gone = await sender.post(b"", ce_dataref=f"{store.url}/events/2")

    assert [503, 200, 422] == [down.status, up.status, gone.status]
    assert down.headers["retry-after"] == "1"


async def test_a_claim_and_an_expiry_are_passed_on_as_they_came(tmp_path: Path) -> None:
    """A pipeline that only passes events on looks into neither store nor data."""
    async with receiving() as sink, storing({"/events/1": found(DATA)}) as store:
        with bridge_running({"sinks": [http_sink(sink.url)]}, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                reference = f"{store.url}/events/1"
                answer = await sender.post(b"", ce_dataref=reference, ce_expirytime=FUTURE)

    (event,) = sink.received
    assert answer.status == 202
    assert (event.headers["ce-dataref"], event.headers["ce-expirytime"]) == (reference, FUTURE)
    assert store.requests == []


async def test_whoever_waits_for_a_replyid_gets_it(tmp_path: Path) -> None:
    """As Knative's RequestReply does; without the option nobody asked, and nobody gets it."""
    replies = []
    async with receiving(PREDICTION) as model:
        for correlate in (True, False):
            pipeline = iris(model.url)
            pipeline["response"]["correlate"] = correlate
            with bridge_running(pipeline, tmp_path) as bridge:
                async with sending(bridge.url) as sender:
                    replies.append(await sender.post(ce_correlationid="c-1:signed"))

    assert ["c-1:signed", None] == [reply.attributes.get("replyid") for reply in replies]
    assert EVENT["ce-id"] not in [reply.attributes["id"] for reply in replies]
