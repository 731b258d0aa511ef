"""A real Kafka: one broker for all tests of a run, and one of their own for those that break it.

    environment (BRIDGE_TEST_KAFKA) ─┐
    a Docker engine                  ├─▶ Kafka ─▶ topics, records, offsets, outages
    java and Maven here             ─┘

Whatever the tests of a run share is named by `fresh`, so that they never meet. Everything is
asked with aiokafka, but for `committed`: a group's offsets as Kafka's own command sees them.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.services.cache import Missing
from tests.services.kafka_broker import Broker, Docker, Elsewhere, Jvm, has_docker
from tests.services.kafka_records import Record, Transaction, bounds, produce, read
from tests.services.kafka_settings import Secured, written

if TYPE_CHECKING:
    from aiokafka.admin import AIOKafkaAdminClient

ADDRESS = "BRIDGE_TEST_KAFKA"

_GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def fresh(name: str) -> str:
    """Return *name* with an end that nobody has used, for a topic or a group."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


@contextmanager
def kafka(*, output: Path, own: bool = False) -> Iterator[Kafka]:
    """Yield the broker of the environment (never if it must be our *own*), or one started here.

    It prints into *output*; its data is beside that. Raise Missing where none can be had.
    """
    address = os.environ.get(ADDRESS)
    if address and not own:
        yield Kafka(address, Elsewhere())
        return
    folder = output.with_suffix("")
    broker: Broker
    if has_docker():
        settings = written(folder, listen="0.0.0.0")  # of the container
        broker = Docker(settings, output=output)
    else:
        settings = written(folder)
        broker = Jvm(settings, output=output)
    try:
        broker.start()
        yield Kafka(settings.bootstrap, broker, settings.secured)
    finally:
        broker.stop()


@dataclass(frozen=True, slots=True)
class Kafka:
    """A running broker; *bootstrap* is its plain address."""

    bootstrap: str
    broker: Broker
    _secured: Secured | None = None

    @property
    def secured(self) -> Secured:
        """The addresses with TLS and SASL; raises Missing for the environment's broker."""
        if self._secured is None:
            raise Missing(f"listeners with TLS and SASL: {ADDRESS} is one plain address")
        return self._secured

    async def create_topic(self, name: str, partitions: int = 1, **config: object) -> str:
        """Create *name* and return it; config is Kafka's, as in `retention_ms=1000`."""
        from aiokafka.admin import NewTopic
        from aiokafka.errors import for_code

        told = {option.replace("_", "."): str(value) for option, value in config.items()}
        async with self._admin() as admin:
            answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=told)])
            for _, code, text in answer.topic_errors:
                if code:
                    raise for_code(code)(f"{name}: {text}")
            # Created is said by the controller; clients ask the broker, which hears of it next.
            while any(topic["error_code"] for topic in await admin.describe_topics([name])):
                await asyncio.sleep(0.01)
        return name

    async def produce(
        self, topic: str, *records: Record, transaction: Transaction | None = None
    ) -> list[Record]:
        """Write *records* in their order and return them with their places in the log."""
        return await produce(self.bootstrap, topic, *records, transaction=transaction)

    async def read(
        self, topic: str, *, at_least: int = 0, committed: bool = True, seconds: float = 30.0
    ) -> list[Record]:
        """Return all records of *topic*, by partition and offset, when they are *at_least*.

        Those of aborted and open transactions are left out unless *committed* is false. Raise
        TimeoutError after *seconds*.
        """
        return await read(
            self.bootstrap, topic, at_least=at_least, committed=committed, seconds=seconds
        )

    async def first_offsets(self, topic: str) -> dict[int, int]:
        """Return of each partition the offset of the oldest record that is kept."""
        return (await bounds(self.bootstrap, topic)).first

    async def end_offsets(self, topic: str) -> dict[int, int]:
        """Return of each partition the offset that the next record will get."""
        return (await bounds(self.bootstrap, topic)).end

    async def delete_records(self, topic: str, partition: int, before: int) -> None:
        """Forget what is older than offset *before*, as retention does."""
        from aiokafka import TopicPartition
        from aiokafka.admin import RecordsToDelete

        async with self._admin() as admin:
            await admin.delete_records({TopicPartition(topic, partition): RecordsToDelete(before)})

    async def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Return *group*'s offsets by topic and partition, as Kafka's own command prints them.

        It takes a second or two. A group that does not exist has none.
        """
        arguments = ("--bootstrap-server", self.bootstrap, "--describe", "--group", group)
        status, printed = await asyncio.to_thread(self.broker.run, _GROUPS, *arguments)
        if status != 0 and "does not exist" not in printed:
            raise RuntimeError(f"the offsets of {group} cannot be read:\n{printed}")
        rows = (line.split() for line in printed.splitlines())
        return {
            (row[1], int(row[2])): int(row[3])
            for row in rows
            if row[:1] == [group] and row[3].isdigit()
        }

    async def stop(self) -> None:
        """End the broker with SIGTERM."""
        await asyncio.to_thread(self.broker.stop)

    async def kill(self) -> None:
        """End the broker with SIGKILL."""
        await asyncio.to_thread(self.broker.kill)

    async def freeze(self) -> None:
        """Let the broker hang, its connections open, until `start`."""
        await asyncio.to_thread(self.broker.freeze)

    async def start(self) -> None:
        """Return when the broker serves again, with its data and its addresses."""
        await asyncio.to_thread(self.broker.start)

    async def restart(self) -> None:
        """Stop the broker and start it."""
        await self.stop()
        await self.start()

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        from aiokafka.admin import AIOKafkaAdminClient

        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=10_000)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()
