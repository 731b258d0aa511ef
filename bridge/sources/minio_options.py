"""What a MinIO source may be told: whose objects, how they are heard of, how many at once.

Each option says what it costs; the promises behind them are in `bridge.sources.minio`.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from bridge.config.object_names import BucketName
from bridge.config.objects import ObjectStoreOptions
from bridge.config.options import Options, Seconds
from bridge.sources.holding import HoldingOptions
from bridge.sources.listener import ListenerOptions

#: What makes new content; of the others, `ObjectCreated:PutTagging` and its like make none.
CREATED: Final = (
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "ObjectCreated:Copy",
    "ObjectCreated:CompleteMultipartUpload",
)

_EVENT_NAME = re.compile(r"[A-Z][A-Za-z]*:(?:[A-Z][A-Za-z]*|\*)")


class MinioWebhookOptions(ListenerOptions):
    """The endpoint that MinIO posts its notifications to."""

    path: Annotated[str, Field(pattern=r"^/[^?#]*$")] = "/"
    """Path that notifications are posted to; another one is answered 404."""
    answer_seconds: Seconds = 50.0
    """How long a notification may wait for its outcome, then it is answered 503 and MinIO \
sends it again; MinIO itself waits a minute."""


class CursorOptions(Options):
    """The object that a listing keeps its progress in."""

    bucket: BucketName
    """Bucket of the cursor, made when it is missing; none whose objects are events."""
    key: Annotated[str, Field(min_length=1, max_length=1024)]
    """Key of the cursor; each pipeline has its own."""


class MinioListingOptions(Options):
    """How objects are found by listing their buckets."""

    store: ObjectStoreOptions
    """The store whose buckets are listed."""
    cursor: CursorOptions
    """Where the progress is kept, in the same store."""
    interval_seconds: Seconds = 60.0
    """Pause between two passes through the buckets."""
    overlap_seconds: Annotated[float, Field(ge=1)] = 900.0
    """How far behind its last pass a listing looks again, for clocks and nodes of the store \
that disagree."""
    page_size: Annotated[int, Field(ge=1, le=1000)] = 1000
    """Objects asked for at once."""
    start: Literal["earliest", "latest"] = "earliest"
    """Where a bucket begins that the cursor knows nothing of: with every object there is, or \
with those to come."""
    commit_interval_seconds: Seconds = 1.0
    """Longest wait until what is settled is in the cursor."""


class MinioSourceOptions(HoldingOptions):
    """Objects of MinIO's buckets, or of any S3 store's, at least once and in order for each key."""

    buckets: Annotated[list[BucketName], Field(min_length=1)]
    """Buckets whose objects are events; what is told of others is left out."""
    prefix: str = ""
    """What keys begin with; the objects of others are left out."""
    suffix: str = ""
    """What keys end with; the objects of others are left out."""
    events: list[str] = Field(min_length=1, default_factory=lambda: list(CREATED))
    """Names of the notifications that are taken, `ObjectCreated:*` for all of a group; the \
default is whatever makes new content."""
    region: str = ""
    """Region in the source of events, `minio:s3.<region>.<bucket>`: what MINIO_SITE_REGION says."""
    webhook: MinioWebhookOptions | None = None
    """Where MinIO posts notifications to; by default it does not."""
    listing: MinioListingOptions | None = None
    """How the buckets are listed; by default they are not."""
    max_in_flight: Annotated[int, Field(ge=1)] = 64
    """Listed objects under way, or settled and not in the cursor, at most: what a kill repeats."""
    max_keys: Annotated[int, Field(ge=16)] = 10_000
    """Objects of each bucket whose newest state is remembered; the oldest is forgotten first, \
and may then be repeated."""

    @property
    def host(self) -> str:
        """Address that is listened on, for whoever compares listeners; empty where none is."""
        return "" if self.webhook is None else self.webhook.host

    @property
    def port(self) -> int:
        """Port that is listened on; 0 where none is, or any."""
        return 0 if self.webhook is None else self.webhook.port

    @field_validator("events")
    @classmethod
    def _names(cls, events: list[str]) -> list[str]:
        names = [name.removeprefix("s3:") for name in events]
        for name in names:
            if _EVENT_NAME.fullmatch(name) is None:
                raise ValueError("a name: expected one such as ObjectCreated:Put")
        return names

    @model_validator(mode="after")
    def _some_way_in(self) -> Self:
        if self.webhook is None and self.listing is None:
            raise ValueError("expected webhook, listing or both: no event would come")
        if self.listing is None:
            return self
        if not all(self.wants(name) for name in CREATED):
            raise ValueError(
                "events: a listing cannot tell how an object was made: expected "
                f"{', '.join(CREATED)} among them"
            )
        if self.listing.cursor.bucket in self.buckets:
            raise ValueError("listing.cursor.bucket: expected none of buckets, as it is no event")
        return self

    def wants(self, event_name: str) -> bool:
        """Whether notifications called *event_name*, without `s3:`, are taken."""
        return event_name in self.events or f"{event_name.partition(':')[0]}:*" in self.events
