"""A dataclass that the type checker freezes, for values that are made for every event.

`@dataclass(frozen=True)` sets each field through `object.__setattr__`, which costs more than
half of building the object. mypy holds the same promise for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """Make *cls* a dataclass with slots, hashed by its fields; nobody changes one once built."""
    return dataclass(slots=True, unsafe_hash=True)(cls)
