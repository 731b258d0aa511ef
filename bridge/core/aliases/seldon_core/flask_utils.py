"""Stands in for `seldon_core.flask_utils`: the error that components raise."""

from __future__ import annotations

from typing import Any


class SeldonMicroserviceException(Exception):
    """What a component refuses a request with."""

    status_code = 400

    def __init__(
        self,
        message: str,
        status_code: int | None = None,
        payload: Any = None,
        reason: str = "MICROSERVICE_BAD_DATA",
    ) -> None:
        super().__init__(message)
        self.message = message
        if status_code is not None:
            self.status_code = status_code
        self.payload = payload
        self.reason = reason

    def to_dict(self) -> dict[str, Any]:
        """Return the error as Seldon's status."""
        return {
            "status": {"status": 1, "info": self.message, "code": -1, "reason": self.reason},
        }
