"""examples/mnist as it is published: `bridge objects notify`, `bridge run`, Kafka and MinIO.

image ─▶ bucket mnist ═ MinIO's own notification ═▶ topic mnist ─▶ bridge run bridge.yaml ─▶
bucket digit-N, topic mnist-classified, topic mnist-dead-letter. The MinIO is this file's own,
with the buckets that the example has; everything is judged by what lies in it and in Kafka.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.services.fixtures import Services
from tests.services.kafka import Kafka
from tests.services.kafka_bridge import Member
from tests.services.kafka_records import Record
from tests.services.minio import Minio
from tests.services.minio import minio as component
from tests.services.mnist import MNIST, PUBLISHED, PUBLISHED_ETAG, MnistWorld, drawn
from tests.services.process import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: The target that the example's file names.
PRIMARY = "arn:minio:sqs::PRIMARY:kafka"


class Example(MnistWorld):
    """The world with the buckets of the example's own file."""

    minio: Minio

    def __init__(self, kafka: Kafka, minio: Minio, model: str, folder: Path) -> None:
        super().__init__(kafka, minio, model, folder, store=None)
        self.bucket, self.digits = "mnist", "digit-"
        self.topic, self.told = minio.kafka_topic, minio.primary
        self.file = copied(self)

    def environment(self, admin_port: int = 0) -> dict[str, str]:
        """Return what the file takes from the environment."""
        return {
            "KAFKA_BROKER": self.kafka.bootstrap,
            "MINIO_URL": self.minio.url,
            "MINIO_ACCESS_KEY": self.minio.access_key,
            "MINIO_SECRET_KEY": self.minio.secret_key,
            "MODEL_URL": self.model,
            "ADMIN_HOST": "127.0.0.1",
            "ADMIN_PORT": str(admin_port),
        }

    async def bridge(self) -> Member:
        """Return `bridge run examples/mnist/bridge.yaml`, ready."""
        port = free_port()
        return await self.running(self.file, port, self.environment(port))

    async def notify(self) -> tuple[int | None, str]:
        """Return the status of `bridge objects notify` with the example's file, and its words."""
        command = [sys.executable, "-m", "bridge", "objects", "notify", str(self.file)]
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, **self.environment()},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        return process.returncode, printed.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def example(
    kafka: Kafka, digits: str, services: Services, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Example]:
    """The example's topics, its MinIO, set up by its own file, and no bridge yet."""
    started = component(output=services.output("mnist_minio"), kafka=kafka, own=True)
    with services.started("mnist_minio", started) as minio:
        found = Example(kafka, minio, digits, tmp_path_factory.mktemp("example"))
        for topic in (found.out, found.dead):
            await kafka.create_topic(topic)
        status, printed = await found.notify()
        assert 0 == status, printed
        yield found
        for member in found.members:
            await member.leave()


async def test_fifty_images_lie_where_the_model_says_though_the_bridge_was_killed(
    example: Example,
) -> None:
    """Each in exactly one bucket, fifty ids, nothing lost, no dead letter, repeats in bounds."""
    images = list(drawn(50, "fifty/").items())

    async def put(some: list[tuple[str, bytes]]) -> None:
        for key, data in some:
            await example.put(key, data)

    first = await example.bridge()
    putting = asyncio.create_task(put(images[:30]))
    await example.kafka.read(example.out, at_least=10)
    await first.kill()
    await putting
    await put(images[30:])
    published = len(await example.responses())
    await example.kafka.read(example.topic, at_least=50)
    await example.bridge()
    await example.done()

    outcome = await example.outcome("fifty/", repeats=published)
    assert 10 <= published <= 30
    assert [] == outcome.failures
    assert 50 == len(outcome.expected) == len({response.id for response in outcome.responses})
    assert 50 == sum(map(len, outcome.placed.values()))
    example.check_ledgers()


async def test_the_published_notification_is_taken_word_for_word(example: Example) -> None:
    """A record as MinIO sent it in 2019: its object is read, placed and published.

    The object has the etag of the record, as one that MinIO replicates keeps its own.
    """
    (image,) = drawn(1).values()
    client = example.minio.client
    # Its own notification of this object is another event.
    await asyncio.to_thread(client.delete_bucket_notification, bucket_name="mnist")
    await example.minio.replicate("mnist", "0.png", image, PUBLISHED_ETAG)
    await example.expect("0.png", image, PUBLISHED_ETAG)
    if not any(member.alive for member in example.members):
        await example.bridge()

    await example.kafka.produce(example.topic, Record(key=b"mnist/0.png", value=PUBLISHED))
    await example.done()

    outcome = await example.outcome("0.png")
    (response,) = outcome.responses
    copied = await example.minio.get(f"digit-{response.digit}", "0.png")
    assert ([], image) == (outcome.letters, copied)
    assert outcome.expected["0.png"].digit == response.digit
    assert [response.digit] == [digit for digit, objects in outcome.placed.items() if objects]
    await example.minio.notify("mnist", PRIMARY)


def copied(world: MnistWorld) -> Path:
    """Return the example's file in a copy of its folder, with names of the test's own in Kafka.

    All else is word for word, but for the 30 s that Kafka waits by default before it gives the
    partitions of a killed member to another.
    """
    shutil.copytree(MNIST, world.folder / "mnist")
    file = world.folder / "mnist" / "bridge.yaml"
    told = file.read_text()
    for published, own in {
        "topics: [mnist]": f"topics: [{world.topic}]",
        "topic: mnist-classified": f"topic: {world.out}",
        "topic: mnist-dead-letter": f"topic: {world.dead}",
        "group_id: mnist-bridge": f"group_id: {world.group}\n      session_timeout_seconds: 2",
    }.items():
        assert 1 == told.count(published)
        told = told.replace(published, own)
    file.write_text(told)
    return file
