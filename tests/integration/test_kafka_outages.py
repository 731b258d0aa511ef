"""Brokers that go away while a bridge runs between their topics, judged by the ids.

A broker that was killed may have a response that nobody was told of: it is sent again, so an
outage counts as a kill where duplicates are bounded.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from bridge.core.clock import SystemClock
from bridge.core.event import Event
from bridge.observe.ledger import Deliveries
from bridge.sources.kafka import KafkaSource
from bridge.sources.kafka_options import KafkaSourceOptions
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_bridge import Member, mark_in, marks, world
from tests.services.kafka_records import Record

_CONFIG = "kafka.admin.ConfigCommand"

#: How long the broker is away; the long run has longer.
OUTAGE_SECONDS = 5.0


@pytest.mark.parametrize("end", ["kill", "stop", "freeze"])
async def test_an_outage_of_the_broker_loses_nothing(
    own_kafka: Kafka, tmp_path: Path, end: str
) -> None:
    """Killed, stopped or frozen under load: the same process goes on when it is back."""
    async with world(own_kafka, tmp_path) as around:
        await around.give(marks(1000, keys=50))
        member = await around.member()
        await around.model.wait_for(200)
        await {"kill": own_kafka.kill, "stop": own_kafka.stop, "freeze": own_kafka.freeze}[end]()
        around.kills += 1
        await asyncio.sleep(OUTAGE_SECONDS)  # the outage lasts as long as it lasts
        alive = member.alive
        await own_kafka.start()
        verdict = await around.finished()

    assert alive
    assert 1000 == verdict.answered


async def test_a_bridge_is_up_before_its_broker(own_kafka: Kafka, tmp_path: Path) -> None:
    """Ready without it, and says what it waits for; it joins when the broker is there."""
    async with world(own_kafka, tmp_path) as around:
        await around.give(marks(100, keys=10))
        await own_kafka.stop()
        member = await around.member()
        await around.until(lambda: "no connection" in member.log())
        await own_kafka.start()
        verdict = await around.finished()

    assert (100, 0) == (verdict.answered, verdict.duplicates)


async def timed_end(member: Member) -> tuple[int, float]:
    """Return the exit status of *member*, told to end, and how many seconds that took."""
    begin = asyncio.get_running_loop().time()
    status = await asyncio.wait_for(member.end(), 30)
    return status, asyncio.get_running_loop().time() - begin


async def test_a_stop_without_a_broker_ends_in_its_own_time(
    own_kafka: Kafka, tmp_path: Path
) -> None:
    """What cannot be committed is given back: the process does not wait for a broker for ever."""
    async with world(own_kafka, tmp_path) as around:
        await around.give(marks(1000, keys=50))
        member = await around.member(lifecycle={"drain_seconds": 2})
        await around.model.wait_for(200)
        await own_kafka.kill()
        around.kills += 1
        status, took = await timed_end(member)
        await own_kafka.start()
        await around.member()
        verdict = await around.finished()

    assert took < 9
    assert status in (0, 1)
    assert 1000 == verdict.answered


async def test_a_stop_while_the_broker_hangs_ends_in_its_own_time(
    own_kafka: Kafka, tmp_path: Path
) -> None:
    """It answers nobody: neither the last commit nor leaving the group may wait for it."""
    async with world(own_kafka, tmp_path) as around:
        await around.give(marks(1000, keys=50))
        member = await around.member(lifecycle={"drain_seconds": 2})
        await around.model.wait_for(200)
        await own_kafka.freeze()
        status, took = await timed_end(member)
        await own_kafka.start()

    assert took < 15
    assert 1 == status


async def test_a_source_goes_on_when_its_password_was_changed(
    own_kafka: Kafka, tmp_path: Path
) -> None:
    """The file holds the new one: each connection is made with that, the first and the next."""
    secured, topic, stop = own_kafka.secured, fresh("changed"), asyncio.Event()
    seen: asyncio.Queue[bytes | None] = asyncio.Queue()
    await own_kafka.create_topic(topic)
    file = tmp_path / "password"
    file.write_text(secured.password)
    options: dict[str, object] = {
        "bootstrap_servers": secured.sasl,
        "topics": [topic],
        "group_id": fresh("changed"),
        "request_timeout_seconds": 5,
        "sasl": {"username": secured.user, "password_file": str(file)},
    }
    source = KafkaSource(
        KafkaSourceOptions.model_validate(options),
        name="changed",
        namespace=None,
        deliveries=Deliveries(),
        clock=SystemClock(),
        chance=random.Random(1),
    )

    async def handle(event: Event) -> None:
        await seen.put(event.data)

    running = asyncio.create_task(source.run(handle, stop))
    await own_kafka.produce(topic, Record(value=b"before"))
    async with asyncio.timeout(30):
        found = [await seen.get()]

    changed = "SCRAM-SHA-512=[password=battery-staple]"
    who = ("--entity-type", "users", "--entity-name", secured.user)
    command = ("--bootstrap-server", own_kafka.bootstrap, "--alter", "--add-config", changed, *who)
    status, printed = await asyncio.to_thread(own_kafka.broker.run, _CONFIG, *command)
    assert 0 == status, printed
    file.write_text("battery-staple")
    await own_kafka.restart()
    await own_kafka.produce(topic, Record(value=b"after"))
    try:
        async with asyncio.timeout(30):
            found.append(await seen.get())
    finally:
        stop.set()
        await running

    assert [b"before", b"after"] == found


@pytest.mark.parametrize("where", ["sinks", "dead_letter"])
async def test_another_cluster_that_is_down_holds_what_is_for_it(
    kafka: Kafka, own_kafka: Kafka, tmp_path: Path, where: str
) -> None:
    """Sink or dead letter: nothing is skipped, and each has its own once it is back."""
    poison = {mark for mark in marks(400, keys=40) if mark.number == 5}
    async with world(kafka, tmp_path) as around:
        topic = around.out if where == "sinks" else around.dead
        await own_kafka.create_topic(topic, 4)
        away = {
            "type": "kafka",
            "topic": topic,
            "bootstrap_servers": own_kafka.bootstrap,
            "timeout_seconds": 2,
            "request_timeout_seconds": 2,
        }
        around.model.behave(lambda key, number: "refuse" if number == 5 else "answer")
        await own_kafka.stop()
        await around.give(marks(400, keys=40))
        told = {where: [away] if where == "sinks" else away}
        member = await around.member(**told)
        await around.until(lambda: '"reason": "unavailable"' in member.log())
        held = await around.committed()
        await own_kafka.start()
        await around.done()
        there = await around.marks(topic)
        found = await own_kafka.read(topic)

    assert sum(held.values()) < 400
    assert [] == there
    expected = poison if where == "dead_letter" else {*marks(400, keys=40)} - poison
    assert expected == {mark_in(each.value) for each in found}
    assert len(expected) == len(found)
