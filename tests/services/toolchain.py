"""Programs and environments built with the toolchain found here, once.

`go_build` makes a program from a folder of Go, `venv` an environment from requirements, `jars`
fetches what a pom names, for `java` to run. All raise `Missing` where the toolchain is not
there or its registry cannot be reached.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bridge.cli.fetched import jars, java
from tests.services.cache import Missing, cached, content_of

__all__ = ["go_build", "jars", "java", "venv"]

#: Longest a build may take: the first one fetches all there is to fetch, on a slow line.
BUILD_SECONDS = 1800.0

_PYTHON = "3.11"


def go_build(folder: Path) -> Path:
    """Return the program built from the Go module in *folder*.

    Built from a copy, so the go command writes nothing into *folder*. Code that does not
    compile raises RuntimeError with the compiler's words: that is never a reason to skip.
    """
    go = shutil.which("go")
    if go is None:
        raise Missing(f"no go command to build {folder.name} with")

    def make(made: Path) -> None:
        source = made / "source"
        shutil.copytree(folder, source)
        # The versions of go.mod are exact; -mod=mod lets go.sum grow where a platform needs more.
        flags = f"{os.environ.get('GOFLAGS', '')} -mod=mod -buildvcs=false".strip()
        environment = os.environ | {"GOFLAGS": flags}
        fetched = _run([go, "list", "-deps", "-f", '{{""}}', "."], source, environment)
        if fetched.returncode != 0:
            raise Missing(f"Go modules of {folder.name} cannot be fetched: {_last(fetched)}")
        built = _run([go, "build", "-o", str(made / folder.name), "."], source, environment)
        if built.returncode != 0:
            raise RuntimeError(f"{folder.name} does not build:\n{built.stdout}")

    return cached(folder.name, content_of(folder), make) / folder.name


def venv(
    name: str,
    requirements: tuple[str, ...],
    *,
    constraints: Path | None = None,
    base: str | None = None,
) -> Path:
    """Return the Python of an environment *name* that holds *requirements* and nothing else.

    *constraints* pins what those need in turn (pip's constraints file). *base* is the Python
    to make it of, one of the version that ours has if None.
    """
    base = base or _base_python()
    pins = () if constraints is None else ("--constraint", str(constraints))

    def make(made: Path) -> None:
        _made([base, "-m", "venv", str(made)], f"no environment for {name}")
        _made(
            [str(made / "bin/python"), "-m", "pip", "install", "--quiet", *pins, *requirements],
            f"{' '.join(requirements)} cannot be installed",
        )

    pinned = b"" if constraints is None else b"\n" + constraints.read_bytes()
    return cached(name, "\n".join((base, *requirements)).encode() + pinned, make) / "bin/python"


def _base_python() -> str:
    """Return a Python of the version that the pinned packages are known to run on."""
    if sys.version_info[:2] == (3, 11):
        return sys.executable if sys.prefix == sys.base_prefix else _outside_the_environment()
    found = shutil.which(f"python{_PYTHON}")
    if found is None:
        raise Missing(f"no python{_PYTHON}")
    return found


def _outside_the_environment() -> str:
    return str(Path(sys.base_prefix) / "bin" / f"python{_PYTHON}")


def _made(command: list[str], otherwise: str) -> None:
    done = _run(command, Path.cwd(), dict(os.environ))
    if done.returncode != 0:
        raise Missing(f"{otherwise}: {_last(done)}")


def _run(
    command: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
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


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stdout.strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
