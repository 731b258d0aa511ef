"""Notifications of objects, as S3, MinIO and their like send them: one event a record.

    {"EventName": …, "Key": …, "Records": [{…}, …]}  ─▶  an event for each of Records

Keys are URL-encoded there, with `+` for a space. Sources: CloudEvents adapters/aws-s3.md;
minio/minio internal/event. Where MinIO differs: its event names begin with `s3:`, its region
is often empty, and one request id may cover several objects, so the sequencer is in the id.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_plus

import orjson

from bridge.core.attributes import check_attributes, is_timestamp, shown
from bridge.core.errors import DecodeError
from bridge.core.payload import JSON

TYPE_PREFIX = "com.amazonaws.s3."

#: How many objects one notification may tell of.
MAX_RECORDS = 1_000


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
