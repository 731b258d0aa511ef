"""CloudEvents in Kafka records: headers, key and value as an event, and back.

    header `content-type`        mode
    application/cloudevents…     structured  the value is one event as JSON
    anything else, or none       binary      `ce_` headers, and the value is the data

There is no batch mode, and header values are plain UTF-8: nothing is percent-encoded. A null
value is no data, an empty one is empty data. The key is the sender's own and no attribute.
Source: CloudEvents bindings/kafka-protocol-binding.md 1.0.2, kafka-transport-binding.md 0.3.

What the wire allows and the binding does not speak of: a header that repeats is refused if it
is an attribute; an attribute whose value is null is absent, as in JSON; a `ce_` header whose
name no attribute can have is somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from bridge.codecs import json
from bridge.codecs.json import MAX_DEPTH
from bridge.core.attributes import REQUIRED, check_attributes, check_name, shown
from bridge.core.errors import DecodeError, UnsupportedFormat
from bridge.core.event import Event, Origin
from bridge.core.mediatype import charset, essence, is_media_type
from bridge.core.payload import JSON

#: Header fields of a record in their order; names as they are, values that may be null.
RecordHeaders = Sequence[tuple[str, bytes | None]]

#: How an event is written.
ContentMode = Literal["binary", "structured"]

CONTENT_TYPE: Final = "content-type"
STRUCTURED_TYPE: Final = b"application/cloudevents+json; charset=utf-8"

#: How many header names are remembered, and of how many characters.
MAX_REMEMBERED: Final = 1024
MAX_REMEMBERED_LENGTH: Final = 128


def is_event(headers: RecordHeaders) -> bool:
    """Whether a record with *headers* means to be a CloudEvent, valid or not."""
    for name, _ in headers:
        if name == "ce_specversion":
            return True
    return _names_structured(headers)


def decode(
    headers: RecordHeaders,
    value: bytes | None,
    *,
    origin: Origin | None = None,
    max_depth: int = MAX_DEPTH,
) -> Event:
    """Return the event of a record, binary or structured; *origin* goes into it as it is.

    Raise UnsupportedFormat for an event format other than JSON in UTF-8, DecodeError for
    anything that is no valid event, naming the header or member.
    """
    try:
        attributes = _decode_attributes(headers)
        content_type = attributes.get("datacontenttype")
        structured = content_type is not None and _names_a_mode(content_type)
    except DecodeError:
        structured = _names_structured(headers)  # then its headers say nothing
        if not structured:
            raise
    if structured:
        return _structured(_content_type(headers) or b"", value, origin, max_depth)
    version = attributes.get("specversion")
    if version != "0.3" and "-" in "".join(attributes):
        attributes = {name: text for name, text in attributes.items() if "-" not in name}
    if version is None and not attributes.keys() - {"datacontenttype"}:
        raise DecodeError(_no_event(_content_type(headers)))
    if version == "0.3":
        attributes.pop("datacontentencoding", None)  # only an envelope needs it
    check_attributes(attributes, _where)
    return Event(attributes, value) if origin is None else Event(attributes, value, origin)


def _decode_attributes(headers: RecordHeaders) -> dict[str, str]:
    """Return what *headers* say in binary mode; raise DecodeError where they cannot be read."""
    attributes: dict[str, str] = {}
    get = _attributes.get
    name = ""
    try:
        for name, raw in headers:
            attribute = get(name)
            if attribute is None:
                attribute = _learn_attribute(name)
            if not attribute or raw is None:
                continue
            if attribute in attributes:
                raise DecodeError(f"header {shown(name)} occurs twice: expected it once")
            attributes[attribute] = raw.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(
            f"header {shown(name)} is not UTF-8: {error.reason} at byte {error.start}"
        ) from error
    return attributes


def encode(event: Event, content_mode: ContentMode) -> tuple[list[tuple[str, bytes]], bytes | None]:
    """Return *event* as a record's headers and value; no data in binary mode is null.

    Data that is itself an event in some format goes structured in any case: its content type
    would name the mode. Raise DecodeError for what is no attribute's name or value.
    """
    attributes = event.attributes
    content_type = attributes.get("datacontenttype")
    if content_mode == "structured" or (content_type is not None and _names_a_mode(content_type)):
        return [(CONTENT_TYPE, STRUCTURED_TYPE)], json.encode(event)
    headers = []
    get = _headers.get
    name = ""
    try:
        for name, value in attributes.items():
            header = get(name)
            if header is None:
                header = _learn_header(event, name)
                if not header:
                    continue
            headers.append((header, value.encode()))
    except UnicodeEncodeError as error:
        raise DecodeError(f"attribute '{name}' holds a lone surrogate: {error}") from error
    return headers, event.data


def _content_type(headers: RecordHeaders) -> bytes | None:
    """Return the first content type that is not null, None if there is none."""
    for name, value in headers:
        if value is not None and (name == CONTENT_TYPE or name.lower() == CONTENT_TYPE):
            return value
    return None


def _names_structured(headers: RecordHeaders) -> bool:
    content_type = _content_type(headers)
    return content_type is not None and _is_structured(content_type)


def _structured(
    content_type: bytes, value: bytes | None, origin: Origin | None, max_depth: int
) -> Event:
    text = content_type.decode("latin-1")
    if essence(text) != "application/cloudevents+json" or charset(text) not in _UTF8:
        raise UnsupportedFormat(
            f"content-type is {shown(text)}: expected application/cloudevents+json, in UTF-8"
        )
    if value is None:
        raise DecodeError("the value is null: expected an event as JSON, as content-type says")
    return json.decode(value, origin=origin, max_depth=max_depth)


def _is_structured(content_type: bytes) -> bool:
    return content_type[:24].lstrip(b" \t")[:23].lower() == b"application/cloudevents"


def _names_a_mode(content_type: str) -> bool:
    """Whether *content_type*, as a header, says that the value is an event and not data."""
    return content_type != JSON and content_type.strip().lower().startswith(
        "application/cloudevents"
    )


def _learn_attribute(header: str) -> str:
    """Return the attribute that *header* carries, "" if none, and remember it."""
    attribute = ""
    if header.startswith("ce_"):
        attribute = header[3:]
        if attribute == "datacontenttype":
            raise DecodeError("header 'ce_datacontenttype' is there: expected content-type instead")
        if _NAME.fullmatch(attribute) is None or attribute == "data":
            attribute = ""
    elif header.lower() == CONTENT_TYPE:
        attribute = "datacontenttype"
    if len(_attributes) < MAX_REMEMBERED and len(header) <= MAX_REMEMBERED_LENGTH:
        _attributes[header] = attribute
    return attribute


def _learn_header(event: Event, name: str) -> str:
    """Return the header for attribute *name*, "" if it has none in binary mode."""
    if name == "datacontenttype":
        value = event.attributes[name]
        if value != JSON and not is_media_type(value):
            raise DecodeError(f"attribute '{name}' is {shown(value)}: expected a media type")
        return CONTENT_TYPE
    version = event.attributes.get("specversion", "1.0")
    if name == "datacontentencoding" and version == "0.3":
        return ""  # the value is no base64, whatever an envelope said
    check_name(name, version)
    if not name.isalnum() or name == "datacontentencoding":
        return f"ce_{name}"  # a name in one version alone: not remembered
    if len(_headers) < MAX_REMEMBERED and len(name) <= MAX_REMEMBERED_LENGTH:
        _headers[name] = f"ce_{name}"
    return f"ce_{name}"


def _no_event(content_type: bytes | None) -> str:
    found = "missing" if content_type is None else shown(content_type.decode("latin-1"))
    headers = ", ".join(_where(name) for name in REQUIRED)
    return (
        f"no CloudEvent: {headers} are missing and content-type is {found}: "
        "expected these, or content-type application/cloudevents+json"
    )


def _where(name: str) -> str:
    header = CONTENT_TYPE if name == "datacontenttype" else f"ce_{name}"
    return f"header {shown(header)}"


#: What may name an attribute; one with a dash is an entry of a map, in 0.3 alone.
_NAME = re.compile("[a-z0-9]+(?:-[a-z0-9]+)*")

_UTF8 = (None, "utf-8", "utf8")

# What is remembered is bounded: a sender may invent names for as long as it likes.
_attributes: dict[str, str] = {}
_headers: dict[str, str] = {}
