"""Cursors of listings in one file: each a pipeline's own, and no event's to write over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.app import load
from bridge.core.errors import ConfigError

STORE = {"url": "http://store:9000"}
SINK = {"type": "objects", "store": STORE, "bucket": "out"}
CURSOR = {"bucket": "bridge-cursors", "key": "digits.json"}


def listed(**cursor: str) -> dict[str, Any]:
    listing = {"store": {"url": "http://store:9000/"}, "cursor": {**CURSOR, **cursor}}
    return {"type": "minio", "buckets": ["mnist"], "listing": listing}


def pipeline(source: dict[str, Any], **sink: str) -> dict[str, Any]:
    return {"source": source, "sinks": [{**SINK, **sink}], "dead_letter": {"type": "log"}}


def warnings(folder: Path, **pipelines: dict[str, Any]) -> list[str]:
    file = folder / "bridge.yaml"
    file.write_text(yaml.safe_dump({"pipelines": pipelines}, sort_keys=False))
    return list(load(file, {}).warnings)


def test_two_pipelines_with_one_cursor_are_told_that_only_one_would_list(tmp_path: Path) -> None:
    """The second took the first for a replica of itself, stood by, and its objects were no news."""
    with pytest.raises(ConfigError) as caught:
        warnings(tmp_path, one=pipeline(listed()), two=pipeline(listed()))

    assert (
        "pipelines.two.source.listing.cursor: 'bridge-cursors/digits.json' is the cursor of "
        "pipeline 'one' already: only one of them would list"
    ) in str(caught.value)
    assert [] == warnings(
        tmp_path, one=pipeline(listed()), two=pipeline(listed(key="letters.json"))
    )


@pytest.mark.parametrize(
    "sink",
    [
        {"bucket": "bridge-{data.name}", "key": "{id}"},
        {"bucket": "bridge-{data.name}", "key": "digits.{subject}"},
        {"bucket": "bridge-cursors", "key": "digits.json"},
    ],
)
def test_an_event_that_could_name_the_cursor_is_told(tmp_path: Path, sink: dict[str, str]) -> None:
    """Whoever sends it could have every object passed over, or all of them processed anew."""
    http = {"type": "http", "port": 0}

    (warning,) = warnings(tmp_path, digits=pipeline(listed()), other=pipeline(http, **sink))

    assert warning.startswith(
        "pipelines.other.sinks[0]: may write over 'bridge-cursors/digits.json', the cursor of "
        "pipeline 'digits'"
    )


@pytest.mark.parametrize(
    "sink",
    [
        {"bucket": "digit-{data.name}"},
        {"bucket": "bridge-{data.name}", "key": "results/{id}"},
        {"bucket": "bridge-{data.name}", "store": {"url": "http://other:9000"}},
    ],
)
def test_an_event_that_cannot_is_not_told(tmp_path: Path, sink: dict[str, Any]) -> None:
    """Another bucket, other keys, another store."""
    assert [] == warnings(tmp_path, digits=pipeline(listed(), **sink))


def test_a_pipeline_that_is_told_of_a_cursor_is_told_so(tmp_path: Path) -> None:
    """Two that are told of each other's would feed each other for ever."""
    one, two = listed(bucket="letters"), listed(bucket="mnist", key="two.json")

    told = warnings(
        tmp_path,
        one=pipeline(one),
        two=pipeline({**two, "buckets": ["letters"], "suffix": ".json"}),
    )

    assert [
        "pipelines.one.source.listing.cursor: 'letters/digits.json' is in a bucket of which "
        "pipeline 'two' is told",
        "pipelines.two.source.listing.cursor: 'mnist/two.json' is in a bucket of which pipeline "
        "'one' is told",
    ] == [line.partition(": each write")[0] for line in told]


@pytest.mark.parametrize(
    "other", [{"buckets": ["elsewhere"]}, {"prefix": "in/"}, {"suffix": ".png"}]
)
def test_one_that_is_told_of_other_objects_is_not(tmp_path: Path, other: dict[str, Any]) -> None:
    """Another bucket, or keys that the cursor has not."""
    two = {**listed(key="two.json"), "buckets": ["letters"], **other}

    assert [] == warnings(tmp_path, one=pipeline(listed(bucket="letters")), two=pipeline(two))
