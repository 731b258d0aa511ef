"""Where a target is: `host:port`, and the addresses that its name stands for now.

    dns:///iris-headless:9000 ─▶ Target(iris-headless, 9000) ─▶ 10.0.0.3:9000, 10.0.0.7:9000

The operating system looks names up, so hosts files and search domains hold. Of a name with
addresses of both families those of IPv4 are taken: they are the same servers twice.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from bridge.core.errors import ConfigError, Unavailable
from bridge.core.event import shown


@dataclass(frozen=True, slots=True)
class Target:
    """A *host*, name or address (without brackets), and a *port*."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether there is nothing to look up."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


#: Returns the addresses of a name; raises OSError where it has none, or nobody could say.
Lookup = Callable[[Target], Awaitable[tuple[Target, ...]]]


def target_of(text: str) -> Target:
    """Return the target that *text* names; raise ConfigError if it names none."""
    found = _TARGET.fullmatch(text)
    if found is None or not 0 < int(found["port"]) < 1 << 16 or not _is_name(found["host"]):
        # A password may stand before an @.
        told = "one with an @" if "@" in text else shown(text)
        raise ConfigError(f"target {told}: expected host:port, or dns:///host:port")
    target = Target(found["v6"] or found["host"], int(found["port"]))
    if found["v6"] and not target.is_address:
        raise ConfigError(f"target {shown(text)}: expected an address in the brackets")
    return target


async def lookup(target: Target) -> tuple[Target, ...]:
    """Return the addresses of *target* in their order; raise OSError as a `Lookup` does."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    families = {family for family, *_ in found}
    wanted = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
    hosts = {str(address[0]) for family, _, _, _, address in found if family == wanted}
    return tuple([Target(host, target.port) for host in sorted(hosts)])


class Names:
    """The addresses that *targets* stand for, as they were last found."""

    def __init__(self, targets: Sequence[Target], lookup: Lookup) -> None:
        self._lookup = lookup
        self._found: dict[Target, tuple[Target, ...]] = {
            target: (target,) if target.is_address else () for target in targets
        }

    async def now(self) -> dict[Target, Target]:
        """Return address → target, of all of them; a name that cannot be found keeps its own.

        Raise Unavailable, with the first of the names, where there is no address at all.
        """
        names = [target for target in self._found if not target.is_address]
        answers = await asyncio.gather(*map(self._looked_up, names))
        lost = {name: said for name, said in zip(names, answers, strict=True) if said is not None}
        found = {one: target for target, addresses in self._found.items() for one in addresses}
        if not found:
            for target, why in lost.items():
                raise _unknown(target, why) from why
            raise Unavailable(f"{next(iter(self._found))}: the name has no address")
        return found

    async def _looked_up(self, name: Target) -> OSError | None:
        """Look *name* up; return why that could not be done."""
        try:
            self._found[name] = await self._lookup(name)
        except OSError as error:
            return error
        return None


def _unknown(target: Target, error: OSError) -> Unavailable:
    """Return what it means that *target* could not be looked up."""
    return Unavailable(f"{target}: the name was not found: {error.strerror or error}")


def _is_name(host: str | None) -> bool:
    """Whether *host* can be looked up: of other labels the system's own words are an exception."""
    return host is None or all(0 < len(label) < 64 for label in host.removesuffix(".").split("."))


_TARGET = re.compile(
    r"(?:dns:(?:///)?)?(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>[0-9]{1,5})"
)
