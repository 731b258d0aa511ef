"""How one JSON value differs from another: each place, what was expected there, what is.

    expected {"a": [1, 2]}    actual {"a": [1, 3], "b": 0}
    ─▶ a[1]: 2, 3     b: nothing, 0

Values are compared as JSON means them: `true` is not 1, 1 is 1.0, the order of members says
nothing and that of arrays everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

#: Where in a value: names of members and places in arrays.
Place = tuple[str | int, ...]


class Absent:
    """Stands for a value where there is none."""

    def __repr__(self) -> str:
        return "nothing"


NOTHING: Final = Absent()


@dataclass(frozen=True, slots=True)
class Difference:
    """One *place* at which the *actual* value is not the *expected* one; either may be NOTHING."""

    place: Place
    expected: Any
    actual: Any


def differences(
    expected: Any, actual: Any, *, subset: bool = False, tolerance: float = 0.0
) -> Iterator[Difference]:
    """Yield each difference of two values, members of *expected* in its own order first.

    *subset*: members of an object that are not expected are no difference, at any depth;
    arrays are as long as expected all the same. *tolerance*: how far a number may be from
    the expected one.
    """
    return _compare(expected, actual, (), subset, tolerance)


def as_json(value: Any) -> str:
    """Return *value* as JSON in one line; NOTHING is `nothing`."""
    return repr(value) if value is NOTHING else json.dumps(value, ensure_ascii=False)


def read_json(data: bytes) -> Any:
    """Return the value of JSON with its integers whole, however long.

    Raise ValueError for what is no JSON, NaN and nesting beyond Python's own stack included.
    """
    try:
        return json.loads(data, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _compare(
    expected: Any, actual: Any, place: Place, subset: bool, tolerance: float
) -> Iterator[Difference]:
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        for name, value in expected.items():
            found = actual.get(name, NOTHING)
            yield from _compare(value, found, (*place, name), subset, tolerance)
        if not subset:
            for name in actual.keys() - expected.keys():
                yield Difference((*place, name), NOTHING, actual[name])
    elif _is_array(expected) and _is_array(actual):
        for index in range(max(len(expected), len(actual))):
            one, other = _at(expected, index), _at(actual, index)
            yield from _compare(one, other, (*place, index), subset, tolerance)
    elif not _same(expected, actual, tolerance):
        yield Difference(place, expected, actual)


def _same(expected: Any, actual: Any, tolerance: float) -> bool:
    """Whether two values, one of them no object and no array, are the same."""
    if _is_number(expected) and _is_number(actual):
        return bool(expected == actual) or (tolerance > 0 and _near(expected, actual, tolerance))
    return type(expected) is type(actual) and bool(expected == actual)


def _near(expected: float, actual: float, tolerance: float) -> bool:
    try:
        return abs(expected - actual) <= tolerance
    except OverflowError:  # an integer beyond what a float can hold, and a float
        return False


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_array(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, (list, tuple))


def _at(values: Sequence[Any], index: int) -> Any:
    return values[index] if index < len(values) else NOTHING


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
