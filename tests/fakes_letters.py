"""Dead letters as the sink writes them, and a file that names their topic."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bridge.codecs import letters
from bridge.core.errors import DecodeError, EventError, Rejected, TransformError
from bridge.core.event import Letter, Origin
from bridge.core.event import Record as Came
from tests.services.kafka_records import Record

#: 2026-01-31T12:00:00Z, when the first letter was refused; each further one a minute later.
NOON_NS = 1_769_860_800_000_000_000
MINUTE_NS = 60_000_000_000

ERRORS: tuple[type[EventError], ...] = (Rejected, TransformError, DecodeError)


def letter(
    number: int,
    topic: str | None,
    *,
    error: EventError | None = None,
    redrives: int = 0,
    pipeline: str = "orders",
    value: bytes | None = None,
    partition: int = 0,
    without_value: bool = False,
) -> Record:
    """Return the dead letter of record *number* of *topic*, None for one that came elsewhere.

    By default each third has the same error, and each fifth the same key.
    """
    cls = ERRORS[number % len(ERRORS)]
    headers: tuple[tuple[str, bytes | None], ...] = (("trace", b"t%d" % number), ("empty", None))
    if redrives:
        headers += ((letters.REDRIVES, b"%d" % redrives),)
    data = b'{"number": %d}' % number if value is None else value
    came = None if topic is None else Came(topic, 0, number, b"k%d" % (number % 5), data, headers)
    written = letters.encode(
        Letter(
            {"specversion": "1.0", "id": str(number), "source": "/test", "type": "test"},
            data,
            Origin("kafka", record=came),
            error or cls(f"model: number {number} is odd" if number % 2 else "model: no"),
            pipeline,
            NOON_NS + number * MINUTE_NS,
        ),
        without_value=without_value,
    )
    return Record(
        value=written.value, key=written.key, headers=tuple(written.headers), partition=partition
    )


def came(record: Record, topic: str = "dead") -> Came:
    """Return *record* of the tests' Kafka as the bridge's own."""
    return Came(
        topic, record.partition or 0, record.offset, record.key, record.value, record.headers
    )


def file_with(
    folder: Path,
    bootstrap: str,
    *,
    topic: str,
    dead: str,
    model: str = "http://127.0.0.1:1",
    source: Mapping[str, Any] | None = None,
    dead_letter: Mapping[str, Any] | None = None,
    **more: Any,
) -> Path:
    """Write a file whose pipeline `orders` reads *topic* and has its dead letter in *dead*.

    Without a *model* there nobody answers. *source* and *dead_letter* add to their sections.
    """
    reached = {"bootstrap_servers": bootstrap}
    pipeline = {
        "source": {
            "type": "kafka",
            "topics": [topic],
            "group_id": f"{topic}.group",
            **reached,
            **(source or {}),
        },
        "model": {"type": "rest", "protocol": "seldon", "url": model},
        "sinks": [{"type": "log"}],
        "dead_letter": {"type": "kafka", "topic": dead, **reached, **(dead_letter or {})},
    }
    file = folder / "bridge.yaml"
    file.write_text(yaml.safe_dump({"pipelines": {"orders": pipeline}, **more}))
    return file
