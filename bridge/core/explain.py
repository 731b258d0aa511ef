"""Why an event passes a filter, or why not, in words: the slow twin of `core/filters.py`.

    filter.attributes.type: is 'a', expected 'b'
    filters[1].not.prefix.source: is '/a/b', which starts with '/a': expected otherwise

Both walk the same forms, and a property test holds them together: an explanation says
accepted exactly where the compiled predicate accepts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.attributes import shown
from bridge.core.errors import ConfigError
from bridge.core.event import Event


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an event is accepted, and *why*, or why not: path, what is, what was expected."""

    accepted: bool
    why: str


def explain_attributes(attributes: Mapping[str, str], event: Event) -> Verdict:
    """Return what `compile_attributes` says of *event*, and the first attribute that fails."""
    path = "filter.attributes"
    return _all(_attribute(name, value, event, path) for name, value in attributes.items())


def explain_filters(filters: Sequence[Mapping[str, Any]], event: Event) -> Verdict:
    """Return what `compile_filters` says of *event*, and the first filter that fails.

    *filters* are those that compile; raise ConfigError for a dialect that nobody knows.
    """
    return _all(_entries(filters, event, "filters"))


#: How a dialect compares, and what it says of a value that is as written, or is not.
_COMPARES: Final[Mapping[str, tuple[Callable[[str, str], bool], str, str]]] = {
    "exact": (str.__eq__, "", "as written"),
    "prefix": (str.startswith, "at its start ", "which starts with"),
    "suffix": (str.endswith, "at its end ", "which ends with"),
}


def _entries(filters: Sequence[Mapping[str, Any]], event: Event, path: str) -> list[Verdict]:
    return [_entry(entry, event, f"{path}[{place}]") for place, entry in enumerate(filters)]


def _entry(entry: Mapping[str, Any], event: Event, path: str) -> Verdict:
    ((dialect, value),) = entry.items()
    path = f"{path}.{dialect}"
    match dialect:
        case "exact" | "prefix" | "suffix":
            return _all(
                _compared(dialect, name, expected, event, path) for name, expected in value.items()
            )
        case "all":
            return _all(_entries(value, event, path))
        case "any":
            return _any(_entries(value, event, path), path)
        case "not":
            inner = _entry(value, event, path)
            ending = ": expected otherwise" if inner.accepted else ""
            return Verdict(not inner.accepted, inner.why + ending)
    raise ConfigError(f"{path}: is an unknown dialect")


def _attribute(name: str, expected: str, event: Event, path: str) -> Verdict:
    if expected:
        return _compared("exact", name, expected, event, path)
    found = event.attributes.get(name)
    if found:
        return Verdict(True, f"{path}.{name}: is {shown(found)}, and any value will do")
    return Verdict(False, f"{path}.{name}: {_is(found)}, expected any value")


def _compared(dialect: str, name: str, expected: str, event: Event, path: str) -> Verdict:
    compare, place, holds = _COMPARES[dialect]
    found = event.attributes.get(name)
    if found is not None and compare(found, expected):
        wording = holds if dialect == "exact" else f"{holds} {shown(expected)}"
        return Verdict(True, f"{path}.{name}: is {shown(found)}, {wording}")
    return Verdict(False, f"{path}.{name}: {_is(found)}, expected {place}{shown(expected)}")


def _is(found: str | None) -> str:
    if found is None:
        return "is missing"
    return f"is {shown(found)}" if found else "is empty"


def _all(verdicts: Iterable[Verdict]) -> Verdict:
    """Accepted where all are; the first that is not says why."""
    accepted: list[str] = []
    for verdict in verdicts:
        if not verdict.accepted:
            return verdict
        accepted.append(verdict.why)
    return Verdict(True, "; ".join(accepted) or "every event is taken")


def _any(verdicts: Sequence[Verdict], path: str) -> Verdict:
    """Accepted where one is, which says why; otherwise each says why not."""
    for verdict in verdicts:
        if verdict.accepted:
            return verdict
    return Verdict(False, f"{path}: none fits: " + "; ".join(verdict.why for verdict in verdicts))
