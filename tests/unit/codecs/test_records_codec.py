"""What Kafka records hold: KafkaSource's mapping to the letter, Seldon's form, notifications."""

from __future__ import annotations

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.codecs.records import Decoding, decoder
from bridge.core.attributes import check_attributes
from bridge.core.errors import DecodeError, UnsupportedFormat
from bridge.core.event import Event, Origin, Record

RecordHeaders = tuple[tuple[str, bytes | None], ...]

EVENT: RecordHeaders = (
    ("ce_specversion", b"1.0"),
    ("ce_id", b"1"),
    ("ce_source", b"/"),
    ("ce_type", b"t"),
)


def record(
    value: bytes | None = b"{}",
    *headers: tuple[str, bytes | None],
    key: bytes | None = None,
    timestamp_ms: int | None = 1_574_017_688_123,
) -> Record:
    """Return a record at partition 4, offset 42 of the topic `orders`."""
    return Record("orders", 4, 42, key, value, headers, timestamp_ms)


def events(
    decoding: Decoding, given: Record, name: str = "source", namespace: str | None = "shop"
) -> list[Event]:
    """Return what *given* holds, each event with an origin that knows the record."""

    def origin(headers: tuple[tuple[bytes, bytes], ...]) -> Origin:
        return Origin("kafka", headers=headers, record=given)

    return decoder(decoding, name=name, namespace=namespace)(given, origin)


# As KafkaSource has it


def test_a_record_is_an_event_as_kafkasource_makes_it() -> None:
    """Knative eventing-kafka-broker, InvalidCloudEventInterceptor: every attribute of it."""
    given = record(b'{"a":1}', ("X-Tenant_1", b"acme"), ("Content-Type", b"Text/JSON"), key=b"k")

    [event] = events("record", given)

    assert {
        "specversion": "1.0",
        "id": "partition:4/offset:42",
        "source": "/apis/v1/namespaces/shop/kafkasources/source#orders",
        "type": "dev.knative.kafka.event",
        "subject": "partition:4#42",
        "time": "2019-11-17T19:08:08.123000000Z",
        "partitionkey": "k",
        "key": "k",
        "kafkaheaderxtenant1": "acme",
        "datacontenttype": "text/json",
    } == event.attributes
    assert b'{"a":1}' == event.data
    assert given is event.origin.record
    assert ((b"x-tenant_1", b"acme"), (b"content-type", b"Text/JSON")) == event.origin.headers


def test_a_bare_record_has_what_its_place_says() -> None:
    """No headers, no key, no time: no attributes of theirs, and no content type either."""
    [event] = events("record", record(b"x", timestamp_ms=None), namespace=None)

    assert {
        "specversion": "1.0",
        "id": "partition:4/offset:42",
        "source": "/apis/v1/namespaces/default/kafkasources/source#orders",
        "type": "dev.knative.kafka.event",
        "subject": "partition:4#42",
    } == event.attributes


@pytest.mark.parametrize("timestamp_ms", [-1, -(2**63), 253_402_300_800_000, 2**63 - 1])
def test_a_time_that_no_calendar_has_is_left_out(timestamp_ms: int) -> None:
    """A producer may write any number."""
    [event] = events("record", record(timestamp_ms=timestamp_ms))

    assert "time" not in event.attributes


def test_the_last_moment_of_the_calendar_is_one() -> None:
    """RFC 3339 ends with the year 9999."""
    [event] = events("record", record(timestamp_ms=253_402_300_799_999))

    assert "9999-12-31T23:59:59.999000000Z" == event.time


@pytest.mark.parametrize("value", [None, b"", b"\xff"])
def test_any_value_is_data(value: bytes | None) -> None:
    """Null is no data, empty is empty data, bytes stay bytes."""
    [event] = events("record", record(value))

    assert value == event.data


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        (b"k", "k"),
        ("é".encode(), "é"),
        (b"\xff\x00", "/wA="),
        (b"a\nb", "YQpi"),
        (b"", None),
        (None, None),
    ],
)
def test_a_key_is_two_attributes(key: bytes | None, attribute: str | None) -> None:
    """`partitionkey` and `key`: text as it is, anything else in base64."""
    [event] = events("record", record(key=key))

    assert (attribute, attribute) == (event.get("partitionkey"), event.get("key"))


def test_headers_that_repeat_are_null_or_nameless() -> None:
    """The last one counts, null is none, a name without letter or digit gives no attribute."""
    given = record(
        b"", ("a", b"1"), ("A", b"2"), ("b", None), ("--", b"x"), ("é", b"x"), ("c", b"\xff")
    )

    [event] = events("record", given)

    found = {name: text for name, text in event.attributes.items() if "kafkaheader" in name}
    assert {"kafkaheadera": "2", "kafkaheaderc": "/w=="} == found


def test_a_content_type_that_is_none_is_left_out() -> None:
    """It could name nothing to anybody; the header itself stays with the origin."""
    [event] = events("record", record(b"", ("content-type", b"\xff no")))

    assert event.datacontenttype is None
    assert b"\xff no" == event.origin.header(b"content-type")


# Which one it is


def test_auto_takes_events_as_events_and_the_rest_as_records() -> None:
    """`ce_specversion` or an event format says that it means to be one."""
    structured = orjson.dumps({"specversion": "1.0", "id": "2", "source": "/", "type": "t"})

    found = [
        events("auto", record(b"x", *EVENT))[0],
        events("auto", record(structured, ("content-type", b"application/cloudevents+json")))[0],
        events("auto", record(b"x", ("content-type", b"application/json")))[0],
    ]

    assert ["1", "2", "partition:4/offset:42"] == [event.id for event in found]


def test_what_means_to_be_an_event_and_is_none_is_refused() -> None:
    """Not taken for a plain record: its sender meant something."""
    with pytest.raises(DecodeError, match="ce_source"):
        events("auto", record(b"x", ("ce_specversion", b"1.0"), ("ce_id", b"1")))


def test_cloudevents_takes_nothing_else() -> None:
    """A plain record is refused where only events are expected."""
    with pytest.raises(DecodeError, match="no CloudEvent"):
        events("cloudevents", record(b"x"))


def test_the_key_of_an_event_is_no_attribute() -> None:
    """Kafka binding 3.1: an out-of-band key is never added as an attribute."""
    [event] = events("cloudevents", record(b"x", *EVENT, key=b"k"))

    assert event.get("partitionkey") is None
    assert event.origin.record is not None
    assert b"k" == event.origin.record.key


def test_headers_beside_the_attributes_go_with_the_origin() -> None:
    """Names in lower case, nulls left out, attributes not said twice."""
    [event] = events("cloudevents", record(b"x", *EVENT, ("Seldon-Puid", b"7"), ("n", None)))

    assert ((b"seldon-puid", b"7"),) == event.origin.headers


# As Seldon reads it


def test_seldons_form_is_a_request() -> None:
    """Executor 1.18, api/kafka: the value is the body, Seldon-Puid the id."""
    given = record(b'{"data":{}}', ("Seldon-Puid", b"puid-1"), ("Content-Type", b"text/json"))

    [event] = events("seldon", given, name="iris")

    assert {
        "specversion": "1.0",
        "id": "puid-1",
        "source": "/kafka/orders",
        "type": "seldon.iris.request",
        "datacontenttype": "text/json",
    } == event.attributes
    assert b'{"data":{}}' == event.data
    assert b"puid-1" == event.origin.header(b"seldon-puid")


def test_seldons_form_without_headers_is_json_with_an_id_of_its_place() -> None:
    """A redelivery has the same id: where the executor made one up."""
    [event] = events("seldon", record(b"{}"))

    assert ("4/42", "application/json") == (event.id, event.datacontenttype)


def test_a_protobuf_message_of_seldons_is_refused_by_name() -> None:
    """`proto-name` says that the value is none that JSON's protocol can carry."""
    with pytest.raises(UnsupportedFormat, match=r"tensorflow\.serving\.PredictRequest"):
        events("seldon", record(b"", ("proto-name", b"tensorflow.serving.PredictRequest")))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (record(None), "the value is null"),
        (record(b"", ("Seldon-Puid", b"a\nb")), "id"),
        (record(b"", ("Content-Type", b"\xff")), "datacontenttype"),
    ],
)
def test_what_is_no_request_of_seldons_is_told(given: Record, said: str) -> None:
    """The attribute that could not be made."""
    with pytest.raises(DecodeError, match=said):
        events("seldon", given)


# Notifications


def notification(*keys: str) -> bytes:
    """Return a notification of objects with these *keys*."""
    return orjson.dumps(
        {
            "Records": [
                {
                    "eventSource": "minio:s3",
                    "eventName": "s3:ObjectCreated:Put",
                    "responseElements": {"x-amz-request-id": "r"},
                    "s3": {"bucket": {"name": "b"}, "object": {"key": key, "sequencer": key}},
                }
                for key in keys
            ]
        }
    )


def test_a_notification_of_objects_is_an_event_for_each() -> None:
    """In their order, each with an origin of its own: the record is settled when all are."""
    found = events("s3_notification", record(notification("a", "b+c"), key=b"bucket/a"))

    assert ["a", "b c"] == [event.subject for event in found]
    assert found[0].origin is not found[1].origin
    assert found[0].origin.record is found[1].origin.record


def test_a_ping_is_no_event() -> None:
    """Nothing to do, and nothing wrong."""
    assert [] == events("s3_notification", record(b'{"Records":null}'))


@pytest.mark.parametrize("value", [None, b"", b"[]", b"\xff"])
def test_what_is_no_notification_is_refused(value: bytes | None) -> None:
    """A null value as well."""
    with pytest.raises(DecodeError, match="notification"):
        events("s3_notification", record(value))


# Whatever comes

_names = st.one_of(
    st.sampled_from(["ce_id", "ce_specversion", "content-type", "Seldon-Puid", "proto-name", ""]),
    st.text(max_size=10),
)
_records = st.builds(
    Record,
    st.just("orders"),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    st.none() | st.binary(max_size=10),
    st.none() | st.binary(max_size=30) | st.text(max_size=10).map(str.encode),
    st.lists(
        st.tuples(_names, st.none() | st.binary(max_size=20) | st.text(max_size=9).map(str.encode))
    ).map(tuple),
    st.none() | st.integers(-(2**63), 2**63 - 1),
)


@given(_records, st.sampled_from(["auto", "cloudevents", "record", "seldon", "s3_notification"]))
def test_any_record_is_events_or_refused(given: Record, decoding: Decoding) -> None:
    """Nothing but DecodeError comes out, and no event that breaks the specification."""
    try:
        found = events(decoding, given)
    except DecodeError:
        return
    for event in found:
        check_attributes(event.attributes)
        assert given is event.origin.record


@given(_records)
def test_any_record_at_all_is_one_event_as_a_plain_one(given: Record) -> None:
    """KafkaSource's mapping refuses nothing, and loses neither value nor key."""
    [event] = events("record", given)

    assert given.value == event.data
    if given.key:
        assert event.attributes["key"].encode() in (given.key, base64.b64encode(given.key))
