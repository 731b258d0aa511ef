"""Bytes within JSON: base64 text, bare or as TensorFlow Serving's `{"b64": …}`."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from bridge.core.errors import DecodeError


def decoded(text: Any, where: str) -> bytes:
    """Return the bytes that *text* is; raise DecodeError, beginning with *where*, if none."""
    if not isinstance(text, str):
        raise DecodeError(f"{where} is no text: expected base64")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"{where} is not base64: {error}") from error


def encoded(data: bytes) -> str:
    """Return *data* as base64."""
    return base64.b64encode(data).decode("ascii")


def unwrapped(value: dict[Any, Any], where: str) -> bytes:
    """Return the bytes of `{"b64": …}`; raise DecodeError where *value* is another object."""
    if value.keys() != {"b64"}:
        raise DecodeError(f'{where} holds an object: expected values, or {{"b64": …}}')
    return decoded(value["b64"], f"{where}: b64")


def wrapped(data: bytes) -> dict[str, str]:
    """Return *data* as `{"b64": …}`."""
    return {"b64": encoded(data)}
