"""Stands in for `kserve`: what a file with a transformer imports, and nothing that serves.

The bridge calls `preprocess` and `postprocess` with the JSON of the V1 protocol as a dict;
between them its own model is called. See `bridge.transformers.kserve`.
"""

from . import constants, errors, logging, model, model_server
from .model import Model
from .model_server import ModelServer
from .protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse

__all__ = [
    "InferInput",
    "InferOutput",
    "InferRequest",
    "InferResponse",
    "Model",
    "ModelServer",
    "constants",
    "errors",
    "logging",
    "model",
    "model_server",
]
