"""Stands in for KServe's V2 types: names for annotations and isinstance.

The bridge gives KServe's transformers the JSON of the V1 protocol as a dict and takes a dict
back, so nothing is an instance of these, and making one says so.
"""

from __future__ import annotations

from typing import Any


class _NotHere:
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        raise NotImplementedError(
            f"{type(self).__name__}: the bridge's transformers take and return dicts (V1); "
            "install 'kserve' for its own V2 types"
        )


class InferInput(_NotHere):
    """One tensor of a request."""


class InferOutput(_NotHere):
    """One tensor of a response."""


class InferRequest(_NotHere):
    """A request of the V2 protocol."""


class InferResponse(_NotHere):
    """A response of the V2 protocol."""
