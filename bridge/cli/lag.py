"""`bridge lag FILE`: how far the groups of a file are behind."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.letters import wide
from bridge.cli.output import Output, clean, plain, quiet_logs, show_json_line
from bridge.cli.run import File

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from rich.table import Table

    from bridge.app.lag import Row

#: How often `--watch` looks again.
WATCH_SECONDS = 2.0

#: What is shown where nobody says.
UNKNOWN = "–"

#: A look at all groups: the rows, and why the running bridge says nothing.
Look = tuple["list[Row]", "str | None"]


def lag(
    file: File,
    pipeline: Annotated[
        str | None, typer.Option(help="Only this pipeline.", show_default="all")
    ] = None,
    admin: Annotated[
        str | None,
        typer.Option(
            help="Admin pages of the running bridge.", show_default="where the file has them"
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again every two seconds.")] = False,
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Show what the groups of FILE have committed, where the topics end, and what is held.

    Offsets are Kafka's own; no group is joined. Held events and the age of the oldest are those
    of the running bridge, if it answers. With `--output json` each partition is one line. Exit
    status: 0 done, 1 the cluster does not answer, 2 the file has no Kafka source.
    """
    from bridge.app.dead_letters import kafka_ends
    from bridge.app.lag import admin_url, scraped_if_there
    from bridge.app.lag import lag as look_at
    from bridge.cli.process import run_loop, until_signal
    from bridge.config.problems import did_you_mean
    from bridge.core.errors import ConfigError

    quiet_logs()
    with clean(output):
        options, ends = kafka_ends(file, os.environ)
    names = [one.pipeline for one in ends]
    if pipeline is not None and pipeline not in names:
        raise ConfigError(f"{file}: no pipeline '{pipeline}'{did_you_mean(pipeline, names)}")
    ends = [one for one in ends if one.source is not None and pipeline in (None, one.pipeline)]
    if not ends:
        whose = "no pipeline has" if pipeline is None else f"pipeline '{pipeline}' has not"
        raise ConfigError(f"{file}: {whose} a source of type kafka")
    asked = admin or admin_url(options.admin)

    async def look() -> Look:
        scrape, why_not = await scraped_if_there(asked)
        return await look_at(ends, scrape), why_not

    if watch:
        run_loop(until_signal(partial(_watch, look, output)))
    else:
        run_loop(_once(look, output))


async def _once(look: Callable[[], Awaitable[Look]], output: Output) -> None:
    rows, why_not = await look()
    if output is Output.JSON:
        _print_lines(rows)
        return
    wide().print(_table(rows))
    if why_not is not None:
        print(f"held and oldest are unknown: {plain(why_not)}", file=sys.stderr)


async def _watch(look: Callable[[], Awaitable[Look]], output: Output, stop: asyncio.Event) -> bool:
    """Show what *look* sees again and again, until *stop*."""
    if output is Output.JSON or not sys.stdout.isatty():
        await _once(look, output)
        while not await _is_over(stop):
            await _once(look, output)
        return True
    from rich.live import Live

    rows, _ = await look()
    with Live(_table(rows), console=wide(), auto_refresh=False) as live:
        while not await _is_over(stop):
            rows, _ = await look()
            live.update(_table(rows), refresh=True)
    return True


async def _is_over(stop: asyncio.Event) -> bool:
    """Return whether *stop* was set, once it is or it is time to look again."""
    try:
        async with asyncio.timeout(WATCH_SECONDS):
            await stop.wait()
    except TimeoutError:
        return False
    return True


def _print_lines(rows: Sequence[Row]) -> None:
    from dataclasses import asdict

    for row in rows:
        show_json_line(asdict(row))


def _table(rows: Sequence[Row]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("pipeline", "group", "partition"):
        table.add_column(name, overflow="fold")
    for name in ("committed", "end", "lag", "held", "oldest"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            row.pipeline,
            plain(row.group),
            f"{plain(row.topic)}/{row.partition}",
            _shown(row.committed),
            _shown(row.end),
            _shown(row.lag),
            _shown(row.held),
            UNKNOWN if row.oldest_seconds is None else f"{row.oldest_seconds:.1f} s",
        )
    return table


def _shown(value: Any) -> str:
    return UNKNOWN if value is None else str(value)
