"""Where a process will listen, tried before it starts: a taken port is told with the rest.

The sections are read on their own, as much as can be read of each, so that a mistake
elsewhere in the file hides nothing here.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from bridge import sources
from bridge.config.file import Document
from bridge.config.kinds import choose
from bridge.config.options import Options
from bridge.config.pipeline import AdminOptions
from bridge.config.platform import Platform
from bridge.config.problems import KeyPath, Problems
from bridge.config.validate import parse
from bridge.transports.http import cannot_listen

#: A host and a port; port 0 is whichever is free.
Address = tuple[str, int]


def taken(document: Document, platform: Platform, problems: Problems) -> None:
    """Add a problem for each address of *document* that cannot be listened on now."""
    tried: set[Address] = set()
    for path, (host, port) in _addresses(document, platform):
        if port and (host, port) not in tried:
            tried.add((host, port))
            try:
                _listen_once(host, port)
            except OSError as error:
                text = str(cannot_listen("", host, port, error)).removeprefix(": ")
                problems.add(document.problem((*path, "port"), text))


def with_port(options: Options, platform: Platform) -> Options:
    """Return a source's *options*; the platform's PORT stands in for a port not given."""
    port = platform.port
    if port is None or "port" in options.model_fields_set or not hasattr(options, "port"):
        return options
    return options.model_copy(update={"port": port})


def clash(one: Address, other: Address) -> bool:
    """Whether two listeners cannot have these addresses both: one port, on hosts that overlap."""
    return one[1] == other[1] != 0 and (
        one[0] == other[0] or bool({one[0], other[0]} & _EVERYWHERE)
    )


#: Hosts that stand for every address of the machine.
_EVERYWHERE = {"", "0.0.0.0", "::"}  # noqa: S104  # compared with, not listened on


def _addresses(document: Document, platform: Platform) -> Iterator[tuple[KeyPath, Address]]:
    """Yield what each source's section, and that of the admin pages, says as far as it can."""
    tree = document.tree if isinstance(document.tree, dict) else {}
    pipelines = tree.get("pipelines")
    for name, pipeline in pipelines.items() if isinstance(pipelines, dict) else ():
        path: KeyPath = ("pipelines", name, "source")
        if not isinstance(pipeline, dict) or not isinstance(pipeline.get("source"), dict):
            continue
        chosen = choose(
            document, path, sources.TYPES, "sources", around=Options, problems=Problems()
        )
        if chosen is not None and hasattr(chosen.options, "port"):
            options: Any = with_port(chosen.options, platform)
            yield path, (options.host, options.port)
    admin = AdminOptions()
    if isinstance(tree.get("admin"), dict):
        admin = parse(document, ("admin",), AdminOptions, Problems()) or admin
    yield ("admin",), (admin.host, admin.port)


def _listen_once(host: str, port: int) -> None:
    """Listen as a server would, and stop; raise OSError where that cannot be."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(1)
