"""A look into the sections of a file that is wrong elsewhere: every mistake in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bridge import models, sinks, sources
from bridge.config.file import Document
from bridge.config.kinds import choose
from bridge.config.options import Options
from bridge.config.pipeline import StepOptions
from bridge.config.problems import KeyPath, Problems
from bridge.config.validate import parse

#: Where the kinds of a section are, what they are called, and what may stand around them.
_ROOMS: Mapping[str, tuple[Mapping[str, str], str, type[Options]]] = {
    "source": (sources.TYPES, "sources", Options),
    "model": (models.TYPES, "models", StepOptions),
    "sinks": (sinks.TYPES, "sinks", StepOptions),
    "dead_letter": (sinks.TYPES, "sinks", StepOptions),
}


def survey(document: Document, problems: Problems) -> None:
    """Add what is wrong in the components' sections of *document*, wherever there are any."""
    from bridge.transformers.user import TransformerOptions

    for path in _sections(document.tree):
        name = path[2]
        if name == "transformer":
            parse(document, path, TransformerOptions, problems)
        else:
            types, room, around = _ROOMS[str(name)]
            choose(document, path, types, room, around=around, problems=problems)


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
