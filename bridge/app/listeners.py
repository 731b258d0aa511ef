"""Pipelines to the sources that feed them: HTTP pipelines of one port share a listener.

pipelines ──by host and port──▶ Router ──▶ one HttpSource
          ──all others─────────▶ filter ──▶ one source each
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.app.addresses import Address, clash, with_port
from bridge.app.lines import Line
from bridge.app.parts import Parts
from bridge.config.pipeline import AdminOptions
from bridge.core.ports import Component, Handler, Source
from bridge.observe.complaints import Complaints
from bridge.runtime.middleware import filtered
from bridge.runtime.routing import Route, Router

Served = list[tuple[Source, Handler]]

#: Sources that have a far end of their own, by pipeline and as what it is shown.
FarEnds = dict[tuple[str, str], Component]


def listeners(
    lines: Sequence[Line], admin: AdminOptions, parts: Parts
) -> tuple[Served, FarEnds, list[str]]:
    """Return the sources with their handlers, and warnings about pipelines in the shade.

    In between, for the pings: the sources that have a far end, a cluster or an issuer of tokens.
    """
    served: Served = []
    far_ends: FarEnds = {}
    warnings: list[str] = []
    shared: dict[tuple[str, int], list[Line]] = {}
    claimed = {"the admin pages": (admin.host, admin.port)}
    for line in lines:
        if line.source.kind == "http":
            options: Any = _with_port(line, parts)
            key = (options.host, options.port) if options.port else (line.name, 0)
            shared.setdefault(key, []).append(line)
            continue
        _claim_port(line, claimed, parts)
        source = parts.make(
            (*line.path, "source"),
            line.source.cls,
            _with_port(line, parts),
            deliveries=parts.ledger.source(line.name),
            ready=lambda: parts.health.ready,
            name=line.name,
            namespace=parts.platform.namespace,
            complaints=Complaints(parts.clock, source=line.name),
            events=parts.ledger.pipeline(line.name).events,
        )
        if source is not None:
            events = parts.ledger.pipeline(line.name).events
            served.append((source, filtered(line.handle, line.accepts, events)))
            far_ends.update(_far_end(source, [line]))
    for group in shared.values():
        _claim_port(group[0], claimed, parts)
        listener = _listener(group, parts)
        if listener is not None:
            served.append(listener)
            far_ends.update(_far_end(listener[0], group))
        warnings += _in_the_shade(group)
    return served, far_ends, warnings


def _far_end(source: Source, lines: Sequence[Line]) -> FarEnds:
    """Return *source* for each of its pipelines, if it asks somebody itself; else nothing."""
    if getattr(source, "delivers_again", False):
        return {(line.name, "source"): source for line in lines}
    auth = getattr(lines[0].source.options, "auth", None)
    if getattr(auth, "oidc", None) is None:
        return {}
    return {(line.name, "source"): source for line in lines}


def _claim_port(line: Line, claimed: dict[str, Address], parts: Parts) -> None:
    """Note the address of *line*'s source; a second listener on it is a problem."""
    options: Any = _with_port(line, parts)
    address = getattr(options, "host", ""), getattr(options, "port", 0)
    for owner, known in claimed.items():
        if clash(address, known):
            parts.problem(
                (*line.path, "source", "port"),
                f"{address[1]} is the port of {owner} already: expected another",
            )
            return
    claimed[f"pipeline '{line.name}'"] = address


def _with_port(line: Line, parts: Parts) -> Any:
    return with_port(line.source.options, parts.platform)


def _listener(group: Sequence[Line], parts: Parts) -> tuple[Source, Handler] | None:
    """Return one listener for pipelines that agree on everything but their path."""
    first = _with_port(group[0], parts)
    for line in group[1:]:
        options = _with_port(line, parts)
        for name in type(first).model_fields:
            if name != "path" and getattr(options, name) != getattr(first, name):
                parts.problem(
                    (*line.path, "source", name),
                    f"differs from that of pipeline '{group[0].name}', which listens on the same "
                    f"port {first.port}: expected the same",
                )
    name = group[0].name if len(group) == 1 else f"http:{first.port}"
    router = Router(
        [
            Route(
                name=line.name,
                handle=line.handle,
                replies=line.pipeline.replies,
                path=line.source.options.path,
                accepts=line.accepts,
            )
            for line in group
        ],
        parts.ledger.pipeline(name).events,
    )
    source = parts.make(
        (*group[0].path, "source"),
        group[0].source.cls,
        first,
        deliveries=parts.ledger.source(name),
        replies=router.replies,
        knows=router.knows,
        ready=lambda: parts.health.ready,
        complaints=Complaints(parts.clock, source=name),
    )
    return None if source is None else (source, router)


def _in_the_shade(group: Sequence[Line]) -> list[str]:
    """Return a warning for each pipeline that an earlier one leaves nothing to."""
    warnings = []
    for index, line in enumerate(group):
        for earlier in group[:index]:
            path = earlier.source.options.path
            own = line.source.options.path
            takes = "everything" if earlier.accepts is None else "the same events"
            covers = earlier.accepts is None or earlier.filters == line.filters
            if covers and path in (None, own):
                warnings.append(
                    f"pipeline '{line.name}' never gets an event: '{earlier.name}' before it "
                    f"takes {takes}"
                )
                break
    return warnings
