"""Buckets that a pipeline writes to and is told of itself: each object would make the next.

    notification ─▶ pipeline ─▶ sink `objects` ─▶ bucket ─▶ notification ─▶ …

Told as warnings, where the file shows it: a filter of the pipeline may still part them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridge import sinks
from bridge.app.lines import Line
from bridge.config.file import Document
from bridge.config.kinds import choose
from bridge.config.notifications import NotificationOptions
from bridge.config.object_names import FOR_BUCKETS, NameTemplate
from bridge.config.pipeline import FileOptions, StepOptions
from bridge.config.problems import KeyPath, dotted
from bridge.core.errors import ConfigError
from bridge.transports.http.client import BaseUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """Objects that a pipeline is told of; *url* of their store, None where nobody says."""

    bucket: str
    prefix: str
    suffix: str
    url: str | None

    def is_of(self, url: str) -> bool:
        """Whether the store at *url* may be theirs."""
        return self.url is None or origin(self.url) == origin(url)


def loops(options: FileOptions, lines: Mapping[str, Line], document: Document) -> list[str]:
    """Return a warning for each sink whose objects may come back to its own pipeline."""
    return [
        f"{dotted(path)}: may write to bucket '{heard.bucket}', of which the pipeline itself is "
        "told: each object would make the next; expected another bucket, or a prefix or suffix "
        "that tells them apart"
        for name, line in lines.items()
        for path, sink in object_sinks(name, options, document)
        for heard in heard_of(line, options.notifications)
        if _may_be(heard, sink)
    ]


def object_sinks(
    name: str, options: FileOptions, document: Document
) -> Iterator[tuple[KeyPath, Any]]:
    """Yield path and options of each sink of the pipeline *name* that writes objects."""
    pipeline = options.pipelines[name]
    path: KeyPath = ("pipelines", name)
    places = [((*path, "sinks", index), one) for index, one in enumerate(pipeline.sinks)]
    if pipeline.dead_letter is not None:
        places.append(((*path, "dead_letter"), pipeline.dead_letter))
    for place, section in places:
        if section.get("type") == "objects":
            chosen = choose(document, place, sinks.TYPES, "sinks", around=StepOptions)
            yield place, chosen.options


def origin(url: str) -> tuple[str, str]:
    """Return whom *url* is of, however it is spelt; itself where it is none: others tell that."""
    try:
        base = BaseUrl(url)
    except ConfigError:
        return "", url
    return base.scheme, f"{base.host}:{base.port}"


def heard_of(line: Line, notifications: Sequence[NotificationOptions]) -> Iterator[Heard]:
    """Yield what the source of *line* is told of.

    Whose notifications are in a topic the file does not say: with a source that reads some,
    those that it has sent to Kafka.
    """
    options: Any = line.source.options
    if line.source.kind == "minio":
        store = getattr(getattr(options, "listing", None), "store", None)
        url = None if store is None else store.url
        for bucket in options.buckets:
            yield Heard(bucket=bucket, prefix=options.prefix, suffix=options.suffix, url=url)
    elif line.source.kind == "kafka" and options.decode == "s3_notification":
        for one in notifications:
            if one.target.endswith(":kafka"):
                yield Heard(
                    bucket=one.bucket, prefix=one.prefix, suffix=one.suffix, url=one.store.url
                )


def _may_be(heard: Heard, sink: Any) -> bool:
    """Whether an object of *sink* may be one of *heard*."""
    if not heard.is_of(sink.store.url):
        return False
    if not NameTemplate(sink.bucket).can_be(heard.bucket, FOR_BUCKETS):
        return False
    key = NameTemplate(sink.key)
    if key.constant is not None:
        return key.constant.startswith(heard.prefix) and key.constant.endswith(heard.suffix)
    begins = key.head.startswith(heard.prefix) or heard.prefix.startswith(key.head)
    ends = key.tail.endswith(heard.suffix) or heard.suffix.endswith(key.tail)
    return begins and ends
