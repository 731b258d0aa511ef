"""Protobuf by hand, for asking a server with none of our own messages: fields in, fields out.

    message((1, b"iris"), (3, 7))  ──▶  0a 04 69 72 69 73 18 07
    fields(…)                      ──▶  {1: [b"iris"], 3: [7]}

Written from the encoding's own page.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def message(*fields: tuple[int, bytes | str | int]) -> bytes:
    """Return the message of *fields*, numbers as varints, bytes and texts as they are."""
    parts = []
    for number, value in fields:
        if isinstance(value, int):
            parts += [_varint(number << 3 | _VARINT), _varint(value)]
        else:
            content = value.encode() if isinstance(value, str) else value
            parts += [_varint(number << 3 | _BYTES), _varint(len(content)), content]
    return b"".join(parts)


def packed(numbers: Iterable[float], letter: str) -> bytes:
    """Return *numbers* as a packed field has them, each of struct's type *letter*."""
    return b"".join(struct.pack(f"<{letter}", number) for number in numbers)


def fields(content: bytes) -> dict[int, list[bytes | int]]:
    """Return the values of each field of the message *content*; fixed ones as their bytes."""
    found: dict[int, list[bytes | int]] = {}
    at = 0
    while at < len(content):
        key, at = _read(content, at)
        kind = key & 7
        value: bytes | int
        if kind == _VARINT:
            value, at = _read(content, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
            if size is None:
                assert kind == _BYTES, f"wire type {kind} at {at}"
                size, at = _read(content, at)
            value, at = content[at : at + size], at + size
        found.setdefault(key >> 3, []).append(value)
    return found


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*parts, value))


def _read(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
