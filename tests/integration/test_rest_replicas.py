"""Replicas of a model over REST, each a process: shares, one that hangs, one that is killed.

And the same faults seen from outside, over both transports: `bridge run` answers every event.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.rest import RestModel, RestModelOptions
from tests.services.bridge import bridge_running
from tests.services.door import Door, doors
from tests.services.model_servers import pythie, tensorflow_standin
from tests.services.model_servers.server import Server

BODY = b'{"inputs":{"products":[[1.0]],"users":[[10.0]]}}'
ANSWER = {"outputs": [[1.875]]}

DEADLINE = 1.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """Three servers of the same model."""
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        yield [
            stack.enter_context(tensorflow_standin.running(output=folder / f"{number}.log"))
            for number in range(3)
        ]


def target(server: Server) -> str:
    assert server.rest_url is not None
    return server.rest_url.removeprefix("http://")


def model(three: list[Door], **options: Any) -> RestModel:
    said = {"protocol": "tensorflow", "name": "recommender", **options}
    first, *others = [door.url for door in three]
    return RestModel(RestModelOptions.model_validate({"url": first, "replicas": others, **said}))


async def outcomes(asked: RestModel, count: int, *, at_once: int = 6) -> Counter[str]:
    """Return what *count* calls came to, *at_once* of them under way."""
    left = iter(range(count))
    found: Counter[str] = Counter()

    async def some() -> None:
        for _ in left:
            try:
                answer = await asked.predict(Request(payload=Body(BODY), id="p-1"))
            except Unavailable as error:
                found[type(error).__name__] += 1
            else:
                assert ANSWER == answer.json()
                found["answered"] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(some())
    return found


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.killpg(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(pid, signal.SIGCONT)


@pytest.mark.parametrize("at_once", [1, 9])
async def test_equal_replicas_get_equal_shares(servers: list[Server], at_once: int) -> None:
    """Over three servers each gets a third of the calls, to a twentieth, as the servers count."""
    async with doors(*map(target, servers)) as three, model(three) as asked:
        for _ in range(270 // at_once):
            assert {"answered": at_once} == await outcomes(asked, at_once, at_once=at_once)

    shares = [door.calls for door in three]
    assert 270 == sum(shares)
    assert all(86 <= share <= 94 for share in shares), shares


async def test_a_slow_replica_gets_less(servers: list[Server]) -> None:
    """Under load whoever answers sooner is asked more: nobody waits for the slow one's third."""
    async with doors(*map(target, servers)) as three, model(three) as asked:
        three[0].delay_seconds = 0.05
        found = await outcomes(asked, 300)

    slow, *others = [door.calls for door in three]
    assert {"answered": 300} == found
    assert slow < min(others) / 2


async def test_one_of_three_hangs_under_load(servers: list[Server]) -> None:
    """It costs the calls that it was given before the first deadline was over, and no others."""
    options = {"timeout_seconds": DEADLINE, "breaker": {"probe_seconds": 0.1}}
    async with doors(*map(target, servers)) as three, model(three, **options) as asked:
        await outcomes(asked, 30)
        before = three[1].calls
        with stopped(servers[1].pid):
            begin = time.monotonic()
            first = await outcomes(asked, 300)
            took = time.monotonic() - begin
            given = three[1].calls - before
            second = await outcomes(asked, 150)
            asked_again = three[1].calls - before - given
        async with asyncio.timeout(20):
            while three[1].calls == before + given:
                await outcomes(asked, 1)
        third = await outcomes(asked, 60)

    assert first["DeadlineExceeded"] == given > 0
    assert {"answered": 300 - given, "DeadlineExceeded": given} == first
    assert took < DEADLINE * 2
    assert ({"answered": 150}, 0) == (second, asked_again)
    assert {"answered": 60} == third


async def test_one_of_three_is_killed_under_load(servers: list[Server], tmp_path: Path) -> None:
    """The calls it had may fail, at once and as outages; one that takes its place is found."""
    options = {"breaker": {"probe_seconds": 0.1}}
    with tensorflow_standin.running(output=tmp_path / "killed.log") as dying:
        ends = [target(servers[0]), target(dying), target(servers[2])]
        async with doors(*ends) as three, model(three, **options) as asked:
            load = asyncio.create_task(outcomes(asked, 600))
            async with asyncio.timeout(20):
                while sum(door.calls for door in three) < 150:
                    await asyncio.sleep(0)
            os.killpg(dying.pid, signal.SIGKILL)
            found = await load

            before = three[1].calls
            three[1].lead(target(servers[1]))
            async with asyncio.timeout(20):
                while three[1].calls == before:
                    await outcomes(asked, 1)
            after = await outcomes(asked, 60)

    assert 600 == found["answered"] + found["Unavailable"]
    assert found["Unavailable"] <= 6
    assert {"answered": 60} == after


@pytest.mark.parametrize("kind", ["rest", pytest.param("grpc", marks=pytest.mark.heavy)])
def test_a_bridge_answers_every_event_through_a_kill_and_a_hang(kind: str, tmp_path: Path) -> None:
    """One replica of three is killed under load and another hangs: no sender is told of it."""
    running = tensorflow_standin.running if kind == "rest" else pythie.running
    with ExitStack() as stack:
        three = [
            stack.enter_context(running(output=tmp_path / f"{number}.log")) for number in range(3)
        ]
        ends = [server.rest_url if kind == "rest" else server.grpc_target for server in three]
        model = {
            "type": kind,
            "protocol": "tensorflow",
            "name": "recommender",
            "url" if kind == "rest" else "target": ends[0],
            "replicas": ends[1:],
            "timeout_seconds": DEADLINE,
            "inputs": {"products": {"datatype": "FP32"}, "users": {"datatype": "FP32"}},
            "retry": {"attempts": 4, "initial_seconds": 0.01},
        }
        response = {"type": "scored", "source": "/models"}
        bridge = stack.enter_context(
            bridge_running({"model": model, "response": response}, tmp_path)
        )
        senders = stack.enter_context(ThreadPoolExecutor(8))
        answered = threading.Semaphore(0)

        def post(number: int) -> int:
            connection = http.client.HTTPConnection(bridge.url.split("/")[2], timeout=30)
            headers = {"Ce-Id": str(number), "Ce-Source": "/", "Ce-Type": "x"}
            headers |= {"Ce-Specversion": "1.0", "Content-Type": "application/json"}
            connection.request("POST", "/", BODY, headers)
            status = connection.getresponse().status
            connection.close()
            answered.release()
            return status

        found = [senders.submit(post, number) for number in range(450)]
        for _ in range(100):
            assert answered.acquire(timeout=30)
        os.killpg(three[1].pid, signal.SIGKILL)
        for _ in range(100):
            assert answered.acquire(timeout=30)
        with stopped(three[2].pid):
            statuses = Counter(each.result() for each in found)

    assert {200: 450} == statuses
