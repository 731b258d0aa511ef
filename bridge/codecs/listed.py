"""A listed object as the notification of its creation, so that transformers read both alike.

    bucket, key, eTag, size, time  ─▶  {"EventName": …, "Key": …, "Records": [{…}], "FoundBy": …}

What a listing does not tell is not there: who put it and from where, its version, its media
type. `FoundBy` says that no store has sent this.
"""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote_plus

import orjson

#: How a listed object was made is not known; this is what reference transformers expect.
EVENT_NAME = "s3:ObjectCreated:Put"


def listed_notification(
    bucket: str, key: str, *, etag: str | None, size: int, ms: int, region: str = ""
) -> bytes:
    """Return the notification of one object, changed *ms* milliseconds after 1970, as JSON.

    The sequencer is that time in nanoseconds, the last six digits unknown and so zero.
    """
    item: dict[str, object] = {"key": quote_plus(key), "size": size}
    if etag is not None:
        item["eTag"] = etag
    item["sequencer"] = f"{ms * 1_000_000:016X}"
    record = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": region,
        "eventTime": rfc3339_ms(ms),
        "eventName": EVENT_NAME,
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
            "object": item,
        },
    }
    return orjson.dumps(
        {
            "EventName": EVENT_NAME,
            "Key": f"{bucket}/{key}",
            "Records": [record],
            "FoundBy": "listing",
        }
    )


def rfc3339_ms(ms: int) -> str:
    """Return *ms* since 1970 as RFC 3339 in UTC with three digits, as MinIO writes it."""
    seconds, rest = divmod(ms, 1000)
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest:03d}Z"
