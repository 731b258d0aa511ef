"""Notifications of buckets: which ones a store is asked to send where."""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from bridge.config.object_names import BucketName
from bridge.config.objects import ObjectStoreOptions
from bridge.config.options import Options

#: What S3 calls the creation of an object. `s3:ObjectCreated:*` is news of tags and retention too.
CREATED: Final = (
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
)


def _target(text: str) -> str:
    if _ARN.fullmatch(text) is None:
        raise ValueError(
            "expected the ARN of a target of the store, as arn:minio:sqs::PRIMARY:kafka"
        )
    return text


def _events(events: list[str]) -> list[str]:
    for event in events:
        if _EVENT.fullmatch(event) is None:
            raise ValueError(f"'{event}': expected the name of an event, as s3:ObjectCreated:*")
    if len(set(events)) < len(events):
        raise ValueError("an event is there twice: expected each once")
    return events


class NotificationOptions(Options):
    """Which notifications of a bucket go where; set up by `bridge objects notify`."""

    store: ObjectStoreOptions
    """The store that sends them."""
    bucket: BucketName
    """Bucket that they tell of."""
    target: Annotated[str, AfterValidator(_target)]
    """Where they go: the ARN of a target that the store knows, such as \
`arn:minio:sqs::PRIMARY:kafka`."""
    events: Annotated[list[str], AfterValidator(_events)] = Field(
        default_factory=lambda: list(CREATED), min_length=1
    )
    """What they tell of."""
    prefix: Annotated[str, Field(max_length=1024)] = ""
    """What keys must begin with."""
    suffix: Annotated[str, Field(max_length=1024)] = ""
    """What keys must end with."""
    create_bucket: bool = False
    """Whether the bucket is made if it is missing."""


def _distinct(found: list[NotificationOptions]) -> list[NotificationOptions]:
    known: set[tuple[str, ...]] = set()
    for one in found:
        place = (one.store.url, one.bucket, one.target, one.prefix, one.suffix)
        if place in known:
            raise ValueError(
                f"two entries for bucket '{one.bucket}' have the same target, prefix and suffix: "
                "expected one, with the events of both"
            )
        known.add(place)
    return found


#: The file's own section.
Notifications = Annotated[list[NotificationOptions], AfterValidator(_distinct)]

_ARN = re.compile(r"arn:[a-z0-9-]+:(?:sqs|sns|lambda):[^:\s]*:[^:\s]*:\S+")
_EVENT = re.compile(r"s3:[A-Za-z]+:(?:\*|[A-Za-z]+)")
