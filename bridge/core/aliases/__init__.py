"""Stand-ins for `kserve`, `kfserving` and `seldon_core`, where those are not installed.

    import kserve ──▶ every finder Python has ──none──▶ ours ──▶ bridge/core/aliases/kserve

Users' files written for those packages load unchanged. Python asks our finder last of all,
so a package that is installed, or lies in the user's folder, is always the one that is
imported. The finder stays for as long as the process lives: a method of the user's class
may import at its first call, long after its file was loaded. Each stand-in holds what a
transformer or a model needs, no server, no client, no storage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

#: The packages that have a stand-in: the folders beside this file.
PACKAGES = ("kfserving", "kserve", "seldon_core")

_FOLDER = Path(__file__).parent


class _Last:
    """The finder: knows the three packages and nothing else."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the stand-in called *fullname*; their submodules Python finds by itself."""
        if path is not None or fullname not in PACKAGES:
            return None
        return PathFinder.find_spec(fullname, [str(_FOLDER)], target)


def install() -> None:
    """Have Python look here last, from now on. May be called twice."""
    if _Last not in sys.meta_path:
        sys.meta_path.append(_Last)


def stands_in(name: str | None) -> bool:
    """Whether *name* belongs to a package that one of ours stands in for at this moment."""
    package = sys.modules.get((name or "").partition(".")[0])
    file = package.__dict__.get("__file__") if package is not None else None
    return file is not None and _FOLDER in Path(file).parents


def explain(name: str | None) -> str:
    """Return the sentence that an import error from a stand-in needs."""
    package = (name or "").partition(".")[0]
    return (
        f"'{package}' is not installed, and what stands in for it has only what a transformer "
        f"needs: install '{package}' for the rest"
    )
