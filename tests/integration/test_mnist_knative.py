"""deploy/kafka/knative's pipeline, sent to as KafkaSource sends: each record of the topic a POST.

KafkaSource takes 2xx for delivered, tries again after 5xx, and gives what is refused (4xx) to its
own dead letter sink, so what the bridge answers decides about an event.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.fakes_mnist import MNIST, ROOT, make_images, notification
from tests.services.bridge import Bridge, pipelines_running
from tests.services.kafka import Kafka, fresh
from tests.services.minio import ObjectServer
from tests.services.process import free_port

FILE = ROOT / "deploy" / "kafka" / "knative" / "config" / "bridge.yaml"


class World:
    """A bucket, topics and the deployed pipeline between them, this test's own names in it."""

    def __init__(self, kafka: Kafka, store: ObjectServer) -> None:
        self.kafka, self.store = kafka, store
        self.bucket = ""
        self.digits = f"{fresh('digit')}-"
        self.out, self.dead = fresh("classified"), fresh("dead")
        self._offset = 0

    def pipeline(self, model: str) -> dict[str, Any]:
        """Return the deployed pipeline, but for names, addresses, certificates and passwords."""
        found: dict[str, Any] = yaml.safe_load(FILE.read_text())["pipelines"]["mnist"]
        del found["source"]["type"]
        found["transformer"]["type"] = f"{MNIST}/ImageTransformer.py:ImageTransformer"
        found["transformer"]["options"] |= {"store": self.store.options, "bucket": self.bucket}
        found["model"]["url"] = model
        objects, kafka = found["sinks"]
        objects |= {"store": self.store.options, "bucket": f"{self.digits}{{data.digit}}"}
        objects["copy"]["bucket"] = self.bucket
        for to_kafka, topic in ((kafka, self.out), (found["dead_letter"], self.dead)):
            del to_kafka["tls"], to_kafka["sasl"]
            to_kafka |= {"bootstrap_servers": self.kafka.bootstrap, "topic": topic}
        return found

    async def post(self, bridge: Bridge, body: bytes) -> int:
        """Post *body* as KafkaSource posts a record that is no event itself."""
        self._offset += 1
        headers = {
            "ce-specversion": "1.0",
            "ce-id": f"partition:0/offset:{self._offset}",
            "ce-type": "dev.knative.kafka.event",
            "ce-source": "/apis/v1/namespaces/default/kafkasources/mnist#mnist",
            "ce-subject": f"partition:0#{self._offset}",
            "ce-key": f"{self.bucket}/0.png",
            "content-type": "application/json",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.post(bridge.url, data=body, headers=headers) as answer,
        ):
            return answer.status

    def told(self, key: str, **more: Any) -> bytes:
        """Return what MinIO writes to the topic about *key*."""
        return json.dumps(notification(key, **{"bucket": self.bucket, **more})).encode()


@asynccontextmanager
async def running(
    kafka: Kafka, store: ObjectServer, model: str, folder: Path
) -> AsyncIterator[tuple[World, Bridge]]:
    world = World(kafka, store)
    world.bucket = await store.bucket("mnist")
    await kafka.create_topic(world.out)
    await kafka.create_topic(world.dead)
    with pipelines_running({"mnist": world.pipeline(model)}, folder) as bridge:
        yield world, bridge


async def test_what_kafkasource_posts_is_classified(
    kafka: Kafka, moto: ObjectServer, digits: str, tmp_path: Path
) -> None:
    """202 when image and event are where they belong; dead letters and other events too."""
    images = list(make_images.images(4))
    async with running(kafka, moto, digits, tmp_path) as (world, bridge):
        etags = {
            image.name: await moto.put(world.bucket, image.name, image.data) for image in images
        }
        await moto.put(world.bucket, "notes.png", b"no image")

        taken = await asyncio.gather(
            *(
                world.post(bridge, world.told(image.name, etag=etags[image.name]))
                for image in images
            )
        )
        other = [
            await world.post(bridge, world.told("notes.png", etag="")),
            await world.post(bridge, world.told("0.png", name="s3:ObjectRemoved:Delete")),
            await world.post(bridge, world.told("nobody-put-this.png")),
        ]
        published = await kafka.read(world.out)
        letters = await kafka.read(world.dead)

    assert taken == [202] * 4
    assert other == [202] * 3
    found = {data["key"]: data["digit"] for data in (json.loads(r.value or b"") for r in published)}
    assert found == {image.name: image.digit for image in images}
    for image in images:
        assert await moto.get(f"{world.digits}{image.digit}", image.name) == image.data
    assert len(letters) == 1
    assert b"notes.png" in (letters[0].value or b"")


@pytest.mark.parametrize("away", ["model", "store"])
async def test_while_something_is_away_kafkasource_is_told_to_come_again(
    kafka: Kafka, moto: ObjectServer, digits: str, tmp_path: Path, away: str
) -> None:
    """503, and no dead letter: the event is good."""
    nobody = f"http://127.0.0.1:{free_port()}"
    (image,) = make_images.images(1)
    store = moto if away == "model" else ObjectServer(nobody, "access", "correct-horse")
    world = World(kafka, store)
    world.bucket = await moto.bucket("mnist")
    await kafka.create_topic(world.out)
    await kafka.create_topic(world.dead)
    etag = await moto.put(world.bucket, image.name, image.data)
    pipeline = world.pipeline(nobody if away == "model" else digits)
    with pipelines_running({"mnist": pipeline}, tmp_path) as bridge:
        status = await world.post(bridge, world.told(image.name, etag=etag))

    assert status == 503
    assert await kafka.read(world.dead) == []
    assert await kafka.read(world.out) == []
