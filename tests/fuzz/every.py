"""All rules and all mutations together: case after case of one seed."""

from __future__ import annotations

from collections.abc import Callable

from tests.fuzz import event_rules, http_rules
from tests.fuzz.cases import Case, one_of
from tests.fuzz.mutations import mutated

#: Those whose cases take the most memory: sent first, so that growth shows afterwards.
HEAVY_RULES = [
    http_rules.sizes,
    http_rules.packed_bodies,
    event_rules.no_json,
    event_rules.batches,
    event_rules.bad_data,
]


def every(seed: int) -> Callable[[int], Case]:
    """Return the function that makes case *number* of *seed*."""
    return one_of([*http_rules.RULES, *event_rules.RULES], mutated, seed)


def heavy(seed: int) -> Callable[[int], Case]:
    """Return the function that makes cases that take memory, and that no rule judges."""
    return one_of(HEAVY_RULES, mutated, seed)
