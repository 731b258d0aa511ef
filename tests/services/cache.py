"""What was made once is found again, by the tests as by the demo: see `bridge.cli.fetched`."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bridge.cli.fetched import Missing, cache_root, cached

__all__ = ["Missing", "cache_root", "cached", "content_of"]


def content_of(folder: Path) -> bytes:
    """Return a digest of all files below *folder*: their names and their bytes."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.digest()
