"""The commands that are pipelines: files that nobody has to write.

component: seldon source ─▶ local model ─▶ the caller
display:   http source ─▶ log sink
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bridge.app import App, build
from bridge.config.file import Document
from bridge.config.problems import Problems
from bridge.core.errors import ConfigError

#: Longest name of a pipeline.
MAX_NAME = 63


def component(model: str, *, host: str, port: int, admin_port: int, threads: int) -> dict[str, Any]:
    """Return the file that serves the Python class *model* over Seldon's protocol."""
    return {
        "pipelines": {
            name_of(model): {
                "source": {"type": "seldon", "host": host, "port": port},
                "model": {"type": "local", "model": model, "threads": threads},
            }
        },
        "admin": {"host": host, "port": admin_port},
        "lifecycle": {"shutdown_delay_seconds": 0},
        "log": {"format": "console"},
    }


def display(*, host: str, port: int, admin_port: int, json: bool) -> dict[str, Any]:
    """Return the file that prints every event, in the event display's format or as JSON."""
    return {
        "pipelines": {
            "display": {
                "source": {"type": "http", "host": host, "port": port},
                "sinks": [{"type": "log", "format": "json" if json else "display"}],
            }
        },
        "admin": {"host": host, "port": admin_port},
        "lifecycle": {"shutdown_delay_seconds": 0},
        "log": {"format": "console"},
    }


def load(
    name: str,
    tree: dict[str, Any],
    folder: Path,
    environ: Mapping[str, str] = MappingProxyType({}),
    *,
    listening: bool = False,
) -> App:
    """Return the application of the preset *name*; users' classes are looked for in *folder*.

    Raise ConfigError, without the lines of a file that nobody wrote. What Knative injects
    (K_SINK and its like) is for pipelines of a file: nothing in the environment sends what a
    display shows, or a component answers, elsewhere. *environ* is what the preset itself knows
    of its place. *listening* is as `bridge.app.load` has it.
    """
    problems = Problems()
    try:
        return build(Document(str(folder / name), tree), environ, problems, listening=listening)
    except ConfigError as error:
        if not len(problems):
            raise
        raise ConfigError("\n".join(f"{name}: {problem.text}" for problem in problems)) from error


def name_of(model: str) -> str:
    """Return the name of the pipeline that serves *model*: its class, as a DNS label."""
    name = re.sub("[^a-z0-9]+", "-", model.rpartition(":")[2].lower())
    return name[:MAX_NAME].strip("-") or "model"
