"""`bridge dead list | show | replay`: what was refused for good, and back with it."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.output import FAILED, Output, clean, plain, quiet_logs, show_json_line
from bridge.cli.run import File

if TYPE_CHECKING:
    from bridge.app.dead_letters import DeadLetters
    from bridge.app.letters import Found
    from bridge.app.selection import Selection

#: How many letters people are shown, unless they say.
SHOWN_LETTERS = 100

dead = typer.Typer(
    help="List, show and put back the dead letters that are in Kafka.", no_args_is_help=True
)

Pipeline = Annotated[
    str | None,
    typer.Option(
        help="Letters of this pipeline, in its dead letter.",
        show_default="all of the file's one dead letter topic",
    ),
]
Error = Annotated[
    str | None,
    typer.Option(help="Only letters of this error, as `rejected`.", show_default=False),
]
Words = Annotated[
    str | None,
    typer.Option("--text", help="Only letters with this in the error's text.", show_default=False),
]
Since = Annotated[
    str | None,
    typer.Option(
        help="Only letters refused then or later: RFC 3339, or `2h` ago.", show_default=False
    ),
]
Until = Annotated[
    str | None,
    typer.Option(help="Only letters refused before: RFC 3339, or `30m` ago.", show_default=False),
]
Key = Annotated[
    str | None,
    typer.Option(help="Only letters of this key, as `list` shows it.", show_default=False),
]
Format = Annotated[Output, typer.Option("--output", help="For people, or for programs.")]


@dead.command("list")
def list_letters(
    file: File,
    pipeline: Pipeline = None,
    error: Error = None,
    text: Words = None,
    since: Since = None,
    until: Until = None,
    key: Key = None,
    limit: Annotated[
        int | None,
        typer.Option(
            help="How many to show; all are counted.",
            min=0,
            show_default=f"{SHOWN_LETTERS} for people, all for programs",
        ),
    ] = None,
    output: Format = Output.TEXT,
) -> None:
    """List the dead letters of FILE, and count them by error.

    Exit status: 0 done, 1 the cluster does not answer, 2 the file has no such dead letter.
    """
    from bridge.app.letters import scan
    from bridge.cli.letters import as_json, print_counts, print_table
    from bridge.cli.process import run_loop
    from bridge.core.clock import SystemClock

    quiet_logs()
    place = place_of(file, pipeline, output)
    wanted = selection(pipeline, error, text, since, until, key)
    if limit is None and output is Output.TEXT:
        limit = SHOWN_LETTERS
    kept: list[Found] = []
    counts: Counter[str] = Counter()

    def look(letter: Found) -> None:
        assert letter.told is not None  # noqa: S101  # selected only then
        counts[letter.told.error_type] += 1
        if limit is not None and counts.total() > limit:
            return
        if output is Output.JSON:
            show_json_line(as_json(letter))
        else:
            kept.append(letter)

    strangers = run_loop(scan(place, wanted, look, clock=SystemClock()))
    if output is Output.TEXT:
        if kept:
            print_table(kept)
        print_counts(place.topic, counts, shown=len(kept), strangers=strangers)


@dead.command("show")
def show(
    file: File,
    position: Annotated[
        str,
        typer.Argument(
            help="Which letter: partition/offset.", metavar="POSITION", show_default=False
        ),
    ],
    pipeline: Pipeline = None,
    output: Format = Output.TEXT,
) -> None:
    """Show everything of one dead letter of FILE.

    Exit status: 0 done, 1 there is none at POSITION, 2 the file or POSITION is wrong.
    """
    from bridge.app.letters import letter_at
    from bridge.cli.letters import as_json, print_letter
    from bridge.cli.process import run_loop
    from bridge.core.clock import SystemClock
    from bridge.core.errors import ConfigError

    quiet_logs()
    partition, slash, offset = position.rpartition("/")
    if not (slash and _is_number(partition) and _is_number(offset)):
        raise ConfigError(f"'{plain(position[:60])}': expected partition/offset, as `list` has it")
    place = place_of(file, pipeline, output)
    letter = run_loop(letter_at(place, int(partition), int(offset), clock=SystemClock()))
    if letter is None:
        print(f"{place.topic}/{position}: no record there", file=sys.stderr)
        raise typer.Exit(FAILED)
    if output is Output.JSON:
        show_json_line(as_json(letter, whole=True))
    else:
        print_letter(letter)


def selection(
    pipeline: str | None,
    error: str | None,
    text: str | None,
    since: str | None,
    until: str | None,
    key: str | None,
) -> Selection:
    """Return what the options select; raise ConfigError for times that are none."""
    from bridge.app.selection import Selection, moment
    from bridge.core.clock import SystemClock

    now_ns = SystemClock.now_ns()
    return Selection(
        pipeline=pipeline,
        error=error,
        text=text,
        since_ns=moment("--since", since, now_ns),
        until_ns=moment("--until", until, now_ns),
        key=key,
    )


def place_of(file: Path, pipeline: str | None, output: Output) -> DeadLetters:
    """Return where the dead letters are; what users' classes print is kept out of JSON."""
    from bridge.app.dead_letters import dead_letters

    with clean(output):
        return dead_letters(file, os.environ, pipeline)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19
