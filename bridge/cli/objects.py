"""`bridge objects notify FILE`: have stores tell of objects, as the file says."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.output import FAILED, Output, console, plain, quiet_logs, show_json
from bridge.cli.run import File

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bridge.app.notifications import Done
    from bridge.config.notifications import NotificationOptions

#: Pause before what failed is tried again.
AGAIN_SECONDS = 0.5

objects = typer.Typer(help="Set up what object stores tell of.", no_args_is_help=True)


@objects.command("notify")
def notify(
    file: File,
    remove: Annotated[
        bool, typer.Option("--remove", help="Take away what would be set up; buckets stay.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            min=0,
            help="Seconds to go on trying where a store does not answer, or refuses: one that "
            "was just started may not know its targets yet.",
        ),
    ] = 0.0,
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Set up the bucket notifications in section `notifications` of FILE.

    Whatever else a bucket notifies of stays as it is. Done again, it changes nothing. Exit
    status: 0 all of it is as FILE says, 1 a store refused or did not answer, 2 FILE is wrong.
    """
    from bridge.app.notifications import entries
    from bridge.cli.process import run_loop

    quiet_logs()
    wanted = entries(file, os.environ)
    done = run_loop(_all(wanted, remove=remove, dry_run=dry_run, wait_seconds=wait))
    if output is Output.JSON:
        show_json(
            {
                "file": str(file),
                "dry_run": dry_run,
                "notifications": [_as_json(one) for one in done],
            }
        )
    else:
        for one in done:
            _show(one, dry_run=dry_run)
        print(f"{plain(str(file))}: {_summary(done, dry_run=dry_run)}")
    if any(one.error is not None for one in done):
        raise typer.Exit(FAILED)


async def _all(
    entries: Sequence[NotificationOptions], *, remove: bool, dry_run: bool, wait_seconds: float
) -> list[Done]:
    """Return what was done for each of *entries*; what fails is tried again for *wait_seconds*."""
    from bridge.app.notifications import set_up

    until = time.monotonic() + wait_seconds
    done: dict[int, Done] = {}
    left = list(range(len(entries)))
    while True:
        some = [entries[index] for index in left]
        tried = [one async for one in set_up(some, remove=remove, dry_run=dry_run)]
        done |= dict(zip(left, tried, strict=True))
        left = [index for index in left if done[index].error is not None]
        if not left or time.monotonic() >= until:
            return [done[index] for index in range(len(entries))]
        await asyncio.sleep(AGAIN_SECONDS)


def _show(one: Done, *, dry_run: bool) -> None:
    from rich.text import Text

    from bridge.app.notifications import in_words

    style = {"failed": "red", "present": "", "absent": ""}.get(one.outcome, "green")
    rule = in_words(one.rule)
    be = "would be " if dry_run else ""
    said = {
        "added": f"{be}added: {rule}",
        "changed": f"{be}changed: {rule}; before: {'; '.join(map(in_words, one.replaced))}",
        "present": f"nothing to do: {rule} is there already",
        "removed": f"{be}removed: {rule}",
        "absent": f"nothing to remove: {rule} is not there",
        "failed": f"failed: {one.error}",
    }[one.outcome]
    if one.known_as is not None:
        said += f", as somebody else's rule '{one.known_as}'"
    made = f"bucket {be}made; " if one.bucket_made else ""
    kept = ""
    if one.others and one.has_changed:
        kept = f"; {one.others} other rule{'s' * (one.others != 1)} kept"
    console().print(Text.assemble((f"{one.url}/{one.bucket}: ", style), plain(made + said + kept)))


def _summary(done: Sequence[Done], *, dry_run: bool) -> str:
    changed = sum(one.has_changed for one in done)
    failed = sum(one.error is not None for one in done)
    would = "would be " if dry_run else ""
    if failed:
        return f"{changed} of {len(done)} {would}changed, {failed} failed"
    return f"{changed} of {len(done)} {would}changed" if changed else "nothing had to be changed"


def _as_json(one: Done) -> dict[str, Any]:
    return {
        "url": one.url,
        "bucket": one.bucket,
        "outcome": one.outcome,
        "id": one.rule.id,
        "target": one.rule.target,
        "events": one.rule.events,
        "prefix": one.rule.prefix,
        "suffix": one.rule.suffix,
        "bucket_made": one.bucket_made,
        "replaced": [rule.id for rule in one.replaced],
        "other_rules": one.others,
        "known_as": one.known_as,
        "error": one.error,
    }
