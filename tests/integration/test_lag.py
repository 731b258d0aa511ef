"""`bridge lag` on a real Kafka: the offsets are Kafka's, what is held is the running bridge's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.fakes_cli import COMMAND, Ended, bridge, serving
from tests.fakes_delivery import sending
from tests.fakes_letters import file_with
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_records import Record
from tests.services.process import Process, free_port

SECONDS = 60.0


async def lag(file: Path, *argv: object) -> Ended:
    """Return how `bridge lag` ended."""
    return await asyncio.to_thread(bridge, "lag", file, *argv)


def rows(ended: Ended) -> list[dict[str, Any]]:
    """Return what a program is told."""
    return [json.loads(line) for line in ended.out.splitlines()]


async def orders(kafka: Kafka, folder: Path, *, partitions: int = 2) -> tuple[str, Path]:
    """Return a topic whose group has committed 3 in partition 0, and the file that reads it."""
    topic, dead = fresh("orders"), fresh("dead")
    await kafka.create_topic(topic, partitions)
    await kafka.create_topic(dead)
    await kafka.produce(topic, *(Record(value=b"{}", key=b"k", partition=0) for _ in range(5)))
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, group_id=f"{topic}.group", enable_auto_commit=False
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): 3})
    port = free_port()
    file = file_with(
        folder,
        kafka.bootstrap,
        topic=topic,
        dead=dead,
        source={"hold_max_seconds": 0.2},
        admin={"host": "127.0.0.1", "port": port},
        lifecycle={"shutdown_delay_seconds": 0},
        log={"format": "console"},
    )
    return topic, file


async def test_a_group_that_nobody_is_in_has_a_lag_too(kafka: Kafka, tmp_path: Path) -> None:
    """Without a running bridge: Kafka's offsets are there, what is held is unknown and said so."""
    topic, file = await orders(kafka, tmp_path)

    told = rows(await lag(file, "--output", "json"))
    text = await lag(file)

    assert {(topic, 0): 3} == await kafka.committed(f"{topic}.group")
    unknown = {"held": None, "oldest_seconds": None}
    common = {"pipeline": "orders", "group": f"{topic}.group", "topic": topic, **unknown}
    assert [
        {**common, "partition": 0, "committed": 3, "end": 5, "lag": 2},
        {**common, "partition": 1, "committed": None, "end": 0, "lag": None},
    ] == told
    assert 0 == text.status
    assert f"{topic}/0" in text.out
    assert "held and oldest are unknown: " in text.err


async def test_a_running_bridge_says_what_it_holds(kafka: Kafka, tmp_path: Path) -> None:
    """What Kafka's own tool says is committed, and the events that wait for the model."""
    topic, file = await orders(kafka, tmp_path)
    values = (b'{"ndarray": [[1]]}', b'{"ndarray": [[2]]}')
    async with AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap, group_id=f"{topic}.group", enable_auto_commit=False
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        await consumer.commit({TopicPartition(topic, 0): 5})
    await kafka.produce(topic, *(Record(value=value, partition=0) for value in values))

    with serving(tmp_path / "bridge.log", "run", file) as running:
        page = f"http://127.0.0.1:{running.admin_port}/metrics"
        async with sending(page) as sender, asyncio.timeout(SECONDS):
            sample = f'bridge_kafka_held_events{{partition="0",source="orders",topic="{topic}"}} 2'
            while sample not in (await sender.get(page)).text:
                pass
        told = rows(await lag(file, "--output", "json"))
        elsewhere = await lag(file, "--admin", f"http://127.0.0.1:{free_port()}")
        by_kafka = await kafka.committed(f"{topic}.group")

    assert {(topic, 0): 5, (topic, 1): 0} == by_kafka
    assert by_kafka == {(row["topic"], row["partition"]): row["committed"] for row in told}
    assert [2, 0] == [row["lag"] for row in told]
    assert told[0]["held"] in (1, 2)  # one may be under way just then
    assert told[0]["oldest_seconds"] > 0
    assert (0, 0.0) == (told[1]["held"], told[1]["oldest_seconds"])
    assert "held and oldest are unknown: " in elsewhere.err


async def test_watching_looks_again_until_it_is_stopped(kafka: Kafka, tmp_path: Path) -> None:
    """Each look is told as a line a partition; SIGTERM ends it well."""
    topic, file = await orders(kafka, tmp_path, partitions=1)
    output = tmp_path / "watch.log"
    command = [*COMMAND, "lag", str(file), "--watch", "--output", "json"]

    with Process(command, output=output) as process:
        process.wait_until(lambda: '"lag":2' in output.read_text(), seconds=SECONDS)
        await kafka.produce(topic, Record(value=b"{}", partition=0))
        process.wait_until(lambda: '"lag":3' in output.read_text(), seconds=SECONDS)
        status = process.interrupt()

    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert 0 == status
    assert (2, 3) == (lines[0]["lag"], lines[-1]["lag"])


async def test_what_is_not_there_is_said(kafka: Kafka, tmp_path: Path) -> None:
    """A topic that is not there, a pipeline that is none: an error in one line each."""
    missing = fresh("missing")
    file = file_with(tmp_path, kafka.bootstrap, topic=missing, dead="dead")

    topic = await lag(file)
    pipeline = await lag(file, "--pipeline", "order")

    assert (1, f"kafka {kafka.bootstrap}: no topic '{missing}'\n") == (topic.status, topic.err)
    assert 2 == pipeline.status
    assert "no pipeline 'order'; did you mean 'orders'?" in pipeline.err
