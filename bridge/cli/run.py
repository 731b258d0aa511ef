"""`bridge run FILE`: the pipelines of a file, until a signal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

File = Annotated[
    Path, typer.Argument(help="The configuration file.", metavar="FILE", show_default=False)
]


def run(file: File) -> None:
    """Run the pipelines of FILE until SIGTERM or SIGINT, then drain and leave.

    Everything that `bridge check` refuses is refused here too, all at once and with exit
    status 2; so is a port that is taken. A far end that does not answer yet is a warning.
    """
    from bridge import app
    from bridge.cli.process import serve

    serve(lambda environ: app.load(file, environ, listening=True))
