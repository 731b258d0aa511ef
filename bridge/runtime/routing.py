"""Which pipeline takes an event, where several share one listener.

The path picks, then the first filter in the file's order that matches. Nobody wants the
event: it is settled, counted, and the first few are logged, since a filter with a typing
error looks exactly like this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from bridge.core.event import Event
from bridge.core.ports import Handler
from bridge.observe.ledger import Events

#: How many events that nobody wanted are logged before only the counter tells of them.
LOGGED = 5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One pipeline of a listener. *path* None takes every path, *accepts* None every event."""

    name: str
    handle: Handler
    replies: Callable[[Event], bool]
    path: str | None = None
    accepts: Callable[[Event], bool] | None = None


class Router:
    """The Handler of a listener: gives each event to the first route that takes it."""

    def __init__(self, routes: Sequence[Route], unrouted: Events) -> None:
        self._routes = tuple(routes)
        self._paths = {route.path for route in routes}
        self._unrouted = unrouted
        self._logged = 0

    def knows(self, path: str) -> bool:
        """Whether any pipeline listens on *path*."""
        return None in self._paths or path in self._paths

    def replies(self, event: Event) -> bool:
        """Whether *event* is going to be answered with an event."""
        route = self.route(event)
        return route is not None and route.replies(event)

    def route(self, event: Event) -> Route | None:
        """Return the route that takes *event*, if any does."""
        for route in self._routes:
            if route.path is not None and route.path != event.origin.path:
                continue
            if route.accepts is None or route.accepts(event):
                return route
        return None

    async def __call__(self, event: Event) -> Event | None:
        """Give *event* to its pipeline, or settle it as filtered."""
        route = self.route(event)
        if route is not None:
            return await route.handle(event)
        self._unrouted.accepted()
        self._unrouted.filtered()
        if self._logged < LOGGED:
            self._logged += 1
            log.info(
                "event filtered: no pipeline takes it",
                id=event.id,
                type=event.type,
                source=event.source,
                path=event.origin.path,
            )
        return None
