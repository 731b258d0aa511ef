"""Stands in for `kserve.errors`: what files raise; each becomes the event's TransformError."""

from __future__ import annotations


class ModelMissingError(Exception):
    """The path of a model is missing."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class InferenceError(RuntimeError):
    """Inference failed."""

    def __init__(self, reason: str, status: object = None, debug_details: object = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.debug_details = debug_details


class InvalidInput(ValueError):
    """The input is invalid."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ModelNotFound(Exception):
    """There is no such model."""

    def __init__(self, model_name: str | None = None) -> None:
        self.reason = f"Model with name {model_name} does not exist."
        super().__init__(self.reason)


class ModelNotReady(RuntimeError):
    """The model is not ready."""

    def __init__(self, model_name: str, detail: str | None = None) -> None:
        self.model_name = model_name
        self.error_msg = f"Model with name {model_name} is not ready."
        if detail:
            self.error_msg = f"{self.error_msg} {detail}"
        super().__init__(self.error_msg)
