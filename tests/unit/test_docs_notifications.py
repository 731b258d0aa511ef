"""docs/notifications.md: each example can be built, and what it says of rules and keys is so."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from bridge.app import load
from bridge.app.notifications import in_words, rule_of
from bridge.config.notifications import NotificationOptions
from bridge.config.object_names import Facts
from bridge.core.event import Event
from bridge.sinks.objects import MAX_METADATA_BYTES

TEXT = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
EXAMPLES = [
    dedent(example)
    for example in re.findall(r"^ *```yaml\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE)
]
NAMES = set(re.findall(r"\$\{(\w+)\}", TEXT))
PIPELINES = {"x": {"source": {"type": "http", "port": 0}, "sinks": [{"type": "log"}]}}


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_can_be_built(tmp_path: Path, number: int) -> None:
    """No option is misspelt, none contradicts another, and none is warned of."""
    file = tmp_path / "bridge.yaml"
    file.write_text(yaml.safe_dump({"pipelines": PIPELINES, **yaml.safe_load(EXAMPLES[number])}))

    app = load(file, dict.fromkeys(NAMES, "a-value-of-some-length"))

    assert [] == list(app.warnings)


def test_there_are_examples() -> None:
    """Of entries, of sources, of sinks and of a dead letter."""
    assert 7 == len(EXAMPLES)


def test_the_command_says_what_the_page_shows() -> None:
    """The rule of the first example, with its id."""
    entry = yaml.safe_load(EXAMPLES[0])["notifications"][0]

    assert in_words(rule_of(NotificationOptions.model_validate(entry))) in TEXT


def test_what_is_said_in_numbers_is_so() -> None:
    """Digits of a digest, and room for metadata."""
    assert 32 == len(Facts(Event.of(id="1", source="s", type="t")).digest())
    assert "32 digits" in TEXT
    assert f"({MAX_METADATA_BYTES // 1024} KiB)" in TEXT
