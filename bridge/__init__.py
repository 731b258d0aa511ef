"""The bridge between events and models."""

import importlib
import typing

from bridge.core.errors import (
    BridgeError,
    ConfigError,
    DecodeError,
    EventError,
    Filtered,
    Overloaded,
    Rejected,
    TransformError,
    Unavailable,
)
from bridge.core.event import Event, Origin
from bridge.core.payload import Body
from bridge.core.ports import Component, Context, Handler, Model, Request, Sink, Source, Transformer

if typing.TYPE_CHECKING:
    from bridge.codecs.notification import notified_object
    from bridge.config.objects import ObjectStoreOptions
    from bridge.transports.objects import ObjectRef, ObjectStore

__version__ = "0.1.0"

__all__ = [
    "Body",
    "BridgeError",
    "Component",
    "ConfigError",
    "Context",
    "DecodeError",
    "Event",
    "EventError",
    "Filtered",
    "Handler",
    "Model",
    "ObjectRef",
    "ObjectStore",
    "ObjectStoreOptions",
    "Origin",
    "Overloaded",
    "Rejected",
    "Request",
    "Sink",
    "Source",
    "TransformError",
    "Transformer",
    "Unavailable",
    "__version__",
    "notified_object",
]

#: Public names that only some transformers need, and where they are: imported when asked for.
_LAZY = {
    "ObjectRef": "bridge.transports.objects",
    "ObjectStore": "bridge.transports.objects",
    "ObjectStoreOptions": "bridge.config.objects",
    "notified_object": "bridge.codecs.notification",
}


def __getattr__(name: str) -> typing.Any:
    """Import the public name *name* that was not needed before (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value
