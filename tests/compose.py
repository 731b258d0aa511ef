"""docker-compose.yml, read as Compose reads it: variables filled in, merges written out."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from tests.manifests import ROOT

FILE = ROOT / "docker-compose.yml"

_VARIABLE = re.compile(r"\$(?:\$|\{(\w+)(?::-([^}]*))?\})")


@dataclass(frozen=True, slots=True)
class Service:
    """One service; *raw* is its whole section."""

    name: str
    raw: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """What it is told in its environment."""
        return dict(self.raw.get("environment", {}))

    @property
    def entrypoint(self) -> list[str] | None:
        """What stands before its command instead of the image's own entry point."""
        found = self.raw.get("entrypoint")
        return None if found is None else _words(found)

    @property
    def command(self) -> list[str]:
        """Its command's words; none where the image's own stands."""
        return _words(self.raw.get("command", []))

    @property
    def is_job(self) -> bool:
        """Whether it ends by itself, and others wait for that."""
        return self.raw.get("restart") == "no"

    @property
    def waits_for(self) -> dict[str, str]:
        """The condition that each service has to meet before this one starts."""
        return {name: told["condition"] for name, told in self.raw.get("depends_on", {}).items()}

    @property
    def check(self) -> list[str] | None:
        """The words of its health check; a shell's are one line of it."""
        told = self.raw.get("healthcheck", {}).get("test")
        if told is None or isinstance(told, str):
            return None if told is None else ["/bin/sh", "-c", told]
        assert told[0] == "CMD", "the other forms are for shells and for none"
        return list(told[1:])


def services(environ: Mapping[str, str] | None = None) -> dict[str, Service]:
    """Return the services by name, `${VAR:-default}` taken from *environ*."""
    tree = _filled(yaml.safe_load(FILE.read_text()), environ or {})
    return {name: Service(name, raw) for name, raw in tree["services"].items()}


def _filled(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _filled(each, environ) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, environ) for each in value]
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(
        lambda found: "$" if found[1] is None else environ.get(found[1], found[2] or ""), value
    )


def _words(told: Any) -> list[str]:
    return shlex.split(told) if isinstance(told, str) else [str(word) for word in told]
