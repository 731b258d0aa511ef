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


#: How a dialect compares, and how it says what was expected, what holds, and what does not.
_COMPARES: Final[Mapping[str, tuple[Callable[[str, str], bool], str, str, str]]] = {
    "exact": (str.__eq__, "expected {}", "as written", "which is not {}"),
    "prefix": (
        str.startswith,
        "expected {} at its start",
        "which starts with {}",
        "which does not start with {}",
    ),
    "suffix": (
        str.endswith,
        "expected {} at its end",
        "which ends with {}",
        "which does not end with {}",
    ),
}


def _entries(
    filters: Sequence[Mapping[str, Any]], event: Event, path: str, *, wanted: bool = True
) -> list[Verdict]:
    return [
        _entry(entry, event, f"{path}[{place}]", wanted=wanted)
        for place, entry in enumerate(filters)
    ]


def _entry(entry: Mapping[str, Any], event: Event, path: str, *, wanted: bool) -> Verdict:
    """Return whether *entry* matches; *wanted* False: below a `not`, a match is what is wrong."""
    ((dialect, value),) = entry.items()
    path = f"{path}.{dialect}"
    match dialect:
        case "exact" | "prefix" | "suffix":
            return _all(
                _compared(dialect, name, expected, event, path, wanted=wanted)
                for name, expected in value.items()
            )
        case "all":
            return _all(_entries(value, event, path, wanted=wanted))
        case "any":
            return _any(_entries(value, event, path, wanted=wanted), path)
        case "not":
            inner = _entry(value, event, path, wanted=not wanted)
            return Verdict(not inner.accepted, inner.why)
    raise ConfigError(f"{path}: is an unknown dialect")


def _attribute(name: str, expected: str, event: Event, path: str) -> Verdict:
    if expected:
        return _compared("exact", name, expected, event, path, wanted=True)
    found = event.attributes.get(name)
    if found:
        return Verdict(True, f"{path}.{name}: is {shown(found)}, and any value will do")
    return Verdict(False, f"{path}.{name}: {_is(found)}, expected any value")


def _compared(
    dialect: str, name: str, expected: str, event: Event, path: str, *, wanted: bool
) -> Verdict:
    compare, missed, holds, fails = _COMPARES[dialect]
    found = event.attributes.get(name)
    accepted = found is not None and compare(found, expected)
    if accepted:
        words = holds if wanted else f"{holds}: expected otherwise"
    else:
        words = missed if wanted else fails
    return Verdict(accepted, f"{path}.{name}: {_is(found)}, {words.format(shown(expected))}")


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
