"""Events to a Kafka topic: acknowledged by every replica in sync, each key in its order.

    event   ─▶ headers and value (binary, structured); the key: its own, else of its record
    letter  ─▶ the record that it was, and why it was refused; too large, without its value

The record's time is when it was written: an event's own is its attribute.
"""

from __future__ import annotations

import base64
import random
from typing import Annotated, Self

from pydantic import Field

from bridge.codecs import kafka as codec
from bridge.codecs import letters
from bridge.codecs.kafka import ContentMode
from bridge.config.kafka import Bytes, KafkaClientOptions
from bridge.config.options import Seconds
from bridge.core.event import Event, Letter
from bridge.transports.kafka.port import Producer, TooLarge
from bridge.transports.kafka.producer import Compression, KafkaProducer


class KafkaSinkOptions(KafkaClientOptions):
    """Events to a Kafka topic."""

    topic: Annotated[str, Field(min_length=1, max_length=249, pattern=r"^[A-Za-z0-9._-]+$")]
    """Topic to write to."""
    content_mode: ContentMode = "binary"
    """Form of the event: `binary` headers and data, or `structured`, one JSON value."""
    idempotent: bool = True
    """Whether records are numbered, so that a broker knows one that it has already; switch it \
off for brokers that cannot."""
    compression: Compression = "none"
    """How records are packed."""
    max_record_bytes: Bytes = 1024 * 1024
    """Largest record that is sent, before packing; a larger one is refused for good. The \
topic's `max.message.bytes` counts as well."""
    timeout_seconds: Seconds = 15.0
    """Longest wait until the brokers have an event; keep it below the event's deadline."""


class KafkaSink:
    """Writes each event as a record. Idempotency key: the event's source and id."""

    Options = KafkaSinkOptions

    def __init__(
        self,
        options: KafkaSinkOptions,
        *,
        chance: random.Random | None = None,
        producer: Producer | None = None,
    ) -> None:
        """Raise ConfigError for an address, certificate or password that cannot work."""
        self._topic = options.topic
        self._content_mode: ContentMode = options.content_mode
        self._producer: Producer = producer or KafkaProducer(
            options,
            chance=chance or random.Random(),  # noqa: S311  # spreads records, no secret
            timeout_seconds=options.timeout_seconds,
            idempotent=options.idempotent,
            compression=options.compression,
            max_record_bytes=options.max_record_bytes,
        )

    async def __aenter__(self) -> Self:
        """Nothing yet: the first event connects."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Give up what is still under way, and disconnect; may be called twice."""
        await self._producer.close()

    async def ping(self) -> None:
        """Return if a broker answers and has the topic; raise Unavailable if not."""
        await self._producer.ping(self._topic)

    async def send(self, event: Event) -> None:
        """Return when every replica in sync has *event*; raise Rejected or Unavailable otherwise.

        Too large for us or for the topic is Rejected; a letter goes without its value then.
        """
        if isinstance(event, Letter):
            await self._send_letter(event)
            return
        headers, value = codec.encode(event, self._content_mode)
        await self._producer.send(self._topic, key=_key(event), value=value, headers=headers)

    async def _send_letter(self, letter: Letter) -> None:
        try:
            await self._write(letter, letters.encode(letter))
        except TooLarge:
            await self._write(letter, letters.encode(letter, without_value=True))

    async def _write(self, letter: Letter, written: letters.Written) -> None:
        key = written.key if letter.origin.record is not None else _key(letter)
        await self._producer.send(
            self._topic, key=key, value=written.value, headers=written.headers
        )


def _key(event: Event) -> bytes | None:
    """Return what keeps *event* in its order: `partitionkey`, else the key of its record.

    Source: CloudEvents bindings/kafka-protocol-binding.md 3.1, extensions/partitioning.md. Of
    a key that is no text the attribute holds base64: that is the record's own key still.
    """
    own = event.attributes.get("partitionkey")
    record = event.origin.record
    key = None if record is None else record.key
    if own is None:
        return key
    text = own.encode("utf-8", "replace")
    if key is not None and text != key and text == base64.b64encode(key):
        return key
    return text
