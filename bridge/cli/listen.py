"""Where a command listens: options that `display`, `component` and `broker` have in common."""

from __future__ import annotations

from typing import Annotated

import typer

Host = Annotated[str, typer.Option(help="Address to listen on.")]

_PORT = "Port to listen on; 0 picks a free one."

Port = Annotated[int, typer.Option(help=_PORT, min=0, max=65535)]

#: The same, with Knative's PORT in place of the default: a container is told so where to listen.
PlatformPort = Annotated[int, typer.Option(help=_PORT, min=0, max=65535, envvar="PORT")]

AdminPort = Annotated[
    int, typer.Option(help="Port of probes and metrics; 0 picks a free one.", min=0, max=65535)
]
