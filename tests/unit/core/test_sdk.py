"""The cloudevents SDK's own event, of the generation installed here (2.x), there and back."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import Any

import pytest
from cloudevents.core.bindings import http as sdk_http
from cloudevents.core.v03.event import CloudEvent as CloudEvent03
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given

from bridge.codecs.http import decode, encode_binary, encode_structured
from bridge.core import sdk
from bridge.core.errors import ConfigError, DecodeError
from bridge.core.event import Event
from tests.strategies import events

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}


def sdk_event(data: Any = None, **attributes: Any) -> CloudEvent:
    """Return an event as a user builds it; the SDK adds a time of its own."""
    return CloudEvent({**ATTRIBUTES, "time": datetime(2026, 1, 31, tzinfo=UTC), **attributes}, data)


def is_new_year_zero(event: Event) -> bool:
    """Whether the event's time is before what a datetime can hold."""
    return event.time is not None and event.time.startswith("0000")


@given(events())
def test_any_event_survives_the_sdk(event: Event) -> None:
    """Attributes and data come back as they were, a time in the SDK's own text."""
    if is_new_year_zero(event):
        with pytest.raises(DecodeError, match="no datetime holds it"):
            event.to_cloudevent()
        return

    again = Event.from_cloudevent(event.to_cloudevent())

    assert event.replace(time=None) == again.replace(time=None)
    assert (event.time is None) == (again.time is None)


@pytest.mark.parametrize(
    ("sent", "back"),
    [
        ("2018-04-05T17:31:00Z", "2018-04-05T17:31:00Z"),
        ("2018-04-05T17:31:00.123456Z", "2018-04-05T17:31:00.123456Z"),
        ("2018-04-05T17:31:00.123456789Z", "2018-04-05T17:31:00.123456Z"),
        ("2018-04-05T17:31:00-00:00", "2018-04-05T17:31:00Z"),
        ("2018-04-05t17:31:00+05:30", "2018-04-05T17:31:00+05:30"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
    ],
)
def test_time_comes_back_as_far_as_a_datetime_holds_it(sent: str, back: str) -> None:
    """To the microsecond, a leap second as the one before, UTC as Z."""
    event = Event.of(id="1", source="/", type="t", time=sent)

    assert back == Event.from_cloudevent(event.to_cloudevent()).time


def test_the_version_picks_the_type() -> None:
    """Each version is the SDK's type of that version; nothing is invented, time included."""
    new = Event.of(id="1", source="/", type="t", data=b"x")
    old = new.convert("0.3")

    made, made_old = new.to_cloudevent(), old.to_cloudevent()

    assert isinstance(made, CloudEvent)
    assert isinstance(made_old, CloudEvent03)
    assert made.get_attributes() == ATTRIBUTES
    assert made.get_data() == b"x"


def test_what_the_sdk_refuses_is_named() -> None:
    """A flattened map's name has no place in the SDK."""
    event = Event.of(id="1", source="/", type="t", specversion="0.3").replace(**{"a-b": "x"})

    with pytest.raises(DecodeError, match="the cloudevents SDK refuses the event"):
        event.to_cloudevent()


class Colour(str, Enum):  # noqa: UP042 - as the pydantic events of SDK 1.x mix them
    """An attribute as pydantic models have them."""

    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "x"),
        (True, "true"),
        (5, "5"),
        (b"\xff", "/w=="),
        (Colour.RED, "red"),
        (
            datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=-7))),
            "2026-01-31T12:00:00-07:00",
        ),
        (None, None),
    ],
)
def test_attributes_of_any_type_become_text(value: Any, expected: str | None) -> None:
    """The type system's canonical strings; None is absence."""
    assert expected == Event.from_cloudevent(sdk_event(ext=value)).get("ext")


@pytest.mark.parametrize(
    ("content_type", "data", "expected", "said"),
    [
        (None, None, None, None),
        (None, b"\xff", b"\xff", None),
        (None, bytearray(b"x"), b"x", None),
        (None, {"a": 1.5}, b'{"a":1.5}', "application/json"),
        (None, "I'm just a string", b'"I\'m just a string"', "application/json"),
        ("application/json", b"{ }", b"{ }", "application/json"),
        ("application/json", "x", b'"x"', "application/json"),
        ("a/b+json", [None, True], b"[null,true]", "a/b+json"),
        ("text/plain", "é", "é".encode(), "text/plain"),
        ("image/png", b"\x89", b"\x89", "image/png"),
    ],
)
def test_data_that_is_no_bytes_is_written(
    content_type: str | None, data: Any, expected: bytes | None, said: str | None
) -> None:
    """JSON for a JSON media type or none, which is then said; other strings as UTF-8."""
    attributes = {} if content_type is None else {"datacontenttype": content_type}

    event = Event.from_cloudevent(sdk_event(data, **attributes))

    assert (expected, said) == (event.data, event.datacontenttype)


def test_base64_of_an_old_event_is_undone() -> None:
    """0.3: `datacontentencoding` says how the SDK's string holds bytes."""
    old = {**ATTRIBUTES, "specversion": "0.3", "datacontentencoding": "base64"}

    event = Event.from_cloudevent(CloudEvent03({**old, "datacontenttype": "a/b"}, "AP8="))

    assert event.data == b"\x00\xff"
    assert event.get("datacontentencoding") is None


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (object(), "object is no event: expected a CloudEvent of the cloudevents SDK"),
        ({"id": "1"}, "dict is no event: expected a CloudEvent of the cloudevents SDK"),
        (sdk_event(ext=1.5), "attribute 'ext' is 1.5: expected a string, a boolean or an integer"),
        (sdk_event({"a": object()}), "data cannot be written as 'application/json'"),
        (
            sdk_event({}, datacontenttype="a/b"),
            "data is dict: expected bytes or a string for 'a/b'",
        ),
        (sdk_event("\ud800", datacontenttype="a/b"), "data cannot be written as 'a/b'"),
    ],
)
def test_what_is_no_event_is_refused(event: Any, words: str) -> None:
    """A transformer that returns something else is told what it returned."""
    with pytest.raises(DecodeError) as caught:
        Event.from_cloudevent(event)

    assert str(caught.value).startswith(words)


def test_a_missing_sdk_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the SDK, the error says which extra brings it."""
    for name in list(sys.modules):
        if name.partition(".")[0] == "cloudevents":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "cloudevents", None)
    sdk._sdk.cache_clear()

    with pytest.raises(ConfigError, match=r"inference-bridge\[cloudevents\]"):
        Event.of(id="1", source="/", type="t").to_cloudevent()


class TestPeer:
    """The SDK as a peer on the wire, where it keeps to the specification."""

    event = Event.of(
        id="A-1",
        source="/mycontext",
        type="com.example",
        subject="Euro € 😀 %",
        time="2018-04-05T17:31:00.123456Z",
        datacontenttype="application/json",
        ext="x",
        data=b'{"a": [1, 2.5, null], "b": "\xc3\xa9"}',
    )

    @pytest.mark.parametrize("encode", [encode_binary, encode_structured])
    def test_it_reads_what_we_write(self, encode: Any) -> None:
        """Binary and structured: the same attributes, the same JSON."""
        headers, body = encode(self.event)
        text_headers = {name.decode(): value.decode() for name, value in headers}

        read = sdk_http.from_http_event(sdk_http.HTTPMessage(text_headers, body))

        ours = Event.from_cloudevent(read)
        assert self.event.attributes == ours.attributes
        assert json.loads(self.event.data or b"") == json.loads(ours.data or b"")

    @pytest.mark.parametrize("write", [sdk_http.to_binary_event, sdk_http.to_structured_event])
    def test_we_read_what_it_writes(self, write: Any) -> None:
        """Binary and structured: attributes come back, data as the same JSON."""
        theirs = self.event.to_cloudevent()
        theirs._data = json.loads(self.event.data or b"")

        written = write(theirs)

        headers = [
            (name.lower().encode(), value.encode()) for name, value in written.headers.items()
        ]
        ours = decode(headers, written.body)
        assert self.event.replace(time=None).attributes == ours.replace(time=None).attributes
        assert json.loads(self.event.data or b"") == json.loads(ours.data or b"")
