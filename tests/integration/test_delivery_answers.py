"""What a sender is answered, by docs/delivery.md: every line of its tables, on a real process.

sender ──event──▶ bridge run ──▶ model (a server that does what the test says)
   ◀── status, Retry-After, reason ──┘
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bench.stub_model import ANSWER
from tests.fakes_delivery import (
    DATA,
    EVENT,
    PREDICTION,
    Sender,
    held_model,
    http_sink,
    sending,
    verdict,
)
from tests.services.bridge import Bridge, bridge_running, iris, pipelines_running
from tests.services.receiver import Answer, receiving

BATCH = "application/cloudevents-batch+json"


async def test_a_model_that_is_down_is_an_outage(tmp_path: Path) -> None:
    """503 with Retry-After, naming the model; an outage never costs an event."""
    async with receiving() as gone:
        pass
    with bridge_running(iris(gone.url), tmp_path) as bridge:
        async with sending(bridge.url) as sender:
            answer = await sender.post()

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.headers["kne-bridgereason"] == "unavailable"
    assert gone.url.rstrip("/") in answer.text


async def test_a_model_that_hangs_is_answered_by_the_deadline(tmp_path: Path) -> None:
    """504 with Retry-After when the event's time is used up, and the model's call is ended."""
    async with held_model() as model:
        pipeline = iris(model.url, deadline_seconds=0.3)
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                begin = asyncio.get_running_loop().time()
                answer = await sender.post()
                took = asyncio.get_running_loop().time() - begin

    assert (answer.status, answer.headers["retry-after"]) == (504, "1")
    assert answer.headers["kne-bridgereason"] == "deadline"
    assert 0.3 <= took < 5


async def test_a_sink_that_hangs_is_answered_by_the_deadline(tmp_path: Path) -> None:
    """The deadline covers everything that an event waits for, not the model alone."""
    async with receiving(PREDICTION) as model, held_model() as sink:
        sinks = [http_sink(sink.url, timeout_seconds=1.5)]
        pipeline = iris(model.url, deadline_seconds=0.3, sinks=sinks)
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert answer.status == 504
    assert "0.3 s" in answer.text


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (Answer(status=200, body=b"<html>"), 503),
        (Answer(status=200, headers={"Content-Type": "application/json"}, body=b"{"), 422),
        (verdict("too few columns"), 422),
        (Answer(status=400, body=b"no"), 422),
        (Answer(status=404), 503),
        (Answer(status=500, body=b"oops"), 503),
        (Answer(status=429, headers={"Retry-After": "9"}), 503),
    ],
    ids=["html", "half JSON", "verdict", "400", "404", "500", "429"],
)
async def test_what_a_model_answers_is_an_outage_or_a_bad_event(
    tmp_path: Path, garbage: Answer, status: int
) -> None:
    """Garbage and verdicts are the event's fault; a proxy's page and the rest pass."""
    async with receiving(garbage) as model:
        pipeline = iris(model.url)
        pipeline["model"]["name"] = "simple-iris"
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert answer.status == status
    assert "simple-iris" in answer.text
    expected = garbage.headers.get("Retry-After", "1") if status == 503 else None
    assert answer.headers.get("retry-after") == expected
    assert len(answer.body) <= 768


async def test_one_more_than_the_limit_is_told_to_come_again(tmp_path: Path) -> None:
    """429 with Retry-After; those under way are answered as if nothing had been."""
    async with held_model() as model:
        pipeline = iris(model.url, source={"max_in_flight": 2})
        with pipelines_running({"iris": pipeline}, tmp_path) as bridge:
            async with sending(bridge.url) as sender, asyncio.TaskGroup() as group:
                running = [group.create_task(sender.post(id=str(n))) for n in range(2)]
                await model.wait_for(2)
                beyond = await sender.post(id="beyond")
                model.go.set()

    assert (beyond.status, beyond.headers["retry-after"]) == (429, "1")
    assert beyond.headers["kne-bridgereason"] == "overloaded"
    assert [200, 200] == [task.result().status for task in running]


async def test_a_redelivery_under_way_joins_the_first(tmp_path: Path) -> None:
    """One call of the model, two identical answers; afterwards the event is processed again."""
    async with held_model() as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender, asyncio.TaskGroup() as group:
                first = group.create_task(sender.post())
                await model.wait_for(1)
                second = group.create_task(sender.post())
                other = group.create_task(sender.post(b'{"strData":"other data"}'))
                await model.wait_for(2)
                async with asyncio.timeout(10):
                    while await taken(bridge, sender) < 3:
                        await asyncio.sleep(0.005)
                model.go.set()
            async with sending(bridge.url) as sender:
                later = await sender.post()

    assert first.result() == second.result()
    assert first.result().status == 200
    assert other.result().body == b'{"strData":"other data"}'
    assert len(model.requests) == 3
    assert later.attributes["id"] == first.result().attributes["id"]


async def taken(bridge: Bridge, sender: Sender) -> int:
    """Return how many deliveries the bridge has taken in."""
    metrics = (await sender.get(f"{bridge.admin_url}metrics")).text
    (line,) = [one for one in metrics.splitlines() if one.startswith("bridge_deliveries_taken_t")]
    return int(float(line.split()[-1]))


async def test_two_callers_with_one_id_and_puids_of_their_own_each_get_theirs(
    tmp_path: Path,
) -> None:
    """A client's own Seldon-Puid is part of its answer: nobody gets the answer of another."""
    async with held_model() as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender, asyncio.TaskGroup() as group:
                callers = [group.create_task(sender.post(seldon_puid=one)) for one in ("a", "b")]
                await model.wait_for(2)
                model.go.set()

    assert ["a", "b"] == [task.result().attributes["id"] for task in callers]


async def test_a_component_answers_the_same_event_with_the_same_id(tmp_path: Path) -> None:
    """Also where Seldon's API is the source, so that a Trigger may point straight at it."""
    async with receiving(PREDICTION) as model:
        pipeline = {"source": {"type": "seldon"}, "model": {"type": "rest", "url": model.url}}
        with pipelines_running({"iris": pipeline}, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                first, again = [await sender.post(DATA, "predict") for _ in range(2)]
                plain = dict.fromkeys(("ce_specversion", "ce_id", "ce_source", "ce_type"), None)
                one, other = [await sender.post(DATA, "predict", **plain) for _ in range(2)]

    assert first.attributes["id"] == again.attributes["id"] == first.headers["seldon-puid"]
    assert {first.attributes["id"]} == {
        asked.headers["seldon-puid"] for asked in model.received[:2]
    }
    assert one.headers["seldon-puid"] != other.headers["seldon-puid"]


async def test_retry_tries_one_step_again(tmp_path: Path) -> None:
    """Beside the model and beside a sink; the other step is not repeated."""
    down = Answer(status=503)
    retry = {"attempts": 3, "initial_seconds": 0.01}
    async with receiving(down, PREDICTION) as model, receiving(down, down, Answer()) as sink:
        pipeline = iris(model.url, sinks=[http_sink(sink.url, retry=retry)])
        pipeline["model"]["retry"] = retry
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert answer.status == 202
    assert (len(model.received), len(sink.received)) == (2, 3)
    assert len({one.headers["ce-id"] for one in sink.received}) == 1


async def test_by_default_each_far_end_is_tried_once(tmp_path: Path) -> None:
    """The broker is the retry store: nothing is tried again behind its back."""
    async with receiving(Answer(status=503)) as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                await sender.post()

    assert len(model.received) == 1


async def test_an_event_that_goes_round_in_circles_is_refused(tmp_path: Path) -> None:
    """422 at the eighth bridge, before the model is asked."""
    async with receiving(PREDICTION) as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                seventh = await sender.post(ce_bridgehops="7")
                eighth = await sender.post(ce_bridgehops="8")

    assert (seventh.status, seventh.attributes["bridgehops"]) == (200, "8")
    assert (eighth.status, eighth.headers["kne-bridgereason"]) == (422, "event")
    assert "8 bridges" in eighth.text
    assert len(model.received) == 1


async def test_a_templated_response_that_is_its_own_request_is_refused(tmp_path: Path) -> None:
    """What the file could not tell is found at run time: 422, never a loop."""
    async with receiving(PREDICTION) as model:
        response = {"type": "{subject}", "source": "seldon.{name}"}
        pipeline = {
            "filters": [{"prefix": {"type": "seldon."}}],
            "model": {"type": "rest", "url": model.url},
            "response": response,
        }
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                loop = await sender.post(ce_subject="seldon.again")
                fine = await sender.post(ce_subject="answered")
                lacks = await sender.post()

    assert loop.status == 422
    assert "taken for its own request" in loop.text
    assert (fine.status, fine.attributes["type"]) == (200, "answered")
    assert lacks.status == 422
    assert "attribute 'subject' is missing" in lacks.text


async def test_a_batch_is_settled_as_a_whole(tmp_path: Path) -> None:
    """Replies need Accept; bad members are named by index; any outage refuses all of it."""

    def batch(*ids: str) -> bytes:
        members = [
            {"specversion": "1.0", "id": one, "source": "s", "type": EVENT["ce-type"], "data": {}}
            for one in ids
        ]
        return json.dumps(members).encode()

    plain = dict.fromkeys(("ce_specversion", "ce_id", "ce_source", "ce_type"), None)
    ok, down = PREDICTION, Answer(status=503)
    async with receiving(ok, ok, ok, verdict("no"), ok, down) as model:
        with bridge_running(iris(model.url, model=one_at_a_time(model.url)), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                unasked = await sender.post(batch("1"), content_type=BATCH, **plain)
                before = len(model.received)
                asked = {"content_type": BATCH, "accept": BATCH, **plain}
                good = await sender.post(batch("1", "2"), **asked)
                bad = await sender.post(batch("3", "4")[:-1] + b',{"id":"5"}]', **asked)
                outage = await sender.post(batch("6", "7"), **asked)

    assert (unasked.status, before) == (415, 0)
    assert (good.status, good.headers["content-type"]) == (200, f"{BATCH}; charset=utf-8")
    assert [json.loads(ANSWER)] * 2 == [one["data"] for one in json.loads(good.body)]
    assert bad.status == 422
    assert "event 1:" in bad.text
    assert "event 2:" in bad.text
    assert "event 0:" not in bad.text
    assert (outage.status, outage.headers["retry-after"]) == (503, "1")


def one_at_a_time(url: str) -> dict[str, object]:
    """Return a model that is asked in order, so that its answers are whose they are."""
    return {"type": "rest", "protocol": "seldon", "url": url, "connections": 1}


async def test_what_is_no_event_is_told_so(tmp_path: Path) -> None:
    """400, 415, 404, 405 and 413 as documented; the next event is answered as ever."""
    async with receiving(PREDICTION) as model:
        source = {"path": "/here", "max_body_bytes": 1000}
        with pipelines_running({"iris": iris(model.url, source=source)}, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answers = {
                    "no event": await sender.post(DATA, "here", ce_specversion=None),
                    "no id": await sender.post(DATA, "here", ce_id=None),
                    "unknown format": await sender.post(
                        DATA, "here", content_type="application/cloudevents+avro"
                    ),
                    "no path": await sender.post(DATA, "there"),
                    "too large": await sender.post(b"x" * 1001, "here"),
                    "as ever": await sender.post(DATA, "here"),
                    "method": await sender.get(f"{bridge.url}here"),
                }

    assert {name: answer.status for name, answer in answers.items()} == {
        "no event": 400,
        "no id": 400,
        "unknown format": 415,
        "no path": 404,
        "too large": 413,
        "as ever": 200,
        "method": 405,
    }
    assert answers["method"].headers["allow"] == "POST, OPTIONS"
    reasons = {name: answer.headers.get("kne-bridgereason") for name, answer in answers.items()}
    assert (reasons["no id"], reasons["unknown format"]) == ("decode", "format")


TRANSFORMERS = '''
import kserve
from seldon_core.user_model import SeldonComponent


class KServe(kserve.Model):
    """As the KServe docs write one."""

    async def preprocess(self, payload, headers=None):
        return {"data": {"ndarray": [[sum(row) for row in payload["data"]["ndarray"]]]}}

    async def postprocess(self, response, headers=None):
        return {"classes": response["data"]["ndarray"][0]}


class Seldon(SeldonComponent):
    """As the Seldon docs write one."""

    def transform_input(self, X, names, meta=None):
        return X * 2

    def transform_output(self, X, names, meta=None):
        return X + 1


class Raises:
    def preprocess(self, payload, ctx):
        {"a": 1}["EventName"]


class Down:
    def preprocess(self, payload, ctx):
        raise ConnectionRefusedError("the feature store is down")
'''


@pytest.mark.parametrize(
    ("form", "sent", "answered"),
    [
        ("KServe", {"data": {"ndarray": [[10.0]]}}, {"classes": [10.0]}),
        ("Seldon", {"data": {"ndarray": [[2.0, 4.0, 6.0, 8.0]]}}, [[3.0, 5.0, 7.0, 9.0]]),
    ],
)
async def test_transformers_of_other_projects_stand_in_the_flow(
    tmp_path: Path, form: str, sent: object, answered: object
) -> None:
    """Unchanged files of KServe and Seldon: before the model and after it."""
    (tmp_path / "steps.py").write_text(TRANSFORMERS)
    async with held_model() as echo:
        echo.go.set()
        pipeline = iris(echo.url, transformer={"type": f"steps:{form}"})
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    (asked,) = echo.requests
    body = json.loads(answer.body)
    assert answer.status == 200, answer.text
    assert json.loads(asked.body)["data"]["ndarray"] == sent["data"]["ndarray"]  # type: ignore[index]  # JSON
    assert (body["data"]["ndarray"] if form == "Seldon" else body) == answered


async def test_what_user_code_raises_is_told(tmp_path: Path) -> None:
    """422 naming class, method and error; an outage that it met is 503."""
    (tmp_path / "steps.py").write_text(TRANSFORMERS)
    async with receiving(PREDICTION) as model:
        answers = {}
        for name in ("Raises", "Down"):
            pipeline = iris(model.url, transformer={"type": f"steps:{name}"})
            with bridge_running(pipeline, tmp_path) as bridge:
                async with sending(bridge.url) as sender:
                    answers[name] = await sender.post()

    assert answers["Raises"].status == 422
    assert answers["Raises"].headers["kne-bridgereason"] == "transform"
    assert answers["Raises"].text == "Raises.preprocess: KeyError('EventName')"
    assert answers["Down"].status == 503
    assert "Down.preprocess" in answers["Down"].text
    assert model.received == []


async def test_readiness_never_depends_on_a_far_end(tmp_path: Path) -> None:
    """`/readyz?verbose` names the model that is down, while `/readyz` stays 200."""
    async with receiving() as gone:
        pass
    with bridge_running(iris(gone.url), tmp_path) as bridge:
        async with sending(bridge.url) as sender:
            plain = await sender.get(f"{bridge.admin_url}readyz")
            verbose = await sender.get(f"{bridge.admin_url}readyz?verbose")
            metrics = await sender.get(f"{bridge.admin_url}metrics")

    assert (plain.status, plain.text, verbose.status) == (200, "ok\n", 200)
    assert verbose.text.startswith("ok\niris.model: model: http://127.0.0.1:")
    assert 'bridge_component_up{component="model",pipeline="iris"} 0.0' in metrics.text
