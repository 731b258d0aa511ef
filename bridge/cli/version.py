"""`bridge version`."""

from __future__ import annotations

import platform
from typing import Annotated

import typer

import bridge
from bridge.cli.output import Output, show_json


def version(
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Print the version of the bridge and of the Python it runs on."""
    if output is Output.JSON:
        show_json({"bridge": bridge.__version__, "python": platform.python_version()})
    else:
        print(f"inference-bridge {bridge.__version__} (Python {platform.python_version()})")
