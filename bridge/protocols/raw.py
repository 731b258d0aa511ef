"""A tensor's values as raw bytes, row by row, little-endian: every protocol's fastest form.

    numbers       as they lie in memory
    BOOL          a byte each, 0 or 1
    FP16, BF16    their 16 bits
    BYTES         of each: its length as four bytes, then itself

Source: Open Inference Protocol, Binary Tensor Data Extension; TensorFlow's `tensor_content` is
the same but for BYTES, which it does not have.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from bridge.core.errors import DecodeError
from bridge.core.event import shown
from bridge.core.tensors import DTYPES, Array, Tensor

if TYPE_CHECKING:
    import numpy as np

#: Dimensions that every numpy from 1.26 on can hold.
MAX_DIMENSIONS = 32

#: Values that a shape may have, far beyond what any answer carries.
MAX_VALUES = 1 << 40

#: Empty arrays that one without values may be made of: JSON and Python hold each of them.
MAX_EMPTY = 1 << 20


def to_raw(tensor: Tensor) -> bytes:
    """Return the bytes of *tensor*'s values."""
    if tensor.datatype == "BYTES":
        parts: list[bytes] = []
        for one in tensor.array.flat:
            parts += (struct.pack("<I", len(one)), one)
        return b"".join(parts)
    return little(tensor.array).tobytes()


def from_raw(data: bytes | memoryview, datatype: str, shape: Sequence[int], where: str) -> Array:
    """Return the array of *shape* that *data* is, which it shares where it can.

    Raise DecodeError, beginning with *where*, for a datatype that is none, and for more or
    fewer bytes than the shape has.
    """
    import numpy as np

    count = counted(shape, where)
    if datatype == "BYTES":
        return _texts(data, count, where).reshape(tuple(shape))
    if datatype not in DTYPES:
        known = ", ".join(DTYPES)
        raise DecodeError(f"{where} is of datatype {datatype!r}: expected {known}")
    dtype = dtype_of(datatype)
    size = count * dtype.itemsize
    if len(data) != size:
        raise DecodeError(
            f"{where} has {len(data)} bytes: expected {size}, "
            f"those of {datatype} in shape {list(shape)}"
        )
    array = native(np.frombuffer(data, dtype))
    if datatype == "BOOL":
        array = _booleans(array, where)
    return array.reshape(shape)


def counted(shape: Sequence[int], where: str) -> int:
    """Return how many values *shape* has; raise DecodeError where it is none of an array."""
    if len(shape) > MAX_DIMENSIONS:
        raise DecodeError(f"{where} has {len(shape)} dimensions: expected {MAX_DIMENSIONS} at most")
    values = bytes_counted = 1
    for count in shape:
        if count < 0:
            raise DecodeError(f"{where} has shape {list(shape)}: expected counts")
        values *= count
        bytes_counted *= count or 1  # numpy counts an empty array as if no dimension were empty
    if bytes_counted > MAX_VALUES:
        raise DecodeError(f"{where} has shape {list(shape)}: expected {MAX_VALUES} values at most")
    if not values:
        check_empty(shape, where)
    return values


def check_empty(shape: Sequence[int], where: str) -> None:
    """Raise DecodeError where *shape*, of no values, is made of more than MAX_EMPTY arrays.

    A shape of [1000000000, 0] takes no bytes here, and gigabytes of `[]` where it is written.
    """
    if 0 in shape and prod(shape[: shape.index(0)]) > MAX_EMPTY:
        raise DecodeError(
            f"{where} has shape {shown(str(list(shape)))}: expected {MAX_EMPTY} arrays at most "
            "that hold no value"
        )


@cache
def dtype_of(datatype: str) -> np.dtype[Any]:
    """Return numpy's type of *datatype*, a key of DTYPES."""
    import numpy as np

    return np.dtype(DTYPES[datatype])


def little(array: Array) -> Array:
    """Return *array* as it lies in memory where that is little-endian."""
    if sys.byteorder == "little":
        return array
    return array.astype(array.dtype.newbyteorder("<"))  # pragma: no cover  # no such machine here


def native(array: Array) -> Array:
    """Return *array*, read as the machine's own though it is little-endian, as what it says."""
    return array if sys.byteorder == "little" else array.byteswap()


def _booleans(array: Array, where: str) -> Array:
    import numpy as np

    held = array.view(np.uint8)
    if held.size and held.max() > 1:
        raise DecodeError(f"{where} holds the byte {held.max()} as a boolean: expected 0 or 1")
    return array


def _texts(data: bytes | memoryview, count: int, where: str) -> Array:
    import numpy as np

    if count * 4 > len(data):  # before as many are made room for
        raise DecodeError(
            f"{where} has {len(data)} bytes: expected {count} texts and their lengths"
        )
    found = np.empty(count, dtype=object)
    at = 0
    for index in range(count):
        start = at + 4
        at = start + int.from_bytes(data[at:start], "little")
        if start > len(data) or at > len(data):
            raise DecodeError(f"{where} ends within text {index} of {count}")
        found[index] = bytes(data[start:at])
    if at != len(data):
        raise DecodeError(f"{where} has {len(data) - at} bytes after the last of {count} texts")
    return found
