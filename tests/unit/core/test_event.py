"""The event: built, changed by making another, converted between versions."""

from __future__ import annotations

import pytest

from bridge.core.errors import DecodeError
from bridge.core.event import Event, Origin


def an_event(**attributes: str) -> Event:
    return Event.of(id="1", source="/", type="t", **attributes)


def test_of_checks_what_it_is_given() -> None:
    """A checked event is valid; what is not is refused when it is made."""
    assert an_event(subject="s").attributes == {
        "specversion": "1.0",
        "id": "1",
        "source": "/",
        "type": "t",
        "subject": "s",
    }
    with pytest.raises(DecodeError, match="attribute 'subject' is empty"):
        an_event(subject="")


def test_attributes_are_reached_by_name() -> None:
    """Those of the specification are properties, all are found by `get`, absent ones None."""
    event = an_event(subject="s", time="2026-01-31T12:00:00Z", ext="x")

    found = (event.id, event.source, event.type, event.specversion, event.subject, event.time)

    assert found == ("1", "/", "t", "1.0", "s", "2026-01-31T12:00:00Z")
    assert (event.get("ext"), event.get("other"), event.datacontenttype) == ("x", None, None)


@pytest.mark.parametrize(
    ("version", "extensions"),
    [("1.0", {"schemaurl": "a:b", "ext": "x"}), ("0.3", {"dataschema": "a:b", "ext": "x"})],
)
def test_extensions_are_what_the_version_does_not_define(
    version: str, extensions: dict[str, str]
) -> None:
    """`dataschema` is an extension in 0.3, `schemaurl` in 1.0."""
    event = Event.of(
        id="1",
        source="/",
        type="t",
        specversion=version,
        dataschema="a:b",
        schemaurl="a:b",
        ext="x",
    )

    assert extensions == event.extensions


def test_replace_makes_another_event() -> None:
    """The first event stays as it was; data and origin are the same objects."""
    event = Event({"specversion": "1.0", "id": "1", "a": "x"}, b"data", Origin(path="/p"))

    changed = event.replace(a=None, b="y", c=None)

    assert {"specversion": "1.0", "id": "1", "b": "y"} == changed.attributes
    assert {"specversion": "1.0", "id": "1", "a": "x"} == event.attributes
    assert changed.data is event.data
    assert changed.origin is event.origin


def test_equal_is_who_says_the_same() -> None:
    """Attributes in any order and data make equality, where it came from does not."""
    attributes = {"id": "1", "type": "t"}
    reversed_attributes = dict(reversed(attributes.items()))

    event = Event(attributes, b"x", Origin(path="/a"))

    assert Event(reversed_attributes, b"x", Origin(path="/b")) == event
    assert Event(attributes, b"y") != event
    assert Event(attributes, None) != Event(attributes, b"")


def test_an_event_is_no_key() -> None:
    """Equal by content that may be large: an event goes into no set."""
    with pytest.raises(TypeError, match="unhashable"):
        hash(an_event())


class TestConvert:
    """From version to version."""

    def test_schema_changes_its_name(self) -> None:
        """`dataschema` and `schemaurl` become each other; everything else stays."""
        event = Event(an_event(dataschema="urn:x", ext="x").attributes, b"x", Origin(path="/"))

        old = event.convert("0.3")

        expected = {**event.attributes, "specversion": "0.3", "schemaurl": "urn:x"}
        del expected["dataschema"]
        assert Event(expected, b"x") == old
        assert old.origin is event.origin
        assert event == old.convert("1.0")

    def test_content_encoding_goes(self) -> None:
        """It says how a 0.3 envelope wrote the data, and there is none in an event."""
        old = an_event(specversion="0.3", datacontentencoding="base64")

        assert an_event() == old.convert("1.0")

    def test_same_version_is_the_same_event(self) -> None:
        """Nothing to do is nothing done."""
        event = an_event()

        assert event.convert("1.0") is event

    @pytest.mark.parametrize("attributes", [{"a-key": "x"}, {"schemaurl": "relative"}])
    def test_what_has_no_room_is_refused(self, attributes: dict[str, str]) -> None:
        """A dashed name or a relative schema cannot be said in 1.0."""
        old = an_event(specversion="0.3").replace(**attributes)

        with pytest.raises(DecodeError):
            old.convert("1.0")

    def test_unknown_version_is_refused(self) -> None:
        """There are two versions."""
        with pytest.raises(DecodeError, match=r"'specversion' is '2\.0'"):
            an_event().convert("2.0")


def test_origin_finds_the_first_header() -> None:
    """Names are lower case; the first of several wins; none is None."""
    origin = Origin(headers=((b"a", b"1"), (b"b", b"2"), (b"b", b"3")))

    assert (origin.header(b"b"), origin.header(b"c")) == (b"2", None)
