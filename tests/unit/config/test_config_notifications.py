"""The section `notifications`, and names of objects as a file may have them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.app.notifications import rule_of
from bridge.config.notifications import NotificationOptions
from bridge.config.pipeline import FileOptions

ENTRY = {
    "store": {"url": "http://store:9000"},
    "bucket": "mnist",
    "target": "arn:minio:sqs::PRIMARY:kafka",
}
PIPELINES = {"x": {"source": {"type": "http"}}}


def entry(**changes: Any) -> NotificationOptions:
    return NotificationOptions.model_validate({**ENTRY, **changes})


def test_only_new_content_is_told_of_by_default() -> None:
    """`s3:ObjectCreated:*` would tell of tags and retention too, which are no new content."""
    expected = ["Put", "Post", "Copy", "CompleteMultipartUpload"]

    assert [f"s3:ObjectCreated:{how}" for how in expected] == entry().events


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"bucket": "Mnist"}, "is no bucket's name"),
        ({"bucket": "m-{data.x}"}, "is no bucket's name"),
        ({"target": "PRIMARY"}, "expected the ARN of a target"),
        ({"target": "arn:aws:s3:::mnist"}, "expected the ARN of a target"),
        ({"target": "arn:minio:sqs::PRI MARY:kafka"}, "expected the ARN of a target"),
        ({"events": []}, "at least 1"),
        ({"events": ["put"]}, "'put': expected the name of an event"),
        ({"events": ["s3:ObjectCreated:Put"] * 2}, "an event is there twice"),
        ({"prefix": "x" * 1025}, "at most 1024"),
    ],
)
def test_an_entry_that_no_store_would_take_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    """Before any store is asked."""
    with pytest.raises(ValidationError) as caught:
        entry(**changes)

    assert problem in str(caught.value)


def test_two_entries_for_the_same_place_are_refused() -> None:
    """Each would change what the other has set up, at every run."""
    twice = [ENTRY, {**ENTRY, "events": ["s3:ObjectRemoved:*"]}]

    with pytest.raises(ValidationError, match="the same target, prefix and suffix"):
        FileOptions.model_validate({"pipelines": PIPELINES, "notifications": twice})


def test_entries_for_other_keys_targets_and_buckets_stand_side_by_side() -> None:
    """Only all of it together is the same place."""
    changes = [{}, {"prefix": "a"}, {"suffix": "a"}, {"bucket": "other"}]
    changes.append({"target": "arn:minio:sqs::SECOND:kafka"})
    several = [{**ENTRY, **one} for one in changes]

    options = FileOptions.model_validate({"pipelines": PIPELINES, "notifications": several})

    assert 5 == len(options.notifications)
    assert 4 == len({rule_of(one).id for one in options.notifications})


def test_an_id_stands_for_what_its_rule_says() -> None:
    """Stable from run to run and whatever the order, and another where anything else is said."""
    events = ["s3:ObjectCreated:Put", "s3:ObjectRemoved:*"]

    ids = [rule_of(entry(events=each)).id for each in (events, events[::-1], events[:1])]

    assert ids[0] == ids[1] != ids[2]
    assert "bridge-101e7780419305b6" == rule_of(entry()).id
