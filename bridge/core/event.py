"""The event: canonical attribute strings and the original bytes, never changed in place.

    wire bytes ──codecs──▶ Event(attributes, data, origin) ──codecs──▶ wire bytes

Attributes are the canonical strings of CloudEvents' type system (an Integer is "5", a
Boolean "true", a time its own text to the last digit). Data stays the bytes that came:
whoever needs their meaning parses them (`bridge.core.payload`). No data is None, and not
the same as empty data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol

from bridge.core.attributes import (
    CORE,
    CORE_OF,
    REQUIRED,
    SPECVERSIONS,
    check_attributes,
    check_name,
    check_string,
    shown,
)
from bridge.core.errors import EventError
from bridge.core.value import value


@value
class Record:
    """The Kafka record that an event came in, as it was.

    *timestamp_ms*: milliseconds since 1970-01-01 UTC, None where the record has none.
    *headers* keep their names, their order, repeats and nulls.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int | None = None

    @property
    def position(self) -> str:
        """Where it is, for people: `topic/partition/offset`."""
        return f"{self.topic}/{self.partition}/{self.offset}"


class Delivery(Protocol):
    """One event's place in a source that delivers it again itself, until it is settled.

    *response* and *published*, how many sinks have it, are what earlier tries have made:
    the next one goes on from there. *answered*: whether a model has answered, whatever came
    of that. *attempts*: tries so far, this one included. *started_ns*: when the first one
    began, on the clock's wall time. *waiting*: whether it waits for its turn just now.
    """

    response: Event | None
    published: int
    answered: bool
    attempts: int
    started_ns: int
    waiting: bool

    async def turn(self) -> None:
        """Return when everything before this event, in the order that its source keeps, is out.

        To be awaited before anything of the event leaves the process.
        """
        ...


@value
class Origin:
    """Where an event came from; a response inherits it. Nothing in it is an attribute.

    *headers*: the transport's own headers as they came (names in lower case), those of the
    event included. *path*: the HTTP path it arrived on. *wants_reply*: the sender asked for
    a reply (`Prefer: reply`). *record* and *delivery*: of an event from Kafka.
    """

    transport: str = "memory"
    path: str = ""
    wants_reply: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    record: Record | None = None
    delivery: Delivery | None = None

    def header(self, name: bytes) -> bytes | None:
        """Return the first header called *name* (lower case), or None."""
        for known, found in self.headers:
            if known == name:
                return found
        return None


_NOWHERE = Origin()


@value
class Event:
    """One CloudEvent, 1.0 or 0.3. Equal to another with the same attributes and data.

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
        every = {"specversion": specversion, "id": id, "source": source, "type": type}
        every.update(attributes)
        check_attributes(every)
        return cls(every, data)

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
    def subject(self) -> str | None:
        """What within the source the event is about, if the event says."""
        return self.attributes.get("subject")

    @property
    def time(self) -> str | None:
        """When it happened, in the sender's own text, if the event says."""
        return self.attributes.get("time")

    @property
    def extensions(self) -> dict[str, str]:
        """The attributes that the event's version of the specification does not define."""
        core = CORE_OF.get(self.specversion, CORE)
        return {name: value for name, value in self.attributes.items() if name not in core}

    def get(self, name: str) -> str | None:
        """Return the attribute called *name*, or None if the event has none."""
        return self.attributes.get(name)

    def replace(self, **attributes: str | None) -> Event:
        """Return another event with these attributes changed; None takes one away.

        Nothing is checked, as in building; data and origin are the same objects.
        """
        changed = dict(self.attributes)
        for name, text in attributes.items():
            if text is None:
                changed.pop(name, None)
            else:
                changed[name] = text
        return Event(changed, self.data, self.origin)

    def convert(self, specversion: str) -> Event:
        """Return this event in *specversion*; itself if it is one already.

        `dataschema` (1.0) and `schemaurl` (0.3) become each other; `datacontentencoding`
        says how a 0.3 envelope wrote the data and goes. Raise DecodeError where the other
        version has no room for an attribute: a flattened map's dashed name or a relative
        `schemaurl` in 1.0.
        """
        if specversion == self.specversion:
            return self
        old, new = ("schemaurl", "dataschema")
        if specversion == "0.3":
            old, new = new, old
        converted = {"specversion": specversion}
        for name, text in self.attributes.items():
            if name not in ("specversion", "datacontentencoding", new):
                converted[new if name == old else name] = text
        check_attributes(converted)
        return Event(converted, self.data, self.origin)

    def to_cloudevent(self) -> Any:
        """Return this event as the `cloudevents` SDK's own type, 1.x or 2.x.

        Raise ConfigError if the SDK is not installed. What the SDK's types cannot hold is
        told in `bridge.core.sdk`.
        """
        from bridge.core.sdk import to_cloudevent

        return to_cloudevent(self)

    @classmethod
    def from_cloudevent(cls, event: Any) -> Event:
        """Return the SDK's *event* (1.x or 2.x) as ours; raise DecodeError if it is none."""
        from bridge.core.sdk import from_cloudevent

        return from_cloudevent(event)


@value
class Invalid(Event):
    """A record that is refused for good before a pipeline looks at it; *error* says why.

    Only the ledger and the dead letter see one. Its attributes tell where the record is.
    """

    error: EventError = field(default_factory=lambda: EventError("refused"), compare=False)

    @classmethod
    def of_record(cls, origin: Origin, error: EventError) -> Invalid:
        """Return what stands for the record of *origin*, of which no event can be made."""
        record = origin.record or Record("", 0, 0)
        attributes = {
            "specversion": "1.0",
            "id": record.position,
            "source": f"/kafka/{record.topic}",
            "type": "bridge.record.invalid",
        }
        return cls(attributes, record.value, origin, error)

    @classmethod
    def of_event(cls, event: Event, error: EventError) -> Invalid:
        """Return *event* as one that is refused for good."""
        return cls(event.attributes, event.data, event.origin, error)


@value
class Letter(Event):
    """An event as a dead letter gets it: as it came, and what went wrong in extensions.

    A sink that has a form of its own for letters finds here what it needs: *error*, the
    *pipeline* that refused it, and when, on the clock's wall time.
    """

    error: EventError = field(default_factory=lambda: EventError("refused"), compare=False)
    pipeline: str = ""
    refused_ns: int = 0


__all__ = [
    "CORE",
    "REQUIRED",
    "SPECVERSIONS",
    "Delivery",
    "Event",
    "Invalid",
    "Letter",
    "Origin",
    "Record",
    "check_attributes",
    "check_name",
    "check_string",
    "shown",
]
