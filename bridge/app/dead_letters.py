"""Where the dead letters of a file are, and where they may be put back to.

file ─▶ pipelines with a Kafka dead letter ─▶ one topic, how it is reached
     └▶ Kafka sources ─▶ the topics that letters may go back to
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge import sinks, sources
from bridge.config.file import Document
from bridge.config.file import load as load_document
from bridge.config.kafka import KafkaClientOptions
from bridge.config.kinds import choose
from bridge.config.options import Options
from bridge.config.pipeline import FileOptions, StepOptions
from bridge.config.problems import KeyPath, did_you_mean
from bridge.config.validate import parse
from bridge.core.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaEnds:
    """What one pipeline has to do with Kafka: the options of its two ends, None for others."""

    pipeline: str
    source: Any
    dead_letter: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """A topic of dead letters.

    *options*: how it is reached. *origin*: how the topics are reached that its letters came
    from. *origins*: those topics, the only ones that are written to without being named.
    *idempotent*: whether the brokers take an idempotent producer.
    """

    topic: str
    options: KafkaClientOptions = field(repr=False)
    origin: KafkaClientOptions = field(repr=False)
    origins: frozenset[str]
    idempotent: bool = True


def kafka_ends(file: Path, environ: Mapping[str, str]) -> tuple[FileOptions, list[KafkaEnds]]:
    """Return the options of *file*, and of each pipeline those of its ends that are Kafka's.

    Raise ConfigError for what is wrong with them. Nothing is built, nobody is asked.
    """
    document = load_document(file, environ)
    options = parse(document, (), FileOptions)
    found = []
    for name, pipeline in options.pipelines.items():
        path: KeyPath = ("pipelines", name)
        source = _kafka(document, (*path, "source"), sources.TYPES, "sources", Options)
        letter = None
        if pipeline.dead_letter is not None:
            letter = _kafka(document, (*path, "dead_letter"), sinks.TYPES, "sinks", StepOptions)
        found.append(KafkaEnds(pipeline=name, source=source, dead_letter=letter))
    return options, found


def dead_letters(file: Path, environ: Mapping[str, str], pipeline: str | None) -> DeadLetters:
    """Return the dead letters of *pipeline*, or those that all pipelines of *file* share.

    Raise ConfigError where there are none, or several and nobody said which.
    """
    _, ends = kafka_ends(file, environ)
    names = [one.pipeline for one in ends]
    if pipeline is not None and pipeline not in names:
        raise ConfigError(f"{file}: no pipeline '{pipeline}'{did_you_mean(pipeline, names)}")
    known = [one for one in ends if one.dead_letter is not None]
    if pipeline is not None:
        known = [one for one in known if one.pipeline == pipeline]
    if not known:
        whose = "no pipeline has" if pipeline is None else f"pipeline '{pipeline}' has not"
        raise ConfigError(f"{file}: {whose} a dead_letter of type kafka")
    places = {(one.dead_letter.bootstrap_servers, one.dead_letter.topic) for one in known}
    if len(places) > 1:
        raise ConfigError(
            f"{file}: {len(places)} topics of dead letters: expected --pipeline "
            f"({', '.join(one.pipeline for one in known)})"
        )
    own = known[0]
    origin = own.dead_letter
    if own.source is not None and own.source.bootstrap_servers != origin.bootstrap_servers:
        origin = own.source
    return DeadLetters(
        topic=own.dead_letter.topic,
        options=own.dead_letter,
        origin=origin,
        origins=frozenset(
            topic
            for one in ends
            if one.source is not None and one.source.bootstrap_servers == origin.bootstrap_servers
            for topic in one.source.topics
        ),
        idempotent=getattr(own.dead_letter, "idempotent", True),
    )


def _kafka(
    document: Document,
    path: KeyPath,
    types: Mapping[str, str],
    room: str,
    around: type[Options],
) -> Any:
    """Return the options of the section at *path*, None where they are not Kafka's."""
    chosen = choose(document, path, types, room, around=around)
    return chosen.options if isinstance(chosen.options, KafkaClientOptions) else None
