"""Buckets and keys as paths: which can be carried, and how each byte is written.

    bucket, key ──fit for a path?──▶ /bucket/key, percent-encoded once

Keys come with events, so whatever a server or a proxy on the way could read as another path
is refused before anything is sent. Source: Amazon S3 API reference, Signature Version 4,
canonical URI: every byte but A-Z a-z 0-9 - . _ ~ and the slash is encoded.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

from bridge.core.attributes import shown
from bridge.core.errors import Rejected

#: The longest key there is, in bytes of UTF-8 (S3, object key names).
MAX_KEY_BYTES: Final = 1024

#: Characters of a key that an error quotes, at most.
SHOWN: Final = 200


def bucket_path(bucket: str) -> str:
    """Return the path of *bucket*; raise Rejected for what cannot be the name of one."""
    if _BUCKET.fullmatch(bucket) is None or bucket in _RESERVED:
        raise Rejected(
            f"bucket {shown(bucket)}: expected 3 to 63 of a-z, 0-9, '-' and '.', and none of "
            "the store's own"
        )
    return f"/{bucket}"


def object_path(bucket: str, key: str) -> str:
    """Return the path of the object *key* in *bucket*.

    Raise Rejected for a bucket that cannot be one, and for a key that no path carries for
    sure: empty, longer than MAX_KEY_BYTES, no Unicode text, or with a segment that is `.`,
    `..` or empty; one slash at its end may stand.
    """
    path = bucket_path(bucket)
    try:
        raw = key.encode()
    except UnicodeEncodeError as error:
        raise _refused(bucket, key, "Unicode text") from error
    if not 0 < len(raw) <= MAX_KEY_BYTES:
        raise _refused(bucket, key, f"1 to {MAX_KEY_BYTES} bytes, found {len(raw)}")
    if _UNSAFE.search(key) is not None:
        raise _refused(bucket, key, "no part between slashes that is '.', '..' or empty")
    return f"{path}/{quote(raw, safe='/')}"


def named(bucket: str, key: str | None = None) -> str:
    """Return how an error calls an object, or a bucket."""
    return shown(bucket if key is None else f"{bucket}/{key}", SHOWN)


def _refused(bucket: str, key: str, expected: str) -> Rejected:
    return Rejected(f"object {named(bucket, key)}: expected a key of {expected}")


# Old buckets of S3 have capitals and underscores. The path /minio is MinIO's own interface.
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_RESERVED: Final = frozenset(("minio",))

_UNSAFE: Final = re.compile(r"(?:^|/)\.{1,2}(?:/|\Z)|^/|//")
