"""Users' files for tests: written to a folder, loaded, and forgotten again."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.core.ports import Context
from bridge.transformers.user import TransformerOptions, UserTransformer


@contextmanager
def nothing_loaded() -> Iterator[None]:
    """Forget every module that is imported within, and what became of `sys.path`."""
    modules, path, finders = set(sys.modules), list(sys.path), list(sys.meta_path)
    try:
        yield
    finally:
        for name in set(sys.modules) - modules:
            if not name.startswith(("bridge", "numpy", "tests", "sklearn", "scipy")):
                del sys.modules[name]
        sys.path[:] = path
        sys.meta_path[:] = finders


def write(folder: Path, name: str, text: str) -> Path:
    """Write *text*, dedented, to the file called *name* and return its path."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(textwrap.dedent(text).lstrip("\n"))
    return file


def transformer(
    folder: Path,
    text: str,
    *,
    cls: str = "T",
    options: Mapping[str, Any] | None = None,
    threads: int = 1,
    name: str = "transformer",
) -> UserTransformer:
    """Return the transformer *cls* of a file with this *text*."""
    write(folder, "transformer.py", text)
    chosen = TransformerOptions(
        type=f"transformer:{cls}", options=dict(options or {}), threads=threads
    )
    return UserTransformer(chosen, folder=folder, name=name)


def context(id: str = "1", headers: Mapping[str, str] | None = None) -> Context:
    """Return the context of one event."""
    return Context(id=id, attributes={"id": id}, headers=dict(headers or {}))
