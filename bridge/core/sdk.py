"""Our event as the `cloudevents` SDK's own type and back, SDK 1.x and 2.x.

    Event ──to_cloudevent──▶ cloudevents.core.v1.event.CloudEvent   (2.x; core.v03 for 0.3)
                             cloudevents.http.CloudEvent            (1.x)

Attributes and the bytes of data go over as they are. What the SDK's types cannot hold:
2.x keeps `time` as a datetime, so digits below the microsecond are cut off, a leap second
becomes the second before, and the text comes back as `…Z` or `…+hh:mm`; 1.x keeps the text.
The SDK invents a time where there is none; that is undone.
"""

from __future__ import annotations

import binascii
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any

import orjson

from bridge.core.attributes import canonical, check_attributes, shown
from bridge.core.errors import ConfigError, DecodeError
from bridge.core.event import Event
from bridge.core.mediatype import is_json
from bridge.core.payload import JSON


def to_cloudevent(event: Event) -> Any:
    """Return *event* as the installed SDK's CloudEvent, its data as bytes.

    Raise ConfigError if there is no SDK, DecodeError if it refuses the event.
    """
    return _sdk()(event)


def from_cloudevent(event: Any) -> Event:
    """Return the SDK's *event*, of either generation or its pydantic form, as ours.

    Data that is not bytes is written as the JSON format has it: JSON for a JSON media type
    or none (then application/json is set), where a string is a JSON string; a string of any
    other type as UTF-8. Raise DecodeError if *event* is no valid CloudEvent.
    """
    try:
        given, data = event.get_attributes(), event.get_data()
    except AttributeError:
        given, data = None, None
    if not isinstance(given, Mapping):
        raise DecodeError(
            f"{type(event).__qualname__} is no event: expected a CloudEvent of the cloudevents SDK"
        )
    attributes = {name: _text(name, value) for name, value in given.items() if value is not None}
    encoding = None
    if attributes.get("specversion") == "0.3":
        encoding = attributes.pop("datacontentencoding", None)
    body = _bytes(data, attributes, encoding)
    check_attributes(attributes)
    return Event(attributes, body)


@cache
def _sdk() -> Callable[[Event], Any]:
    """Return what makes an event of the SDK that is installed."""
    try:
        from cloudevents.core.v03.event import CloudEvent as CloudEvent03
        from cloudevents.core.v1.event import CloudEvent
    except ImportError:
        pass
    else:
        return lambda event: _new(CloudEvent03 if event.specversion == "0.3" else CloudEvent, event)
    try:
        from cloudevents.http import CloudEvent as CloudEvent1
    except ImportError as error:
        raise ConfigError(
            "the cloudevents SDK is not installed: expected the extra inference-bridge[cloudevents]"
        ) from error
    return lambda event: _old(CloudEvent1, event)


def _new(kind: Any, event: Event) -> Any:
    """Return *event* as SDK 2.x has it: `time` is a datetime."""
    attributes: dict[str, Any] = dict(event.attributes)
    if event.time is not None:
        attributes["time"] = _datetime(event.time)
    made = _made(kind, attributes, event.data)
    if event.time is None:
        made.get_attributes().pop("time", None)
    return made


def _old(kind: Any, event: Event) -> Any:
    """Return *event* as SDK 1.x has it: every attribute a string."""
    made = _made(kind, dict(event.attributes), event.data)
    if event.time is None:
        del made["time"]
    return made


def _made(kind: Any, attributes: dict[str, Any], data: bytes | None) -> Any:
    try:
        return kind(attributes, data)
    except Exception as error:
        raise DecodeError(f"the cloudevents SDK refuses the event: {error}") from error


def _datetime(text: str) -> datetime:
    """Return RFC 3339 *text* as a datetime, as far as one can hold it."""
    if text[17:19] == "60":
        text = f"{text[:17]}59{text[19:]}"
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise DecodeError(f"attribute 'time' is {shown(text)}: no datetime holds it") from error


def _text(name: str, value: Any) -> str:
    """Return an attribute's *value* as its canonical string."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        text = value.isoformat()
        return f"{text[:-6]}Z" if value.utcoffset() == timedelta(0) else text
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return canonical(name, value)


def _bytes(data: Any, attributes: dict[str, str], encoding: str | None) -> bytes | None:
    """Return the SDK's *data* as bytes, adding the media type that its absence implies."""
    if data is None:
        return None
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, str) and (encoding or "").lower() == "base64":
        try:
            return binascii.a2b_base64(data, strict_mode=True)
        except ValueError as error:
            raise DecodeError(f"data is not base64: {error}") from error
    content_type = attributes.setdefault("datacontenttype", JSON)
    try:
        if is_json(content_type):
            return orjson.dumps(data)
        if isinstance(data, str):
            return data.encode()
    except (TypeError, UnicodeEncodeError) as error:
        raise DecodeError(f"data cannot be written as {shown(content_type)}: {error}") from error
    raise DecodeError(
        f"data is {type(data).__qualname__}: expected bytes or a string for {shown(content_type)}"
    )
