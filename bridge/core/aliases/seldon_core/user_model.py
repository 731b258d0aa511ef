"""Stands in for `seldon_core.user_model`: the base class and the answer with tags and metrics."""

from __future__ import annotations

from typing import Any

from .flask_utils import SeldonMicroserviceException

__all__ = [
    "SeldonComponent",
    "SeldonMicroserviceException",
    "SeldonNotImplementedError",
    "SeldonResponse",
]


class SeldonNotImplementedError(SeldonMicroserviceException):
    """The component has no such method."""

    status_code = 400


class SeldonResponse:
    """An answer together with the tags and metrics of this one request."""

    def __init__(
        self,
        data: Any,
        tags: dict[str, Any] | None = None,
        metrics: list[dict[str, Any]] | None = None,
    ) -> None:
        self.data = data
        self.tags = tags if tags is not None else {}
        self.metrics = metrics if metrics is not None else []


class SeldonComponent:
    """The base of a component; what it does not define, it does not do."""

    def __init__(self, **kwargs: Any) -> None:
        del kwargs

    def load(self) -> None:
        """Load nothing."""
