"""JSON as protobuf's Value, Struct and ListValue say it, read and written as bytes.

    [[1.0, 2.0], [3.0, 4.0]] ─▶ 0a 18 32 16 │ 0a 09 11 <8 bytes> │ 0a 09 11 <8 bytes>
                                0a 18 32 16 │ 0a 09 11 <8 bytes> │ 0a 09 11 <8 bytes>

The numbers of a rectangular array all take the same bytes but for their own eight, so that
numpy writes and reads them at once, where one message a number takes fifty times as long.

Every number is a double there. An integer that no double holds is refused, not rounded.
Source: google/protobuf/struct.proto, and the encoding of protobuf's wire format.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import DecodeError

if TYPE_CHECKING:
    from bridge.core.tensors import Array

#: How deep arrays and objects may nest: protobuf reads messages 100 deep, and an object within
#: an object is three of them.
MAX_NESTED: Final = 30

#: Integers up to this one are doubles, every one.
MAX_EXACT: Final = 2**53


def encode_value(said: Any, where: str, depth: int = 0) -> bytes:
    """Return the bytes of the Value that *said*, any JSON, is.

    Raise DecodeError, beginning with *where*, for a number that no double holds, and for what
    nests deeper than MAX_NESTED.
    """
    kind = type(said)
    if kind is str:
        return _framed(b"\x1a", said.encode())
    if kind is float:
        return b"\x11" + struct.pack("<d", said)
    if kind is int:
        return b"\x11" + struct.pack("<d", _double(said, where))
    if kind is bool:
        return b"\x20\x01" if said else b"\x20\x00"
    if said is None:
        return b"\x08\x00"
    if kind is list:
        return _framed(b"\x32", encode_list(said, where, depth))
    return _framed(b"\x2a", _struct(said, where, depth))


def encode_list(said: Sequence[Any], where: str, depth: int = 0) -> bytes:
    """Return the bytes of the ListValue that *said* is; raise DecodeError as `encode_value`."""
    if depth >= MAX_NESTED:
        raise _too_deep(where)
    if _may_be_many(said):
        array = _numbers(said)
        if array is not None:
            return encode_array(array)
    if said and type(said[0]) is str and set(map(type, said)) == {str}:
        return b"".join(map(_text, said))
    entries = [encode_value(one, f"{where}[{index}]", depth + 1) for index, one in enumerate(said)]
    return b"".join([_framed(b"\x0a", entry) for entry in entries])


def encode_array(array: Array) -> bytes:
    """Return the bytes of the ListValue of *array*: not empty, one dimension or more."""
    import numpy as np

    count = array.size
    if count <= _FEW:
        return _few(array.tolist())
    doubles = np.ascontiguousarray(array, dtype="<f8").reshape(-1, 1)
    block = np.empty((count, _NUMBER_BYTES), dtype=np.uint8)
    block[:, : len(_NUMBER)] = np.frombuffer(_NUMBER, dtype=np.uint8)
    block[:, len(_NUMBER) :] = doubles.view(np.uint8)
    for length in array.shape[:0:-1]:  # from the last dimension to the second
        count //= length
        rows = block.reshape(count, -1)
        inner = b"\x32" + _varint(rows.shape[1])
        header = b"\x0a" + _varint(len(inner) + rows.shape[1]) + inner
        block = np.empty((count, len(header) + rows.shape[1]), dtype=np.uint8)
        block[:, : len(header)] = np.frombuffer(header, dtype=np.uint8)
        block[:, len(header) :] = rows
    return block.tobytes()


def decode_array(said: Any) -> Array | None:
    """Return the array of doubles that the ListValue *said* is; None if it is none."""
    if said.ByteSize() > _FEW * _NUMBER_BYTES:
        return _decode(said.SerializeToString())
    floats = _floats(said)
    return None if floats is None else _numbers(floats)


def decode_numbers(said: Any) -> Array | list[Any] | None:
    """Return the doubles of the ListValue *said*: an array, or a nest of lists where few.

    None where it holds anything else, or nothing.
    """
    if said.ByteSize() > _FEW * _NUMBER_BYTES:
        return _decode(said.SerializeToString())
    return _floats(said)


def decode_value(said: Any) -> Any:
    """Return the Value *said* as JSON; a number without a fraction is an integer."""
    kind = said.WhichOneof("kind")
    if kind == "number_value":
        number = said.number_value
        return int(number) if number.is_integer() and abs(number) <= MAX_EXACT else number
    if kind == "list_value":
        return decode_list(said.list_value)
    if kind == "struct_value":
        return {key: decode_value(one) for key, one in said.struct_value.fields.items()}
    return None if kind in (None, "null_value") else getattr(said, kind)


def decode_list(said: Any) -> list[Any]:
    """Return the ListValue *said* as JSON."""
    return [decode_value(one) for one in said.values]


#: A number as one of a ListValue: the entry, its length, and the field of the double.
_NUMBER: Final = b"\x0a\x09\x11"
_NUMBER_BYTES: Final = len(_NUMBER) + 8
#: Up to as many numbers Python is faster than numpy.
_FEW: Final = 16
_LONGEST_HEADER: Final = 2 * (1 + 5)


def _may_be_many(said: Sequence[Any]) -> bool:
    """Whether *said*, if it is rectangular, has so many values that numpy is worth its price."""
    count = 1
    while type(said) is list and said:
        count *= len(said)
        said = said[0]
    return count > _FEW


def _floats(said: Any) -> list[Any] | None:
    """Return the few numbers of the ListValue *said* as floats; None if there are others."""
    found: list[Any] = []
    for one in said.values:
        kind = one.WhichOneof("kind")
        if kind == "number_value":
            found.append(one.number_value)
        elif kind == "list_value" and (inner := _floats(one.list_value)):
            found.append(inner)
        else:
            return None
    return found or None


def _few(said: list[Any]) -> bytes:
    """Return the bytes of a nest of few floats."""
    if type(said[0]) is list:
        inner = [_framed(b"\x32", _few(one)) for one in said]
        return b"".join([_framed(b"\x0a", one) for one in inner])
    return b"".join([_NUMBER + struct.pack("<d", one) for one in said])


def _decode(data: bytes) -> Array | None:
    import numpy as np

    block = np.frombuffer(data, dtype=np.uint8)
    length = len(data)
    shape: list[int] = []
    while length and len(shape) < MAX_NESTED:  # from the first dimension to the last
        found = _header(block[:_LONGEST_HEADER].tobytes())
        if found is None:
            return None
        header, width = found
        if length % width:
            return None
        shape.append(length // width)
        rows = block.reshape(-1, width)
        if not (rows[:, : len(header)] == np.frombuffer(header, dtype=np.uint8)).all():
            return None
        block = np.ascontiguousarray(rows[:, len(header) :]).reshape(-1)
        if header == _NUMBER:
            return block.view("<f8").astype(np.float64, copy=False).reshape(shape)
        length = width - len(header)
    return None


def _numbers(said: Sequence[Any]) -> Array | None:
    """Return *said* as doubles, where it is a rectangular nest of numbers, all of them exact."""
    import numpy as np

    flat, shape = said, [len(said)]
    while flat and type(flat[0]) is list:
        lengths = {len(one) if type(one) is list else -1 for one in flat}
        if len(lengths) > 1 or len(shape) >= MAX_NESTED:
            return None
        shape += lengths
        flat = list(chain.from_iterable(flat))
    kinds = set(map(type, flat))
    if not flat or not kinds <= {int, float}:
        return None
    try:
        array = np.array(flat, dtype=np.float64)
    except OverflowError:
        return None  # told where it stands, by who goes one by one
    if int in kinds and (np.abs(array) >= MAX_EXACT).any():  # a maximum may be NaN
        return None
    return array.reshape(shape)


def _struct(said: Mapping[str, Any], where: str, depth: int) -> bytes:
    if depth >= MAX_NESTED:
        raise _too_deep(where)
    entries = [
        _framed(b"\x0a", key.encode())
        + _framed(b"\x12", encode_value(one, f"{where}.{key}", depth + 1))
        for key, one in said.items()
    ]
    return b"".join([_framed(b"\x0a", entry) for entry in entries])


def _double(said: int, where: str) -> float:
    try:
        double = float(said)
    except OverflowError:
        double = float("inf")
    if double != said:
        raise DecodeError(
            f"{where} is {str(said)[:40]}: gRPC has doubles, and none that is as exact"
        )
    return double


def _too_deep(where: str) -> DecodeError:
    return DecodeError(f"{where[:200]} nests deeper than {MAX_NESTED}, which gRPC does not")


def _header(head: bytes) -> tuple[bytes, int] | None:
    """Return what stands before a value of a list, and how long the value is with it."""
    if head.startswith(_NUMBER):
        return _NUMBER, _NUMBER_BYTES
    if head[:1] != b"\x0a":
        return None
    outer, at = _read_varint(head, 1)
    if head[at : at + 1] != b"\x32":
        return None
    inner, end = _read_varint(head, at + 1)
    if inner == 0 or outer != end - at + inner:
        return None
    return head[:end], end + inner


def _text(said: str) -> bytes:
    """Return a text as an entry of a ListValue."""
    content = said.encode()
    if len(content) < len(_SHORT):
        return _SHORT[len(content)] + content
    return _framed(b"\x0a", _framed(b"\x1a", content))


#: What stands before a text of so many bytes, as long as both lengths are a byte each.
_SHORT: Final = tuple([bytes((0x0A, length + 2, 0x1A, length)) for length in range(0x7E)])


def _framed(tag: bytes, content: bytes) -> bytes:
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    written = bytearray()
    while number >= 0x80:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at *at*, and where it ends; 0 where there is none."""
    number = shift = 0
    for index in range(at, len(data)):
        number |= (data[index] & 0x7F) << shift
        if data[index] < 0x80:
            return number, index + 1
        shift += 7
    return 0, len(data)
