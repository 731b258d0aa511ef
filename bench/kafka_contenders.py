"""Who is measured on Kafka: the bridge and its peers, each with topics of its own.

All of them do the same: a binary event from a topic, its data to a model over HTTP, the model's
answer as a response event to another topic, under the key of the request and in its order,
committed when the brokers have it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.contenders import BENCH, READY_SECONDS, ROOT, Contender
from tests.services.process import Process, answers, free_port
from tests.services.toolchain import go_build, venv

#: What FastStream runs on, in an environment of its own: the bridge needs none of it.
FASTSTREAM = ("faststream[kafka]==0.7.8", "aiohttp==3.14.5", "uvloop==0.23.0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """From where to where a contender brings events, and by which model."""

    bootstrap: str
    source: str
    target: str
    dead: str
    model_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Contender):
    """A running contender on Kafka. *share*: of a round's events, how many it is given."""

    route: Route
    share: float = 1.0


#: Starts one: its route, the folder for what it prints, the core to run on.
Start = Callable[[Route, Path, int | None], AbstractContextManager[Loop]]


@contextmanager
def bridge(route: Route, output: Path, cpu: int | None) -> Iterator[Loop]:
    """Yield the bridge, as `bridge run bench/iris_kafka.yaml` starts it."""
    admin_port = free_port()
    with Process(
        [sys.executable, "-m", "bridge", "run", str(BENCH / "iris_kafka.yaml")],
        output=output / f"{route.source}.log",
        folder=ROOT,
        environment={
            "BENCH_ADMIN_PORT": str(admin_port),
            "BENCH_KAFKA": route.bootstrap,
            "BENCH_INPUT": route.source,
            "BENCH_OUTPUT": route.target,
            "BENCH_DEAD": route.dead,
            "MODEL_URL": route.model_url,
        },
        cpu=cpu,
    ) as process:
        url = f"http://127.0.0.1:{admin_port}/"
        process.wait_until(lambda: answers(f"{url}healthz"), seconds=READY_SECONDS)
        yield Loop(
            name="bridge", exact=True, url=url, process=psutil.Process(process.pid), route=route
        )


@contextmanager
def go_kafka(route: Route, output: Path, cpu: int | None) -> Iterator[Loop]:
    """Yield the loop on franz-go; raise Missing where Go is not there."""
    program = go_build(BENCH / "peers" / "go_kafka")
    with Process(
        [str(program), route.bootstrap, route.source, route.target, route.model_url],
        output=output / "go_kafka.log",
        environment={"GOMAXPROCS": "1"},
        cpu=cpu,
    ) as process:
        yield Loop(name="go", exact=True, process=psutil.Process(process.pid), route=route)


@contextmanager
def faststream(route: Route, output: Path, cpu: int | None) -> Iterator[Loop]:
    """Yield FastStream, one record at a time; raise Missing where it cannot be installed."""
    python = venv("faststream", FASTSTREAM)
    module = "bench.peers.faststream_one"
    with Process(
        [str(python), "-m", module, route.bootstrap, route.source, route.target, route.model_url],
        output=output / "faststream.log",
        folder=ROOT,
        cpu=cpu,
    ) as process:
        yield Loop(
            name="faststream",
            exact=True,
            process=psutil.Process(process.pid),
            route=route,
            share=0.05,
        )
