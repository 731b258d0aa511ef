"""The commands, thin: each one a pipeline, preset, or a question about a file.

Nothing heavy is imported before a command needs it: `bridge --help` starts no event loop and
loads neither aiohttp nor numpy.
"""

from __future__ import annotations

import sys

import typer

from bridge.cli import (
    broker,
    check,
    component,
    demo,
    display,
    new,
    reference,
    run,
    send,
    trial,
    version,
)
from bridge.core.errors import BridgeError

#: Exit statuses: a command that could not do its work, and one that was asked wrongly.
FAILED, MISUSED = 1, 2

app = typer.Typer(
    name="bridge",
    help="The bridge between events and models: CloudEvents in, a model called, "
    "typed response events out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("try")(trial.trial)
app.command("send")(send.send)
app.command("display")(display.display)
app.command("broker")(broker.broker)
app.command("component")(component.component)
app.command("demo")(demo.demo)
app.command("new")(new.new)
app.command("options")(reference.options)
app.command("schema")(reference.schema)
app.command("version")(version.version)


def main() -> None:
    """Run the command line; errors of the bridge are one clear text, not a traceback."""
    try:
        app()
    except BridgeError as error:
        from bridge.core.errors import ConfigError

        print(error, file=sys.stderr)
        sys.exit(MISUSED if isinstance(error, ConfigError) else FAILED)
