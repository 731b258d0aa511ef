"""A look into the sections of a file that is wrong elsewhere: every mistake in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge import models, sinks, sources
from bridge.app.parts import Parts
from bridge.config.kinds import choose
from bridge.config.options import Options
from bridge.config.pipeline import StepOptions
from bridge.config.problems import KeyPath
from bridge.config.validate import parse

#: Where the kinds of a section are, what they are called, and what may stand around them.
_ROOMS: Mapping[str, tuple[Mapping[str, str], str, type[Options]]] = {
    "source": (sources.TYPES, "sources", Options),
    "model": (models.TYPES, "models", StepOptions),
    "sinks": (sinks.TYPES, "sinks", StepOptions),
    "dead_letter": (sinks.TYPES, "sinks", StepOptions),
}


def survey(parts: Parts) -> None:
    """Build the component of each section there is, only to find what is wrong with it."""
    from bridge.transformers.user import TransformerOptions, UserTransformer

    document, problems = parts.document, parts.problems
    for path in _sections(document.tree):
        name = path[2]
        if name == "transformer":
            options = parse(document, path, TransformerOptions, problems)
            if options is not None:
                parts.make(path, UserTransformer, options, name=str(path[1]))
        else:
            types, room, around = _ROOMS[str(name)]
            chosen = choose(document, path, types, room, around=around, problems=problems)
            more = _of_sources(parts) if name == "source" else {}
            parts.chosen(path, chosen, **more)


def survey_source(pipeline: str, parts: Parts) -> None:
    """Build the source of a pipeline that is wrong elsewhere and so gets no listener, likewise."""
    path = ("pipelines", pipeline, "source")
    types, room, around = _ROOMS["source"]
    chosen = choose(parts.document, path, types, room, around=around, problems=parts.problems)
    parts.chosen(path, chosen, **_of_sources(parts))


def _of_sources(parts: Parts) -> dict[str, Any]:
    """Return what sources are built with, for one that will never run."""
    return {
        "deliveries": parts.ledger.source("survey"),
        "replies": lambda _: False,
        "knows": lambda _: False,
        "ready": lambda: False,
        "name": "survey",
        "namespace": None,
    }


def _sections(tree: Any) -> Iterator[KeyPath]:
    """Yield the path of each section that a component has in *tree*."""
    pipelines = tree.get("pipelines") if isinstance(tree, dict) else None
    for pipeline, options in pipelines.items() if isinstance(pipelines, dict) else ():
        for name, section in options.items() if isinstance(options, dict) else ():
            path: KeyPath = ("pipelines", pipeline, name)
            if name in _ROOMS or name == "transformer":
                if isinstance(section, dict):
                    yield path
                elif name == "sinks" and isinstance(section, list):
                    for index, one in enumerate(section):
                        if isinstance(one, dict):
                            yield (*path, index)
