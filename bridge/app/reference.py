"""The options of every kind in every room, for the reference page and the JSON Schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from bridge import models, sinks, sources
from bridge.config import reference
from bridge.config.kinds import import_class
from bridge.config.pipeline import FileOptions, StepOptions
from bridge.config.reference import Row

#: How the reference calls the one kind of transformer: a class of the user's own.
OWN_CLASS = "module:Class"

#: How it calls the file itself.
FILE = "file"


def kinds() -> dict[str, dict[str, type[BaseModel]]]:
    """Return the options class of each kind, by room; imports every kind."""
    from bridge.transformers.user import TransformerOptions

    known: dict[str, dict[str, type[BaseModel]]] = {
        room: {kind: import_class(target).Options for kind, target in types.items()}
        for room, types in (
            ("sources", sources.TYPES),
            ("models", models.TYPES),
            ("sinks", sinks.TYPES),
        )
    }
    return {**known, "transformers": {OWN_CLASS: TransformerOptions}}


def names() -> dict[str, type[BaseModel]]:
    """Return every options class by its full name: `file`, then `sources.http` and its like."""
    found: dict[str, type[BaseModel]] = {FILE: FileOptions}
    for room, types in kinds().items():
        found.update((f"{room}.{kind}", cls) for kind, cls in types.items())
    return found


def rows(name: str) -> list[Row]:
    """Return the options of the kind *name*, those that may stand around it last."""
    own = reference.rows(names()[name])
    if not name.startswith(("models.", "sinks.")):
        return own
    known = {row.name for row in own}
    return own + [row for row in reference.rows(StepOptions) if row.name not in known]


def page() -> str:
    """Return the whole options page, Markdown."""
    return reference.markdown(kinds())


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the file."""
    return reference.schema(kinds())
