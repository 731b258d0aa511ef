"""Stands in for KServe's protobuf types: names for annotations and isinstance, never made."""


class ModelInferRequest:
    """A request over gRPC; the bridge gives transformers none."""


class ModelInferResponse:
    """A response over gRPC; the bridge gives transformers none."""
