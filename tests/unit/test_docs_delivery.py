"""docs/delivery.md names the tests that hold its promises; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.findall(r"^- `(tests/\S+)`$", (ROOT / "docs" / "delivery.md").read_text(), re.MULTILINE)


def test_every_section_names_its_tests() -> None:
    """A promise without a test that holds it is only a wish."""
    sections = (ROOT / "docs" / "delivery.md").read_text().split("\n## ")[1:]

    assert [] == [section.splitlines()[0] for section in sections if "Held by:" not in section]


@pytest.mark.parametrize("test", NAMED)
def test_a_test_that_is_named_exists(test: str) -> None:
    """A renamed test would leave its promise behind."""
    file, _, name = test.partition("::")

    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
