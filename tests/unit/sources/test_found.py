"""One state of an object is one event, whether MinIO told of it or a listing found it."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import Invalid, Origin, check_attributes
from bridge.sources.found import milliseconds, of_listed, of_notification
from tests.fakes_notifications import BEGINNING_NS, notification, record, told

#: As MinIO posted it, to the letter.
RECORDED = (
    b'{"EventName":"s3:ObjectCreated:Put","Key":"inbox/dir/sp ace+\xc3\xbc.json","Records":['
    b'{"eventVersion":"2.0","eventSource":"minio:s3","awsRegion":"","eventTime":'
    b'"2026-11-21T07:02:22.518Z","eventName":"s3:ObjectCreated:Put","userIdentity":'
    b'{"principalId":"minioadmin"},"requestParameters":{"principalId":"minioadmin","region":"",'
    b'"sourceIPAddress":"127.0.0.1"},"responseElements":{"x-amz-id-2":"ecd3","x-amz-request-id":'
    b'"18E9FD6659A63355"},"s3":{"s3SchemaVersion":"1.0","configurationId":"Config","bucket":'
    b'{"name":"inbox","ownerIdentity":{"principalId":"minioadmin"},"arn":"arn:aws:s3:::inbox"},'
    b'"object":{"key":"dir%2Fsp+ace%2B%C3%BC.json","size":7,"eTag":'
    b'"ac3ef48caa08fa3ed5e025da69edc645","contentType":"application/json","sequencer":'
    b'"18E9FD6659B064CE"}},"source":{"host":"127.0.0.1","port":"","userAgent":"MinIO"}}]}'
)

KEYS = st.text(min_size=1, max_size=40).filter(lambda key: key.isprintable())


@given(KEYS, st.integers(0, 2**62))
def test_told_and_listed_are_one_event(key: str, ns: int) -> None:
    """Same id, source, type and subject; a listing knows milliseconds, a sequencer more."""
    (by_notification,) = of_notification(told(key, ns=ns), "")
    by_listing = of_listed(
        "mnist",
        key,
        etag="ac3ef48caa08fa3ed5e025da69edc645",
        size=7,
        ms=ns // 1_000_000,
        region="",
    )

    same = ("id", "source", "type", "subject")
    assert [by_listing.attributes[name] for name in same] == [
        by_notification.attributes[name] for name in same
    ]
    assert by_listing.place == by_notification.place
    assert by_listing.state.ms == by_notification.state.ms


def test_a_recorded_notification_goes_on_as_it_came() -> None:
    """Its bytes are the data; the key is decoded once; the time is MinIO's own text."""
    (found,) = of_notification(RECORDED, "")

    assert RECORDED == found.data
    assert ("inbox", "dir/sp ace+ü.json") == (found.bucket, found.key)
    assert 0x18E9FD6659B064CE == found.state.ns
    assert {
        "specversion": "1.0",
        "id": found.state.id,
        "source": "minio:s3..inbox",
        "type": "com.amazonaws.s3.ObjectCreated:Put",
        "subject": "dir/sp ace+ü.json",
        "time": "2026-11-21T07:02:22.518Z",
        "datacontenttype": "application/json",
    } == found.attributes


@pytest.mark.parametrize("name", ["Post", "Copy", "CompleteMultipartUpload"])
def test_how_new_content_was_made_is_not_in_its_identity(name: str) -> None:
    """A listing cannot tell; the data still says it."""
    (put,) = of_notification(told("a"), "")

    (other,) = of_notification(told("a", name=f"ObjectCreated:{name}"), "")

    assert put.attributes == other.attributes
    assert name in other.name
    assert f"s3:ObjectCreated:{name}" == orjson.loads(other.data)["EventName"]


@pytest.mark.parametrize(
    "changed",
    [
        {"bucket": "other"},
        {"etag": "another"},
        {"ns": BEGINNING_NS + 1_000_000},
        {"name": "ObjectRemoved:Delete"},
        {"name": "ObjectCreated:PutTagging"},
    ],
)
def test_another_state_is_another_event(changed: dict[str, object]) -> None:
    """And so is what happened to a state that is known."""
    (one,) = of_notification(told("a"), "")

    (other,) = of_notification(told("a", **changed), "")

    assert one.state.id != other.state.id


@pytest.mark.parametrize("name", ["ObjectCreated:PutTagging", "ObjectAccessed:Get"])
def test_what_happens_twice_to_one_content_is_two_events(name: str) -> None:
    """Both have that content's sequencer; the very notification once more is no other event."""
    first, second = record("a", name=name), record("a", name=name)
    second["eventTime"] = "2026-11-21T08:00:00.000Z"
    second["responseElements"] = {"x-amz-request-id": "18E9FD66590A20F4", "x-amz-id-2": "node"}

    (one,) = of_notification(notification(first), "")
    (again,) = of_notification(notification(first), "")
    (other,) = of_notification(notification(second), "")

    assert one.state.id == again.state.id
    assert one.state.id != other.state.id


@pytest.mark.parametrize("sequencer", ["0055AED6DCD90281E5", "later", "-1", "1_0", "f" * 400])
def test_a_sequencer_that_is_no_time_is_not_taken_for_one(sequencer: str) -> None:
    """Amazon's are none: then the time of the event counts."""
    one = record("a")
    one["s3"]["object"]["sequencer"] = sequencer  # type: ignore[index]  # as it was made above

    (found,) = of_notification(notification(one), "")

    assert (1_795_244_542_508, None) == (found.state.ms, found.state.ns)


@pytest.mark.parametrize("time", [None, "soon", "2026-12-31T23:59:60Z"])
def test_without_any_time_it_is_for_the_dead_letter(time: str | None) -> None:
    """Nothing could be said of what is newer; a leap second is none that can be counted."""
    one = record("a", ns=None)
    one["eventTime"] = time

    (found,) = of_notification(notification(one), "")

    assert "expected RFC 3339, or a sequencer" in str(found.error)


def test_every_record_is_found() -> None:
    """Each with data of its own, as a notification of one."""
    found = of_notification(notification(record("a"), record("b"), record("c")), "")

    assert ["a", "b", "c"] == [one.key for one in found]
    assert [1, 1, 1] == [len(json.loads(one.data)["Records"]) for one in found]


def test_without_a_sequencer_the_time_of_the_event_counts() -> None:
    """As old releases send it: milliseconds are what identity needs."""
    (found,) = of_notification(told("a", ns=None), "")

    assert (1_795_244_542_508, None) == (found.state.ms, found.state.ns)


def test_a_record_that_is_unfit_takes_no_other_with_it() -> None:
    """Only that one is for the dead letter."""
    found = of_notification(notification(record("a"), record("b\x01"), record("c")), "")

    assert [False, True, False] == [one.error is not None for one in found]
    assert ["a", "c"] == [one.key for one in found if one.error is None]


@pytest.mark.parametrize("body", [b'{"Event":"s3:TestEvent"}', b'{"Records":null}'])
def test_a_test_event_tells_of_nothing(body: bytes) -> None:
    """It is settled, and there is no event."""
    assert [] == of_notification(body, "")


@pytest.mark.parametrize("body", [b"no", b"[]", b'{"a":1}', b'{"Records":1}', b"\xff"])
def test_what_is_no_notification_is_refused(body: bytes) -> None:
    """Nobody who sends notifications sends that."""
    with pytest.raises(DecodeError):
        of_notification(body, "")


def test_several_records_that_cannot_be_parted_are_one_for_the_dead_letter() -> None:
    """One is nested deeper than JSON is written: it would be answered 500, and sent for ever."""
    deep = record("b") | {"more": "DEEP"}
    body = notification(record("a"), deep).replace(b'"DEEP"', b"[" * 300 + b"]" * 300)

    (found,) = of_notification(body, "")

    event = found.event(Origin())
    assert isinstance(event, Invalid)
    assert "nested too deeply" in str(event.error)
    assert body == event.data


@pytest.mark.parametrize("key", ["a\x01b", "a\nb", "\ufffe"])
def test_a_key_that_no_attribute_carries_is_for_the_dead_letter(key: str) -> None:
    """Whoever sent it would send it again for ever; the listing would find it again for ever."""
    (by_notification,) = of_notification(told(key), "")
    by_listing = of_listed("mnist", key, etag="x", size=1, ms=1, region="")

    for found in (by_notification, by_listing):
        event = found.event(Origin())
        assert isinstance(event, Invalid)
        assert "U+" in str(event.error)
        check_attributes(event.attributes)


def test_the_region_is_the_files_own() -> None:
    """What MinIO says in a notification a listing cannot know, so neither decides."""
    assert "minio:s3.eu.mnist" == of_notification(told("a"), "eu")[0].attributes["source"]


def test_a_listing_without_times_cannot_be_used() -> None:
    """Nothing could be said of what is new: the text says what was expected."""
    with pytest.raises(Rejected, match="expected RFC 3339"):
        milliseconds("yesterday", "here")


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-11-21T07:02:22.508Z", 1_795_244_542_508),
        ("2026-11-21T07:02:22Z", 1_795_244_542_000),
        ("2026-11-21T07:02:22.508999+00:00", 1_795_244_542_508),
        ("1970-01-01T00:00:00.001Z", 1),
    ],
)
def test_times_are_cut_to_milliseconds(text: str, ms: int) -> None:
    """As the store itself cuts them in a listing, and never rounded up."""
    assert ms == milliseconds(text, "here")
