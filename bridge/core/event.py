"""The event: canonical attribute strings and the original bytes, never changed in place.

    wire bytes ──codecs──▶ Event(attributes, data, origin) ──codecs──▶ wire bytes

Attributes are the canonical strings of CloudEvents' type system (an Integer is "5", a
Boolean "true", a time its own text to the last digit). Data stays the bytes that came:
whoever needs their meaning parses them (`bridge.core.payload`). No data is None, and not
the same as empty data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bridge.core.errors import DecodeError

#: The versions we speak; an answer uses the version of its request.
SPECVERSIONS = ("1.0", "0.3")

REQUIRED = ("specversion", "id", "source", "type")

#: Context attributes of either version that are not extensions.
CORE = frozenset((*REQUIRED, "datacontenttype", "dataschema", "schemaurl", "subject", "time"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an event came from; a response inherits it. Nothing in it is an attribute.

    *headers*: the transport's own headers as they came (names in lower case), those of the
    event included. *path*: the HTTP path it arrived on. *wants_reply*: the sender asked for
    a reply (`Prefer: reply`).
    """

    transport: str = "memory"
    path: str = ""
    wants_reply: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()

    def header(self, name: bytes) -> bytes | None:
        """Return the first header called *name* (lower case), or None."""
        for known, value in self.headers:
            if known == name:
                return value
        return None


_NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Event:
    """One CloudEvent, 1.0 or 0.3.

    *attributes* are canonical strings by lower-case name, `specversion` among them.
    Nobody changes them after construction; `replace` makes another event.
    Building checks nothing: events from outside go through a codec, or `Event.of`.
    """

    attributes: Mapping[str, str]
    data: bytes | None = None
    origin: Origin = field(default=_NOWHERE, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        *,
        id: str,
        source: str,
        type: str,
        data: bytes | None = None,
        specversion: str = "1.0",
        **attributes: str,
    ) -> Event:
        """Return a checked event; raise DecodeError where the specification forbids it."""
        all_attributes = {"specversion": specversion, "id": id, "source": source, "type": type}
        all_attributes.update(attributes)
        check_attributes(all_attributes)
        return cls(all_attributes, data)

    @property
    def id(self) -> str:
        """The id; with `source` it names the event."""
        return self.attributes["id"]

    @property
    def source(self) -> str:
        """The URI-reference of who made it."""
        return self.attributes["source"]

    @property
    def type(self) -> str:
        """What happened."""
        return self.attributes["type"]

    @property
    def specversion(self) -> str:
        """The specification's version, `1.0` or `0.3`."""
        return self.attributes["specversion"]

    @property
    def datacontenttype(self) -> str | None:
        """The media type of data, if the event says."""
        return self.attributes.get("datacontenttype")

    @property
    def extensions(self) -> dict[str, str]:
        """The attributes that the specification does not define."""
        return {name: value for name, value in self.attributes.items() if name not in CORE}

    def replace(self, **attributes: str | None) -> Event:
        """Return another event with these attributes changed; None takes one away."""
        changed = {name: value for name, value in self.attributes.items() if name not in attributes}
        changed.update({name: value for name, value in attributes.items() if value is not None})
        return Event(changed, self.data, self.origin)

    def to_cloudevent(self) -> Any:
        """Return this event as the `cloudevents` SDK's own type, 1.x or 2.x."""
        from bridge.core.sdk import to_cloudevent

        return to_cloudevent(self)

    @classmethod
    def from_cloudevent(cls, event: Any) -> Event:
        """Return the SDK's *event* (1.x or 2.x) as ours; raise DecodeError if it is none."""
        from bridge.core.sdk import from_cloudevent

        return from_cloudevent(event)


def check_attributes(attributes: Mapping[str, str]) -> None:
    """Raise DecodeError unless *attributes* are those of a valid event.

    Source: CloudEvents spec.md, Context Attributes and Type System (1.0.2 and 0.3). The text
    of the error names the attribute, what it holds and what was expected.
    """
    version = attributes.get("specversion")
    if version not in SPECVERSIONS:
        if not version:
            raise DecodeError("attribute 'specversion' is missing: expected '1.0' or '0.3'")
        raise DecodeError(f"attribute 'specversion' is {shown(version)}: expected '1.0' or '0.3'")
    for name in REQUIRED:
        if not attributes.get(name):
            found = "empty" if name in attributes else "missing"
            raise DecodeError(f"attribute '{name}' is {found}: expected a non-empty string")
    for name, value in attributes.items():
        check_name(name, version)
        check_string(name, value)
        check = _CHECKS.get(name)
        if check is not None:
            pattern, expected = check
            if pattern.fullmatch(value) is None:
                raise DecodeError(f"attribute '{name}' is {shown(value)}: expected {expected}")


def check_name(name: str, version: str) -> None:
    """Raise DecodeError unless *name* may name an attribute.

    0.3 flattens a map attribute to `attribute-key` over HTTP, so its names may hold a dash.
    """
    pattern = _NAME if version == "1.0" else _NAME_03
    if pattern.fullmatch(name) is None or name in ("data", "data_base64"):
        raise DecodeError(
            f"attribute name {shown(name)} is invalid: expected a-z and 0-9, not 'data'"
        )


def check_string(name: str, value: str) -> None:
    """Raise DecodeError if *value* holds what a String may not (spec.md, Type System)."""
    if value.isascii() and value.isprintable():
        return
    found = _FORBIDDEN.search(value)
    if found is not None:
        raise DecodeError(
            f"attribute '{name}' holds U+{ord(found.group()):04X} at character {found.start()}: "
            "control characters, surrogates and noncharacters are not allowed"
        )


def shown(text: str, limit: int = 60) -> str:
    """Return *text* quoted, escaped and cut, fit for an error or a log line."""
    quoted = ascii(text[:limit])
    return f"{quoted}…" if len(text) > limit else quoted


_NAME = re.compile(r"[a-z0-9]+")
_NAME_03 = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(
    rf'{_WORD}/{_WORD}(?:\s*;\s*(?:{_WORD}\s*=\s*(?:{_WORD}|"(?:[^"\\]|\\.)*"))?)*\s*'
)
_TIMESTAMP = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])[Tt ](?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)"
    r"(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)"
)
_CHECKS = {
    "time": (_TIMESTAMP, "RFC 3339 with an offset, such as 2026-01-31T12:00:00Z"),
    "datacontenttype": (_MEDIA_TYPE, "a media type, such as application/json"),
    "dataschema": (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+"), "an absolute URI"),
    "schemaurl": (re.compile(r".+"), "a non-empty URI"),
    "subject": (re.compile(r".+"), "a non-empty string"),
}
