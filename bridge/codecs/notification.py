"""Notifications of objects, as S3, MinIO and their like send them: one event a record.

    {"EventName": …, "Key": …, "Records": [{…}, …]}  ─▶  an event for each of Records

Keys are URL-encoded there, with `+` for a space. Sources: CloudEvents adapters/aws-s3.md;
minio/minio internal/event. Where MinIO differs: its event names begin with `s3:`, its region
is often empty, and one request id may cover several objects, so the sequencer is in the id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

import orjson

from bridge.core.attributes import check_attributes, is_timestamp, shown
from bridge.core.errors import DecodeError
from bridge.core.payload import JSON, Body

TYPE_PREFIX = "com.amazonaws.s3."

#: How many objects one notification may tell of.
MAX_RECORDS = 1_000

#: How much may stand beside several records, in bytes of JSON: each event gets all of it.
MAX_BESIDE_BYTES = 16 * 1024

#: Digits of an eTag that is a digest; what is in parts has a dash and their number behind them.
_MD5 = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a notification tells of one object; None where it does not say.

    *version* and *etag* (without quotes) pin the content that was there when it was sent;
    reading by them finds that content, or nothing. *event_name* is without `s3:`, as
    `ObjectCreated:Put`. *sequencer* orders the events of one key: compare as text, padded on
    the left with zeros to the same length (S3 user guide, event message structure).
    """

    bucket: str
    key: str
    version: str | None = None
    etag: str | None = None
    size: int | None = None
    event_name: str = ""
    sequencer: str | None = None


def notified_object(payload: Body) -> Told:
    """Return the object that *payload*, a notification of one record, tells of.

    Raise DecodeError as `object_of` does.
    """
    return _told(payload.json())


def object_of(body: bytes | Mapping[str, Any]) -> Told:
    """Return the object that *body*, a notification of one record, tells of.

    Raise DecodeError where it is none, or has no record or several: `decode` makes an event
    of each.
    """
    return _told(Body(body).json() if isinstance(body, bytes) else body)


def decode(body: bytes) -> list[tuple[dict[str, str], bytes]]:
    """Return attributes and data of each event in *body*; none in a test or a sign of life.

    The data is the notification with that one record: the very bytes where it has no other.
    Raise DecodeError where it is none, naming the member and what was expected.
    """
    try:
        notification = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"no notification of objects: no JSON: {error}") from error
    if not isinstance(notification, dict):
        raise DecodeError("no notification of objects: expected a JSON object with Records")
    if notification.get("Event") == "s3:TestEvent":
        return []
    if "Records" not in notification:
        raise DecodeError("no notification of objects: member 'Records' is missing")
    records = notification["Records"]
    if records is None:
        return []
    if not isinstance(records, list) or len(records) > MAX_RECORDS:
        raise DecodeError(f"member 'Records': expected a list of at most {MAX_RECORDS}")
    if len(records) > 1:
        _check_beside(notification)
    events = []
    for index, record in enumerate(records):
        where = f"Records[{index}]"
        if not isinstance(record, dict):
            raise DecodeError(f"member '{where}': expected an object")
        attributes = _attributes(record, where)
        data = body if len(records) == 1 else _dumped(_one(notification, record), where)
        events.append((attributes, data))
    return events


def object_key(record: Mapping[str, Any]) -> str:
    """Return the key of the object that *record*, one of Records, tells of: decoded once."""
    return unquote_plus(_text(_section(record, "s3.object", ""), "key", ""))


def _told(notification: Any) -> Told:
    records = notification.get("Records") if isinstance(notification, Mapping) else None
    if not isinstance(records, list) or len(records) != 1 or not isinstance(records[0], dict):
        raise DecodeError("no notification of one object: expected a member 'Records' with one")
    record, where = records[0], "Records[0]"
    item = _section(record, "s3.object", where)
    key = _text(item, "key", f"{where}.s3.object")
    try:
        key = unquote_plus(key, errors="strict")
    except UnicodeDecodeError as error:
        raise DecodeError(f"member '{where}.s3.object.key': expected UTF-8") from error
    size = item.get("size")
    return Told(
        bucket=_text(_section(record, "s3.bucket", where), "name", f"{where}.s3.bucket"),
        key=key,
        version=_version(record, item),
        etag=_etag(record, item),
        size=size if isinstance(size, int) and not isinstance(size, bool) else None,
        event_name=_text(record, "eventName", where).removeprefix("s3:"),
        sequencer=_optional(item, "sequencer"),
    )


def _version(record: Mapping[str, Any], item: Mapping[str, Any]) -> str | None:
    """Return the version, where there is one: MinIO before 2020 wrote '1' for every object."""
    version = _optional(item, "versionId")
    unversioned = version == "null" or (version == "1" and record.get("eventSource") == "minio:s3")
    return None if unversioned else version


def _etag(record: Mapping[str, Any], item: Mapping[str, Any]) -> str | None:
    """Return the eTag, where readers see the same one.

    Of an object that a form has posted to an encrypted bucket, and of its tags, MinIO tells the
    sealed one that it keeps itself (its internal/etag, IsEncrypted): nothing has that content.
    """
    etag = (_optional(item, "eTag") or "").strip('"')
    is_sealed = record.get("eventSource") == "minio:s3" and len(etag) > _MD5 and "-" not in etag
    return None if is_sealed else etag or None


def _optional(section: Mapping[str, Any], name: str) -> str | None:
    found = section.get(name)
    return found if isinstance(found, str) and found else None


def _attributes(record: Mapping[str, Any], where: str) -> dict[str, str]:
    bucket = _text(_section(record, "s3.bucket", where), "name", f"{where}.s3.bucket")
    item = _section(record, "s3.object", where)
    key = unquote_plus(_text(item, "key", f"{where}.s3.object"), errors="surrogateescape")
    event_name = _text(record, "eventName", where).removeprefix("s3:")
    source = _text(record, "eventSource", where)
    region = record.get("awsRegion")
    region = region if isinstance(region, str) else ""
    response = record.get("responseElements")
    response = response if isinstance(response, dict) else {}
    request, node, sequencer = (
        part if isinstance(part, str) else ""
        for part in (
            response.get("x-amz-request-id"),
            response.get("x-amz-id-2"),
            item.get("sequencer"),
        )
    )
    parts = [request, node, sequencer]
    if not (request or sequencer):  # the node's name alone would be every event's
        parts += [bucket, key, str(record.get("eventTime", "")), event_name]
    attributes = {
        "specversion": "1.0",
        "id": ".".join(filter(None, parts)),
        "source": f"{source}.{region}.{bucket}",
        "type": TYPE_PREFIX + event_name,
        "subject": key,
        "datacontenttype": JSON,
    }
    time = record.get("eventTime")
    if isinstance(time, str) and is_timestamp(time):
        attributes["time"] = time
    check_attributes(attributes, lambda name: f"{where}: {name}")
    return attributes


def _check_beside(notification: Mapping[str, Any]) -> None:
    """Raise DecodeError where what is not Records is long: a thousand times it fills the memory."""
    beside = {name: value for name, value in notification.items() if name != "Records"}
    found = len(_dumped(beside, "beside Records"))
    if found > MAX_BESIDE_BYTES:
        raise DecodeError(
            f"no notification of objects: beside 'Records': {found} bytes: expected at most "
            f"{MAX_BESIDE_BYTES} bytes where there are several"
        )


def _one(notification: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """Return *notification* with *record* alone, its own names and no other's."""
    found = {name: value for name, value in notification.items() if name != "Records"}
    bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
    if "Key" in found:
        found["Key"] = f"{bucket}/{key}"
    for name in ("EventName", "EventType"):
        if name in found:
            found[name] = record["eventName"]
    return {**found, "Records": [record]}


def _dumped(notification: Mapping[str, Any], where: str) -> bytes:
    try:
        return orjson.dumps(notification)
    except orjson.JSONEncodeError as error:  # it reads deeper than it writes
        raise DecodeError(f"member '{where}': nested too deeply: {error}") from error


def _section(record: Mapping[str, Any], path: str, where: str) -> Mapping[str, Any]:
    found: Any = record
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, dict):
        raise DecodeError(f"member '{where}.{path}': expected an object, found {shown(found)}")
    return found


def _text(section: Mapping[str, Any], name: str, where: str) -> str:
    found = section.get(name)
    if not isinstance(found, str) or not found:
        raise DecodeError(f"member '{where}.{name}': expected text, found {shown(found)}")
    return found
