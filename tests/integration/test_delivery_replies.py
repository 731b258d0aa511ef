"""Where a response goes, by docs/delivery.md "Reply or sinks": real processes, real sockets.

sender ──event──▶ bridge run ──▶ model (a receiver that we script)
   ◀── reply ────────┘ └──▶ sinks, or K_SINK (receivers)
"""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp import web

from bench.stub_model import ANSWER
from tests.fakes_delivery import EVENT, PREDICTION, http_sink, sending
from tests.services.bridge import bridge_running, iris, pipelines_running
from tests.services.process import free_port
from tests.services.receiver import Answer, receiving

RESPONSE_TYPE = "seldon.simple-iris-deployment.response"


async def test_without_sinks_the_response_is_the_reply(tmp_path: Path) -> None:
    """200 and the response event; carried over: trace, partition key, request id, the path."""
    async with receiving(PREDICTION) as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                first = await sender.post(
                    b'{"data":{"ndarray":[[1.10,2]]}}',
                    "api/v1.0/predictions",
                    ce_traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                    ce_tracestate="k=v",
                    ce_partitionkey="p",
                    ce_requestid="r",
                    ce_other="stays behind",
                )
                again = await sender.post(b'{"data":{"ndarray":[[1.10,2]]}}')
                in_kind = await sender.post(ce_specversion="0.3")
                named = await sender.post(seldon_puid="puid-7")

    assert (first.status, first.body) == (200, ANSWER)
    attributes = dict(first.attributes)
    assert attributes.pop("time").endswith("Z")
    response_id = attributes.pop("id")
    assert attributes == {
        "specversion": "1.0",
        "type": RESPONSE_TYPE,
        "source": "seldon.simple-iris-deployment",
        "path": "/api/v1.0/predictions",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "k=v",
        "partitionkey": "p",
        "requestid": "r",
        "bridgehops": "1",
    }
    assert again.attributes["id"] == response_id != EVENT["ce-id"]
    assert in_kind.attributes["specversion"] == "0.3"
    assert named.attributes["id"] == "puid-7"
    assert model.received[0].body == b'{"data":{"ndarray":[[1.10,2]]}}'
    assert model.received[0].headers["traceparent"].startswith("00-0af7651916cd43dd")
    assert model.received[3].headers["seldon-puid"] == "puid-7"


async def test_with_sinks_the_response_is_published_to_each(tmp_path: Path) -> None:
    """202 without a body once every sink has the response, also for a sender that prefers one."""
    async with receiving(PREDICTION) as model, receiving() as one, receiving() as other:
        pipeline = iris(model.url, sinks=[http_sink(one.url), http_sink(other.url)])
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(prefer="reply")

    assert (answer.status, answer.body) == (202, b"")
    for sink in (one, other):
        (response,) = sink.received
        assert (response.headers["ce-type"], response.body) == (RESPONSE_TYPE, ANSWER)


async def test_reply_always_does_both(tmp_path: Path) -> None:
    """The sink and the sender get the very same event."""
    async with receiving(PREDICTION) as model, receiving() as sink:
        pipeline = iris(model.url, sinks=[http_sink(sink.url)], reply="always")
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    (published,) = sink.received
    assert answer.status == 200
    assert answer.attributes["id"] == published.headers["ce-id"]
    assert answer.body == published.body == ANSWER


async def test_k_sink_takes_what_no_sender_waits_for(tmp_path: Path) -> None:
    """Without `Prefer: reply` the response goes to K_SINK, with it back; K_CE_OVERRIDES on both."""
    async with receiving(PREDICTION) as model, receiving() as sink:
        environment = {
            "K_SINK": sink.url,
            "K_CE_OVERRIDES": json.dumps({"extensions": {"team": "iris"}}),
        }
        with bridge_running(iris(model.url), tmp_path, environment=environment) as bridge:
            async with sending(bridge.url) as sender:
                published = await sender.post()
                replied = await sender.post(prefer="reply")

    (response,) = sink.received
    assert (published.status, published.body) == (202, b"")
    assert (replied.status, replied.body) == (200, ANSWER)
    assert response.headers["ce-type"] == RESPONSE_TYPE
    assert response.headers["ce-team"] == replied.attributes["team"] == "iris"


async def test_sinks_of_the_file_win_over_k_sink(tmp_path: Path) -> None:
    """K_SINK is a default: a file that names its sinks means those."""
    async with receiving(PREDICTION) as model, receiving() as sink, receiving() as platform:
        pipeline = iris(model.url, sinks=[http_sink(sink.url)])
        environment = {"K_SINK": platform.url}
        with bridge_running(pipeline, tmp_path, environment=environment) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert answer.status == 202
    assert (len(sink.received), len(platform.received)) == (1, 0)


async def test_k_sink_over_https_is_verified_with_k_ca_certs(tmp_path: Path) -> None:
    """With the platform's certificates it arrives; without them it is an outage, never plain."""
    ca = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(tls)
    received: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        received.append(request.headers["ce-type"])
        return web.Response(status=202)

    application = web.Application()
    application.router.add_post("/", handle)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls).start()
    k_sink = {"K_SINK": f"https://127.0.0.1:{port}/"}
    k_ca_certs = {"K_CA_CERTS": ca.cert_pem.bytes().decode()}
    try:
        async with receiving(PREDICTION) as model:
            statuses = []
            for environment in ({**k_sink, **k_ca_certs}, k_sink):
                with bridge_running(iris(model.url), tmp_path, environment=environment) as bridge:
                    async with sending(bridge.url) as sender:
                        statuses.append((await sender.post()).status)
    finally:
        await runner.cleanup()

    assert statuses == [202, 503]
    assert received == [RESPONSE_TYPE]


async def test_an_event_passed_on_to_k_sink_never_comes_back_as_its_own_reply(
    tmp_path: Path,
) -> None:
    """A forwarder has no response: a broker that prefers replies would get its event again."""
    async with receiving() as sink:
        environment = {"K_SINK": sink.url}
        with bridge_running({}, tmp_path, environment=environment) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post(prefer="reply")

    assert (answer.status, answer.body) == (202, b"")
    assert [EVENT["ce-id"]] == [one.headers["ce-id"] for one in sink.received]


async def test_a_sink_that_is_down_refuses_the_event_and_the_next_try_publishes(
    tmp_path: Path,
) -> None:
    """503 with the receiver's own Retry-After; the redelivery has the same response id."""
    down = Answer(status=503, headers={"Retry-After": "7"})
    async with receiving(PREDICTION) as model, receiving(down, Answer()) as sink:
        with bridge_running(iris(model.url, sinks=[http_sink(sink.url)]), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                refused = await sender.post()
                published = await sender.post()

    first, second = sink.received
    assert (refused.status, refused.headers["retry-after"]) == (503, "7")
    assert published.status == 202
    assert first.headers["ce-id"] == second.headers["ce-id"]


async def test_a_sink_that_refuses_for_good_is_a_bad_event(tmp_path: Path) -> None:
    """422, naming the sink and what it said."""
    refusing = Answer(status=400, body=b"no such topic")
    async with receiving(PREDICTION) as model, receiving(refusing) as sink:
        with bridge_running(iris(model.url, sinks=[http_sink(sink.url)]), tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                refused = await sender.post()

    assert refused.status == 422
    assert sink.url in refused.text
    assert "no such topic" in refused.text


@pytest.mark.parametrize(
    ("preset", "type_", "namespace"),
    [
        ("seldon", "seldon.iris.response", ""),
        ("seldon_namespaced", "seldon.iris.flowers.response", "flowers"),
    ],
)
async def test_presets_are_the_published_forms(
    tmp_path: Path, preset: str, type_: str, namespace: str
) -> None:
    """Seldon's two: without and with NAMESPACE in the type."""
    async with receiving(PREDICTION) as model:
        pipeline = iris(model.url, response={"preset": preset})
        environment = {"NAMESPACE": namespace}
        with bridge_running(pipeline, tmp_path, environment=environment) as bridge:
            async with sending(bridge.url) as sender:
                answer = await sender.post()

    assert (answer.attributes["type"], answer.attributes["source"]) == (type_, "seldon.iris")


async def test_several_pipelines_share_a_listener(tmp_path: Path) -> None:
    """The path picks, then the first filter in the file's order; what nobody takes is 202."""

    def takes(prefix: str, **source: str) -> dict[str, object]:
        return {
            "source": source,
            "filters": [{"prefix": {"type": prefix}}],
            "model": {"type": "rest", "url": model.url},
        }

    async with receiving(PREDICTION) as model:
        pipelines = {
            "on-path": takes("a", path="/here"),
            "first": takes("a.b"),
            "second": takes("a"),
        }
        with pipelines_running(pipelines, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                takers = [
                    (await sender.post(b"{}", path, ce_type=type_)).attributes["source"]
                    for path, type_ in (("here", "a.b"), ("", "a.b.c"), ("there", "a"))
                ]
                nobody = await sender.post(ce_type="z")
                metrics = (await sender.get(f"{bridge.admin_url}metrics")).text
            log = bridge.process.output.read_text()

    listener = f"http:{bridge.url.split(':')[-1].strip('/')}"
    assert takers == ["seldon.on-path", "seldon.first", "seldon.second"]
    assert (nobody.status, nobody.body) == (202, b"")
    assert f'bridge_events_total{{outcome="filtered",pipeline="{listener}"}} 1.0' in metrics
    assert "no pipeline takes it" in log
