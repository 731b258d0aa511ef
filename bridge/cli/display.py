"""`bridge display`: every event that arrives, printed as Knative's event display does."""

from __future__ import annotations

import asyncio
import select
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.listen import AdminPort, Host, PlatformPort
from bridge.cli.output import Output

if TYPE_CHECKING:
    from bridge.cli.process import Serve

#: How often it is asked whether anybody still reads.
LOOK_SECONDS = 0.25


def display(
    host: Host = "127.0.0.1",
    port: PlatformPort = 8080,
    admin_port: AdminPort = 0,
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Print every event that arrives, until a signal or until nobody reads.

    Standard error says where it listens. With `--output json` each event is one line.
    """
    from bridge.app import presets
    from bridge.cli.process import exit_with

    tree = presets.display(host=host, port=port, admin_port=admin_port, json=output is Output.JSON)
    app = presets.load("display", tree, Path.cwd())
    app.configure_logs()
    exit_with(_while_read(app.run))


def _while_read(serving: Serve) -> Serve:
    """Return *serving* that also stops when the reader of standard output is gone."""

    async def watched(stop: asyncio.Event) -> bool:
        looking = asyncio.create_task(_stop_when_nobody_reads(stop))
        try:
            return await serving(stop)
        finally:
            looking.cancel()
            await asyncio.wait((looking,))

    return watched


async def _stop_when_nobody_reads(stop: asyncio.Event) -> None:
    """Set *stop* once the pipe or terminal that standard output goes to is closed.

    Writing alone would tell too late: the event would be refused, to be sent again.
    """
    out = select.poll()
    out.register(sys.stdout.fileno(), 0)  # errors and hang-ups are told without being asked for
    while not out.poll(0):  # noqa: ASYNC110  # nothing on this side could set an event
        await asyncio.sleep(LOOK_SECONDS)
    stop.set()
