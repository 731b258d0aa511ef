"""What building needs, and how one component is made from its section.

A component's constructor takes its options and, by keyword, whichever of the process's parts
it names: *folder*, *clock*, *chance*, and those of its room. Nothing else is handed around,
and nobody reaches for a global.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.config.file import Document
from bridge.config.kinds import Chosen
from bridge.config.options import Options
from bridge.config.platform import Platform
from bridge.config.problems import KeyPath, Problems
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError
from bridge.observe.ledger import Ledger
from bridge.runtime.runner import Health

#: Returns what makes the component at a path, where the file names a class for it.
StandIn = Callable[[KeyPath, type[Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The process's own parts, and the collector of what is wrong with its file.

    *debug*: a log line for every event is wanted. *stand_in* has other
    components made in place of those that the file names (`bridge test`).
    """

    document: Document
    platform: Platform
    problems: Problems
    clock: Clock
    chance: random.Random
    ledger: Ledger
    health: Health
    debug: bool = False
    stand_in: StandIn | None = None

    def problem(self, path: KeyPath, text: str) -> None:
        """Keep what is wrong at *path*."""
        self.problems.add(self.document.problem(path, text))

    def make(self, path: KeyPath, cls: type[Any], options: Options, **more: Any) -> Any:
        """Return *cls* made from the section at *path*, or None where it cannot be.

        *more*: parts that only this room has.
        """
        make = cls if self.stand_in is None else self.stand_in(path, cls)
        offered = {
            "folder": self.document.folder,
            "clock": self.clock,
            "chance": self.chance,
            **more,
        }
        known = inspect.signature(make).parameters
        try:
            return make(options, **{name: offered[name] for name in offered if name in known})
        except ConfigError as error:
            # Of a section that is wrong already this would only be what follows from it.
            if not any(known.path[: len(path)] == path for known in self.problems):
                self.problem(path, str(error))
            return None

    def chosen(self, path: KeyPath, chosen: Chosen[Any] | None, **more: Any) -> Any:
        """Return the component of a section that is understood, or None."""
        return None if chosen is None else self.make(path, chosen.cls, chosen.options, **more)
