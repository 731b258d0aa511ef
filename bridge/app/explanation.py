"""Which pipeline takes an event, why not the others, and what becomes of it then.

    for each pipeline, in the file's order:   path ─▶ filter ─▶ filters ─▶ taken before?

As the listener decides (`bridge.runtime.routing`), but in words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from bridge.app.lines import Line
from bridge.config.pipeline import FileOptions, PipelineOptions, Section
from bridge.core.attributes import shown
from bridge.core.event import Event
from bridge.core.explain import Verdict, explain_attributes, explain_filters


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """What one pipeline does with an event, and *why*.

    *steps*: what the event goes through, and *to*: where what comes out goes, if it takes it.
    *dead_letter*: the kind of sink that a refused event goes to.
    """

    pipeline: str
    takes: bool
    why: str
    steps: Sequence[str] = ()
    to: Sequence[str] = ()
    dead_letter: str | None = None


def explain(
    lines: Iterable[Line], options: FileOptions, event: Event, *, by_path: bool = True
) -> list[Explained]:
    """Return what each of *lines*, in order, does with *event*.

    Pipelines of one listener take an event once: the first that accepts it. *by_path* False:
    as if it came on the path that each pipeline wants.
    """
    explained: list[Explained] = []
    takers: dict[object, str] = {}
    for line in lines:
        pipeline = options.pipelines[line.name]
        verdict = _verdict(line, pipeline, event, by_path=by_path)
        earlier = takers.get(_listener(line))
        if verdict.accepted and earlier is not None:
            verdict = Verdict(False, f"pipeline '{earlier}' before it takes the event")
        if not verdict.accepted:
            explained.append(Explained(pipeline=line.name, takes=False, why=verdict.why))
            continue
        takers[_listener(line)] = line.name
        explained.append(_taken(line, pipeline, event, verdict.why))
    return explained


def in_words(explained: Iterable[Explained]) -> str:
    """Return an explanation, a line for each pipeline."""
    return "\n".join(f"{one.pipeline}: {one.why}" for one in explained)


def path_of(line: Line) -> str | None:
    """Return the HTTP path that *line* wants its events on, None where any will do."""
    options: Any = line.source.options
    return options.path if line.source.kind == "http" else None


def _verdict(line: Line, pipeline: PipelineOptions, event: Event, *, by_path: bool) -> Verdict:
    path = path_of(line)
    if by_path and path is not None and path != event.origin.path:
        found = shown(event.origin.path)
        return Verdict(False, f"source.path: the event comes on {found}, expected {shown(path)}")
    attributes = explain_attributes(pipeline.filter.attributes, event)
    if not attributes.accepted or not pipeline.filters:
        return attributes
    filters = explain_filters([entry.raw() for entry in pipeline.filters], event)
    if not filters.accepted or not pipeline.filter.attributes:
        return filters
    return Verdict(True, f"{attributes.why}; {filters.why}")


def _taken(line: Line, pipeline: PipelineOptions, event: Event, why: str) -> Explained:
    steps = [
        f"{name} {section['type']}"
        for name, section in (("transformer", pipeline.transformer), ("model", pipeline.model))
        if section is not None
    ]
    to = [f"sinks[{place}] ({_kind(sink)})" for place, sink in enumerate(pipeline.sinks)]
    replies = line.pipeline.replies(event)
    if not to and (line.pipeline.reply_always or not replies) and line.pipeline.fallback:
        to.append("K_SINK")
    if replies:
        to.append("the reply")
    return Explained(
        pipeline=line.name,
        takes=True,
        why=why,
        steps=steps,
        to=to,
        dead_letter=None if pipeline.dead_letter is None else _kind(pipeline.dead_letter),
    )


def _kind(section: Section) -> str:
    return str(section["type"])


def _listener(line: Line) -> object:
    """Return what tells the listener of *line* from others: HTTP pipelines of a port share one."""
    options: Any = line.source.options
    return (options.host, options.port) if line.source.kind == "http" else line.name
