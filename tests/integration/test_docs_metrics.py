"""docs/metrics.md says of each metric what a running process says of it, and leaves none out."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.fakes_cli import SECONDS, serving
from tests.fakes_delivery import PREDICTION, http_sink, sending, verdict
from tests.fakes_letters import file_with
from tests.services.bridge import iris, pipelines_running
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_records import Record
from tests.services.metrics import PAGE, documented, exposed
from tests.services.process import Process, answers, free_port
from tests.services.receiver import receiving

_ROOT = Path(__file__).parents[2]

TRIGGER = """
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: iris}
spec:
  broker: default
  subscriber: {uri: http://127.0.0.1:1/}
"""

BROKER, PARTITIONS = "The local broker", "Partitions of a Kafka source"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the metrics of the process are read from /proc"
)


def part(title: str | None = None) -> str:
    """Return what is below the heading *title*, or all that a bridge without Kafka has."""
    sections = dict(section.partition("\n")[::2] for section in PAGE.read_text().split("\n## ")[1:])
    if title is not None:
        return sections[title]
    return "\n".join(text for name, text in sections.items() if name not in (BROKER, PARTITIONS))


async def test_every_metric_of_a_bridge_is_documented_and_there(tmp_path: Path) -> None:
    """Name, type and labels agree, both ways, once something of every kind has happened."""
    async with receiving(PREDICTION, verdict("no")) as model, receiving() as letters:
        pipelines = {
            "iris": iris(
                model.url,
                dead_letter=http_sink(letters.url),
                source={"path": "/", "max_body_bytes": 1000},
                response={"type": "iris.done", "error_type": "iris.failed"},
            )
        }
        with pipelines_running(pipelines, tmp_path) as bridge:
            async with sending(bridge.url) as sender:
                posts = [
                    await sender.post(id="1"),
                    await sender.post(id="2"),
                    await sender.post(id="3", ce_time="now"),
                    await sender.post(b" " * 1001),
                    await sender.post(b"{}", "elsewhere"),
                ]
                scrape = (await sender.get(f"{bridge.admin_url}metrics")).text

    assert [200, 200, 400, 413, 404] == [post.status for post in posts]
    assert documented(part()) == exposed(scrape)


async def test_every_metric_of_the_local_broker_is_documented_and_there(tmp_path: Path) -> None:
    """The broker's own page of metrics is told of as well."""
    triggers = tmp_path / "triggers.yaml"
    triggers.write_text(TRIGGER)
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "bridge", "broker", str(triggers), "--port", str(port)]

    with Process(command, output=tmp_path / "broker.log", folder=_ROOT) as broker:
        broker.wait_until(lambda: answers(f"{url}healthz"), seconds=30)
        async with sending(url) as sender:
            scrape = (await sender.get(f"{url}metrics")).text

    assert documented(part(BROKER)) == exposed(scrape)


async def test_every_metric_of_partitions_is_documented_and_there(
    kafka: Kafka, tmp_path: Path
) -> None:
    """A Kafka source adds these to the others, once it has a partition."""
    topic, dead = await kafka.create_topic(fresh("in")), await kafka.create_topic(fresh("dead"))
    await kafka.produce(topic, Record(value=b"{}", key=b"k"), Record(value=b"{}", key=b"k"))
    file = file_with(
        tmp_path,
        kafka.bootstrap,
        topic=topic,
        dead=dead,
        admin={"host": "127.0.0.1", "port": 0},
        lifecycle={"shutdown_delay_seconds": 0},
        log={"format": "console"},
    )

    with serving(tmp_path / "bridge.log", "run", file) as bridge:
        page = f"http://127.0.0.1:{bridge.admin_port}/metrics"
        async with sending(page) as sender, asyncio.timeout(SECONDS):
            scrape = ""
            while "bridge_kafka_lag_records{" not in scrape:
                scrape = (await sender.get(page)).text

    found = exposed(scrape)
    assert documented(part(PARTITIONS)) == {
        name: told for name, told in found.items() if name.startswith("bridge_kafka_")
    }
