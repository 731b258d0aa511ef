"""Metrics as docs/metrics.md tells of them, and as a scrape has them: for a test to compare."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

#: What a histogram's samples are called, after its own name.
HISTOGRAM_ENDS = ("_bucket", "_count", "_sum")

_ROW = re.compile(r"^\| `(?P<name>\w+)` \| (?P<type>\w+) \| (?P<labels>[^|]+) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one metric; a counter is called by its sample, `…_total`."""

    type: str
    labels: frozenset[str]


def documented(page: str) -> dict[str, Told]:
    """Return every metric of *page*, which is docs/metrics.md or a part of it."""
    return {
        row["name"]: Told(row["type"], frozenset(re.findall(r"`(\w+)`", row["labels"])))
        for row in _ROW.finditer(page)
    }


def exposed(scrape: str) -> dict[str, Told]:
    """Return every metric that has a sample in *scrape*."""
    found = {}
    for family in text_string_to_metric_families(scrape):
        labels = {label for sample in family.samples for label in sample.labels}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if family.type == "histogram":
            labels.discard("le")
        if family.samples:
            found[name] = Told(family.type, frozenset(labels))
    return found
