"""What was fetched or made once is found again: folders named by their content, behind locks.

    ~/.cache/inference-bridge/<name>-<hash of what it is made from>/    the thing itself
    ~/.cache/inference-bridge/<name>-<hash>/.complete                   made to the end
    ~/.cache/inference-bridge/<name>-<hash>.lock                        one maker at a time

A folder whose making was interrupted lacks `.complete` and is made again. Everything in the
cache may be deleted at any time; it costs the minutes of making it. The demo and the tests
share it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: The oldest Java that runs what is fetched.
JAVA = 17

#: Longest that Maven may take: the first time it fetches itself too, on a slow line.
FETCH_SECONDS = 1800.0

_COMPLETE = ".complete"


class Missing(Exception):
    """A component cannot be had here; the text says what is missing."""


def cache_root() -> Path:
    """Return the folder that holds everything."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "inference-bridge"


def cached(
    name: str, content: bytes, make: Callable[[Path], None], *, root: Path | None = None
) -> Path:
    """Return the folder of *name* made from *content*, calling *make* if it is not there.

    *make* is given the empty folder in its final place (a virtual environment cannot be
    moved). What it raises passes, and the next call starts again from nothing. Two processes
    that ask at once wait for each other, and one of them makes.
    """
    digest = hashlib.sha256(content + platform.platform().encode()).hexdigest()[:16]
    folder = (root or cache_root()) / f"{name}-{digest}"
    if (folder / _COMPLETE).exists():
        return folder
    with _locked(folder.with_name(folder.name + ".lock")):
        if (folder / _COMPLETE).exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        (folder / _COMPLETE).touch()
    return folder


def jars(name: str, pom: Path) -> Path:
    """Return the folder of the jars that *pom* names, and of all that those need.

    Raise Missing where they are not there yet and there is no Maven, or it reaches no repository.
    """

    def make(made: Path) -> None:
        maven = shutil.which("mvn")
        if maven is None:
            raise Missing(f"no mvn command to fetch the jars of {name} with")
        shutil.copy(pom, made / "pom.xml")
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"]
        status, printed = _run([maven, "-B", "-q", *goal], made)
        if status != 0:
            raise Missing(f"jars of {name} cannot be fetched: {_first_error(status, printed)}")

    return cached(name, pom.read_bytes(), make) / "jars"


def java() -> str:
    """Return a java command that is new enough; raise Missing where there is none."""
    found = shutil.which("java")
    told = _run([found, "-version"], Path.cwd())[1] if found else ""
    version = re.search(r'version "(\d+)', told)
    if found is None or version is None or int(version[1]) < JAVA:
        raise Missing(f"no java from {JAVA} up" + (f", only {version[1]}" if version else ""))
    return found


def _run(command: list[str], folder: Path) -> tuple[int, str]:
    """Return the status of *command*, and all that it printed."""
    done = subprocess.run(  # noqa: S603  # a toolchain's own command
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=FETCH_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout


def _first_error(status: int, printed: str) -> str:
    """Return Maven's first error: colours may come before it on its line."""
    mark = "[ERROR]"
    found = (line[line.index(mark) :] for line in printed.splitlines() if mark in line)
    return next(found, (printed.strip().splitlines() or [f"exit status {status}"])[-1])


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of *path*; the system lets go of it should this process die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
