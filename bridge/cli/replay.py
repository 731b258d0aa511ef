"""`bridge dead replay FILE`: dead letters back to the topics they came from."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.dead import (
    Error,
    Format,
    Key,
    Pipeline,
    Since,
    Until,
    Words,
    place_of,
    selection,
)
from bridge.cli.output import FAILED, Output, console, plain, quiet_logs, show_json
from bridge.cli.run import File

if TYPE_CHECKING:
    from bridge.app.letters import Found
    from bridge.app.progress import Spans
    from bridge.app.redrive import Tally


def replay(
    file: File,
    pipeline: Pipeline = None,
    error: Error = None,
    text: Words = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be put back.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(help="Letters a second at most.", min=0.001, show_default="no limit"),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(help="Put back so many at most.", min=1, show_default="no limit"),
    ] = None,
    max_redrives: Annotated[
        int, typer.Option(help="Leave letters that were put back so often already.", min=1)
    ] = 3,
    to: Annotated[
        str | None,
        typer.Option(help="A topic for all of them.", show_default="where each came from"),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(
            help="Consumer group that keeps how far it got.", show_default="<topic>.replay"
        ),
    ] = None,
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="Begin anew: also what was put back or passed by."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: Format = Output.TEXT,
) -> None:
    """Put the dead letters of FILE back to the topics they came from, once each.

    Key, value and headers are what they were. It looks at what is there when it starts, and
    begins where the last replay ended: letters that a filter leaves out are passed by. Exit
    status: 0 all that was meant is back, 1 something was left or the cluster does not answer,
    2 the file or the command line is wrong.
    """
    from bridge.app import progress
    from bridge.app.redrive import Rules
    from bridge.cli.process import run_loop, until_signal
    from bridge.core.clock import SystemClock
    from bridge.core.errors import ConfigError

    quiet_logs()
    asking = not (yes or dry_run)
    if asking and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError("nobody can be asked here: expected --yes, or --dry-run")
    place, clock = place_of(file, pipeline, output), SystemClock()
    if to == place.topic:
        raise ConfigError(f"--to {plain(to)}: is the topic of the dead letters: expected another")
    rules = Rules(
        selection=selection(pipeline, error, text, since, until, key),
        own=place.topic,
        topics=place.origins,
        max_redrives=max_redrives,
        to=to,
        rate=rate,
        limit=limit,
    )
    kept_in = group or f"{place.topic}.replay"
    left = run_loop(progress.span(place, kept_in, anew=from_start))
    if dry_run or asking:
        tell = _say if dry_run and output is Output.TEXT else _nothing
        tally = run_loop(progress.plan(place, left, rules, clock=clock, tell=tell))
        if dry_run or not tally.put_back:
            _end(tally, place.topic, output, dry_run=True)
            return
        if not typer.confirm(f"Put back {tally.put_back} of {tally.read}?"):
            return
    done: list[Tally] = []

    async def run(stop: asyncio.Event) -> bool:
        with _bar(left, output) as move:
            done.append(
                await progress.replay(
                    place,
                    left,
                    rules,
                    kept_in,
                    anew=from_start,
                    clock=clock,
                    stopping=stop.is_set,
                    tell=move,
                )
            )
        return True

    if not run_loop(until_signal(run)):
        print("stopped at once: what was under way is put back again next time", file=sys.stderr)
        raise typer.Exit(FAILED)
    _end(done[0], place.topic, output, dry_run=False)


def _end(tally: Tally, topic: str, output: Output, *, dry_run: bool) -> None:
    """Say what became of the letters, and exit with 1 where one was left."""
    if output is Output.JSON:
        show_json(
            {
                "topic": topic,
                "dry_run": dry_run,
                "read": tally.read,
                "put_back": tally.put_back,
                "passed": tally.passed,
                "left": dict(tally.left),
                "letters_left": [
                    {"letter": letter.place, "why": why} for letter, why in tally.named
                ],
                "stopped": tally.stopped,
            }
        )
    else:
        _show(tally, topic, dry_run=dry_run)
    if tally.stopped is not None or tally.left.total():
        raise typer.Exit(FAILED)


def _show(tally: Tally, topic: str, *, dry_run: bool) -> None:
    from rich.text import Text

    out = console()
    for letter, why in tally.named:
        out.print(Text.assemble(("left       ", "yellow"), f"{letter.place}: {plain(why)}"))
    if tally.stopped is not None:
        out.print(Text.assemble(("stopped    ", "red"), plain(tally.stopped)))
    verb = "would be put back" if dry_run else "put back"
    facts = [f"{tally.put_back} {verb}", f"{tally.left.total()} left", f"{tally.passed} passed by"]
    letters = f"{tally.read} letter{'s' * (tally.read != 1)}"
    out.print(f"{plain(topic)}: {letters} looked at: {', '.join(facts)}")


def _say(letter: Found, topic: str) -> None:
    console().print(f"would put back {letter.place} to {plain(topic)}")


def _nothing(letter: Found, topic: str) -> None:
    """Say nothing."""


@contextmanager
def _bar(left: Spans, output: Output) -> Iterator[Callable[[Any], None]]:
    """Yield what moves a bar on standard error, where a person looks; else what does nothing."""
    if output is Output.JSON or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    total = sum(end - begin for begin, end in left.values())
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("putting back", total=total)
        yield lambda tally: progress.update(task, completed=tally.read)
