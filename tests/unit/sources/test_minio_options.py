"""What a MinIO source refuses to be told, before anything runs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.sources.minio_options import CREATED, MinioSourceOptions

LISTING: dict[str, Any] = {
    "store": {"url": "http://127.0.0.1:9000"},
    "cursor": {"bucket": "state", "key": "mnist"},
}


def options(**given: Any) -> MinioSourceOptions:
    return MinioSourceOptions.model_validate({"buckets": ["mnist"], **given})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "expected webhook, listing or both"),
        ({"webhook": {}, "buckets": []}, "at least 1"),
        ({"webhook": {}, "buckets": ["../etc"]}, "buckets"),
        ({"webhook": {}, "buckets": ["minio"]}, "MinIO keeps for itself"),
        ({"webhook": {}, "events": []}, "at least 1"),
        ({"webhook": {}, "events": ["put"]}, "expected one such as ObjectCreated:Put"),
        ({"listing": LISTING, "events": ["ObjectCreated:Put"]}, "cannot tell how an object"),
        ({"listing": LISTING, "buckets": ["mnist", "state"]}, "none of buckets"),
        ({"listing": {**LISTING, "page_size": 1001}}, "page_size"),
        ({"listing": {**LISTING, "overlap_seconds": 0}}, "overlap_seconds"),
        ({"webhook": {"path": "hook"}}, "path"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], text: str) -> None:
    """At `check`, with the name of what is wrong."""
    with pytest.raises(ValidationError, match=text):
        options(**given)


def test_new_content_is_what_is_taken_by_default() -> None:
    """Tags and locks make none, nor does an access or a removal."""
    taken = options(webhook={})

    assert list(CREATED) == taken.events
    assert not any(
        taken.wants(name)
        for name in ("ObjectCreated:PutTagging", "ObjectRemoved:Delete", "ObjectAccessed:Get")
    )


def test_a_group_is_named_by_a_star_with_or_without_s3() -> None:
    """Both as S3's own configuration of notifications has them."""
    taken = options(
        webhook={}, listing=LISTING, events=["s3:ObjectCreated:*", "ObjectRemoved:Delete"]
    )

    assert taken.wants("ObjectCreated:PutTagging")
    assert taken.wants("ObjectRemoved:Delete")
    assert not taken.wants("ObjectRemoved:NoOP")


def test_its_port_is_compared_with_others() -> None:
    """Two listeners on one port are told before one fails; a listing has none."""
    listener = options(webhook={"host": "127.0.0.1", "port": 9001})
    lister = options(listing=LISTING)

    assert ("127.0.0.1", 9001) == (listener.host, listener.port)
    assert ("", 0) == (lister.host, lister.port)
