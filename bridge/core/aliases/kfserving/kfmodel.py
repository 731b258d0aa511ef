"""Stands in for `kfserving.kfmodel`: the base class."""

from __future__ import annotations

from typing import Any


class KFModel:
    """The base of a transformer: it changes nothing, and the bridge's model is called between."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = False
        self.protocol = "v1"
        self.predictor_host: str | None = None
        self.explainer_host: str | None = None
        self.timeout = 600

    def load(self) -> bool:
        """Say that the model is ready."""
        self.ready = True
        return self.ready

    def preprocess(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return *request*."""
        return request

    def postprocess(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return *request*."""
        return request

    async def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        """Refuse: between preprocess and postprocess the bridge calls its own model."""
        del request
        raise NotImplementedError(f"{self.name}: the bridge calls the model of its own pipeline")
