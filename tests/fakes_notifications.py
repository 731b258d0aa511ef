"""Notifications as MinIO posts them, for any object a test wants told of."""

from __future__ import annotations

from urllib.parse import quote_plus

import orjson

#: 2026-11-21T07:02:22.508Z, and some nanoseconds: the sequencer of a recorded notification.
BEGINNING_NS = 0x18E9FD665915D416


def record(
    key: str,
    *,
    bucket: str = "mnist",
    etag: str | None = "ac3ef48caa08fa3ed5e025da69edc645",
    ns: int | None = BEGINNING_NS,
    name: str = "ObjectCreated:Put",
) -> dict[str, object]:
    """Return one record; *ns*: when the object was made."""
    item: dict[str, object] = {"key": quote_plus(key), "size": 7}
    if etag is not None:
        item["eTag"] = etag
    if ns is not None:
        item["sequencer"] = f"{ns:X}"
    return {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": "2026-11-21T07:02:22.508Z",
        "eventName": f"s3:{name}",
        "responseElements": {"x-amz-request-id": "18E9FD66590A20F3", "x-amz-id-2": "node"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "Config",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": item,
        },
    }


def notification(*records: dict[str, object]) -> bytes:
    """Return the body that tells of *records*."""
    first = records[0]
    return orjson.dumps(
        {"EventName": first["eventName"], "Key": "mnist/…", "Records": list(records)}
    )


def told(key: str, **facts: object) -> bytes:
    """Return the notification of one object; *facts* as `record` has them."""
    return notification(record(key, **facts))  # type: ignore[arg-type]  # passed on as they are
