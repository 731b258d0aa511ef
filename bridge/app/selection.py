"""Which dead letters are meant: by error, text, time, key and pipeline."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bridge.codecs.letters import Told
from bridge.core.attributes import is_timestamp
from bridge.core.errors import ConfigError
from bridge.core.event import Record, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a letter must be; None for anything.

    *error*: the reason in one word. *text*: part of the error's text, in any case. *since_ns*
    and *until_ns*: when it was refused, the first included and the second not. *key*: as
    text, or `0x…` for one that is no text.
    """

    pipeline: str | None = None
    error: str | None = None
    text: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    key: str | None = None

    def takes(self, record: Record, told: Told) -> bool:
        """Whether the letter *record*, of which *told* is told, is meant."""
        if self.pipeline is not None and told.pipeline != self.pipeline:
            return False
        if self.error is not None and told.error_type != self.error:
            return False
        if self.text is not None and self.text.casefold() not in told.error_text.casefold():
            return False
        if self.key is not None and not _is_key(self.key, record.key):
            return False
        if self.since_ns is None and self.until_ns is None:
            return True
        refused = refused_ns(record, told)
        return (
            refused is not None
            and (self.since_ns is None or refused >= self.since_ns)
            and (self.until_ns is None or refused < self.until_ns)
        )


def refused_ns(record: Record, told: Told) -> int | None:
    """Return when a letter was refused, None where neither its header nor Kafka knows."""
    told_ns = None if told.time is None else _ns(told.time)
    if told_ns is not None or record.timestamp_ms is None:
        return told_ns
    return record.timestamp_ms * 1_000_000


def moment(option: str, text: str | None, now_ns: int) -> int | None:
    """Return the moment that *text* names: RFC 3339, or how long ago (`2h`, `30m`).

    Raise ConfigError, naming the *option*, for anything else.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago is not None:
        return now_ns - int(ago["count"]) * _UNIT_SECONDS[ago["unit"]] * 1_000_000_000
    found = _ns(text)
    if found is not None:
        return found
    raise ConfigError(
        f"{option} {shown(text)}: expected a time with an offset, as 2026-01-31T12:00:00Z, or how "
        "long ago, as 90s, 30m, 2h, 7d"
    )


def readable_key(key: bytes | None) -> str | None:
    """Return *key* as text, or as `0x…` where it is none: what `Selection.key` takes."""
    if key is None:
        return None
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return f"0x{key.hex()}"
    return text if text.isprintable() else f"0x{key.hex()}"


_AGO = re.compile(r"(?P<count>[0-9]{1,6})(?P<unit>[smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _is_key(wanted: str, key: bytes | None) -> bool:
    return key is not None and (wanted.encode() == key or wanted == f"0x{key.hex()}")


def _ns(text: str) -> int | None:
    """Return an RFC 3339 time in nanoseconds since 1970, to the microsecond; None if it is none.

    A second 60 and a year 0 are RFC 3339, and no time that can be compared here.
    """
    if not is_timestamp(text):
        return None
    try:
        return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError):
        return None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
