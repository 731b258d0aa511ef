"""`bridge run` that asks who sends, in front of a model: TLS, outages, and what Knative does.

sender, or Knative's own dispatcher ──▶ bridge run ──▶ model (a receiver that we script)
                                            └────────▶ issuer (ours, over HTTPS with our own CA)
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import trustme

from bench.stub_model import ANSWER
from bridge.config.options import ServerTlsOptions
from bridge.transports.http import server_context
from tests.fakes_http import SECONDS
from tests.fakes_issuer import AUDIENCE, claims, issuing, signed
from tests.services.bridge import bridge_running, iris
from tests.services.knative import KnativeDispatcher
from tests.services.process import free_port
from tests.services.receiver import Answer, receiving

CANARY = "canary-of-a-running-bridge"

HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "tests",
    "ce-type": "seldon.simple-iris-deployment.request",
    "content-type": "application/json",
}
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "tests",
    "type": "seldon.simple-iris-deployment.request",
    "datacontenttype": "application/json",
    "data": {"data": {"ndarray": [[1, 2, 3, 4]]}},
}
PREDICTION = Answer(status=200, headers={"Content-Type": "application/json"}, body=ANSWER)
RETRIES = {"retry": 3, "backoffPolicy": "linear", "backoffDelay": "PT0.01S"}


def guarded(model_url: str, auth: dict[str, Any]) -> dict[str, Any]:
    """Return the published pipeline behind a door."""
    return iris(model_url, source={"auth": auth})


def bearer(token: bytes | str) -> dict[str, str]:
    """Return the headers of an event that brings *token*."""
    text = token if isinstance(token, str) else token.decode()
    return {**HEADERS, "authorization": f"Bearer {text}"}


def good(issuer_url: str) -> bytes:
    """Return a token that is good now."""
    return signed(claims(issuer_url, time.time()))


def issuer_tls(folder: Path) -> tuple[Any, str]:
    """Return the TLS of an issuer, and the file of the authority that it is to be trusted by."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "issuer.key"))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(folder / "issuer.pem"), append=True)
    options = ServerTlsOptions(
        cert_file=str(folder / "issuer.pem"), key_file=str(folder / "issuer.key")
    )
    return server_context(options), str(folder / "ca.pem")


async def post(url: str, headers: dict[str, str]) -> tuple[int, str]:
    """Deliver one event; return the status and the text of the answer."""
    async with aiohttp.ClientSession() as session:
        data = b'{"data":{"ndarray":[[1,2,3,4]]}}'
        async with session.post(url, headers=headers, data=data) as answer:
            return answer.status, await answer.text()


async def page(url: str) -> str:
    """Return a page of the bridge."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def test_a_bridge_asks_an_issuer_that_an_authority_of_ours_vouches_for(
    tmp_path: Path,
) -> None:
    """HTTPS with our own CA and a token of our own, as a Kubernetes API server wants it."""
    tls, ca_file = issuer_tls(tmp_path)
    own = tmp_path / "own-token"
    own.write_text(CANARY)
    async with issuing(tls=tls) as issuer, receiving(PREDICTION) as model:
        section = {"issuer": issuer.url, "audience": AUDIENCE, "tls": {"ca_file": ca_file}}
        auth = {"oidc": {**section, "token_file": str(own)}}
        with bridge_running(guarded(model.url, auth), tmp_path) as bridge:
            told = [
                await post(bridge.url, bearer(good(issuer.url))),
                await post(bridge.url, bearer(good("https://evil.example"))),
                await post(bridge.url, HEADERS),
            ]
            metrics = await page(f"{bridge.admin_url}metrics")
            pings = await page(f"{bridge.admin_url}readyz?verbose")
        output = bridge.process.output.read_text()

    assert "iris.source: ok" in pings.splitlines()
    assert [200, 401, 401] == [status for status, _ in told]
    assert 1 == len(model.received)
    assert [f"Bearer {CANARY}".encode()] * 2 == issuer.shown
    assert 'bridge_requests_turned_away_total{source="iris",status="401"} 2.0' in metrics
    assert CANARY not in output + metrics


async def test_an_issuer_without_our_trust_is_an_outage(tmp_path: Path) -> None:
    """Certificates are verified: keys from anybody else are none."""
    tls, _ = issuer_tls(tmp_path)
    async with issuing(tls=tls) as issuer, receiving(PREDICTION) as model:
        auth = {"oidc": {"issuer": issuer.url, "audience": AUDIENCE}}
        with bridge_running(guarded(model.url, auth), tmp_path) as bridge:
            status, text = await post(bridge.url, bearer(good(issuer.url)))
        output = bridge.process.output.read_text()

    assert (503, []) == (status, issuer.asked)
    assert "certificate" in output
    assert "certificate" not in text
    assert issuer.url not in text


async def test_an_issuer_that_is_up_later_is_no_reason_not_to_start(tmp_path: Path) -> None:
    """The bridge is ready, answers 503, and takes events once the keys are there."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    auth = {"oidc": {"issuer": url, "audience": AUDIENCE, "refresh_seconds": 0.05}}
    async with receiving(PREDICTION) as model:
        with bridge_running(guarded(model.url, auth), tmp_path) as bridge:
            down, _ = await post(bridge.url, bearer(good(url)))
            pings = await page(f"{bridge.admin_url}readyz?verbose")
            async with issuing(port=port):
                async with asyncio.timeout(SECONDS):
                    while (up := (await post(bridge.url, bearer(good(url))))[0]) == 503:
                        pass
        output = bridge.process.output.read_text()

    assert (503, 200) == (down, up)
    assert f"iris.source: {url}" in pings
    warned = [line for line in output.splitlines() if "keys of the issuer not fetched" in line]
    assert "warning" == json.loads(warned[0])["level"]


async def test_no_token_is_in_the_log_of_a_running_bridge(tmp_path: Path) -> None:
    """Nor in metrics, answers, or what the model gets; however it was sent."""
    async with receiving(PREDICTION) as model:
        pipeline = guarded(model.url, {"tokens": [CANARY]})
        with bridge_running(pipeline, tmp_path) as bridge:
            told = [
                await post(bridge.url, bearer(CANARY)),
                await post(f"{bridge.url}?access_token={CANARY}", HEADERS),
                await post(f"{bridge.url}?access_token={CANARY}", bearer(CANARY)),
                await post(bridge.url, bearer(f"{CANARY}-wrong")),
            ]
            metrics = await page(f"{bridge.admin_url}metrics")
        output = bridge.process.output.read_text()

    assert [200, 200, 400, 401] == [status for status, _ in told]
    assert '"refused"' in output
    assert CANARY not in output + metrics + "".join(text for _, text in told)
    assert CANARY not in str([received.headers for received in model.received])


async def test_knative_gives_a_refused_event_to_the_dead_letter_sink_at_once(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """401 is not tried again: the dead letter says so, the model never heard of it."""
    async with receiving(PREDICTION) as model, receiving() as dead_letters:
        with bridge_running(guarded(model.url, {"tokens": [CANARY]}), tmp_path) as bridge:
            outcome = await knative_dispatcher.deliver(
                EVENT,
                bridge.url,
                dead_letter=dead_letters.url,
                spec=RETRIES,
                headers={"Authorization": "Bearer wrong"},
            )
            metrics = await page(f"{bridge.admin_url}metrics")

    (letter,) = dead_letters.received
    assert (202, "") == (outcome.code, outcome.panic)
    assert "401" == letter.headers["ce-knativeerrorcode"]
    assert 'bridge_requests_turned_away_total{source="iris",status="401"} 1.0' in metrics
    assert [] == model.received


async def test_knative_tries_again_while_the_issuer_is_down(
    knative_dispatcher: KnativeDispatcher, tmp_path: Path
) -> None:
    """503 is: the event waits at the broker for the keys, and then is answered."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    auth = {"oidc": {"issuer": url, "audience": AUDIENCE, "refresh_seconds": 0.05}}
    patient = {"retry": 20, "backoffPolicy": "linear", "backoffDelay": "PT0.1S"}
    async with receiving(PREDICTION) as model, receiving() as broker:
        with bridge_running(guarded(model.url, auth), tmp_path) as bridge:
            delivery = asyncio.create_task(
                knative_dispatcher.deliver(
                    EVENT,
                    bridge.url,
                    reply=broker.url,
                    spec=patient,
                    headers={"Authorization": f"Bearer {good(url).decode()}"},
                )
            )
            counted = 'bridge_requests_turned_away_total{source="iris",status="503"}'
            async with asyncio.timeout(SECONDS):
                while counted not in await page(f"{bridge.admin_url}metrics"):
                    pass
            async with issuing(port=port):
                outcome = await delivery

    assert (202, "") == (outcome.code, outcome.error)
    assert 1 == len(broker.received)
    assert 1 == len(model.received)
