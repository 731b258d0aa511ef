"""The payload: bytes and their media type, their JSON parsed once and only when asked for.

A payload that nobody looks into goes from the event to the model and back as the bytes it
came in, unchanged to the last digit.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from bridge.core.collector import LARGE_BYTES, held
from bridge.core.errors import DecodeError

JSON: Final = "application/json"

_UNPARSED: Final = object()


class Body:
    """Bytes with a media type: what a transformer is given and a model answers.

    Shared between steps, so nobody changes it in place: a step that changes something
    answers with a new one (`Body.of`).
    """

    __slots__ = ("_json", "content_type", "data")

    def __init__(self, data: bytes, content_type: str | None = JSON) -> None:
        self.data = data
        self.content_type = content_type
        self._json: Any = _UNPARSED

    @classmethod
    def of(cls, value: Any) -> Body:
        """Return *value* (anything JSON can hold, numpy arrays included) as a JSON body.

        Raise TypeError where JSON has no form for it.
        """
        return cls(orjson.dumps(value, _as_list, orjson.OPT_SERIALIZE_NUMPY), JSON)

    def json(self) -> Any:
        """Return the bytes as JSON, parsed at the first call; raise DecodeError if not JSON.

        Arrays and objects nest up to 1,024 deep, which is orjson's own limit.
        """
        if self._json is _UNPARSED:
            if len(self.data) < LARGE_BYTES:
                self._json = _parsed(self.data)
            else:
                with held():
                    self._json = _parsed(self.data)
        return self._json

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Body)
            and self.data == other.data
            and self.content_type == other.content_type
        )

    __hash__ = None  # type: ignore[assignment]  # equal by content, so not for sets

    def __repr__(self) -> str:
        return f"Body({len(self.data)} bytes, {self.content_type!r})"


def _parsed(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"data is not JSON: {error}") from error


def _as_list(value: Any) -> Any:
    """Return an array that orjson cannot take as it lies in memory, as lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no form in JSON")
