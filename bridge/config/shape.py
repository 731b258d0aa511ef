"""What options classes look like from outside: what is where, in which words, and secret or not."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from bridge.config.problems import KeyPath


def options_of(options: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the options of a class by the name that a file uses."""
    return {field.alias or name: field for name, field in options.model_fields.items()}


def type_of(field: FieldInfo) -> Any:
    """Return the type of an option, its limits included."""
    if not field.metadata:
        return field.annotation
    return Annotated[(field.annotation, *field.metadata)]


def annotation_at(annotation: Any, path: KeyPath) -> Any:
    """Return the type of what stands at *path* below something of type *annotation*.

    `Any` where nothing is known, or nothing is there.
    """
    for step in path:
        annotation = _below(annotation, step)
    return annotation


def is_secret(annotation: Any) -> bool:
    """Whether a value of this type, or a part of it, must never be shown."""
    return any(
        member in (SecretStr, SecretBytes)
        or any(is_secret(argument) for argument in get_args(member) if argument is not member)
        for member in members(annotation)
    )


def secrets_in(annotation: Any, value: Any) -> Iterator[str]:
    """Yield the text of every secret in the raw *value* of something of type *annotation*."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from secrets_in(_below(annotation, name), inner)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from secrets_in(_below(annotation, position), inner)
    elif value is not None and value != "" and is_secret(annotation):
        yield str(value)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """Return the options class in *annotation*, if it is one, or may be one."""
    for member in members(annotation):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return member
    return None


def in_words(annotation: Any) -> str:
    """Return a type as a stranger reads it: `whole number, at least 1`."""
    kinds = [_kind(member, metadata) for member, metadata in _members(annotation)]
    return " or ".join(dict.fromkeys(kinds)) or "nothing"


def members(annotation: Any) -> list[Any]:
    """Return what *annotation* may be, unions taken apart, `Annotated` and None taken off."""
    return [member for member, _ in _members(annotation)]


def _members(annotation: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    """Each member with its own metadata."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return [(member, (*own, *metadata)) for member, own in _members(inner)]
    if origin in (Union, types.UnionType):
        return [found for member in get_args(annotation) for found in _members(member)]
    return [] if annotation in (None, type(None)) else [(annotation, ())]


def _below(annotation: Any, step: str | int) -> Any:
    for member in members(annotation):
        origin, arguments = get_origin(member), get_args(member)
        if isinstance(member, type) and issubclass(member, BaseModel):
            field = options_of(member).get(str(step))
            if field is not None:
                return type_of(field)
        elif origin in (list, tuple, Sequence) and arguments:
            return arguments[0]
        elif origin in (dict, Mapping) and arguments:
            return arguments[1]
    return Any


_WORDS = {
    str: "text",
    SecretStr: "text (secret)",
    SecretBytes: "text (secret)",
    int: "whole number",
    float: "number",
    bool: "true or false",
    dict: "section",
    list: "list",
}


def _kind(member: Any, metadata: tuple[Any, ...]) -> str:
    origin, arguments = get_origin(member), get_args(member)
    if origin is Literal:
        return " or ".join(f"'{choice}'" for choice in arguments)
    words = _WORDS.get(member, "anything" if member is Any else getattr(member, "__name__", "text"))
    if origin in (list, tuple, Sequence):
        words = f"list, each {in_words(arguments[0])}" if arguments else "list"
    elif origin in (dict, Mapping):
        inner = in_words(arguments[1])
        words = "section" if inner == "anything" else f"section of names, each {inner}"
    elif isinstance(member, type) and issubclass(member, BaseModel):
        words = "section"
    unit = "character" if member in (str, SecretStr) else "item"
    return ", ".join([words, *(limit for item in metadata for limit in _limits(item, unit))])


def _limits(metadata: Any, unit: str) -> Iterator[str]:
    """Say the limits of *metadata*, from pydantic or annotated_types, in words."""
    for name, words in _LIMITS.items():
        limit = getattr(metadata, name, None)
        if limit is not None:
            counted = f" {unit}{'' if limit == 1 else 's'}" if name.endswith("_length") else ""
            yield words.format(limit) + counted
    for item in getattr(metadata, "metadata", ()):
        yield from _limits(item, unit)


_LIMITS = {
    "gt": "more than {}",
    "ge": "at least {}",
    "lt": "less than {}",
    "le": "at most {}",
    "min_length": "at least {}",
    "max_length": "at most {}",
    "pattern": "of the form {}",
}
