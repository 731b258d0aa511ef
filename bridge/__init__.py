"""The bridge between events and models."""

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
]
