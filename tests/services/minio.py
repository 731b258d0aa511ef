"""A real MinIO: one for all tests of a run, and one of their own for those that break it.

    environment (BRIDGE_TEST_MINIO) ─┐            ┌─▶ topics of Kafka     kafka_target()
    a Docker engine                  ├─▶ Minio ───┤
    the program built here           ─┘           └─▶ ports for webhooks  webhook_target()

MinIO knows its targets when it starts, so a number of each is made beforehand and handed out,
each to one test. *kept* targets have a queue: what cannot be delivered is kept and tried again.
MinIO looks into its queues every 3 s, and so takes up to 3 s for what other targets get at once.
`primary` and `webhook` are the pair called PRIMARY, as it is in deployments: for who needs no
target of their own, as each test's buckets are its own; the webhook is kept.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from tests.services.cache import Missing
from tests.services.kafka import Kafka, fresh
from tests.services.kafka_broker import has_docker
from tests.services.kafka_settings import free_ports
from tests.services.minio_server import READY_SECONDS, Docker, Elsewhere, Local, Server
from tests.services.process import POLL_SECONDS

if TYPE_CHECKING:
    from minio import Minio as Client

ADDRESS = "BRIDGE_TEST_MINIO"

_Target = TypeVar("_Target")

CREATED = ("s3:ObjectCreated:*",)

#: How many targets of each sort a run may hand out.
TARGETS, KEPT_TARGETS = 24, 6


@dataclass(frozen=True, slots=True)
class KafkaTarget:
    """Where MinIO sends notifications to: *arn* says so to a bucket, *topic* is where they are."""

    arn: str
    topic: str


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where MinIO posts notifications to: `127.0.0.1:port/path` with `Bearer token`.

    Nobody listens there unless the test does.
    """

    arn: str
    port: int
    token: str
    path: str = "/"


@dataclass(frozen=True)
class ObjectServer:
    """Any S3 API: its address, its keys, and what tests do with it directly."""

    url: str
    access_key: str
    secret_key: str

    @cached_property
    def client(self) -> Client:
        """MinIO's own client: it blocks."""
        from minio import Minio as Client

        address = urlsplit(self.url)
        return Client(
            endpoint=address.netloc,
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=address.scheme == "https",
            region="us-east-1",
        )

    @property
    def options(self) -> dict[str, str]:
        """The options `store:` of a bridge that uses it."""
        return {
            "url": self.url,
            "access_key": self.access_key,
            "secret_key": self.secret_key,
        }

    async def bucket(self, name: str = "bucket") -> str:
        """Create a bucket whose name begins with *name* and nobody has used, and return it."""
        bucket = fresh(name)
        await asyncio.to_thread(self.client.make_bucket, bucket_name=bucket)
        return bucket

    async def put(
        self,
        bucket: str,
        key: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        metadata: dict[str, str] | None = None,
    ) -> str:
        """Put *data* there and return its etag, without quotes."""
        written = await asyncio.to_thread(
            self.client.put_object,
            bucket_name=bucket,
            object_name=key,
            data=BytesIO(data),
            length=len(data),
            content_type=content_type,
            metadata=dict(metadata) if metadata else None,
        )
        return str(written.etag)

    async def put_in_parts(self, bucket: str, key: str, *parts: bytes) -> str:
        """Put *parts* as a multipart upload and return its etag; all but the last have 5 MiB."""
        data = b"".join(parts)
        written = await asyncio.to_thread(
            self.client.put_object,
            bucket_name=bucket,
            object_name=key,
            data=BytesIO(data),
            length=len(data),
            part_size=len(parts[0]),
        )
        return str(written.etag)

    async def get(self, bucket: str, key: str) -> bytes:
        """Return what is there."""

        def got() -> bytes:
            answer = self.client.get_object(bucket_name=bucket, object_name=key)
            try:
                return answer.read()
            finally:
                answer.close()
                answer.release_conn()

        return await asyncio.to_thread(got)

    async def delete(self, bucket: str, key: str) -> None:
        """Delete the object, if there is one."""
        await asyncio.to_thread(self.client.remove_object, bucket_name=bucket, object_name=key)

    async def keys(self, bucket: str) -> list[str]:
        """Return the keys in *bucket*, sorted; none where there is no such bucket."""

        def listed() -> list[str]:
            if not self.client.bucket_exists(bucket_name=bucket):
                return []
            found = self.client.list_objects(bucket_name=bucket, recursive=True)
            return sorted(str(each.object_name) for each in found)

        return await asyncio.to_thread(listed)

    async def buckets(self, prefix: str = "") -> list[str]:
        """Return the names of all buckets that begin with *prefix*."""
        found = await asyncio.to_thread(self.client.list_buckets)
        return sorted(each.name for each in found if each.name.startswith(prefix))


@dataclass(frozen=True)
class Minio(ObjectServer):
    """A running MinIO; *kafka* is where its Kafka targets are."""

    server: Server = field(default_factory=Elsewhere)
    kafka: Kafka | None = None
    primary: KafkaTarget | None = None
    webhook: WebhookTarget | None = None
    _kafka_targets: list[KafkaTarget] = field(default_factory=list)
    _kept_kafka_targets: list[KafkaTarget] = field(default_factory=list)
    _webhook_targets: list[WebhookTarget] = field(default_factory=list)
    _kept_webhook_targets: list[WebhookTarget] = field(default_factory=list)

    @property
    def kafka_topic(self) -> str:
        """The topic of `primary`."""
        return "" if self.primary is None else self.primary.topic

    async def kafka_target(self, *, kept: bool = False, partitions: int = 1) -> KafkaTarget:
        """Return a target that no other test has, its topic made in `kafka`."""
        target = _handed_out(self._kept_kafka_targets if kept else self._kafka_targets)
        assert self.kafka is not None
        await self.kafka.create_topic(target.topic, partitions)
        return target

    def webhook_target(self, *, kept: bool = False) -> WebhookTarget:
        """Return a target that no other test has: MinIO posts to its port when told to."""
        return _handed_out(self._kept_webhook_targets if kept else self._webhook_targets)

    async def notify(
        self,
        bucket: str,
        target: KafkaTarget | WebhookTarget | str,
        *,
        events: Sequence[str] = CREATED,
        prefix: str | None = None,
        suffix: str | None = None,
    ) -> None:
        """Let MinIO tell *target*, and none besides, of what happens in *bucket*, now made."""
        from minio.error import S3Error
        from minio.notificationconfig import NotificationConfig, QueueConfig
        from minio.notificationconfig import PrefixFilterRule as Prefix
        from minio.notificationconfig import SuffixFilterRule as Suffix

        queue = QueueConfig(
            queue=target if isinstance(target, str) else target.arn,
            events=list(events),
            prefix_filter_rule=Prefix(value=prefix) if prefix else None,
            suffix_filter_rule=Suffix(value=suffix) if suffix else None,
        )

        def told() -> None:
            if not self.client.bucket_exists(bucket_name=bucket):
                self.client.make_bucket(bucket_name=bucket)
            self.client.set_bucket_notification(
                bucket_name=bucket, config=NotificationConfig(queue_config_list=[queue])
            )

        # A MinIO that has just started serves before it knows its targets.
        until = time.monotonic() + READY_SECONDS  # and then it never will
        while True:
            try:
                return await asyncio.to_thread(told)
            except S3Error as error:
                if "destination ARN" not in str(error) or time.monotonic() > until:
                    raise
            await asyncio.sleep(POLL_SECONDS)

    async def replicate(self, bucket: str, key: str, data: bytes, etag: str) -> None:
        """Put *data* with an *etag* of its own choice, as replication from another MinIO does."""
        url = self.client.presigned_put_object(bucket_name=bucket, object_name=key)
        headers = {
            "X-Minio-Source-Replication-Request": "true",
            "X-Minio-Source-Etag": etag,
            "X-Minio-Source-Mtime": "2019-11-17T19:08:08Z",
        }

        def put() -> None:
            request = urllib.request.Request(url, data=data, method="PUT", headers=headers)
            with urllib.request.urlopen(request, timeout=10.0):
                pass

        await asyncio.to_thread(put)

    async def stop(self) -> None:
        """End it with SIGTERM."""
        await asyncio.to_thread(self.server.stop)

    async def kill(self) -> None:
        """End it with SIGKILL."""
        await asyncio.to_thread(self.server.kill)

    async def freeze(self) -> None:
        """Let it hang, its connections open, until `start`."""
        await asyncio.to_thread(self.server.freeze)

    async def start(self) -> None:
        """Return when it serves again, with its data and its address."""
        await asyncio.to_thread(self.server.start)


@contextmanager
def minio(*, output: Path, kafka: Kafka, own: bool = False) -> Iterator[Minio]:
    """Yield the MinIO of the environment (never if it must be our *own*), or one started here.

    `BRIDGE_TEST_MINIO` is `http://access:secret@host:port`. One that is started here prints into
    *output*, has its data beside that, and posts to topics of *kafka*. Raise Missing where none
    can be had.
    """
    address = os.environ.get(ADDRESS)
    if address and not own:
        yield _elsewhere(address)
        return
    folder = output.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    access_key, secret_key = "tests-access", uuid.uuid4().hex
    held = ExitStack()
    (primary,), (webhook,) = _kafka_targets("PRIMARY"), _webhook_targets(held, "PRIMARY")
    with ThreadPoolExecutor(1) as thread:  # a loop of its own: there may be another here
        thread.submit(asyncio.run, kafka.create_topic(primary.topic)).result()
    kafka_targets = _kafka_targets(*_names("T", TARGETS))
    kept_kafka_targets = _kafka_targets(*_names("K", KEPT_TARGETS))
    webhook_targets = _webhook_targets(held, *_names("T", TARGETS))
    kept_webhook_targets = _webhook_targets(held, *_names("K", KEPT_TARGETS))
    (port,) = free_ports(1)  # none of those
    environment = {
        "MINIO_ROOT_USER": access_key,
        "MINIO_ROOT_PASSWORD": secret_key,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    for told, queued in (([primary, *kafka_targets], False), (kept_kafka_targets, True)):
        for to_kafka in told:
            settings = {"BROKERS": kafka.bootstrap, "TOPIC": to_kafka.topic}
            environment |= _target(to_kafka.arn, "KAFKA", settings, folder if queued else None)
    for posted, queued in ((webhook_targets, False), ([webhook, *kept_webhook_targets], True)):
        for to_port in posted:
            endpoint = f"http://127.0.0.1:{to_port.port}{to_port.path}"
            settings = {"ENDPOINT": endpoint, "AUTH_TOKEN": to_port.token}
            environment |= _target(to_port.arn, "WEBHOOK", settings, folder if queued else None)
    runs = Docker if has_docker() else Local
    server: Server = runs(port, folder, environment, output=output)
    with held:
        try:
            server.start()
            yield Minio(
                f"http://127.0.0.1:{port}",
                access_key,
                secret_key,
                server,
                kafka,
                primary,
                webhook,
                kafka_targets,
                kept_kafka_targets,
                webhook_targets,
                kept_webhook_targets,
            )
        finally:
            server.stop()


@contextmanager
def _kept_free(ports: Sequence[int]) -> Iterator[None]:
    """Keep *ports* for the tests that they are handed to: whoever looks for a free one goes on.

    Bound and not listening, so that a test's own listener, which may reuse an address, gets in.
    """
    with ExitStack() as held:
        for port in ports:
            keeper = held.enter_context(socket.socket())
            keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            keeper.bind(("127.0.0.1", port))
        yield


def _elsewhere(address: str) -> Minio:
    parts = urlsplit(address)
    url = f"{parts.scheme}://{parts.hostname}:{parts.port or 9000}"
    return Minio(url, parts.username or "", parts.password or "")


def _names(letter: str, count: int) -> list[str]:
    return [f"{letter}{number}" for number in range(count)]


def _kafka_targets(*names: str) -> list[KafkaTarget]:
    return [
        KafkaTarget(f"arn:minio:sqs::{name}:kafka", fresh(f"minio-{name.lower()}"))
        for name in names
    ]


def _webhook_targets(held: ExitStack, *names: str) -> list[WebhookTarget]:
    ports = free_ports(len(names))
    held.enter_context(_kept_free(ports))
    return [
        WebhookTarget(f"arn:minio:sqs::{name}:webhook", port, uuid.uuid4().hex)
        for name, port in zip(names, ports, strict=True)
    ]


def _target(
    arn: str, sort: str, settings: Mapping[str, str], queues: Path | None
) -> dict[str, str]:
    """Return the environment of the target *arn*, with a queue below *queues* if that is given."""
    name = arn.split(":")[-2]
    told = {"ENABLE": "on", **settings}
    if queues is not None:
        told["QUEUE_DIR"] = str(queues / f"queue-{sort.lower()}-{name}")
    return {f"MINIO_NOTIFY_{sort}_{option}_{name}": value for option, value in told.items()}


def _handed_out(targets: list[_Target]) -> _Target:
    if not targets:
        raise Missing(f"targets of MinIO: {ADDRESS} has none, and a run hands out {TARGETS}")
    return targets.pop()
