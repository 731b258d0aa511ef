"""An answer with bytes of an object: which ones, of how many, and of which content.

206 with Content-Range, or 200 with all of it ──the content asked for?──▶ Part
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import quote

from bridge.core.attributes import shown
from bridge.core.errors import Filtered, Rejected, Unavailable
from bridge.transports.http import HttpResponse
from bridge.transports.objects.port import ObjectHead, ObjectRef

METADATA: Final = b"x-amz-meta-"

#: The version of what was put while its bucket kept none.
NULL_VERSION: Final = "null"

#: The longest value of a header that is sent: S3 takes 2 KiB of metadata, and ids of 1,024.
MAX_VALUE: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some bytes of the object that *head* is of, whose size is that of all of it."""

    head: ObjectHead
    data: bytes


def part_of(answer: HttpResponse, ref: ObjectRef, start: int, where: str) -> Part:
    """Return what *answer*, a 200 or 206, holds of *ref* from *start*.

    A store that knows no ranges answers with all of the object. Raise Filtered, reason
    `superseded`, where it is of another content than *ref* is pinned to: not every store
    minds If-Match. Raise Unavailable for what no S3 store answers. *where* begins the text.
    """
    etag, version = etag_of(answer), version_of(answer)
    if not etag:
        raise Unavailable(f"{where}: answered {answer.status} without an ETag: no S3 store?")
    if ref.etag not in (None, etag) or ref.version not in (None, version or NULL_VERSION):
        raise Filtered(f"{where}: the object is another by now", reason="superseded")
    data = answer.body
    if answer.status == 200:
        size, data = len(data), data[start:]
    else:
        size = _size(answer, start, where)
    if start and not data:
        raise Unavailable(f"{where}: answered no bytes from {start} on: expected some")
    content_type = answer.header(b"content-type")
    head = ObjectHead(
        ref=ObjectRef(bucket=ref.bucket, key=ref.key, version=version, etag=etag),
        size=size,
        content_type=None if content_type is None else content_type.decode("latin-1"),
        modified=_modified(answer),
        metadata=_metadata(answer),
    )
    return Part(head=head, data=data)


def etag_of(answer: HttpResponse) -> str:
    """Return the etag without quotes; empty where there is none."""
    value = answer.header(b"etag")
    return "" if value is None else value.decode("latin-1").removeprefix("W/").strip('"')


def version_of(answer: HttpResponse) -> str | None:
    """Return the version, None where the bucket keeps none."""
    value = answer.header(b"x-amz-version-id")
    version = "" if value is None else value.decode("latin-1")
    return None if version in ("", NULL_VERSION) else version


def check_sendable(name: str, value: str, where: str) -> None:
    """Raise Rejected unless *value* may stand in the header *name* of a signed request."""
    if _NAME.fullmatch(name) is None:
        raise Rejected(f"{where}: {shown(name)}: expected a name of a-z, 0-9, '-', '_' and '.'")
    if _SENDABLE.fullmatch(value) is None or len(value) > MAX_VALUE:
        raise Rejected(
            f"{where}: {name}: expected at most {MAX_VALUE} characters of printable ASCII, "
            "without outer space"
        )


def pins(ref: ObjectRef, where: str) -> tuple[str, dict[str, str]]:
    """Return the query and the headers that pin a request to what *ref* is pinned to.

    Raise Rejected for a version or an etag that cannot be one: they come with events.
    """
    query, headers = "", {}
    if "" in (ref.version, ref.etag):
        raise Rejected(f"{where}: version or etag is empty: expected none, or one")
    if ref.version is not None:
        check_sendable("version", ref.version, where)
        query = f"versionId={quote(ref.version, safe='')}"
    if ref.etag is not None:
        check_sendable("etag", ref.etag, where)
        if '"' in ref.etag:
            raise Rejected(f"{where}: etag {shown(ref.etag)}: expected one, without quotes")
        headers["if-match"] = f'"{ref.etag}"'
    return query, headers


def _size(answer: HttpResponse, start: int, where: str) -> int:
    """Return how large the whole object is, from the Content-Range (RFC 9110, 14.4)."""
    value = answer.header(b"content-range") or b""
    found = _RANGE.fullmatch(value)
    if found is not None:
        first, last, size = (int(number) for number in found.groups())
        if start == first <= last < size and last - first + 1 == len(answer.body):
            return size
    raise Unavailable(
        f"{where}: answered {len(answer.body)} bytes as {value[:60]!r}: expected those from {start}"
    )


def _modified(answer: HttpResponse) -> str:
    value = answer.header(b"last-modified")
    if value is None:
        return ""
    try:
        return f"{parsedate_to_datetime(value.decode('latin-1')):%Y-%m-%dT%H:%M:%SZ}"
    except ValueError:
        return ""


def _metadata(answer: HttpResponse) -> dict[str, str]:
    cut = len(METADATA)
    return {
        name[cut:].decode("latin-1"): value.decode("utf-8", "replace")
        for name, value in answer.headers
        if name.startswith(METADATA)
    }


_RANGE: Final = re.compile(rb"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})")
_SENDABLE: Final = re.compile(r"(?:[!-~](?:[ -~]*[!-~])?)?")
_NAME: Final = re.compile(r"[a-z0-9._-]+")
