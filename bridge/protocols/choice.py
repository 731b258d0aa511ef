"""Which model is asked, as a protocol's paths have it; what it has no words for is refused."""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

from bridge.core.errors import ConfigError
from bridge.protocols.port import Asked


def named(asked: Asked, who: str) -> str:
    """Return the model's name; raise ConfigError without one, as *who* has it in every path."""
    if not asked.name:
        raise ConfigError(f"name: expected the model's name, {who} has it in its paths")
    return asked.name


def without(asked: Asked, who: str, *choices: Literal["version", "label", "signature"]) -> None:
    """Raise ConfigError where one of *choices* is made that *who* cannot be told."""
    for choice in choices:
        if getattr(asked, choice) is not None:
            raise ConfigError(f"{choice}: {who} cannot be told which")


def segment(name: str) -> str:
    """Return *name* as one segment of a path: whatever it holds, it stays one.

    Raise ConfigError for what every proxy on the way would take for another path.
    """
    if name in (".", ".."):
        raise ConfigError(f"'{name}': expected a name that can stand in a path")
    return quote(name, safe="")
