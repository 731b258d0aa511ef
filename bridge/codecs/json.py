"""The JSON Event Format: one event as a JSON object, several as an array.

    {"specversion": "1.0", …, "data": …}  ◀──▶  Event(attributes, data)

JSON data keeps its very bytes on the way in and out; what would not come back byte for byte
travels as base64. Source: CloudEvents formats/json-format.md 1.0.2, json-format.md 0.3.

Where 0.3 leaves a choice: an extension that is an object or an array becomes its compact
JSON text; a string of a media type that is neither JSON nor text is base64 even where
`datacontentencoding` does not say so, provided that it is valid base64 (json-format 3.1).
"""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Final

import orjson

from bridge.codecs.slices import Members, is_embeddable, read_array, read_object
from bridge.core.attributes import (
    CORE,
    canonical,
    check_attributes,
    check_names,
    check_string,
    shown,
)
from bridge.core.collector import LARGE_BYTES, held
from bridge.core.errors import DecodeError
from bridge.core.event import Event, Origin
from bridge.core.mediatype import charset, is_json, is_text
from bridge.core.payload import JSON

#: How deep arrays and objects may nest within `data`: far more than any tensor, far less
#: than what makes a parser of a model server, or one of Python, run out of stack.
MAX_DEPTH: Final = 100

#: How many events one batch may hold.
MAX_BATCH: Final = 10_000


def decode(body: bytes, *, origin: Origin | None = None, max_depth: int = MAX_DEPTH) -> Event:
    """Return the event that the JSON object *body* is; raise DecodeError if it is none."""
    if len(body) < LARGE_BYTES:
        return _event(read_object(body, "data", max_depth=max_depth + 1), origin)
    with held():
        return _event(read_object(body, "data", max_depth=max_depth + 1), origin)


def decode_batch(
    body: bytes,
    *,
    origin: Origin | None = None,
    max_depth: int = MAX_DEPTH,
    max_events: int = MAX_BATCH,
) -> list[Event | DecodeError]:
    """Return the events of the JSON array *body*, in order, errors in the places of bad ones.

    The text of such an error begins with its place: `event 3: …`. Raise DecodeError where
    the batch as a whole cannot be read: no JSON array, more than *max_events*, or good
    events of more than one specversion (spec.md 1.0.2, Batching).
    """
    events: list[Event | DecodeError] = []
    if len(body) < LARGE_BYTES:
        members = read_array(body, "data", max_depth=max_depth + 2, max_members=max_events)
    else:
        with held():
            members = read_array(body, "data", max_depth=max_depth + 2, max_members=max_events)
    for place, each in enumerate(members):
        try:
            if isinstance(each, DecodeError):
                raise each
            events.append(_event(each, origin))
        except DecodeError as error:
            refused = type(error)(f"event {place}: {error}")
            refused.__cause__ = error
            events.append(refused)
    versions = sorted({event.specversion for event in events if isinstance(event, Event)})
    if len(versions) > 1:
        raise DecodeError(f"batch mixes specversions {' and '.join(versions)}: expected one")
    return events


def encode(event: Event, *, max_depth: int = MAX_DEPTH) -> bytes:
    """Return *event* as a JSON object, attributes as strings, data last.

    Raise DecodeError if an attribute holds what JSON cannot (a lone surrogate).
    """
    check_names(event.attributes)
    members: dict[str, Any] = dict(event.attributes)
    is_old = members.get("specversion") == "0.3"
    if is_old:
        members.pop("datacontentencoding", None)
    data = event.data
    if data is not None:
        value = _embedded(data, event.datacontenttype, max_depth)
        if value is not None:
            members["data"] = value
        elif is_old:
            members["datacontentencoding"] = "base64"
            members["data"] = b64encode(data).decode()
        else:
            members["data_base64"] = b64encode(data).decode()
    try:
        return orjson.dumps(members)
    except orjson.JSONEncodeError as error:
        for name, value in event.attributes.items():
            check_string(name, value)
        raise DecodeError(f"event cannot be written as JSON: {error}") from error


def encode_batch(events: Iterable[Event], *, max_depth: int = MAX_DEPTH) -> bytes:
    """Return *events* as a JSON array; raise DecodeError as `encode` does."""
    return b"[%b]" % b",".join([encode(event, max_depth=max_depth) for event in events])


def _embedded(data: bytes, content_type: str | None, max_depth: int) -> Any:
    """Return what stands for *data* in an envelope, or None where only base64 keeps it."""
    if content_type is None:
        return None
    if is_json(content_type):
        return orjson.Fragment(data) if is_embeddable(data, max_depth=max_depth) else None
    if is_text(content_type) and charset(content_type) in (None, "utf-8"):
        try:
            return data.decode()
        except UnicodeDecodeError:
            return None
    return None


def _event(members: Members, origin: Origin | None) -> Event:
    """Return the event of an envelope's *members*; raise DecodeError if it is none."""
    if members.repeated is not None:
        raise DecodeError(f"member {shown(members.repeated)} occurs twice: expected it once")
    values = members.values
    is_old = values.get("specversion") == "0.3"
    attributes = {}
    for name, value in values.items():
        if name in _DATA or value is None:
            continue
        if type(value) is str:
            attributes[name] = value
        elif is_old and isinstance(value, (dict, list)):
            attributes[name] = _compact(name, value)
        else:
            attributes[name] = canonical(name, value, _where)
    data = _data(members, attributes, is_old=is_old)
    check_attributes(attributes, _where)
    if is_old:
        attributes.pop("datacontentencoding", None)
    return Event(attributes, data) if origin is None else Event(attributes, data, origin)


def _data(members: Members, attributes: dict[str, str], *, is_old: bool) -> bytes | None:
    """Return the envelope's data as bytes, adding the media type that its place implies."""
    encoded = members.values.get("data_base64")
    if encoded is not None:
        if members.raw is not None:
            raise DecodeError("members 'data' and 'data_base64' are both there: expected one")
        return _unbase64(encoded, "data_base64")
    if members.raw is None:
        return None
    value = members.values["data"]
    if is_old and isinstance(value, str) and "datacontentencoding" in attributes:
        return _unbase64(value, "data")
    content_type = attributes.setdefault("datacontenttype", JSON)
    if is_json(content_type):
        return members.raw
    if not isinstance(value, str):
        raise DecodeError(
            f"member 'data' is not a string: expected one, as datacontenttype is "
            f"{shown(content_type)}"
        )
    if is_old and value and not is_text(content_type):
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            pass  # then it is no base64, and the string itself is the data
    return _encoded(value, content_type)


def _encoded(text: str, content_type: str) -> bytes:
    """Return *text* in the charset that *content_type* names."""
    name = charset(content_type)
    codec = _CHARSETS.get(name)
    if codec is None:
        raise DecodeError(f"charset {shown(name)} of data is unknown: expected utf-8")
    try:
        return text.encode(codec)
    except UnicodeEncodeError as error:
        raise DecodeError(f"member 'data' does not fit charset {shown(name)}") from error


def _unbase64(value: Any, member: str) -> bytes:
    """Return the bytes of base64 text *value*; raise DecodeError if it is none (RFC 4648)."""
    if not isinstance(value, str):
        raise DecodeError(f"member '{member}' is not a string: expected base64")
    try:
        return binascii.a2b_base64(value, strict_mode=True)
    except ValueError as error:
        raise DecodeError(f"member '{member}' is not base64: {error}") from error


def _compact(name: str, value: Any) -> str:
    """Return the compact JSON text of a 0.3 extension's array or object."""
    if name in CORE:
        return canonical(name, value, _where)
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise DecodeError(f"member {shown(name)} cannot be carried: {error}") from error


def _where(name: str) -> str:
    return f"member {shown(name)}"


_DATA = frozenset(("data", "data_base64"))
_CHARSETS = {
    None: "utf-8",
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "iso-8859-1": "latin-1",
}
