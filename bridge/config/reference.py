"""Documentation out of the options classes: the options page, and the file's JSON Schema.

    FileOptions + {room: {kind: Options}} ──▶ Markdown, one table a section
                                          ──▶ JSON Schema, one `oneOf` a room

Pure: whoever calls knows the kinds.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import models_json_schema

from bridge.config.options import Options
from bridge.config.pipeline import FileOptions, StepOptions
from bridge.config.shape import annotation_at, in_words, options_of, section_of, type_of

#: Kinds by room, each with its options: {"sources": {"http": HttpSourceOptions}}. A kind with
#: a colon stands for every class of a user's own.
Kinds = Mapping[str, Mapping[str, type[BaseModel]]]

#: The sections of a pipeline that a room's kinds stand in, and what may stand around them.
SECTIONS: Final[Mapping[str, tuple[str, type[Options]]]] = {
    "source": ("sources", Options),
    "transformer": ("transformers", Options),
    "model": ("models", StepOptions),
    "sinks": ("sinks", StepOptions),
    "dead_letter": ("sinks", StepOptions),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One option as a stranger reads it. *default* is empty where the option must be given."""

    name: str
    type: str
    default: str
    sentence: str


def rows(options: type[BaseModel], prefix: str = "") -> list[Row]:
    """Return every option of a class, those of its sections below it as `section.option`.

    The kind's own name, `type`, is left out. A section within itself is shown once.
    """
    return list(_rows(options, prefix, ()))


def markdown(kinds: Kinds) -> str:
    """Return the options page: the file, then every kind of every room."""
    parts = [
        "# Options",
        "",
        "This page is made from the options classes; a test compares.",
        "An option without a default must be given.",
        "",
        "## The file",
        "",
        table(FileOptions),
        "",
        "## Around every model, sink and dead letter",
        "",
        _sentence(StepOptions),
        "",
        table(StepOptions),
    ]
    for room, options in kinds.items():
        parts += ["", f"## {room.replace('_', ' ').capitalize()}"]
        for kind, cls in sorted(options.items()):
            parts += ["", f"### `{kind}`", "", _sentence(cls), "", table(cls)]
    return "\n".join(parts) + "\n"


def table(options: type[BaseModel]) -> str:
    """Return the options of one class as a Markdown table."""
    lines = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for row in rows(options):
        default = f"`{row.default}`" if row.default else ""
        cells = (f"`{row.name}`", row.type.replace("'", "`"), default, row.sentence)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if len(lines) == 2:
        return "It has no options."
    return "\n".join(lines)


def schema(kinds: Kinds) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the whole file, for editors and checkers.

    As strict as the file's reader where text stands for text; a value with `${` in it fits
    everywhere, since nobody knows yet what it will be.
    """
    classes: dict[type[BaseModel], None] = {FileOptions: None}
    classes.update((around, None) for _, around in SECTIONS.values())
    classes.update((cls, None) for options in kinds.values() for cls in options.values())
    found, whole = models_json_schema(
        [(cls, "validation") for cls in classes], ref_template="#/$defs/{model}"
    )
    defs: dict[str, Any] = whole["$defs"]
    names = {cls: found[cls, "validation"]["$ref"].removeprefix("#/$defs/") for cls in classes}
    sections = defs[_name_of(defs, "PipelineOptions")]["properties"]
    made: dict[str, Any] = {}
    for section, (room, around) in SECTIONS.items():
        outer = defs[names[around]].get("properties", {})
        variants = {
            kind: _variant(kind, defs[names[cls]], outer)
            for kind, cls in kinds.get(room, {}).items()
        }
        own = [] if any(":" in kind for kind in variants) else [_OWN_CLASS]
        made[room] = {"oneOf": [*variants.values(), *own]}
        _put(sections[section], {"$ref": f"#/$defs/{room}"})
    root = defs[names[FileOptions]]
    for cls in classes:
        defs.pop(names[cls])
    return _complete({**root, "$defs": {**defs, **made}}, "inference-bridge")


def schema_of(options: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a file that is all of one class, such as tests."""
    return _complete(options.model_json_schema(), "inference-bridge: tests")


def _complete(schema: Mapping[str, Any], title: str) -> dict[str, Any]:
    dialect = "https://json-schema.org/draft/2020-12/schema"
    return _with_variables({"$schema": dialect, **schema, "title": title})


def _rows(
    options: type[BaseModel], prefix: str, around: tuple[type[BaseModel], ...]
) -> Iterator[Row]:
    for name, field in options_of(options).items():
        if name == "type" and in_words(field.annotation).startswith("'"):
            continue
        path = prefix + name
        yield Row(
            name=path,
            type=in_words(type_of(field)),
            default=_default(field),
            sentence=" ".join((field.description or "").split()),
        )
        section, below = _section_below(field.annotation, path)
        if section is not None and section not in (*around, options):
            yield from _rows(section, f"{below}.", (*around, options))


def _section_below(annotation: Any, path: str) -> tuple[type[BaseModel] | None, str]:
    """Return the options class of a section, also in a list or by name, and how it is written."""
    direct = section_of(annotation)
    if direct is not None:
        return direct, path
    if in_words(annotation).startswith("list"):
        return section_of(annotation_at(annotation, (0,))), f"{path}[]"
    return section_of(annotation_at(annotation, ("name",))), f"{path}.<name>"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, tuple):
        value = list(value)
    return str(value) if value != "" else '""'


def _sentence(options: type[BaseModel]) -> str:
    return inspect.cleandoc(options.__doc__ or "").split("\n\n")[0].replace("\n", " ")


def _name_of(defs: Mapping[str, Any], name: str) -> str:
    return next(known for known in defs if known.endswith(name))


def _variant(kind: str, own: Mapping[str, Any], outer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of one kind: its options, those around it, and its name."""
    name = _OWN_CLASS_NAME if ":" in kind else {"const": kind}
    properties = {**outer, **own.get("properties", {}), "type": name}
    required = ["type", *(name for name in own.get("required", []) if name != "type")]
    return {**own, "properties": properties, "required": required, "additionalProperties": False}


_OWN_CLASS_NAME: Final = {"type": "string", "pattern": ":"}

#: A user's own class, which alone knows its options.
_OWN_CLASS: Final = {
    "description": "A class of your own, module:Class.",
    "type": "object",
    "properties": {"type": _OWN_CLASS_NAME},
    "required": ["type"],
}


def _put(place: dict[str, Any], reference: dict[str, Any]) -> None:
    """Put *reference* where the schema of *place* has an object of which nothing is known."""
    if place.get("type") == "object":
        for key in ("type", "additionalProperties"):
            place.pop(key, None)
        place.update(reference)
    for inner in [*place.get("anyOf", []), place.get("items")]:
        if isinstance(inner, dict):
            _put(inner, reference)


_VARIABLE: Final = {"type": "string", "pattern": r"\$\{"}
_NAMED: Final = ("properties", "$defs")


def _with_variables(schema: dict[str, Any]) -> dict[str, Any]:
    """Return *schema* with `${VAR}` in place of every number, truth value, choice and pattern."""
    schema = dict(schema)
    if "$schema" not in schema:
        schema.pop("title", None)
    for key in _NAMED:
        if key in schema:
            schema[key] = {name: _with_variables(below) for name, below in schema[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            schema[key] = _with_variables(schema[key])
    for key in ("anyOf", "oneOf"):
        if key in schema:
            schema[key] = [_with_variables(below) for below in schema[key]]
    if "patternProperties" in schema:
        ((pattern, below),) = schema.pop("patternProperties").items()
        schema["propertyNames"] = {**schema.get("propertyNames", {}), "pattern": pattern}
        schema["additionalProperties"] = _with_variables(below)
    if not _may_be_variable(schema):
        return schema
    said: dict[str, Any] = {
        key: schema.pop(key) for key in ("description", "default") if key in schema
    }
    return {**said, "anyOf": [schema, _VARIABLE]}


def _may_be_variable(schema: Mapping[str, Any]) -> bool:
    """Whether text with a variable in it, which becomes a fitting value, would not fit yet."""
    if schema.get("type") == "string":
        return not {"pattern", "minLength", "enum", "const"}.isdisjoint(schema)
    return schema.get("type") in ("integer", "number", "boolean")
