"""The workload on Kafka: a topic drained, the model over HTTP, the responses in another topic.

    load ══events══▶ input ─▶ contender ──▶ stub model        (at least once, order by key)
      ◀══answers════ output ◀─┘

Kafka, model and generator share a core; the contender has the other one to itself.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console

from bench import kafka_contenders as contenders
from bench.contenders import ROOT, Cores, hung_model, stub_model
from bench.kafka_contenders import Loop, Route, Start
from bench.kafka_load import EVENT_BYTES, PARTITIONS
from bench.load import Result
from bench.measure import Figures, Round
from bench.summary import Verdict, Workload, all_right, floors
from tests.services.cache import Missing
from tests.services.kafka import Kafka, fresh, kafka
from tests.services.process import on_cpu

#: What is promised: the bridge gives at least so many times what the peer gives for a core.
FLOORS = {"go": 0.5, "faststream": 10.0}

#: What is promised of resident memory while the model hangs, in units of 1,000,000 bytes.
HUNG_MEGABYTES = 120.0

#: What waits behind the hung model: how many events, and the size of each.
BACKLOGS = ((100_000, EVENT_BYTES), (2_000, 1_000_000))

STARTS: dict[str, Start] = {
    "bridge": contenders.bridge,
    "go": contenders.go_kafka,
    "faststream": contenders.faststream,
}

_SAMPLE_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Hung:
    """The most that the bridge held while its model hung, in 1,000,000 bytes."""

    events: int
    bytes: int
    megabytes: float
    under_way: int


def measured(chosen: argparse.Namespace, output: Path, cores: Cores, console: Console) -> Workload:
    """Return what was found; whatever runs prints into *output*."""
    found = Workload(
        name="kafka", title="event from Kafka, model over HTTP, response event to Kafka"
    )
    with ExitStack() as running, console.status("starting Kafka") as status:
        try:
            with on_cpu(cores.other):
                cluster = running.enter_context(kafka(output=output / "kafka.log"))
        except Missing as why:
            found.missing["everything on kafka"] = str(why)
            return found
        with ExitStack() as racing:
            model_url = racing.enter_context(stub_model(output, cores.other))
            started: list[Loop] = []
            for name, start in STARTS.items():
                if chosen.contender and name not in chosen.contender:
                    continue
                status.update(f"starting {name}")
                route = _route(cluster, name, model_url)
                try:
                    started.append(racing.enter_context(start(route, output, cores.own)))
                except Missing as why:
                    found.missing[name] = str(why)
            found.figures = _compare(
                started, cores, rounds=chosen.rounds, events=chosen.events, say=status.update
            )
        found.verdicts = [
            *all_right(found.figures, "answer right, once, in the order of its key"),
            *floors(found.figures, FLOORS),
        ]
        if chosen.memory and "bridge" in found.figures:
            for events, size in BACKLOGS:
                status.update(f"memory: {events:,} × {size:,} bytes behind a hung model")
                held = _hung(cluster, output, cores, events, size, chosen.hung_seconds)
                found.memory[f"{events}x{size}"] = held.megabytes
                found.verdicts.append(_of_memory(held))
    return found


def _route(cluster: Kafka, name: str, model_url: str) -> Route:
    """Return a route over new topics."""

    async def create(topic: str) -> str:
        return await cluster.create_topic(fresh(topic), partitions=PARTITIONS)

    source, target, dead = (
        asyncio.run(create(f"{name}-{each}")) for each in ("input", "output", "dead")
    )
    return Route(
        bootstrap=cluster.bootstrap, source=source, target=target, dead=dead, model_url=model_url
    )


def _compare(
    loops: Sequence[Loop], cores: Cores, *, rounds: int, events: int, say: Callable[[str], None]
) -> dict[str, Figures]:
    """Return the figures of all *loops*, measured in turn."""
    figures = {loop.name: Figures(name=loop.name) for loop in loops}
    for loop in loops:
        say(f"warming up {loop.name}")
        figures[loop.name].warm_up.append(_drain(loop, cores, 0, max(1, events // 4)))
    for number in range(1, rounds + 1):
        for loop in loops:
            say(f"round {number} of {rounds}: {loop.name}")
            figures[loop.name].rounds.append(_drain(loop, cores, number, events))
    for loop in loops:
        figures[loop.name].resident_megabytes = loop.resident_megabytes()
    return figures


def _drain(loop: Loop, cores: Cores, run: int, events: int) -> Round:
    """Return what one load on *loop* saw and cost."""
    route = loop.route
    before = loop.cpu_seconds()
    printed = _load(
        cores,
        *(route.bootstrap, route.source, route.target),
        *("--events", str(max(1, round(events * loop.share))), "--run", str(run)),
        *(["--exact"] if loop.exact else []),
    )
    return Round(load=Result(**orjson.loads(printed)), cpu_seconds=loop.cpu_seconds() - before)


def _load(cores: Cores, *arguments: str) -> bytes:
    """Return what the generator printed, run in a process of its own."""
    command = [sys.executable, "-m", "bench.kafka_load", *arguments]
    with on_cpu(cores.other):
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise RuntimeError(f"the load on Kafka ended with {done.returncode}")
    return done.stdout


def _hung(
    cluster: Kafka, output: Path, cores: Cores, events: int, size: int, seconds: float
) -> Hung:
    """Return what a fresh bridge holds at most within *seconds* when its model hangs."""
    with hung_model(output, cores.other) as model_url:
        route = _route(cluster, f"hung-{size}", model_url)
        _load(
            *(cores, route.bootstrap, route.source),
            *("--events", str(events), "--bytes", str(size)),
        )
        with contenders.bridge(route, output, cores.own) as loop:
            until, most = time.monotonic() + seconds, 0.0
            while time.monotonic() < until:
                most = max(most, loop.resident_megabytes())
                time.sleep(_SAMPLE_SECONDS)
            under_way = _under_way(loop)
    return Hung(events=events, bytes=size, megabytes=most, under_way=under_way)


def _under_way(loop: Loop) -> int:
    """Return how many events the bridge *loop* has taken and not settled, as its metrics say."""
    with urllib.request.urlopen(f"{loop.url}metrics", timeout=10.0) as answer:
        page = answer.read().decode()
    lines = (line for line in page.splitlines() if line.startswith("bridge_in_flight{"))
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)


def _of_memory(held: Hung) -> Verdict:
    behind = f"{held.events:,} × {held.bytes / 1000:,.0f} KB behind a hung model"
    return Verdict(
        promise=f"memory with {behind} < {HUNG_MEGABYTES:.0f} MB",
        found=f"{held.megabytes:.1f} MB, {held.under_way} events under way",
        kept=held.megabytes < HUNG_MEGABYTES and held.under_way > 0,
    )
