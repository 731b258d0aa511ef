"""Cursors of listings: each belongs to one pipeline, no event may write over one, and none is one.

    another's too?            a mistake: only one would list
    some sink's object too?   a warning: whoever sends the event says what is passed over
    told to a pipeline?       a warning: each write of it is an event there

All of it is in the file: nothing is connected to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from bridge.app.lines import Line
from bridge.app.object_loops import Heard, heard_of, object_sinks, origin
from bridge.config.file import Document
from bridge.config.object_names import FOR_BUCKETS, NameTemplate
from bridge.config.pipeline import FileOptions
from bridge.config.problems import Problems, dotted


def cursors(
    options: FileOptions, lines: Mapping[str, Line], document: Document, problems: Problems
) -> list[str]:
    """Return warnings: sinks that may write over a cursor of the file, pipelines told of one.

    Add a problem for each cursor that is another pipeline's already.
    """
    warnings: list[str] = []
    owners: dict[tuple[Any, ...], str] = {}
    for name, line, listing in _listings(lines):
        cursor = listing.cursor
        shown = f"'{cursor.bucket}/{cursor.key}'"
        place = (origin(listing.store.url), cursor.bucket, cursor.key)
        owner = owners.setdefault(place, name)
        if owner != name:
            path = (*line.path, "source", "listing", "cursor")
            text = (
                f"{shown} is the cursor of pipeline '{owner}' already: only one of them would "
                "list; expected a key of its own"
            )
            problems.add(document.problem(path, text))
        warnings += [
            f"{dotted(sink_path)}: may write over {shown}, the cursor of pipeline '{name}', with "
            "what an event says; expected another bucket, or keys that begin otherwise"
            for writer in lines
            for sink_path, sink in object_sinks(writer, options, document)
            if _may_write(sink, listing)
        ]
        warnings += [
            f"{dotted((*line.path, 'source', 'listing', 'cursor'))}: {shown} is in a bucket of "
            f"which pipeline '{told}' is told: each write of it would be an event there; expected "
            "another bucket"
            for told, other in lines.items()
            if any(_is_told(heard, listing) for heard in heard_of(other, options.notifications))
        ]
    return warnings


def _listings(lines: Mapping[str, Line]) -> Iterator[tuple[str, Line, Any]]:
    """Yield the pipelines whose source lists, and the options of the listing."""
    for name, line in lines.items():
        options: Any = line.source.options
        if line.source.kind == "minio" and options.listing is not None:
            yield name, line, options.listing


def _is_told(heard: Heard, listing: Any) -> bool:
    """Whether whoever is told of *heard* is told of the cursor of *listing* as well."""
    cursor = listing.cursor
    return (
        heard.is_of(listing.store.url)
        and heard.bucket == cursor.bucket
        and cursor.key.startswith(heard.prefix)
        and cursor.key.endswith(heard.suffix)
    )


def _may_write(sink: Any, listing: Any) -> bool:
    """Whether an object of *sink* may be the cursor of *listing*."""
    return (
        origin(sink.store.url) == origin(listing.store.url)
        and NameTemplate(sink.bucket).can_be(listing.cursor.bucket, FOR_BUCKETS)
        and NameTemplate(sink.key).can_be(listing.cursor.key, _ANYTHING)
    )


_ANYTHING = re.compile(r"[\s\S]*")
