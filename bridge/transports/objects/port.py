"""What an object store tells and is told: which object, what lies there, what a bucket holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.core.errors import Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRef:
    """Which object, and pinned to which content.

    With *version* it is that version; with *etag* (without quotes) it is that content, and
    any other counts as superseded. With neither it is whatever lies there.
    """

    bucket: str
    key: str
    version: str | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHead:
    """What is known of an object beside its bytes.

    *ref* has the etag filled in, and the version where the bucket keeps them. *modified* is
    RFC 3339, empty where the store does not say. *metadata*: the user's own (`x-amz-meta-…`),
    names in lower case without that prefix.
    """

    ref: ObjectRef
    size: int
    content_type: str | None = None
    modified: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object, whole."""

    head: ObjectHead
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """An object as a listing tells of it; *ref* has its etag, and never a version."""

    ref: ObjectRef
    size: int
    modified: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some objects of a bucket, by key in the order of its UTF-8 bytes.

    *next* is what to list `after` for the next page; None: there is none.
    """

    objects: tuple[Listed, ...]
    next: str | None = None


class BucketMissing(Rejected):
    """There is no *bucket* of that name; who writes may create it and try again."""

    def __init__(self, text: str, *, bucket: str) -> None:
        super().__init__(text)
        self.bucket = bucket
