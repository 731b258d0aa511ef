"""`type:` in a section to the class that the section is for, imported only then."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from pydantic import BaseModel

from bridge.config.file import Document
from bridge.config.options import Options
from bridge.config.problems import KeyPath, Problems, did_you_mean
from bridge.config.shape import options_of
from bridge.config.validate import parse_raw
from bridge.core.errors import ConfigError
from bridge.core.loading import load_class

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen(Generic[A]):
    """A section understood: which kind, its class, its options, and those around any kind."""

    kind: str
    cls: type[Any]
    options: Any
    around: A


@overload
def kind_of(
    document: Document, path: KeyPath, types: Mapping[str, str], room: str
) -> type[Any]: ...


@overload
def kind_of(
    document: Document, path: KeyPath, types: Mapping[str, str], room: str, problems: Problems
) -> type[Any] | None: ...


def kind_of(
    document: Document,
    path: KeyPath,
    types: Mapping[str, str],
    room: str,
    problems: Problems | None = None,
) -> type[Any] | None:
    """Return the class that `type:` of the section at *path* names.

    *types* are the kinds of a *room* (kind → `module:Class`); another `module:Class` is a
    user's own, looked for beside the file first (`bridge.core.loading`). What is wrong goes
    to *problems*, and None comes back; without *problems* it is raised as ConfigError.
    """
    own = Problems() if problems is None else problems
    cls: type[Any] | None = None
    try:
        cls = _class_at(document, path, types, room)
    except ConfigError as error:
        where = (*path, "type") if (*path, "type") in document.lines else path
        if not own.at(where):
            own.add(document.problem(where, str(error)))
    if problems is None:
        own.check()
    return cls


@overload
def choose(
    document: Document, path: KeyPath, types: Mapping[str, str], room: str, *, around: type[A]
) -> Chosen[A]: ...


@overload
def choose(
    document: Document,
    path: KeyPath,
    types: Mapping[str, str],
    room: str,
    *,
    around: type[A],
    problems: Problems,
) -> Chosen[A] | None: ...


def choose(
    document: Document,
    path: KeyPath,
    types: Mapping[str, str],
    room: str,
    *,
    around: type[A],
    problems: Problems | None = None,
) -> Chosen[A] | None:
    """Return the section at *path* as its kind's `Options` and the options *around* any kind.

    A kind that has an option of the same name itself keeps it. Problems as with `kind_of`.
    """
    own = Problems() if problems is None else problems
    chosen = _choose(document, path, types, room, around=around, problems=own)
    if problems is None:
        own.check()
    return chosen


def import_class(target: str) -> type[Any]:
    """Return the class that *target*, `module:Class` of a room's table, names.

    Raise ConfigError where something that it needs is not installed.
    """
    module_name, _, class_name = target.partition(":")
    try:
        found: type[Any] = getattr(importlib.import_module(module_name), class_name)
    except ImportError as error:
        raise ConfigError(f"'{target}' cannot be imported: {error}") from error
    return found


def _class_at(document: Document, path: KeyPath, types: Mapping[str, str], room: str) -> type[Any]:
    section = document.at(path)
    known = sorted(types)
    if not isinstance(section, Mapping):
        raise ConfigError(f"expected a section with 'type' (known: {', '.join(known)})")
    if "type" not in section:
        raise ConfigError(f"'type' is missing: which of {room}? (known: {', '.join(known)})")
    kind = section["type"]
    if not isinstance(kind, str):
        raise ConfigError(f"expected the name of one of {room} (known: {', '.join(known)})")
    if kind in types:
        return import_class(types[kind])
    if ":" in kind:
        return load_class(kind, document.folder)
    raise ConfigError(f"'{kind}' is none of {room}{did_you_mean(kind, known)}")


def _choose(
    document: Document,
    path: KeyPath,
    types: Mapping[str, str],
    room: str,
    *,
    around: type[A],
    problems: Problems,
) -> Chosen[A] | None:
    cls = kind_of(document, path, types, room, problems)
    if cls is None:
        return None
    section = document.at(path)
    options = getattr(cls, "Options", None)
    if not (isinstance(options, type) and issubclass(options, Options)):
        text = f"class '{cls.__name__}' has no Options: expected a class made from Options"
        problems.add(document.problem((*path, "type"), text))
        return None
    own_names = options_of(options)
    outer_names = [name for name in options_of(around) if name not in own_names]
    elsewhere = {"type", *outer_names} - own_names.keys()
    inner = {name: section[name] for name in section if name not in elsewhere}
    outer = {name: section[name] for name in section if name in outer_names}
    parsed = parse_raw(document, path, inner, options, problems, also_known=("type", *outer_names))
    wrapped = parse_raw(document, path, outer, around, problems)
    if parsed is None or wrapped is None:
        return None
    return Chosen(kind=section["type"], cls=cls, options=parsed, around=wrapped)
