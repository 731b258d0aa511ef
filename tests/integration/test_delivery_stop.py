"""Stopping under load, by docs/delivery.md: what was acknowledged is there, and nothing is cut.

clients ══500 events══▶ bridge run ──▶ model, sink (receivers that remember)
                           ▲ SIGTERM, SIGKILL
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.fakes_delivery import (
    PREDICTION,
    Answered,
    Sender,
    held_model,
    http_sink,
    sending,
    verdict,
)
from tests.services.bridge import bridge_running, iris, pipelines_running
from tests.services.receiver import Answer, Received, receiving

#: What a sender sees where nobody took its request; the process is a stranger's, 10 s is ample.
REFUSED = (aiohttp.ClientConnectionError, ConnectionError)
SECONDS = 10.0


async def posted(sender: Sender, id: str) -> Answered | None:
    """Return what *id* was answered, None where it was not; its response is called *id* too."""
    try:
        return await sender.post(id=id, seldon_puid=id)
    except REFUSED:
        return None


def ids(requests: list[Received]) -> Counter[str]:
    """Return how often each response arrived."""
    return Counter(request.headers["ce-id"] for request in requests)


async def refused(url: str) -> None:
    """Return when nobody listens on *url* any more."""
    host, port = url.removeprefix("http://").strip("/").split(":")
    async with asyncio.timeout(SECONDS):
        with suppress(ConnectionError):
            while True:
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                await writer.wait_closed()


async def test_no_request_is_cut_when_the_bridge_is_asked_to_stop(tmp_path: Path) -> None:
    """Each event is answered, and published once, or was not taken: the model never saw it."""
    async with receiving(PREDICTION) as model, receiving() as sink:
        pipeline = iris(model.url, sinks=[http_sink(sink.url)])
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url, connections=50) as sender:
                async with asyncio.TaskGroup() as group:
                    posts = {
                        str(number): group.create_task(posted(sender, str(number)))
                        for number in range(500)
                    }
                    await model.wait_for(100)
                    status = await asyncio.to_thread(bridge.process.interrupt)

    answers = {name: post.result() for name, post in posts.items()}
    settled = {name: answer.status for name, answer in answers.items() if answer is not None}
    assert status == 0
    assert 100 <= len(settled) < 500
    assert set(settled.values()) == {202}
    assert Counter(settled.keys()) == ids(sink.received)
    assert Counter(settled.keys()) == Counter(one.headers["seldon-puid"] for one in model.received)


async def test_nothing_acknowledged_is_missing_after_a_kill(tmp_path: Path) -> None:
    """At least once: whatever was answered 202 is at the sink, whenever the process dies."""
    async with receiving(PREDICTION) as model, receiving() as sink:
        pipeline = iris(model.url, sinks=[http_sink(sink.url)])
        with bridge_running(pipeline, tmp_path) as bridge:
            async with sending(bridge.url, connections=50) as sender:
                async with asyncio.TaskGroup() as group:
                    posts = {
                        str(number): group.create_task(posted(sender, str(number)))
                        for number in range(500)
                    }
                    await sink.wait_for(100)
                    status = await asyncio.to_thread(bridge.process.interrupt, signal.SIGKILL)

    acknowledged = {name for name, post in posts.items() if post.result() is not None}
    assert status == -signal.SIGKILL
    assert 0 < len(acknowledged) < 500
    assert acknowledged <= ids(sink.received).keys()


async def test_what_is_running_at_a_soft_stop_is_settled(tmp_path: Path) -> None:
    """Not ready and no longer listening, while the event under way still gets its answer."""
    async with held_model() as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender, asyncio.TaskGroup() as group:
                post = group.create_task(sender.post())
                await model.wait_for(1)
                stopping = group.create_task(asyncio.to_thread(bridge.process.interrupt))
                await refused(bridge.url)
                readiness = await sender.get(f"{bridge.admin_url}readyz")
                health = await sender.get(f"{bridge.admin_url}healthz")
                running = not post.done()
                model.go.set()

    assert running
    assert (readiness.status, health.status) == (503, 200)
    assert (post.result().status, stopping.result()) == (200, 0)


async def test_events_are_still_taken_during_the_shutdown_delay(tmp_path: Path) -> None:
    """Readiness is red at once, and whoever has not heard of it yet is served."""
    async with receiving(PREDICTION) as model:
        pipelines = {"iris": iris(model.url)}
        with pipelines_running(pipelines, tmp_path, shutdown_delay_seconds=2) as bridge:
            async with sending(bridge.url) as sender, asyncio.TaskGroup() as group:
                stopping = group.create_task(asyncio.to_thread(bridge.process.interrupt))
                async with asyncio.timeout(SECONDS):
                    while (await sender.get(f"{bridge.url}readyz")).status == 200:
                        await asyncio.sleep(0.005)
                answer = await sender.post()

    assert (answer.status, stopping.result()) == (200, 0)


async def test_what_does_not_drain_is_given_back(tmp_path: Path) -> None:
    """After `drain_seconds` its connection is closed without an answer, and the status is 1."""
    async with held_model() as model:
        with pipelines_running({"iris": iris(model.url)}, tmp_path, drain_seconds=0.2) as bridge:
            async with sending(bridge.url) as sender, asyncio.TaskGroup() as group:
                post = group.create_task(posted(sender, "1"))
                await model.wait_for(1)
                status = await asyncio.to_thread(bridge.process.interrupt)
            log = bridge.process.output.read_text()

    assert post.result() is None
    assert status == 1
    assert '"given_back": 1' in log


async def test_a_second_signal_ends_the_drain_at_once(tmp_path: Path) -> None:
    """Whoever is in a hurry gets the process back; the event under way is given back."""
    async with held_model() as model:
        with bridge_running(iris(model.url), tmp_path) as bridge:
            async with sending(bridge.url) as sender, asyncio.TaskGroup() as group:
                post = group.create_task(posted(sender, "1"))
                await model.wait_for(1)
                stopping = group.create_task(asyncio.to_thread(bridge.process.interrupt))
                await refused(bridge.url)
                begin = asyncio.get_running_loop().time()
                await asyncio.to_thread(bridge.process.interrupt)
                took = asyncio.get_running_loop().time() - begin

    assert post.result() is None
    assert stopping.result() == 1
    assert took < 5


def test_a_port_that_is_taken_ends_with_status_2(tmp_path: Path) -> None:
    """One line that names the address, and no traceback."""
    with pipelines_running({"one": iris("http://127.0.0.1:1/")}, tmp_path) as first:
        port = int(first.url.split(":")[-1].strip("/"))
        folder = tmp_path / "second"
        folder.mkdir()
        pipelines = {"two": iris("http://127.0.0.1:1/", source={"port": port})}
        with pytest.raises(RuntimeError, match="ended with 2") as caught:
            with pipelines_running(pipelines, folder):
                pass

    assert f"cannot listen on 127.0.0.1:{port}" in str(caught.value)
    assert "Traceback" not in str(caught.value)


async def test_the_ledger_adds_up_whenever_somebody_asks(tmp_path: Path) -> None:
    """Both lines of `/metrics` balance in every scrape under load, whatever becomes of events."""
    outcomes = [PREDICTION, verdict("no"), Answer(status=503), PREDICTION] * 75
    async with receiving(*outcomes) as model, receiving() as sink, receiving() as letters:
        pipelines = {
            "replies": iris(model.url, filter={"attributes": {"type": "a"}}),
            "publishes": iris(
                model.url,
                filter={"attributes": {"type": "b"}},
                sinks=[http_sink(sink.url)],
                dead_letter=http_sink(letters.url),
            ),
        }
        scrapes: list[str] = []
        with pipelines_running(pipelines, tmp_path) as bridge:
            async with sending(bridge.url, connections=30) as sender:
                posts = asyncio.gather(
                    *(
                        sender.post(
                            id=str(number),
                            ce_type="abz"[number % 3],
                            ce_time="now" if number % 10 == 0 else None,
                        )
                        for number in range(300)
                    )
                )
                while not posts.done():
                    scrapes.append((await sender.get(f"{bridge.admin_url}metrics")).text)
                answers = await posts
                scrapes.append((await sender.get(f"{bridge.admin_url}metrics")).text)

    assert len(scrapes) > 3
    for scrape in scrapes:
        check_ledger(scrape)
    assert {200, 202, 400, 422, 503} == {answer.status for answer in answers}
    assert sum(values(scrapes[-1], "bridge_deliveries_taken_total")) == 300
    assert sum(values(scrapes[-1], "bridge_in_flight")) == 0
    assert sum(values(scrapes[-1], "bridge_events_in_flight")) == 0
    assert any(sum(values(scrape, "bridge_in_flight")) > 0 for scrape in scrapes)


def check_ledger(metrics: str) -> None:
    """Check both lines of the ledger, for each source and pipeline."""
    for label, total, ended, still in (
        ("source", "bridge_deliveries_taken_total", "bridge_deliveries_total", "bridge_in_flight"),
        (
            "pipeline",
            "bridge_events_accepted_total",
            "bridge_events_total",
            "bridge_events_in_flight",
        ),
    ):
        for name in set(re.findall(rf'^{total}{{{label}="([^"]+)"', metrics, re.MULTILINE)):
            (whole,) = values(metrics, total, f'{label}="{name}"')
            parts = values(metrics, ended, f'{label}="{name}"')
            (open_,) = values(metrics, still, f'{label}="{name}"')
            assert whole == sum(parts) + open_
            assert open_ >= 0
    assert values(metrics, "bridge_ledger_balanced") == [1.0]


def values(metrics: str, name: str, label: str = "") -> list[float]:
    """Return the values of the metric *name* whose labels hold *label*."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", metrics, re.MULTILINE)
    return [float(value) for labels, value in found if label in labels]
