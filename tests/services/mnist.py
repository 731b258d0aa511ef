"""The digit pipeline between a MinIO and a Kafka, and all that is needed to judge what it did.

images ─▶ bucket ═ MinIO ═▶ told ─ the test ─▶ topic ─▶ bridge run ─▶ buckets of digits, topic out
             ▲                                            │  │    ╚═▶ dead letter
             └────────────── Line ───────────────────────┘  └─▶ digits_server.py

What MinIO tells goes to a topic of its own, and the test hands it on: so it can be late, lost,
doubled, out of order. Judged by `tests.mnist_oracle` from what lies in Kafka and MinIO.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Set
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.mnist_oracle import Image, Outcome, Response
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_bridge import POLL_SECONDS, SECONDS, SINK, Member
from tests.services.kafka_bridge import QUICK as QUICK_SOURCE
from tests.services.kafka_records import Record
from tests.services.minio import KafkaTarget, ObjectServer
from tests.services.process import Process, answers, free_port

_Value = TypeVar("_Value")

_ROOT = Path(__file__).parents[2]

MNIST = _ROOT / "examples" / "mnist"

#: What may be under way and not committed, in all.
WINDOW = 8

#: Nothing has come for so long: nothing will.
STILL_SECONDS = 10.0

#: How the Kafka source is told to be quick about it, and to keep to the window.
QUICK = {**QUICK_SOURCE, "max_in_flight": WINDOW}


#: What MinIO told Kafka in 2019: word for word from the published example.
PUBLISHED = b"""{
   "EventType":"s3:ObjectCreated:Put",
   "Key":"mnist/0.png",
   "Records":[
      {"eventVersion":"2.0",
       "eventSource":"minio:s3",
       "awsRegion":"",
       "eventTime":"2019-11-17T19:08:08Z",
       "eventName":"s3:ObjectCreated:Put",
       "userIdentity":{"principalId":"minio"},
       "requestParameters":{"sourceIPAddress":"127.0.0.1:37830"},
       "responseElements":{"x-amz-request-id":"15D808BF706E0994",
       "x-minio-origin-endpoint":"http://10.244.0.71:9000"},
       "s3":{
          "s3SchemaVersion":"1.0",
          "configurationId":"Config",
          "bucket":{
               "name":"mnist",
               "ownerIdentity":{"principalId":"minio"},
               "arn":"arn:aws:s3:::mnist"},
          "object":{"key":"0.png","size":324,"eTag":"ebed21f6f77b0a64673a3c96b0c623ba","contentType":"image/png","userMetadata":{"content-type":"image/png"},"versionId":"1","sequencer":"15D808BF706E0994"}},
          "source":{"host":"","port":"","userAgent":""}}
   ],
   "level":"info",
   "msg":"",
   "time":"2019-11-17T19:08:08Z"
}
"""

#: The etag of its object.
PUBLISHED_ETAG = "ebed21f6f77b0a64673a3c96b0c623ba"


@contextmanager
def digits_server(*, output: Path) -> Iterator[str]:
    """Yield the URL of the example's model, a process that prints into *output*."""
    port = free_port()
    command = [sys.executable, str(MNIST / "digits_server.py"), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with Process(command, output=output) as process:
        process.wait_until(lambda: answers(f"{url}/v1/models/digits"), seconds=SECONDS)
        yield url


async def named(model: str, data: bytes) -> int:
    """Return the digit that the *model* calls the image in *data*, asked without a bridge."""
    from tests.fakes_mnist import digit_image

    row = digit_image.row(data)

    def asked() -> int:
        request = urllib.request.Request(
            f"{model}/v1/models/digits:predict",
            json.dumps({"instances": [row]}).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10.0) as response:
            return int(json.loads(response.read())["predictions"][0]["classes"])

    return await asyncio.to_thread(asked)


def drawn(count: int, below: str = "") -> dict[str, bytes]:
    """Return *count* images, data by key *below* that: sizes, modes and formats differ."""
    from tests.fakes_mnist import make_images

    return {f"{below}{image.name}": image.data for image in make_images.images(count)}


class MnistWorld:
    """A bucket, topics, a model, and the bridges between them.

    *store* is the URL that the bridges are told: MinIO's own, or that of a line to it. Buckets
    of digits begin with *digits*, which is the test's own.
    """

    def __init__(
        self, kafka: Kafka, minio: ObjectServer, model: str, folder: Path, *, store: str | None
    ) -> None:
        self.kafka = kafka
        self.minio = minio
        self.model = model
        self.folder = folder
        self.store: dict[str, Any] = {**minio.options, "url": store or minio.url}
        self.bucket = ""
        self.told: KafkaTarget | None = None
        self.topic, self.out, self.dead = fresh("mnist"), fresh("classified"), fresh("dead")
        self.group = fresh("group")
        self.digits = f"{fresh('digits')}-"
        self.members: list[Member] = []
        self.images: dict[str, Image] = {}
        self._handed_on = 0

    # Images and what is told of them

    async def put(self, key: str, data: bytes, *, expected: bool = True) -> str:
        """Put an image and return its etag; *expected*: it is to be found in a digit's bucket."""
        etag = await self.minio.put(self.bucket, key, data, content_type="image/png")
        if expected:
            await self.expect(key, data, etag)
        return etag

    async def put_all(self, images: Mapping[str, bytes]) -> None:
        """Put *images*, data by key, in no order."""
        async with asyncio.TaskGroup() as tasks:
            for key, data in images.items():
                tasks.create_task(self.put(key, data))

    async def expect(self, key: str, data: bytes, etag: str) -> None:
        """From now on *key* is to be found where the model says, with these bytes."""
        self.images[key] = Image(etag, await named(self.model, data))

    async def tellings(self, count: int) -> list[Record]:
        """Return the next *count* records that MinIO has told of, in the order of its log."""
        assert self.told is not None
        begin = self._handed_on
        self._handed_on += count
        records = await self.kafka.read(self.told.topic, at_least=self._handed_on)
        return [_again(record) for record in records[begin : self._handed_on]]

    async def give(self, *records: Record) -> None:
        """Write *records* to the topic that the bridges read."""
        await self.kafka.produce(self.topic, *records)

    # Bridges

    async def member(
        self,
        pipeline: Mapping[str, Any] | None = None,
        *,
        source: Mapping[str, Any] | None = None,
    ) -> Member:
        """Return one more bridge, running, its pipeline changed by what is given."""
        name = f"bridge-{len(self.members)}"
        folder = self.folder / name
        folder.mkdir()
        admin_port = free_port()
        told = {
            "admin": {"host": "127.0.0.1", "port": admin_port},
            "lifecycle": {"shutdown_delay_seconds": 0, "drain_seconds": 5},
            "pipelines": {"mnist": {**self.pipeline(source or {}), **(pipeline or {})}},
        }
        file = folder / "bridge.yaml"
        file.write_text(yaml.safe_dump(told, sort_keys=False))
        return await self.running(file, admin_port)

    async def running(
        self, file: Path, admin_port: int, environment: Mapping[str, str] | None = None
    ) -> Member:
        """Return `bridge run FILE`, ready."""
        injected = {"PORT": "", "K_SINK": "", "K_CE_OVERRIDES": "", "K_CA_CERTS": ""}
        process = Process(
            [sys.executable, "-m", "bridge", "run", str(file)],
            output=self.folder / f"bridge-{len(self.members)}.log",
            folder=_ROOT,
            environment={**injected, **(environment or {})},
        ).__enter__()
        member = Member(process, f"http://127.0.0.1:{admin_port}/")
        self.members.append(member)
        probe = f"{member.admin_url}readyz"
        await asyncio.to_thread(process.wait_until, lambda: answers(probe), seconds=SECONDS)
        return member

    def pipeline(self, source: Mapping[str, Any]) -> dict[str, Any]:
        """Return the example's pipeline, between the test's own topics and buckets."""
        reached = {"bootstrap_servers": self.kafka.bootstrap}
        return {
            "source": {
                "type": "kafka",
                "topics": [self.topic],
                "group_id": self.group,
                "decode": "s3_notification",
                **reached,
                **QUICK,
                **source,
            },
            "transformer": {
                "type": os.path.relpath(MNIST / "ImageTransformer.py", self.folder / "bridge-0")
                + ":ImageTransformer",
                "options": {"store": self.store, "bucket": self.bucket},
            },
            "model": {
                "type": "rest",
                "protocol": "tensorflow",
                "name": "digits",
                "url": self.model,
            },
            "response": {"type": "org.kubeflow.mnist.classified", "source": "bridge.mnist"},
            "deadline_seconds": 20,
            "sinks": [
                {
                    "type": "objects",
                    "store": self.store,
                    "bucket": f"{self.digits}{{data.digit}}",
                    "key": "{data.key}",
                    "content": "copy",
                    "copy": {
                        "bucket": self.bucket,
                        "key": "{data.key}",
                        "version": "{data.version}",
                        "etag": "{data.etag}",
                    },
                    "create_buckets": True,
                },
                {"type": "kafka", "topic": self.out, **reached, **SINK},
            ],
            "dead_letter": {"type": "kafka", "topic": self.dead, **reached, **SINK},
        }

    # What came of it

    async def committed(self) -> dict[int, int]:
        """Return the group's offset in each partition."""
        from aiokafka.admin import AIOKafkaAdminClient
        from aiokafka.errors import KafkaError

        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        try:
            await admin.start()
            found = await admin.list_consumer_group_offsets(self.group)
        except KafkaError:  # the group's coordinator is not there yet
            return {}
        finally:
            await admin.close()
        return {at.partition: told.offset for at, told in found.items() if at.topic == self.topic}

    async def done(self, *, seconds: float = SECONDS) -> None:
        """Return when all that was given is settled: the group has committed the end."""
        until = time.monotonic() + seconds
        end = await self.kafka.end_offsets(self.topic)
        while (found := await self.committed()) != end:
            if not any(member.alive for member in self.members):
                raise AssertionError(f"no bridge is running\n{self.tails()}")
            if time.monotonic() > until:
                raise AssertionError(f"committed {found}, the end is {end}\n{self.tails()}")
            await asyncio.sleep(POLL_SECONDS)

    async def published(self) -> None:
        """Return when each image that is expected has a response.

        Raise AssertionError where no further one has come for `STILL_SECONDS`.
        """
        missing, until = self.images.keys() - set(), time.monotonic() + STILL_SECONDS
        while still := missing - {each.key for each in await self.responses()}:
            if still != missing:
                missing, until = still, time.monotonic() + STILL_SECONDS
            elif time.monotonic() > until:
                raise AssertionError(f"no response to {sorted(missing)[:5]}\n{self.tails()}")
            await asyncio.sleep(POLL_SECONDS)

    async def responses(self) -> list[Response]:
        """Return all that was published, in the order of its log."""
        found = []
        for record in await self.kafka.read(self.out):
            data = json.loads(record.value or b"")
            found.append(Response(_attribute(record, "id"), data["key"], data["digit"]))
        return found

    async def letters(self) -> list[str]:
        """Return the keys in the dead letter, which holds the notifications as they came."""
        return [key_of(record) for record in await self.kafka.read(self.dead)]

    async def placed(self) -> dict[int, dict[str, str]]:
        """Return what lies in the bucket of each digit: keys and etags."""

        def listed(bucket: str) -> dict[str, str]:
            found = self.minio.client.list_objects(bucket_name=bucket, recursive=True)
            return {str(each.object_name): str(each.etag).strip('"') for each in found}

        return {
            int(bucket.removeprefix(self.digits)): await asyncio.to_thread(listed, bucket)
            for bucket in await self.minio.buckets(self.digits)
        }

    async def outcome(
        self, of: str = "", *, refused: Set[str] = frozenset(), repeats: int = 0
    ) -> Outcome:
        """Return what came of the keys that begin with *of*, read from Kafka and MinIO."""

        def ours(objects: Mapping[str, _Value]) -> dict[str, _Value]:
            return {key: value for key, value in objects.items() if key.startswith(of)}

        return Outcome(
            expected=ours(self.images),
            placed={digit: ours(objects) for digit, objects in (await self.placed()).items()},
            responses=[each for each in await self.responses() if each.key.startswith(of)],
            letters=[key for key in await self.letters() if key.startswith(of)],
            refused=refused,
            allowed_repeats=repeats,
        )

    def check_ledgers(self) -> None:
        """Check that what each bridge counted added up in every sample."""
        assert [] == [line for member in self.members for line in member.ledgers.wrong]
        for member in self.members:
            assert "Traceback" not in member.log(), member.process.tail()

    def tails(self) -> str:
        """Return the end of what each bridge has printed."""
        return "\n".join(
            f"--- {each.process.output}\n{each.process.tail(20)}" for each in self.members
        )


@asynccontextmanager
async def mnist_world(
    kafka: Kafka,
    minio: ObjectServer,
    model: str,
    folder: Path,
    *,
    store: str | None = None,
    told: KafkaTarget | None = None,
    bucket: str | None = None,
) -> AsyncIterator[MnistWorld]:
    """Yield a world with its bucket and topics, and no bridge yet; end what runs.

    MinIO tells *told* of the bucket, if that is given.
    """
    world = MnistWorld(kafka, minio, model, folder, store=store)
    world.bucket, world.told = bucket or await minio.bucket("mnist"), told
    for topic in (world.topic, world.out, world.dead):
        await kafka.create_topic(topic)
    try:
        yield world
    finally:
        for member in world.members:
            await member.leave()


def key_of(record: Record) -> str:
    """Return the key of the object that *record*, a notification, tells of."""
    return str(json.loads(record.value or b"")["Key"]).partition("/")[2]


def _again(record: Record) -> Record:
    """Return *record* as one to write once more."""
    return Record(key=record.key, value=record.value)


def _attribute(record: Record, name: str) -> str:
    """Return an attribute of the event in *record*, in Kafka's binary mode."""
    found = dict(record.headers).get(f"ce_{name}")
    assert found is not None, f"no ce_{name} in {record.headers}"
    return found.decode()
