"""`bridge component CLASS`: a Python class as a model server, speaking Seldon's protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.listen import AdminPort, Host, PlatformPort


def component(
    model: Annotated[
        str,
        typer.Argument(
            help="The class: module:Class or path/file.py:Class, from this folder.",
            metavar="CLASS",
            show_default=False,
        ),
    ],
    host: Host = "0.0.0.0",  # noqa: S104  # a pod is reached from outside
    port: PlatformPort = 9000,
    admin_port: AdminPort = 0,
    threads: Annotated[int, typer.Option(help="Threads that call the class.", min=1)] = 1,
) -> None:
    """Serve CLASS at /predict and /api/v1.0/predictions until a signal.

    Standard error says where it listens.
    """
    from bridge.app import presets
    from bridge.cli.process import serve

    tree = presets.component(model, host=host, port=port, admin_port=admin_port, threads=threads)
    serve(lambda _: presets.load("component", tree, Path.cwd()))
