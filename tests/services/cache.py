"""What was made once is found again: folders named by their content, each behind a lock.

    ~/.cache/inference-bridge/<name>-<hash of what it is made from>/    the thing itself
    ~/.cache/inference-bridge/<name>-<hash>/.complete                   made to the end
    ~/.cache/inference-bridge/<name>-<hash>.lock                        one maker at a time

A folder whose making was interrupted lacks `.complete` and is made again. Everything in the
cache may be deleted at any time; it costs the minutes of making it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

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


def content_of(folder: Path) -> bytes:
    """Return a digest of all files below *folder*: their names and their bytes."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.digest()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of *path*; the system lets go of it should this process die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
