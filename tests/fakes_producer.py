"""A Kafka producer in memory: keeps what it is sent, and refuses as told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bridge.core.errors import Unavailable
from bridge.transports.kafka import TooLarge


class Sent(NamedTuple):
    """A record that was sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class FakeProducer:
    """A `Producer` whose brokers have the topic *topics*; *down* is how often they are not there.

    Values of more than *limit* bytes are too large.
    """

    def __init__(self, *topics: str, limit: int = 1000, down: int = 0) -> None:
        self.topics = topics
        self.limit = limit
        self.down = down
        self.records: list[Sent] = []
        self.closed = 0

    async def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> None:
        if self.down:
            self.down -= 1
            raise Unavailable("kafka fake: no connection")
        if len(value or b"") > self.limit:
            raise TooLarge(f"kafka fake: {len(value or b'')} bytes")
        self.records.append(Sent(topic, key, value, tuple(headers)))

    async def close(self) -> None:
        self.closed += 1

    async def ping(self, topic: str) -> None:
        if topic not in self.topics:
            raise Unavailable(f"kafka fake: no topic '{topic}'")
