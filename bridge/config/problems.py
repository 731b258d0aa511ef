"""Everything wrong with a file, told at once: one line a problem, in the order of the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

from bridge.core.errors import ConfigError

#: Where a value is: names of options and positions in lists, from the top of the file.
KeyPath = tuple[str | int, ...]

T = TypeVar("T")

#: Problems shown of one file; beyond it something more general is wrong.
MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, and where; without a *file* it is no file's fault."""

    file: str
    line: int
    path: KeyPath
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.file else ""
        text = " ".join(self.text.splitlines())
        return f"{where}{dotted(self.path)}: {text}" if self.path else where + text


class Problems:
    """A collector, so that nobody has to mend a file one error at a time."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, problem: Problem) -> None:
        """Keep *problem*, once."""
        if problem not in self._found:
            self._found.append(problem)

    def extend(self, problems: Problems) -> None:
        """Keep everything that is in *problems*."""
        for problem in problems:
            self.add(problem)

    def at(self, path: KeyPath) -> bool:
        """Whether something is wrong with the value at exactly *path*."""
        return any(problem.path == path for problem in self._found)

    def __iter__(self) -> Iterator[Problem]:
        """In the order of the file."""
        return iter(sorted(self._found, key=lambda problem: problem.line))

    def __len__(self) -> int:
        return len(self._found)

    def check(self) -> None:
        """Raise ConfigError with a line for each problem, if there is any."""
        if not self._found:
            return
        lines = [str(problem) for problem in self]
        if len(lines) > MAX_PROBLEMS:
            lines[MAX_PROBLEMS:] = [f"… and {len(lines) - MAX_PROBLEMS} more problems"]
        raise ConfigError("\n".join(lines))


def tried(make: Callable[[], T], problems: list[str]) -> T | None:
    """Return what *make* makes; where it raises ConfigError, None, and its text is in *problems*.

    For what is built of several parts, so that one that is wrong does not hide the next.
    """
    try:
        return make()
    except ConfigError as error:
        problems.append(str(error))
        return None


def dotted(path: KeyPath) -> str:
    """Return *path* as people write it: `pipelines.iris.sinks[0].topic`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return `; did you mean 'x'?` if a name of *known* is near, then all of *known*."""
    near = get_close_matches(name, known, n=1)
    meant = f"; did you mean '{near[0]}'?" if near else ""
    return f"{meant} (known: {', '.join(known)})" if known else meant
