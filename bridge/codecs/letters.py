"""Dead letters as Kafka records: what was refused, as it came, and why in headers of its own.

    Letter of a Kafka record   ─▶  its key, its value, its headers  + bridge-…
    Letter of any other event  ─▶  the event in binary mode         + bridge-…

A letter can be put back where it came from (`original`): nothing of the record is changed,
only headers are added, and those are taken off again. How often it was put back stays with
it, so that nobody sends one round for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bridge.codecs import kafka
from bridge.core.clock import rfc3339
from bridge.core.errors import DecodeError
from bridge.core.event import Letter, Record

PREFIX: Final = "bridge-"

PIPELINE: Final = "bridge-pipeline"
ERROR_TYPE: Final = "bridge-error-type"
ERROR_TEXT: Final = "bridge-error-text"
TOPIC: Final = "bridge-topic"
PARTITION: Final = "bridge-partition"
OFFSET: Final = "bridge-offset"
TIMESTAMP_MS: Final = "bridge-timestamp-ms"
ATTEMPTS: Final = "bridge-attempts"
FIRST_TIME: Final = "bridge-first-time"
TIME: Final = "bridge-time"
VALUE_BYTES: Final = "bridge-value-bytes"

#: How often a record was put back: the one header that goes back with it.
REDRIVES: Final = "bridge-redrives"

#: The longest text of an error in a header, in bytes of UTF-8.
MAX_TEXT_BYTES: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A record to be written: key, value and headers."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the headers of a dead letter tell; None and 0 where they do not.

    *value_bytes*: the length of a value that was too large to be kept.
    """

    pipeline: str
    error_type: str
    error_text: str
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    attempts: int = 0
    first_time: str | None = None
    time: str | None = None
    redrives: int = 0
    value_bytes: int | None = None


def encode(letter: Letter, *, without_value: bool = False) -> Written:
    """Return *letter* as a record.

    *without_value* leaves the value out, which was too large, and says how long it was.
    """
    record = letter.origin.record
    key: bytes | None = None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    if record is not None:
        key, value = record.key, record.value
        headers = [(name, raw) for name, raw in record.headers if not _is_ours(name)]
    else:
        encoded, value = kafka.encode(letter, "binary")
        headers = [(name, raw) for name, raw in encoded if not name.startswith(("ce_bridgeerror",))]
    added = {
        PIPELINE: letter.pipeline,
        ERROR_TYPE: letter.error.reason,
        ERROR_TEXT: str(letter.error),
    }
    if record is not None:
        added |= {
            TOPIC: record.topic,
            PARTITION: str(record.partition),
            OFFSET: str(record.offset),
        }
        if record.timestamp_ms is not None:
            added[TIMESTAMP_MS] = str(record.timestamp_ms)
        redrives = _redrives(record)
        if redrives:
            added[REDRIVES] = str(redrives)
    delivery = letter.origin.delivery
    if delivery is not None:
        added |= {ATTEMPTS: str(delivery.attempts), FIRST_TIME: rfc3339(delivery.started_ns)}
    added[TIME] = rfc3339(letter.refused_ns)
    if without_value and value is not None:
        added[VALUE_BYTES] = str(len(value))
        value = None
    headers += [(name, _cut(text)) for name, text in added.items()]
    return Written(key=key, value=value, headers=headers)


def decode(record: Record) -> Told:
    """Return what the headers of a dead letter tell; raise DecodeError where it is none."""
    found = {
        name: value.decode("utf-8", "replace")
        for name, value in record.headers
        if value is not None and _is_ours(name)
    }
    missing = [name for name in (PIPELINE, ERROR_TYPE) if name not in found]
    if missing:
        raise DecodeError(f"{record.position}: no dead letter: header '{missing[0]}' is missing")
    return Told(
        pipeline=found[PIPELINE],
        error_type=found[ERROR_TYPE],
        error_text=found.get(ERROR_TEXT, ""),
        topic=found.get(TOPIC),
        partition=_number(found.get(PARTITION)),
        offset=_number(found.get(OFFSET)),
        attempts=_number(found.get(ATTEMPTS)) or 0,
        first_time=found.get(FIRST_TIME),
        time=found.get(TIME),
        redrives=_number(found.get(REDRIVES)) or 0,
        value_bytes=_number(found.get(VALUE_BYTES)),
    )


def original(record: Record) -> Written:
    """Return the record that a dead letter was, to be put back, with one redrive more.

    Raise DecodeError where *record* is no dead letter, or its value was too large to be kept.
    """
    told = decode(record)
    if told.value_bytes is not None:
        raise DecodeError(
            f"{record.position}: its value of {told.value_bytes} bytes was too large for the "
            f"dead letter: expected it at {told.topic}/{told.partition}/{told.offset}"
        )
    headers = [(name, value) for name, value in record.headers if not _is_ours(name)]
    headers.append((REDRIVES, str(told.redrives + 1).encode()))
    return Written(key=record.key, value=record.value, headers=headers)


def _is_ours(name: str) -> bool:
    return name.startswith(PREFIX)


def _redrives(record: Record) -> int:
    for name, value in record.headers:
        if name == REDRIVES and value is not None:
            return _number(value.decode("latin-1")) or 0
    return 0


def _number(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 19):
        return None
    return int(text)


def _cut(text: str) -> bytes:
    raw = text.encode("utf-8", "replace")
    if len(raw) <= MAX_TEXT_BYTES:
        return raw
    return raw[:MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
