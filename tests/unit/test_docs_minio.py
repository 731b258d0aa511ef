"""docs/minio.md: its examples are files that can be read, and the tests it names are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.sources.minio_options import MinioSourceOptions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "minio.md").read_text()
NAMED = re.findall(r"^- `(tests/\S+)`$", PAGE, re.MULTILINE)
SOURCES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("test", NAMED)
def test_a_test_that_is_named_exists(test: str) -> None:
    """A renamed test would leave its promise behind."""
    file, _, name = test.partition("::")

    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize("text", SOURCES)
def test_a_source_that_is_shown_can_be_read(text: str) -> None:
    """With every option as it is called."""
    shown: dict[str, Any] = yaml.safe_load(text)
    (pipeline,) = shown.get("pipelines", {"digits": shown}).values()
    source = pipeline["source"]

    options = MinioSourceOptions.model_validate(
        {name: given for name, given in source.items() if name != "type"}
    )

    assert ("minio", ["mnist"]) == (source["type"], options.buckets)


def test_it_names_what_the_source_does_beyond_the_defaults() -> None:
    """Each option of a listing that decides what is lost or repeated is explained."""
    for name in ("interval_seconds", "overlap_seconds", "max_keys", "commit_interval_seconds"):
        assert f"`{name}`" in PAGE
