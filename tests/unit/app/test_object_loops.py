"""A bucket that a pipeline is told of and writes to: `bridge check` warns where that shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.app import load

STORE = {"url": "http://store:9000"}
KAFKA = {"bootstrap_servers": "kafka:9092"}
TOLD = {"store": STORE, "bucket": "mnist", "target": "arn:minio:sqs::PRIMARY:kafka"}
SOURCE = {
    "type": "kafka",
    **KAFKA,
    "topics": ["mnist"],
    "group_id": "g",
    "decode": "s3_notification",
}
SINK = {"type": "objects", "store": STORE, "bucket": "mnist"}
OTHER = {"type": "objects", "store": STORE, "bucket": "letters", "content": "event"}


def warnings(
    folder: Path,
    sink: dict[str, Any],
    *,
    source: dict[str, Any] = SOURCE,
    told: dict[str, Any] = TOLD,
    letters: dict[str, Any] = OTHER,
) -> list[str]:
    pipeline = {"source": source, "sinks": [sink], "dead_letter": letters}
    file = folder / "bridge.yaml"
    file.write_text(yaml.safe_dump({"pipelines": {"digits": pipeline}, "notifications": [told]}))
    return list(load(file, {}).warnings)


@pytest.mark.parametrize(
    ("sink", "told"),
    [
        ({}, {}),
        ({"bucket": "mni{data.rest}"}, {}),
        ({"bucket": "m{data.a}s{data.b}"}, {}),
        ({"key": "a/{id}"}, {"prefix": "a/"}),
        ({"key": "{id}"}, {"prefix": "a/", "suffix": ".png"}),
        ({"key": "a/b.png"}, {"prefix": "a/", "suffix": ".png"}),
        ({"key": "a/{id}.png"}, {"prefix": "a/b", "suffix": ".png"}),
    ],
)
def test_a_sink_that_feeds_its_own_source_is_told(
    tmp_path: Path, sink: dict[str, str], told: dict[str, str]
) -> None:
    """Each object that it writes would be news for the pipeline, which writes the next."""
    (warning,) = warnings(tmp_path, {**SINK, **sink}, told={**TOLD, **told})

    assert warning.startswith(
        "pipelines.digits.sinks[0]: may write to bucket 'mnist', of which the pipeline itself"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("http://store:9000", "http://store:9000/"),
        ("http://store:9000", "http://STORE:9000"),
        ("http://store", "http://store:80"),
        ("https://store:443/", "https://store"),
    ],
)
def test_a_store_whose_url_is_spelt_in_two_ways_is_one_store(
    tmp_path: Path, one: str, other: str
) -> None:
    """A slash at the end would hide the loop, in which each object makes the next for ever."""
    found = warnings(
        tmp_path, {**SINK, "store": {"url": one}}, told={**TOLD, "store": {"url": other}}
    )

    assert 1 == len(found)


@pytest.mark.parametrize(
    ("sink", "told"),
    [
        ({"bucket": "digits"}, {}),
        ({"bucket": "digit-{data.digit}"}, {}),
        ({"bucket": "mnist-{data.digit}"}, {}),
        ({"key": "b/{id}"}, {"prefix": "a/"}),
        ({"key": "{id}.json"}, {"suffix": ".png"}),
        ({"key": "a/b.json"}, {"prefix": "a/", "suffix": ".png"}),
        ({"store": {"url": "http://other:9000"}}, {}),
        ({}, {"target": "arn:minio:sqs::PRIMARY:webhook"}),
    ],
)
def test_a_sink_that_cannot_is_not_told(
    tmp_path: Path, sink: dict[str, Any], told: dict[str, str]
) -> None:
    """Another bucket, other keys, another store, or news that go elsewhere."""
    assert [] == warnings(tmp_path, {**SINK, **sink}, told={**TOLD, **told})


def test_a_source_of_other_records_is_not_told(tmp_path: Path) -> None:
    """Events that are no notifications say nothing of buckets."""
    assert [] == warnings(tmp_path, SINK, source={**SOURCE, "decode": "auto"})


def test_a_dead_letter_is_told_as_well(tmp_path: Path) -> None:
    """A letter in the bucket would be refused like the object that it is about, and so on."""
    (warning,) = warnings(tmp_path, OTHER, letters={**SINK, "content": "event"})

    assert warning.startswith("pipelines.digits.dead_letter: may write to bucket 'mnist'")


def test_a_listed_bucket_is_one_that_the_pipeline_is_told_of(tmp_path: Path) -> None:
    """The MinIO source says itself which buckets' objects are its events."""
    listing = {"store": STORE, "cursor": {"bucket": "cursors", "key": "digits"}}
    source = {"type": "minio", "buckets": ["images", "mnist"], "listing": listing}
    elsewhere = {**TOLD, "bucket": "elsewhere"}

    (warning,) = warnings(tmp_path, SINK, source=source, told=elsewhere)

    assert "bucket 'mnist'" in warning
    assert [] == warnings(tmp_path, {**SINK, "bucket": "out"}, source=source, told=elsewhere)
