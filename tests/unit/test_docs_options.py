"""docs/options.md is made from the options classes: up to date, complete, and one sentence each."""

from __future__ import annotations

import re
from pathlib import Path

from bridge import models, sinks, sources
from bridge.app import reference
from bridge.config.reference import rows

PAGE = Path(__file__).parents[2] / "docs" / "options.md"


def test_the_page_is_up_to_date():
    """After a change of an option: `make docs`."""
    assert reference.page() == PAGE.read_text(), "make it anew with: make docs"


def test_every_kind_of_every_room_is_on_the_page():
    """A kind that is registered is documented, without anybody thinking of it."""
    text = PAGE.read_text()

    for room, types in (
        ("Sources", sources.TYPES),
        ("Models", models.TYPES),
        ("Sinks", sinks.TYPES),
    ):
        section = text.split(f"\n## {room}\n")[1].split("\n## ")[0]
        assert sorted(types) == re.findall(r"(?m)^### `(.+)`$", section)


def test_every_option_has_a_sentence():
    """A stranger can read what an option means, and the sentence ends as one."""
    for name, options in reference.names().items():
        for row in rows(options):
            assert row.sentence.endswith("."), f"{name}: {row.name}"
            assert row.sentence[0].isupper() or row.sentence[0] == "`", f"{name}: {row.name}"


def test_every_kind_says_what_it_is():
    """The list of kinds has a sentence for each."""
    for name, options in reference.names().items():
        assert (options.__doc__ or "").strip().endswith("."), name


def test_options_have_a_unit_where_they_are_measured():
    """A number is of seconds or bytes, and says so, or it counts things."""
    counts = {
        "allowed_rate",
        "attempts",
        "connections",
        "failures",
        "hold_after_refusals",
        "max_attempts",
        "max_decompression_ratio",
        "max_in_flight",
        "max_keys",
        "page_size",
        "port",
        "threads",
    }

    for name, options in reference.names().items():
        for row in rows(options):
            if row.type.startswith(("number", "whole number")):
                last = row.name.rpartition(".")[2]
                assert last in counts or last.endswith(("_seconds", "_bytes")), f"{name}: {last}"
