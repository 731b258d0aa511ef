"""docs/security.md names the tests that hold each measure; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "docs" / "security.md").read_text().splitlines()
ROWS = [line for line in LINES if line.startswith("| ") and line != "| measure | held by |"]


def test_there_is_nothing_but_measures() -> None:
    """A sentence beside the tables could promise what no test holds."""
    others = [line for line in LINES if line and not line.startswith(("|", "#"))]

    assert [line for line in others if not line.startswith("See [")] == [
        "Each measure, and the tests that hold it.",
        "A test compares this page with the tests: a measure without one does not stand here.",
    ]
    assert len(ROWS) > 40


@pytest.mark.parametrize("row", ROWS)
def test_each_measure_has_tests_and_they_exist(row: str) -> None:
    """No line without a test."""
    measure, held_by = row.strip("| ").split(" | ")
    named = re.findall(r"`(tests/[^`]+)`", held_by)

    assert measure
    assert named
    for test in named:
        file, _, name = test.partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE), test
