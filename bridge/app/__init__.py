"""The composition root: a file to objects. The only room that knows every other.

    Document ─▶ options ─▶ lines (a pipeline and what it connects to) ─▶ listeners ─▶ App

Building touches no network. Everything wrong with a file is told at once, as one ConfigError
with a line for each problem.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from bridge.app.addresses import taken
from bridge.app.cursors import cursors
from bridge.app.groups import groups
from bridge.app.lines import Line, line
from bridge.app.listeners import listeners
from bridge.app.object_loops import loops
from bridge.app.parts import Parts, StandIn
from bridge.app.survey import survey, survey_source
from bridge.config.file import Document
from bridge.config.file import load as load_document
from bridge.config.pipeline import FileOptions
from bridge.config.platform import Platform, platform
from bridge.config.problems import Problem, Problems
from bridge.config.validate import parse
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import BridgeError, ConfigError
from bridge.core.ports import Component, Handler, Source
from bridge.observe import log as logs
from bridge.observe.ledger import Ledger
from bridge.observe.metrics import registry, render
from bridge.runtime.admin import Admin, Pings
from bridge.runtime.runner import Health, Lifecycle, run

#: How often far ends are pinged for the gauge, and how long they may take to answer.
PING_SECONDS, PING_TIMEOUT_SECONDS = 15.0, 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Everything a process runs.

    *far_ends*: everything that can be asked whether its far end answers, by pipeline and name.
    *warnings*: what a file says that nobody can have meant.
    """

    options: FileOptions
    lines: Mapping[str, Line]
    sources: Sequence[tuple[Source, Handler]]
    far_ends: Mapping[tuple[str, str], Component]
    ledger: Ledger
    health: Health
    admin: Admin
    pings: Pings
    clock: Clock
    warnings: Sequence[str]

    def configure_logs(self) -> None:
        """Write the log as the file says."""
        logs.configure(self.options.log.level, self.options.log.format, sys.stderr)
        for warning in self.warnings:
            log.warning(warning)

    async def run(self, stop: asyncio.Event) -> bool:
        """Run until *stop*; return whether all that was taken in is settled or given back.

        Raises ConfigError where a port is taken, and what a source raised when it crashed.
        """
        parts: list[tuple[str, Component]] = [("", self.admin)]
        parts += [
            (f"pipelines.{line.name}.{name}", part)
            for line in self.lines.values()
            for name, part in line.components.items()
        ]
        lifecycle = Lifecycle(
            shutdown_delay_seconds=self.options.lifecycle.shutdown_delay_seconds,
            drain_seconds=self.options.lifecycle.drain_seconds,
        )
        done = False
        try:
            done = await run(
                [*parts, ("pings", self.pings)],
                self.sources,
                health=self.health,
                lifecycle=lifecycle,
                clock=self.clock,
                stop=stop,
            )
        except ExceptionGroup as crash:  # sources run as tasks of a group
            ours = crash.subgroup(BridgeError)
            if ours is None:
                raise
            raise _first(ours) from crash
        finally:
            if self.health.started:
                log.info("stopped", drained=done, **self.ledger.counts())
        return done


def load(
    path: str | Path,
    environ: Mapping[str, str],
    *,
    clock: Clock | None = None,
    listening: bool = False,
) -> App:
    """Return the application that the file at *path* describes; raise ConfigError if none.

    *listening*: it is about to run, so an address that is taken already is a problem too.
    """
    problems = Problems()
    document = load_document(path, environ, problems)
    return build(document, environ, problems, clock=clock, listening=listening)


def build(
    document: Document,
    environ: Mapping[str, str],
    problems: Problems | None = None,
    *,
    clock: Clock | None = None,
    chance: random.Random | None = None,
    listening: bool = False,
    stand_in: StandIn | None = None,
) -> App:
    """Return the application that *document* describes; raise ConfigError if none.

    *problems* are those found while it was read; they are told together with the new ones.
    *stand_in*: what is made in place of components, as `Parts` has it.
    """
    problems = Problems() if problems is None else problems
    around = _platform(environ, problems)
    if listening:
        taken(document, around, problems)
    parts = Parts(
        document=document,
        platform=around,
        problems=problems,
        clock=clock or SystemClock(),
        chance=chance or random.Random(),  # noqa: S311  # pauses and splits, no secrets
        ledger=Ledger(),
        health=Health(),
        stand_in=stand_in,
    )
    options = parse(document, (), FileOptions, problems)
    if options is None:
        survey(parts)
        problems.check()
        raise AssertionError("options that could not be parsed, without a problem")
    parts = replace(parts, debug=options.log.level == "debug")
    lines = {}
    for name, pipeline in options.pipelines.items():
        one = line(name, pipeline, parts)
        if one is None:
            survey_source(name, parts)
        else:
            lines[name] = one
    sources, far_ends, warnings = listeners(list(lines.values()), options.admin, parts)
    problems.check()
    warnings += groups(lines.values())
    warnings += loops(options, lines, document)
    warnings += cursors(options, lines, document, problems)
    problems.check()
    far_ends |= {
        (one.name, name): part for one in lines.values() for name, part in one.components.items()
    }
    pings = Pings(
        far_ends,
        report=lambda name, part, up: parts.ledger.pipeline(name).components.update({part: up}),
        clock=parts.clock,
        interval_seconds=PING_SECONDS,
        timeout_seconds=PING_TIMEOUT_SECONDS,
    )
    metrics = registry(parts.ledger)
    return App(
        options=options,
        lines=lines,
        sources=sources,
        far_ends=far_ends,
        ledger=parts.ledger,
        health=parts.health,
        admin=Admin(
            host=options.admin.host,
            port=options.admin.port,
            health=parts.health,
            pings=pings,
            metrics=lambda: render(metrics),
        ),
        pings=pings,
        clock=parts.clock,
        warnings=warnings,
    )


def _platform(environ: Mapping[str, str], problems: Problems) -> Platform:
    """Return what the platform says; what makes no sense of it is a problem of no line."""
    try:
        return platform(environ)
    except ConfigError as error:
        for text in str(error).splitlines():
            problems.add(Problem("", 0, (), text))
        return Platform()


def _first(error: BridgeError | ExceptionGroup[BridgeError]) -> BridgeError:
    """Return the first error of a group within groups: one text can tell it."""
    return error if isinstance(error, BridgeError) else _first(error.exceptions[0])
