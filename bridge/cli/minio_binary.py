"""The MinIO that the tests and the demo start where there is no engine: built once, then found.

    the cache ─▶ `go install` at the pinned version, if asked to ─▶ a `minio` of this machine

MinIO gives its source away and no longer its binaries. Building takes three minutes and 150 MB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bridge.cli.fetched import Missing, cached

#: The release of 2026-02-12, the one that the tests know.
PACKAGE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"

#: Longest that building may take: the first one fetches all there is to fetch, on a slow line.
BUILD_SECONDS = 1800.0


def minio(build: bool) -> Path:
    """Return the `minio` program, building it if there is none and *build* says so.

    Raise Missing, saying what would have to be there, where there is none in the end: nothing
    is fetched unless *build*. A build that another process has begun is waited for.
    """

    def make(made: Path) -> None:
        go = shutil.which("go")
        if not build or go is None:
            wanted = "no go command to build one with" if build else "and none is to be built"
            raise Missing(f"no minio command, {wanted}")
        environment = {**os.environ, "GOBIN": str(made)}
        command = [go, "install", "-ldflags=-s -w", PACKAGE]
        status, printed = _run(command, made, environment)
        if status != 0:
            raise Missing(f"MinIO cannot be built: {_last(status, printed)}")

    try:
        return cached("minio", PACKAGE.encode(), make) / "minio"
    except Missing:
        found = shutil.which("minio")
        if found is None:
            raise
        return Path(found)


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """Return the status of *command*, and all that it printed."""
    done = subprocess.run(  # noqa: S603  # a toolchain's own command
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def _last(status: int, printed: str) -> str:
    return (printed.strip().splitlines() or [f"exit status {status}"])[-1]
