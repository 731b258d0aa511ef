"""What Kafka records hold: CloudEvents, plain records, Seldon's form, notifications of objects.

    record ─▶ decoder ─▶ its events, each with an origin of its own

A decoder is a pure function; it asks for an origin once for each event that it makes, in
their order, and raises DecodeError where the record is none of its kind.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Literal

from bridge.codecs import kafka, notification
from bridge.core.attributes import check_attributes, check_string, shown
from bridge.core.clock import rfc3339
from bridge.core.errors import DecodeError, UnsupportedFormat
from bridge.core.event import Event, Origin, Record
from bridge.core.mediatype import is_media_type
from bridge.core.payload import JSON

#: What a source may be told that records hold.
Decoding = Literal["auto", "cloudevents", "record", "seldon", "s3_notification"]

#: Makes the origin of one more event, with the transport's headers in lower case.
MakeOrigin = Callable[[tuple[tuple[bytes, bytes], ...]], Origin]

#: The events of a record.
Decode = Callable[[Record, MakeOrigin], list[Event]]

#: Knative's type of a record that is no CloudEvent.
RECORD_TYPE = "dev.knative.kafka.event"


def decoder(decoding: Decoding, *, name: str, namespace: str | None) -> Decode:
    """Return what reads records as *decoding* says, for the source *name* in *namespace*."""
    path = f"/apis/v1/namespaces/{namespace or 'default'}/kafkasources/{name}"

    def plain(record: Record, origin: MakeOrigin) -> list[Event]:
        return [_plain(record, origin, path)]

    def seldon(record: Record, origin: MakeOrigin) -> list[Event]:
        return [_seldon(record, origin, name)]

    def auto(record: Record, origin: MakeOrigin) -> list[Event]:
        return (_cloudevent if kafka.is_event(record.headers) else plain)(record, origin)

    return {
        "auto": auto,
        "cloudevents": _cloudevent,
        "record": plain,
        "seldon": seldon,
        "s3_notification": _notification,
    }[decoding]


def _cloudevent(record: Record, origin: MakeOrigin) -> list[Event]:
    return [kafka.decode(record.headers, record.value, origin=origin(_headers(record)))]


def _plain(record: Record, origin: MakeOrigin, path: str) -> Event:
    """Return *record* as Knative's KafkaSource has it.

    Source: knative-extensions/eventing-kafka-broker, InvalidCloudEventInterceptor. What
    cannot be a String there (bytes that are no text) is base64 here, as a Binary is.
    """
    attributes = {
        "specversion": "1.0",
        "id": f"partition:{record.partition}/offset:{record.offset}",
        "source": f"{path}#{record.topic}",
        "type": RECORD_TYPE,
        "subject": f"partition:{record.partition}#{record.offset}",
    }
    if record.timestamp_ms is not None and 0 <= record.timestamp_ms < _YEAR_10000_MS:
        attributes["time"] = rfc3339(record.timestamp_ms * 1_000_000)
    if record.key:
        attributes["partitionkey"] = attributes["key"] = _text(record.key)
    for name, value in record.headers:
        if value is None:
            continue
        if name.lower() == kafka.CONTENT_TYPE:
            media_type = value.decode("latin-1").strip().lower()
            if is_media_type(media_type):
                attributes["datacontenttype"] = media_type
            continue
        short = _NOT_ALPHANUMERIC.sub("", name.lower())
        if short:
            attributes[f"kafkaheader{short}"] = _text(value)
    return Event(attributes, record.value, origin(_headers(record)))


def _seldon(record: Record, origin: MakeOrigin, name: str) -> Event:
    """Return *record* as Seldon's executor reads it: the value is the body of a request.

    The header Seldon-Puid is the request's id; Content-Type says what the value is, JSON
    where it is missing. Source: SeldonIO/seldon-core 1.18.2, executor/api/kafka.
    """
    found = {header.lower(): value for header, value in record.headers if value is not None}
    if "proto-name" in found:
        raise UnsupportedFormat(
            f"header 'proto-name' is {shown(found['proto-name'].decode('latin-1'))}: "
            "expected a JSON body, with Content-Type"
        )
    if record.value is None:
        raise DecodeError("the value is null: expected the body of a request")
    puid = found.get("seldon-puid", b"")
    content_type = found.get(kafka.CONTENT_TYPE, b"") or JSON.encode()
    attributes = {
        "specversion": "1.0",
        "id": puid.decode("utf-8", "replace") or f"{record.partition}/{record.offset}",
        "source": f"/kafka/{record.topic}",
        "type": f"seldon.{name}.request",
        "datacontenttype": content_type.decode("latin-1"),
    }
    check_attributes(attributes)
    return Event(attributes, record.value, origin(_headers(record)))


def _notification(record: Record, origin: MakeOrigin) -> list[Event]:
    if record.value is None:
        raise DecodeError("the value is null: expected a notification of objects, as JSON")
    headers = _headers(record)
    return [
        Event(attributes, data, origin(headers))
        for attributes, data in notification.decode(record.value)
    ]


def _headers(record: Record) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers that are no attributes, as transports have them: names in lower case."""
    return tuple(
        [
            (name.lower().encode("utf-8", "replace"), value)
            for name, value in record.headers
            if name[:3] != "ce_" and value is not None
        ]
    )


def _text(value: bytes) -> str:
    """Return *value* as an attribute can hold it: text as it is, anything else as base64."""
    try:
        text = value.decode()
        check_string("", text)
    except (UnicodeDecodeError, DecodeError):
        return base64.b64encode(value).decode()
    return text


_NOT_ALPHANUMERIC = re.compile("[^a-z0-9]")

#: Where RFC 3339 ends.
_YEAR_10000_MS = 253_402_300_800_000
