"""Stands in for `kserve.model`: the base class and the names that files import with it."""

from __future__ import annotations

from enum import Enum
from typing import Any

from .protocol.grpc.grpc_predict_v2_pb2 import ModelInferRequest, ModelInferResponse
from .protocol.infer_type import InferRequest, InferResponse

__all__ = [
    "BaseKServeModel",
    "InferRequest",
    "InferResponse",
    "Model",
    "ModelInferRequest",
    "ModelInferResponse",
    "PredictorConfig",
    "PredictorProtocol",
]


class PredictorProtocol(Enum):
    """How the predictor would be spoken to; the bridge's `model` says that here."""

    REST_V1 = "v1"
    REST_V2 = "v2"
    GRPC_V2 = "grpc-v2"


class PredictorConfig:
    """Where the predictor would be; the bridge's `model` says that here."""

    def __init__(
        self, predictor_host: str, predictor_protocol: str = "v1", *args: Any, **kwargs: Any
    ) -> None:
        self.predictor_host = predictor_host
        self.predictor_protocol = predictor_protocol
        self.args = args
        self.__dict__.update(kwargs)


class BaseKServeModel:
    """What every model has: a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ready = False


class Model(BaseKServeModel):
    """The base of a transformer: it changes nothing, and the bridge's model is called between."""

    def __init__(
        self,
        name: str,
        predictor_config: PredictorConfig | None = None,
        return_response_headers: bool = False,
    ) -> None:
        super().__init__(name)
        config = predictor_config or PredictorConfig("")
        self.protocol = config.predictor_protocol
        self.predictor_host: str | None = config.predictor_host or None
        self.explainer_host: str | None = None
        self.timeout = 600
        self.enable_latency_logging = False
        self.required_response_headers = return_response_headers

    def load(self) -> bool:
        """Say that the model is ready."""
        self.ready = True
        return self.ready

    async def preprocess(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Return *payload*."""
        del headers
        return payload

    async def postprocess(
        self,
        result: Any,
        headers: dict[str, str] | None = None,
        response_headers: dict[str, str] | None = None,
    ) -> Any:
        """Return *result*."""
        del headers, response_headers
        return result

    async def predict(self, payload: Any, headers: dict[str, str] | None = None) -> Any:
        """Refuse: between preprocess and postprocess the bridge calls its own model."""
        del payload, headers
        raise NotImplementedError(f"{self.name}: the bridge calls the model of its own pipeline")
