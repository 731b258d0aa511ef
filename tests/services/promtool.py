"""Prometheus' own `promtool`, which checks rules and runs their tests.

It is `BRIDGE_TEST_PROMTOOL`, or the command of that name, or what `.ci/run` put into the cache.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.services.cache import Missing, cache_root

ADDRESS = "BRIDGE_TEST_PROMTOOL"

#: It takes a second; a machine under load takes longer.
SECONDS = 60


def promtool() -> Path:
    """Return the program; raise Missing where there is none."""
    named = os.environ.get(ADDRESS) or shutil.which("promtool")
    program = Path(named) if named else cache_root() / "promtool" / "promtool"
    if not program.exists():
        raise Missing(f"no promtool command, and none in {program.parent} (see .ci/run)")
    return program


def run(program: Path, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return how `promtool` with *arguments* ended in *folder*, both outputs in `stdout`."""
    return subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=SECONDS,
    )
