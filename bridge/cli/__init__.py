"""The commands, thin: each one a pipeline, preset, or a question about a file.

Nothing heavy is imported before a command needs it: `bridge --help` starts no event loop and
loads neither aiohttp nor numpy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from bridge.cli import (
    broker,
    check,
    component,
    dead,
    demo,
    display,
    lag,
    model,
    new,
    objects,
    reference,
    replay,
    run,
    send,
    testing,
    trial,
    version,
)
from bridge.cli.output import FAILED, MISUSED, plain
from bridge.core.errors import BridgeError, ConfigError

app = typer.Typer(
    name="bridge",
    help="The bridge between events and models: CloudEvents in, a model called, "
    "typed response events out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("check")(check.check)
app.command("try")(trial.trial)
app.command("test")(testing.run_tests)
app.command("send")(send.send)
app.command("display")(display.display)
app.command("broker")(broker.broker)
app.command("component")(component.component)
app.add_typer(dead.dead, name="dead")
dead.dead.command("replay")(replay.replay)
app.command("lag")(lag.lag)
app.command("model")(model.model)
app.add_typer(objects.objects, name="objects")
app.command("demo")(demo.demo)
app.command("new")(new.new)
app.command("options")(reference.options)
app.command("schema")(reference.schema)
app.command("version")(version.version)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line, *argv* or the process's own, and exit with its status.

    0: done; 1: a far end or an event failed; 2: the configuration or the command line is
    wrong. Errors of the bridge are one clear text, not a traceback. Where nobody reads what
    is printed, as after `| head`, it ends without a word.
    """
    try:
        try:
            app(argv)
        finally:
            sys.stdout.flush()
    except BridgeError as error:
        print(plain(str(error)), file=sys.stderr)
        sys.exit(MISUSED if isinstance(error, ConfigError) else FAILED)
    except BrokenPipeError:
        # What is still in the buffer is written once more at exit: to nowhere, then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
