"""JSON's values to the array of a tensor: one datatype for all of them, and no value changed.

    [1, 2, 3]  ─held▶  INT64        [1, 2.5, null]  ─held▶  FP64        ["a", "b"]  ─held▶  BYTES

Mixed values and numbers that their datatype cannot hold are refused, where numpy would make
texts, objects or other numbers of them. It would also give every text the room of the longest,
so that a megabyte becomes gigabytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bridge.core.errors import DecodeError
from bridge.core.event import shown
from bridge.core.tensors import DTYPES
from bridge.protocols.base64_texts import unwrapped
from bridge.protocols.nonfinite import VALUES
from bridge.protocols.raw import dtype_of

if TYPE_CHECKING:
    from bridge.core.tensors import Array


def held(
    flat: list[Any],
    where: str,
    datatype: str | None = None,
    *,
    booleans: bool = True,
    b64: bool = False,
) -> tuple[str, Array]:
    """Return JSON's values *flat* as an array of one dimension, and its datatype.

    Without a *datatype* integers are INT64, or UINT64 where one is larger; other numbers are
    FP64, booleans BOOL and texts BYTES. null is NaN among numbers, which are FP64 then, and the
    texts NaN, Infinity and -Infinity are what they say; *b64*: `{"b64": …}` is a text as well.
    Raise DecodeError, beginning with *where*, for values that have no datatype, or not this one.

    *booleans*: whether there may be any. Who knows of none (`has_booleans`) saves a look at
    each value, which takes as long as all the rest.
    """
    # What begins with a number with a fraction can only be such numbers.
    if datatype in _FLOATS or (datatype is None and flat and type(flat[0]) is float):
        datatype = datatype or "FP64"
        if not booleans:
            try:
                array = _packed(flat, datatype)
            except (struct.error, OverflowError):  # null or text among them, or too large
                pass
            else:
                return datatype, _exact(array, flat, where)
        return datatype, _floats(flat, set(map(type, flat)), datatype, where)
    kinds = set(map(type, flat))
    if datatype is None:
        datatype = _datatype(flat, kinds, where, b64=b64)
    if datatype in _FLOATS:
        return datatype, _floats(flat, kinds, datatype, where)
    if datatype == "BYTES":
        return datatype, _texts(flat, kinds, where, b64=b64)
    if datatype == "BOOL":
        return datatype, _booleans(flat, kinds, where)
    if datatype in DTYPES and datatype != "BF16":
        return datatype, _integers(flat, kinds, datatype, where)
    told = "has no form in JSON" if datatype == "BF16" else "is no datatype"
    raise DecodeError(f"{where}: {shown(datatype)} {told}: expected {_EXPECTED}")


_EXPECTED = ", ".join(name for name in DTYPES if name != "BF16")
#: Numbers with a fraction, and how `struct` calls them.
_FLOATS = {"FP64": "d", "FP32": "f", "FP16": "e"}
#: Integers up to this one are FP64, every one.
_MAX_EXACT = 2**53
#: Up to as many values Python is faster than numpy.
_FEW = 16
_FINITE = frozenset((int, float))
_NUMBERS = frozenset((int, float, type(None)))
_TEXTS = frozenset((str, dict))


def _datatype(flat: list[Any], kinds: set[type], where: str, *, b64: bool) -> str:
    if not kinds:
        return "FP64"
    if list in kinds and len(kinds) > 1:
        raise DecodeError(f"{where} is not rectangular: it holds values beside arrays")
    if kinds == {bool}:
        return "BOOL"
    if kinds <= (_TEXTS if b64 else {str}):
        return "BYTES"
    if kinds == {int}:
        whole = _whole(flat)
        return "FP64" if whole is None else "INT64" if whole.dtype.kind == "i" else "UINT64"
    if kinds <= _NUMBERS or (kinds <= _NUMBERS | {str} and VALUES.keys() >= _texts_among(flat)):
        return "FP64"
    raise DecodeError(f"{where} holds {_sorts(kinds)}: expected values of one kind")


def _floats(flat: list[Any], kinds: set[type], datatype: str, where: str) -> Array:
    if not kinds <= _FINITE:
        if not (kinds <= _NUMBERS | {str} and VALUES.keys() >= _texts_among(flat)):
            raise DecodeError(f"{where} holds {_sorts(kinds)}: expected numbers, for {datatype}")
        flat = [VALUES[one] if one is None or type(one) is str else one for one in flat]
    try:
        array = _packed(flat, datatype)
    except (struct.error, OverflowError) as error:
        raise DecodeError(f"{where} holds a number beyond {datatype}") from error
    return _exact(array, flat, where) if int in kinds else array


def _packed(flat: list[Any], datatype: str) -> Array:
    """Return numbers as *datatype*, and booleans as if they were; raise where one is beyond it.

    Faster than numpy, which looks at each value twice, and makes infinity of a large one.
    """
    import numpy as np

    return np.frombuffer(_struct(len(flat), datatype).pack(*flat), dtype_of(datatype))


def _exact(array: Array, flat: list[Any], where: str) -> Array:
    """Return *array*, made of *flat*; raise DecodeError where that has an integer no FP64 holds.

    Fewer digits than were written are those of a float, but an integer may be a name. One of
    FP32 or FP16 is as the payload itself wants it. Go and JavaScript write floats below 1e21 as
    integers: their shortest digits, and zeros.
    """
    import numpy as np

    if array.dtype.itemsize == 8:
        few = len(flat) <= _FEW
        for index in range(len(flat)) if few else np.flatnonzero(np.abs(array) >= _MAX_EXACT):
            said = flat[index]
            if type(said) is int and abs(said) > _MAX_EXACT and not _is_said(array[index], said):
                raise DecodeError(f"{where} holds {str(said)[:40]}, an integer that no FP64 holds")
    return array


def _is_said(number: float, said: int) -> bool:
    """Whether *said* is the *number*, or the shortest digits that only that number has."""
    return said == int(number) or said == int(Decimal(repr(float(number))))


@lru_cache(maxsize=64)
def _struct(count: int, datatype: str) -> struct.Struct:
    return struct.Struct(f"={count}{_FLOATS[datatype]}")


def _integers(flat: list[Any], kinds: set[type], datatype: str, where: str) -> Array:
    import numpy as np

    if float in kinds:  # 3.0 is the same number as 3
        flat = [int(one) if type(one) is float and one.is_integer() else one for one in flat]
        kinds = set(map(type, flat))
    if not kinds <= {int}:
        raise DecodeError(f"{where} holds {_sorts(kinds)}: expected integers, for {datatype}")
    dtype = dtype_of(datatype)
    array = _whole(flat)
    limits = np.iinfo(dtype)
    if array is None or (
        array.size and not (int(array.min()) >= limits.min and int(array.max()) <= limits.max)
    ):
        raise DecodeError(
            f"{where} holds a number that is none of {datatype}: "
            f"expected {limits.min} to {limits.max}"
        )
    return array.astype(dtype, copy=False)


def _whole(flat: list[int]) -> Array | None:
    """Return integers as INT64 or, where one is larger, as UINT64; None if they fit neither."""
    import numpy as np

    try:
        return np.array(flat, dtype=np.int64)
    except OverflowError:
        if min(flat) < 0:  # of which older numpys make another number
            return None
    try:
        return np.array(flat, dtype=np.uint64)
    except OverflowError:
        return None


def _booleans(flat: list[Any], kinds: set[type], where: str) -> Array:
    import numpy as np

    if not kinds <= {bool}:
        raise DecodeError(f"{where} holds {_sorts(kinds)}: expected booleans, for BOOL")
    return np.array(flat, dtype=bool)


def _texts(flat: list[Any], kinds: set[type], where: str, *, b64: bool) -> Array:
    import numpy as np

    if not kinds <= (_TEXTS if b64 else {str}):
        raise DecodeError(f"{where} holds {_sorts(kinds)}: expected texts, for BYTES")
    array = np.empty(len(flat), dtype=object)
    try:
        array[:] = [unwrapped(one, where) if type(one) is dict else one.encode() for one in flat]
    except UnicodeEncodeError as error:  # half of a pair, which JSON can escape
        raise DecodeError(f"{where} holds text that is no Unicode: {error.reason}") from error
    return array


def _texts_among(flat: list[Any]) -> set[str]:
    return {one for one in flat if type(one) is str}


def _sorts(kinds: Iterable[type]) -> str:
    return " and ".join(sorted(_SORTS.get(kind, kind.__name__) for kind in kinds))


_SORTS: dict[type, str] = {
    type(None): "null",
    bool: "booleans",
    int: "integers",
    float: "numbers",
    str: "texts",
    list: "arrays",
    dict: "objects",
}
