"""Knative's Trigger filters: what was written once becomes one function of an event.

    filter:  {attributes: {type: order.paid}}           compile_attributes
    filters: [{prefix: {type: order.}}, {not: …}]       compile_filters

Values are compared as the event's canonical strings, case included; an attribute that the
event does not have matches nothing. Sources: Knative Eventing, Trigger `filter` and
`filters`; CloudEvents subscriptions/spec.md, Filter Dialects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bridge.core.attributes import check_name, shown
from bridge.core.errors import ConfigError, DecodeError
from bridge.core.event import Event

#: Whether an event is wanted.
Predicate = Callable[[Event], bool]

DIALECTS: Final = ("exact", "prefix", "suffix", "all", "any", "not")


def compile_attributes(attributes: Mapping[str, str]) -> Predicate:
    """Return whether an event has these *attributes*, all of them; none match every event.

    An empty value stands for any, but the attribute must be there. Raise ConfigError for
    what is no attribute's name or no string.
    """
    return _all(
        [
            _exact(name, value) if value else _there(name)
            for name, value in _checked(attributes, "filter.attributes").items()
        ]
    )


def compile_filters(filters: Sequence[Mapping[str, Any]]) -> Predicate:
    """Return whether an event passes all of *filters*; none let every event pass.

    Each entry is one dialect: exact, prefix, suffix with attributes and values that must all
    match; all, any with a list of entries; not with one entry. Raise ConfigError with the
    path of what is wrong: `filters[1].not.exact`.
    """
    return _all(_entries(filters, "filters"))


def _entries(filters: object, path: str) -> list[Predicate]:
    if not isinstance(filters, Sequence) or isinstance(filters, str):
        raise ConfigError(f"{path}: is {shown(filters)}: expected a list of filters")
    return [_entry(entry, f"{path}[{place}]") for place, entry in enumerate(filters)]


def _entry(entry: object, path: str) -> Predicate:
    expected = f"expected one of {', '.join(DIALECTS)}"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{path}: is {shown(entry)}: {expected}")
    if len(entry) != 1:
        found = ", ".join(str(name) for name in entry) or "none"
        raise ConfigError(f"{path}: has {found}: {expected}")
    ((dialect, value),) = entry.items()
    path = f"{path}.{dialect}"
    match dialect:
        case "exact" | "prefix" | "suffix":
            return _compare(dialect, value, path)
        case "all" | "any":
            nested = _entries(value, path)
            if not nested:
                raise ConfigError(f"{path}: is empty: expected at least one filter")
            return _all(nested) if dialect == "all" else _any(nested)
        case "not":
            return _not(_entry(value, path))
        case "cesql" | "sql":
            raise ConfigError(f"{path}: CloudEvents SQL is not supported: {expected}")
    raise ConfigError(f"{path}: is an unknown dialect: {expected}")


def _compare(dialect: str, attributes: object, path: str) -> Predicate:
    checked = _checked(attributes, path)
    if not checked:
        raise ConfigError(f"{path}: is empty: expected at least one attribute and its value")
    for name, value in checked.items():
        if not value:
            raise ConfigError(f"{path}.{name}: is empty: expected a value to compare with")
    compare = {"exact": _exact, "prefix": _prefix, "suffix": _suffix}[dialect]
    return _all([compare(name, value) for name, value in checked.items()])


def _checked(attributes: object, path: str) -> dict[str, str]:
    """Return *attributes*; raise ConfigError unless they map attributes' names to strings."""
    if not isinstance(attributes, Mapping):
        raise ConfigError(f"{path}: is {shown(attributes)}: expected attributes and their values")
    for name, value in attributes.items():
        try:
            check_name(str(name), "1.0")
        except DecodeError as error:
            raise ConfigError(f"{path}: {error}") from error
        if not isinstance(value, str):
            raise ConfigError(f"{path}.{name}: is {shown(value)}: expected a string, in quotes")
    return dict(attributes)


def _there(name: str) -> Predicate:
    return lambda event: bool(event.attributes.get(name))


def _exact(name: str, expected: str) -> Predicate:
    return lambda event: event.attributes.get(name) == expected


def _prefix(name: str, prefix: str) -> Predicate:
    return lambda event: event.attributes.get(name, "").startswith(prefix)


def _suffix(name: str, suffix: str) -> Predicate:
    return lambda event: event.attributes.get(name, "").endswith(suffix)


def _not(predicate: Predicate) -> Predicate:
    return lambda event: not predicate(event)


def _any(predicates: Sequence[Predicate]) -> Predicate:
    return lambda event: any(accepts(event) for accepts in predicates)


def _all(predicates: Sequence[Predicate]) -> Predicate:
    if len(predicates) == 1:  # the common case, without a loop
        return predicates[0]
    return lambda event: all(accepts(event) for accepts in predicates)
