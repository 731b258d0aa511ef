"""Notifications of objects: what MinIO and S3 send, one event for each object, and garbage."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import Body
from bridge.codecs.notification import (
    MAX_RECORDS,
    Told,
    decode,
    notified_object,
    object_key,
    object_of,
)
from bridge.core.attributes import check_attributes
from bridge.core.errors import DecodeError

#: What MinIO of 2025 writes to Kafka for `mc cp sp\ ace+ü.json minio/inbox/dir/`.
PUT: dict[str, Any] = {
    "EventName": "s3:ObjectCreated:Put",
    "Key": "inbox/dir/sp ace+ü.json",
    "Records": [
        {
            "eventVersion": "2.0",
            "eventSource": "minio:s3",
            "awsRegion": "",
            "eventTime": "2026-11-21T07:02:22.518Z",
            "eventName": "s3:ObjectCreated:Put",
            "userIdentity": {"principalId": "minioadmin"},
            "requestParameters": {
                "principalId": "minioadmin",
                "region": "",
                "sourceIPAddress": "127.0.0.1",
            },
            "responseElements": {
                "x-amz-id-2": "ecd3fcddeab9ffe6b95ace57f7f1eed5c99e8fbb31b23bf1937776c6fb6e37e9",
                "x-amz-request-id": "18E9FD6659A63355",
                "x-minio-deployment-id": "f62d6dcc-1650-4872-9fac-6ba3d4b5fb11",
                "x-minio-origin-endpoint": "http://127.0.0.1:23600",
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "Config",
                "bucket": {
                    "name": "inbox",
                    "ownerIdentity": {"principalId": "minioadmin"},
                    "arn": "arn:aws:s3:::inbox",
                },
                "object": {
                    "key": "dir%2Fsp+ace%2B%C3%BC.json",
                    "size": 7,
                    "eTag": "ac3ef48caa08fa3ed5e025da69edc645",
                    "contentType": "application/json",
                    "userMetadata": {
                        "X-Amz-Meta-Ce-Id": "7",
                        "content-type": "application/json",
                    },
                    "sequencer": "18E9FD6659B064CE",
                },
            },
            "source": {"host": "127.0.0.1", "port": "", "userAgent": "MinIO (Linux; x86_64)"},
        }
    ],
}

#: What it writes when the object is deleted.
DELETE: dict[str, Any] = {
    **PUT,
    "EventName": "s3:ObjectRemoved:Delete",
    "Records": [
        {
            **PUT["Records"][0],
            "eventTime": "2026-11-21T07:02:22.526Z",
            "eventName": "s3:ObjectRemoved:Delete",
            "responseElements": {"x-amz-request-id": "18E9FD665A27EA7A"},
            "s3": {
                **PUT["Records"][0]["s3"],
                "object": {"key": "dir%2Fsp+ace%2B%C3%BC.json", "sequencer": "18E9FD665A2C7545"},
            },
        }
    ],
}

#: What MinIO of 2019 wrote, from the KServe example that classifies images in a bucket.
OLD = b"""{
   "EventType":"s3:ObjectCreated:Put",
   "Key":"mnist/0.png",
   "Records":[
      {"eventVersion":"2.0",
       "eventSource":"minio:s3",
       "awsRegion":"",
       "eventTime":"2019-11-17T19:08:08Z",
       "eventName":"s3:ObjectCreated:Put",
       "userIdentity":{"principalId":"minio"},
       "requestParameters":{"sourceIPAddress":"127.0.0.1:37830"},
       "responseElements":{"x-amz-request-id":"15D808BF706E0994",
       "x-minio-origin-endpoint":"http://10.244.0.71:9000"},
       "s3":{
          "s3SchemaVersion":"1.0",
          "configurationId":"Config",
          "bucket":{
               "name":"mnist",
               "ownerIdentity":{"principalId":"minio"},
               "arn":"arn:aws:s3:::mnist"},
          "object":{"key":"0.png","size":324,"eTag":"ebed21f6f77b0a64673a3c96b0c623ba",
               "contentType":"image/png","userMetadata":{"content-type":"image/png"},
               "versionId":"1","sequencer":"15D808BF706E0994"}},
          "source":{"host":"","port":"","userAgent":""}}
   ],
   "level":"info",
   "msg":"",
   "time":"2019-11-17T19:08:08Z"
}"""

#: What S3 sends, from the user guide: no prefix, a region, slashes that stay.
AWS: dict[str, Any] = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-west-2",
            "eventTime": "1970-01-01T00:00:00.000Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
            "requestParameters": {"sourceIPAddress": "172.16.0.1"},
            "responseElements": {
                "x-amz-request-id": "C3D13FE58DE4C810",
                "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD",
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "testConfigRule",
                "bucket": {
                    "name": "amzn-s3-demo-bucket",
                    "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                    "arn": "arn:aws:s3:::amzn-s3-demo-bucket",
                },
                "object": {
                    "key": "red/Happy+Face.jpg",
                    "size": 1024,
                    "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                    "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                    "sequencer": "0055AED6DCD90281E5",
                },
            },
        }
    ]
}


def changed(*path: str | int, to: object) -> bytes:
    """Return the notification of a new object with what is at *path* changed."""
    notification = copy.deepcopy(PUT)
    at: Any = notification
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = to
    return orjson.dumps(notification)


def test_a_new_object_in_minio() -> None:
    """Its key is decoded once, its name goes without `s3:`, its data is the very bytes."""
    body = orjson.dumps(PUT, option=orjson.OPT_INDENT_2)

    [(attributes, data)] = decode(body)

    assert {
        "specversion": "1.0",
        "id": "18E9FD6659A63355"
        ".ecd3fcddeab9ffe6b95ace57f7f1eed5c99e8fbb31b23bf1937776c6fb6e37e9"
        ".18E9FD6659B064CE",
        "source": "minio:s3..inbox",
        "type": "com.amazonaws.s3.ObjectCreated:Put",
        "subject": "dir/sp ace+ü.json",
        "time": "2026-11-21T07:02:22.518Z",
        "datacontenttype": "application/json",
    } == attributes
    assert body is data


def test_an_object_that_is_gone() -> None:
    """A deletion has a key and a sequencer, no size and no type."""
    [(attributes, _)] = decode(orjson.dumps(DELETE))

    assert "com.amazonaws.s3.ObjectRemoved:Delete" == attributes["type"]
    assert "18E9FD665A27EA7A.18E9FD665A2C7545" == attributes["id"]
    assert "dir/sp ace+ü.json" == attributes["subject"]


def test_a_notification_of_old_minio() -> None:
    """`EventType`, and members beside it that a log made: taken as it is."""
    [(attributes, data)] = decode(OLD)

    assert {
        "specversion": "1.0",
        "id": "15D808BF706E0994.15D808BF706E0994",
        "source": "minio:s3..mnist",
        "type": "com.amazonaws.s3.ObjectCreated:Put",
        "subject": "0.png",
        "time": "2019-11-17T19:08:08Z",
        "datacontenttype": "application/json",
    } == attributes
    assert OLD is data


def test_a_notification_of_s3() -> None:
    """CloudEvents adapters/aws-s3.md, and the sequencer behind its id."""
    [(attributes, _)] = decode(orjson.dumps(AWS))

    assert (
        "C3D13FE58DE4C810.FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"
        ".0055AED6DCD90281E5"
    ) == attributes["id"]
    assert "aws:s3.us-west-2.amzn-s3-demo-bucket" == attributes["source"]
    assert "com.amazonaws.s3.ObjectCreated:Put" == attributes["type"]
    assert "red/Happy Face.jpg" == attributes["subject"]


def test_several_objects_are_several_events() -> None:
    """Each with a notification of its own: its name and key on top, and no other's record."""
    records = copy.deepcopy([PUT["Records"][0], DELETE["Records"][0]])
    records[0]["s3"]["object"]["size"] = 2**63
    both = {**PUT, "Records": records, "level": "info"}

    events = decode(orjson.dumps(both))

    told = [orjson.loads(data) for _, data in events]
    assert [[record] for record in records] == [one["Records"] for one in told]
    assert ["s3:ObjectCreated:Put", "s3:ObjectRemoved:Delete"] == [one["EventName"] for one in told]
    assert ["inbox/dir/sp ace+ü.json"] * 2 == [one["Key"] for one in told]
    assert ["info"] * 2 == [one["level"] for one in told]
    assert 2 == len({attributes["id"] for attributes, _ in events})


def test_a_megabyte_with_a_thousand_records_is_not_kept_a_thousand_times() -> None:
    """What stands beside Records goes into each event: a long one is refused, not multiplied."""
    long = {**PUT, "beside": "x" * 900_000, "Records": PUT["Records"] * MAX_RECORDS}

    with pytest.raises(DecodeError) as refused:
        decode(orjson.dumps(long))

    assert "beside 'Records': 900" in str(refused.value)
    assert "expected at most 16384 bytes" in str(refused.value)


def test_what_stands_beside_one_record_may_be_as_long_as_it_likes() -> None:
    """Nothing is written again: the event is the very bytes that came."""
    body = orjson.dumps({**PUT, "beside": "x" * 900_000})

    ((_, data),) = decode(body)

    assert data is body


def test_objects_of_one_request_have_ids_of_their_own() -> None:
    """A deletion of many has one request id: their sequencers tell them apart."""
    records = [copy.deepcopy(DELETE["Records"][0]) for _ in range(2)]
    records[1]["s3"]["object"]["sequencer"] = "18E9FD665A2C7546"

    events = decode(orjson.dumps({"Records": records}))

    assert 2 == len({attributes["id"] for attributes, _ in events})


def test_without_request_and_sequencer_the_id_is_what_happened() -> None:
    """The name of a node is the same for all of its events: it would join them into one."""
    records = [copy.deepcopy(PUT["Records"][0]) for _ in range(2)]
    for record in records:
        del record["s3"]["object"]["sequencer"]
        record["responseElements"] = {"x-amz-request-id": "", "x-amz-id-2": "node"}
    records[1]["s3"]["object"]["key"] = "b.json"

    first, second = decode(orjson.dumps({"Records": records}))

    assert ("node.inbox.dir/sp ace+ü.json.2026-11-21T07:02:22.518Z.ObjectCreated:Put") == first[0][
        "id"
    ]
    assert first[0]["id"] != second[0]["id"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"Records":null}',
        b'{"Records":[]}',
        b'{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2014-10-13T15:57:02.089Z",'
        b'"Bucket":"bucket","RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwc"}',
    ],
)
def test_a_sign_of_life_is_no_event(body: bytes) -> None:
    """A ping and S3's test tell of no object, and are no mistake."""
    assert [] == decode(body)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"[]", "expected a JSON object with Records"),
        (b'"x"', "expected a JSON object with Records"),
        (b"{}", "member 'Records' is missing"),
        (b'{"Records":{}}', "member 'Records': expected a list"),
        (b'{"Records":[1]}', r"member 'Records\[0\]': expected an object"),
        (b'{"Records":[{}]}', r"member 'Records\[0\].s3.bucket': expected an object"),
        (orjson.dumps({"Records": [{}] * (MAX_RECORDS + 1)}), "at most 1000"),
        (changed("Records", 0, "s3", to=None), "s3.bucket': expected an object, found None"),
        (changed("Records", 0, "s3", "bucket", "name", to=""), "name': expected text"),
        (changed("Records", 0, "s3", "object", "key", to=7), "key': expected text, found 7"),
        (changed("Records", 0, "eventName", to=None), "eventName': expected text"),
        (changed("Records", 0, "eventSource", to=[]), "eventSource': expected text"),
        (changed("Records", 0, "s3", "object", "key", to="%FF"), r"Records\[0\]: subject"),
        (changed("Records", 0, "s3", "object", "key", to="a%0Ab"), r"Records\[0\]: subject"),
    ],
)
def test_what_is_no_notification_is_told(body: bytes, said: str) -> None:
    """The member, and what was expected there."""
    with pytest.raises(DecodeError, match=said):
        decode(body)


@pytest.mark.parametrize("value", [None, 7, {"a": 1}, ["x"]])
@pytest.mark.parametrize("member", ["awsRegion", "eventTime", "responseElements"])
def test_what_may_be_missing_may_be_anything(member: str, value: object) -> None:
    """Of no use to anybody, and no reason to refuse an object."""
    [(attributes, _)] = decode(changed("Records", 0, member, to=value))

    assert "minio:s3..inbox" == attributes["source"]
    assert "{" not in attributes["id"]


def test_a_time_that_is_none_is_left_out() -> None:
    """The event is not refused for it."""
    [(attributes, _)] = decode(changed("Records", 0, "eventTime", to="yesterday"))

    assert "time" not in attributes


def test_nested_too_deeply_to_be_written_again() -> None:
    """The parser reads deeper than it writes: a refusal, not a bug's answer."""
    deep = b"[" * 500 + b"]" * 500
    record = orjson.dumps(PUT["Records"][0])
    body = b'{"Records":[%b,%b],"x":%b}' % (record, record, deep)

    with pytest.raises(DecodeError, match="nested too deeply"):
        decode(body)


@pytest.mark.parametrize(
    ("escaped", "key"),
    [
        ("a.json", "a.json"),
        ("dir%2Fsp+ace%2B%C3%BC.json", "dir/sp ace+ü.json"),
        ("100%25+sure", "100% sure"),
        ("%252F", "%2F"),
        ("red/flower.jpg", "red/flower.jpg"),
    ],
)
def test_keys_are_decoded_once(escaped: str, key: str) -> None:
    """`+` is a space, `%2B` a plus, and what looks escaped after that is part of the name."""
    body = changed("Records", 0, "s3", "object", "key", to=escaped)

    [(attributes, data)] = decode(body)

    assert key == attributes["subject"]
    assert key == object_key(orjson.loads(data)["Records"][0])


def test_what_a_notification_tells_of_an_object() -> None:
    """Where it lies, pinned to the content that was there; as bytes, as JSON, as a payload."""
    expected = Told(
        bucket="inbox",
        key="dir/sp ace+ü.json",
        etag="ac3ef48caa08fa3ed5e025da69edc645",
        size=7,
        event_name="ObjectCreated:Put",
        sequencer="18E9FD6659B064CE",
    )

    body = orjson.dumps(PUT)

    assert expected == object_of(body)
    assert expected == object_of(PUT)
    assert expected == notified_object(Body(body))


def test_what_s3_and_old_minio_tell() -> None:
    """A version of S3 is one; the `1` of MinIO before 2020 stood for having none."""
    new, old = object_of(AWS), object_of(OLD)

    assert ("096fKKXTRTtl3on89fVO.nfljtsv6qko", "red/Happy Face.jpg") == (new.version, new.key)
    assert (
        Told(
            bucket="mnist",
            key="0.png",
            etag="ebed21f6f77b0a64673a3c96b0c623ba",
            size=324,
            event_name="ObjectCreated:Put",
            sequencer="15D808BF706E0994",
        )
        == old
    )


def test_an_etag_that_minio_has_sealed_is_none() -> None:
    """As it tells of a form's post to an encrypted bucket: no read by that one finds anything."""
    sealed = (
        "20000f00c6f6ee96dcb9af3483605b6b5da2d84f086cf33dce50285c4c45ec03"
        "3c8dbe93914bc75ce8dd8f60f66ebe9a"
    )
    of_minio = changed("Records", 0, "s3", "object", "eTag", to=sealed)
    of_another = of_minio.replace(b"minio:s3", b"ceph:s3")

    assert (None, sealed) == (object_of(of_minio).etag, object_of(of_another).etag)


def test_an_etag_of_parts_is_one() -> None:
    """It has a dash, which what MinIO seals has not: an upload in parts is pinned as well."""
    parts = "2f282b84e7e608d5852449ed940bfc51-10000"

    assert parts == object_of(changed("Records", 0, "s3", "object", "eTag", to=parts)).etag


def test_a_version_called_1_is_one_where_another_store_says_so() -> None:
    """Only MinIO before 2020 wrote it for having none."""
    of_minio = changed("Records", 0, "s3", "object", "versionId", to="1")
    of_another = of_minio.replace(b"minio:s3", b"ceph:s3")

    assert (None, "1") == (object_of(of_minio).version, object_of(of_another).version)


def test_what_a_deletion_tells() -> None:
    """A key and a sequencer."""
    told = object_of(DELETE)

    assert ("ObjectRemoved:Delete", "18E9FD665A2C7545") == (told.event_name, told.sequencer)
    assert (None, None, None) == (told.version, told.etag, told.size)


@pytest.mark.parametrize(
    ("member", "value", "found"),
    [
        ("versionId", "null", None),
        ("versionId", "", None),
        ("versionId", None, None),
        ("versionId", 7, None),
        ("versionId", "1d3c2a", "1d3c2a"),
        ("eTag", '"d41d-2"', "d41d-2"),
        ("eTag", "", None),
        ("size", True, None),
        ("size", "7", None),
        ("size", 0, 0),
    ],
)
def test_what_may_be_missing_is_none(member: str, value: object, found: object) -> None:
    """`null` is MinIO's word for the version of what has none."""
    told = object_of(changed("Records", 0, "s3", "object", member, to=value))

    names = {"versionId": "version", "eTag": "etag", "size": "size"}
    assert found == getattr(told, names[member])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"[]", "'Records' with one"),
        (b"{}", "'Records' with one"),
        (b'{"Records":null}', "'Records' with one"),
        (b'{"Records":[]}', "'Records' with one"),
        (b'{"Records":[{},{}]}', "'Records' with one"),
        (b'{"Records":[1]}', "'Records' with one"),
        (b'{"Records":[{}]}', r"Records\[0\].s3.object': expected an object"),
        (changed("Records", 0, "s3", "bucket", "name", to=7), "name': expected text"),
        (changed("Records", 0, "s3", "object", "key", to=""), "key': expected text"),
        (changed("Records", 0, "s3", "object", "key", to="%FF"), "key': expected UTF-8"),
        (changed("Records", 0, "eventName", to=None), "eventName': expected text"),
    ],
)
def test_what_tells_of_no_one_object_is_refused(body: bytes, said: str) -> None:
    """A key that is guessed would be another object."""
    with pytest.raises(DecodeError, match=said):
        object_of(body)
    with pytest.raises(DecodeError, match=said):
        notified_object(Body(body))


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_paths = st.sampled_from(
    [
        ("Records",),
        ("Records", 0),
        ("Records", 0, "s3"),
        ("Records", 0, "s3", "bucket"),
        ("Records", 0, "s3", "bucket", "name"),
        ("Records", 0, "s3", "object"),
        ("Records", 0, "s3", "object", "key"),
        ("Records", 0, "s3", "object", "sequencer"),
        ("Records", 0, "responseElements"),
        ("Records", 0, "responseElements", "x-amz-request-id"),
        ("Records", 0, "eventName"),
        ("Records", 0, "eventSource"),
        ("Records", 0, "awsRegion"),
        ("Records", 0, "eventTime"),
    ]
)


def _checked(body: bytes) -> None:
    """Decode *body*: valid events, or a refusal of ours."""
    with suppress(DecodeError):  # none, or several
        object_of(body)
    try:
        events = decode(body)
    except DecodeError:
        return
    for attributes, data in events:
        check_attributes(attributes)
        assert orjson.loads(data)


@given(st.binary())
def test_any_bytes_are_events_or_refused(body: bytes) -> None:
    """Nothing but DecodeError comes out."""
    _checked(body)


@given(_paths, _json)
def test_any_json_anywhere_is_an_event_or_refused(path: tuple[str | int, ...], to: object) -> None:
    """Nothing but DecodeError comes out, and no event that breaks the specification."""
    _checked(changed(*path, to=to))
