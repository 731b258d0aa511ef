"""Our event as the `cloudevents` SDK's own type and back, SDK 1.x and 2.x."""

from __future__ import annotations

from typing import Any

from bridge.core.event import Event


def to_cloudevent(event: Event) -> Any:
    """Return *event* as the installed SDK's CloudEvent."""
    raise ImportError(event)


def from_cloudevent(event: Any) -> Event:
    """Return the SDK's *event* as ours."""
    raise ImportError(event)
