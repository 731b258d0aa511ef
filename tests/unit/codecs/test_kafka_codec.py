"""CloudEvents in Kafka records: the binding's own examples, any event there and back, refusals."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs import kafka
from bridge.codecs.kafka import RecordHeaders, decode, encode, is_event
from bridge.core.attributes import check_attributes
from bridge.core.errors import DecodeError, UnsupportedFormat
from bridge.core.event import Event, Origin
from tests.strategies import events, names

#: Section 3.2.6 of the binding.
BINARY = [
    ("ce_specversion", b"1.0"),
    ("ce_type", b"com.example.someevent"),
    ("ce_source", b"/mycontext/subcontext"),
    ("ce_id", b"1234-1234-1234"),
    ("ce_time", b"2018-04-05T03:56:24Z"),
    ("content-type", b"application/avro"),
]

#: Section 3.3.4 of the binding.
STRUCTURED = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
ENVELOPE = b"""{
  "specversion" : "1.0",
  "type" : "com.example.someevent",
  "source" : "/mycontext/subcontext",
  "id" : "1234-1234-1234",
  "time" : "2018-04-05T03:56:24Z",
  "datacontenttype" : "application/xml",
  "data": "<xml/>"
}"""

GOOD = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"/", "ce_type": b"t"}


def headers(*absent: str, **changed: bytes | None) -> list[tuple[str, bytes | None]]:
    """Return the headers of a good event, some *absent* and some *changed*."""
    found: dict[str, bytes | None] = {**GOOD, **changed}
    return [(name, value) for name, value in found.items() if name not in absent]


def test_the_bindings_binary_example() -> None:
    """Headers are attributes, the value is the data."""
    event = decode(BINARY, b"\x01\x02")

    assert b"\x01\x02" == event.data
    assert {
        "specversion": "1.0",
        "type": "com.example.someevent",
        "source": "/mycontext/subcontext",
        "id": "1234-1234-1234",
        "time": "2018-04-05T03:56:24Z",
        "datacontenttype": "application/avro",
    } == event.attributes


def test_the_bindings_structured_example() -> None:
    """The value is the event, whatever else is in the headers."""
    event = decode([*STRUCTURED, ("ce_id", b"other"), ("ce_id", b"\xff")], ENVELOPE)

    assert ("1234-1234-1234", b"<xml/>") == (event.id, event.data)


@given(events(), st.sampled_from(["binary", "structured"]))
def test_any_event_survives(event: Event, content_mode: kafka.ContentMode) -> None:
    """Attributes and data come back to the last byte, no data and empty data told apart."""
    record_headers, value = encode(event, content_mode)

    assert event == decode(record_headers, value)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from([*GOOD, "content-type", "ce_time"]), st.text(), names),
            st.one_of(st.none(), st.binary(), st.sampled_from([b"1.0", b"0.3", *GOOD.values()])),
        )
    ),
    st.one_of(st.none(), st.binary()),
)
def test_whatever_the_record_it_is_an_event_or_refused(
    record_headers: RecordHeaders, value: bytes | None
) -> None:
    """Nothing but DecodeError comes out, and what is decoded is valid."""
    with suppress(DecodeError):
        check_attributes(decode(record_headers, value).attributes)


def test_values_are_text_and_nothing_is_percent_decoded() -> None:
    """The binding has UTF-8 header values, as they are."""
    event = decode(headers(ce_subject="100%41 é".encode()), None)

    assert "100%41 é" == event.subject


def test_a_null_value_is_no_data_and_an_empty_one_is_empty() -> None:
    """A tombstone's payload is none."""
    assert [None, b""] == [decode(headers(), value).data for value in (None, b"")]


def test_a_null_attribute_is_absent() -> None:
    """As in the JSON format."""
    assert decode(headers(ce_subject=None), None).subject is None


@pytest.mark.parametrize(
    "name", ["ce_Time", "ce_ab_c", "ce_", "ce_é", "ce_data", "ce_a-b", "other"]
)
def test_a_header_that_can_be_no_attribute_is_somebody_elses(name: str) -> None:
    """It costs the record nothing, however often it is there."""
    event = decode([*headers(), (name, b"x"), (name, None)], None)

    assert {"specversion", "id", "source", "type"} == set(event.attributes)


def test_a_map_of_0_3_keeps_its_flattened_entries() -> None:
    """There a dash is part of a name."""
    event = decode([*headers(ce_specversion=b"0.3"), ("ce_map-entry", b"x")], None)

    assert "x" == event.get("map-entry")


def test_the_origin_goes_into_the_event() -> None:
    """Where the record was found stays with it."""
    origin = Origin("kafka")

    assert origin is decode(headers(), None, origin=origin).origin


@pytest.mark.parametrize(
    ("record_headers", "value", "words"),
    [
        (headers("ce_id"), None, "attribute 'id' (header 'ce_id') is missing"),
        (headers(ce_id=None), None, "attribute 'id' (header 'ce_id') is missing"),
        (headers(ce_id=b""), None, "attribute 'id' (header 'ce_id') is empty"),
        (headers(ce_specversion=b"19.0"), None, "'19.0'"),
        (headers(ce_time=b"yesterday"), None, "header 'ce_time'"),
        ([*headers(), ("ce_id", b"2")], None, "header 'ce_id' occurs twice: expected it once"),
        (headers(ce_subject=b"\xff"), None, "header 'ce_subject' is not UTF-8"),
        (
            headers(ce_datacontenttype=b"a/b"),
            None,
            "header 'ce_datacontenttype' is there: expected content-type instead",
        ),
        ([], b"{}", "no CloudEvent: header 'ce_specversion'"),
        ([("content-type", b"application/json")], b"{}", "content-type is 'application/json'"),
        (STRUCTURED, None, "the value is null: expected an event as JSON"),
        (STRUCTURED, b"{", "JSON"),
    ],
)
def test_what_is_no_event_is_refused_with_its_header(
    record_headers: RecordHeaders, value: bytes | None, words: str
) -> None:
    """The text says what is wrong, and where."""
    with pytest.raises(DecodeError) as caught:
        decode(record_headers, value)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    "content_type",
    [
        b"application/cloudevents+avro",
        b"application/cloudevents",
        b"application/cloudevents-batch+json",
        b"APPLICATION/CloudEvents+JSON; charset=latin-1",
    ],
)
def test_a_format_nobody_here_reads_is_told_apart(content_type: bytes) -> None:
    """There is no batch mode in Kafka, and JSON is UTF-8."""
    with pytest.raises(UnsupportedFormat, match=r"expected application/cloudevents\+json"):
        decode([("Content-Type", content_type)], b"[]")


def test_data_that_names_a_mode_goes_structured() -> None:
    """As a header its content type would say that the value is the event."""
    inner = Event.of(
        id="1", source="/", type="t", data=b"{}", datacontenttype="application/cloudevents+json"
    )

    record_headers, value = encode(inner, "binary")

    assert [("content-type", kafka.STRUCTURED_TYPE)] == record_headers
    assert inner == decode(record_headers, value)


@pytest.mark.parametrize(
    ("record_headers", "expected"),
    [
        (headers(), True),
        (headers("ce_id"), True),
        (STRUCTURED, True),
        ([("content-type", b"application/json")], False),
        ([("ce_id", b"1"), ("content-type", None)], False),
        ([], False),
    ],
)
def test_a_record_that_means_to_be_an_event_is_one_valid_or_not(
    record_headers: RecordHeaders, expected: bool
) -> None:
    """Knative's KafkaSource wraps all the others."""
    assert expected == is_event(record_headers)


@pytest.mark.parametrize("name", ["Upper", "with_underscore", "data", "é", ""])
def test_what_cannot_name_an_attribute_is_not_written(name: str) -> None:
    """Nothing leaves that a reader would take for something else."""
    attributes = {"specversion": "1.0", "id": "1", "source": "/", "type": "t", name: "x"}

    with pytest.raises(DecodeError, match="is invalid"):
        encode(Event(attributes), "binary")
