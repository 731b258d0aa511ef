"""JSON's nested arrays to the arrays of tensors.

    [[1, 2], [3, 4]]  ─nested▶  [1, 2, 3, 4], (2, 2)  ─held, shaped▶  INT64 [2, 2]

A value is never changed to make it fit: mixed values, ragged arrays and numbers that their
datatype cannot hold are refused, where numpy would make texts, objects or other numbers of them.
It would also give every text the room of the longest, so that a megabyte becomes gigabytes.
JSON is read level by level instead of value by value, which is what makes it fast.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from bridge.core.errors import DecodeError
from bridge.core.event import shown
from bridge.core.payload import Body
from bridge.core.tensors import DTYPES, Tensor
from bridge.protocols.base64_texts import unwrapped
from bridge.protocols.nonfinite import VALUES
from bridge.protocols.raw import MAX_DIMENSIONS, check_empty, dtype_of

if TYPE_CHECKING:
    from bridge.core.tensors import Array

#: Tensors of one payload: far beyond any model's, and few enough to check each against all.
MAX_TENSORS: Final = 1000


def nested(values: Any, where: str) -> tuple[list[Any], tuple[int, ...]]:
    """Return the innermost of *values*, row by row, and the shape they lie in.

    A value that is no array has shape (). Raise DecodeError, beginning with *where*, for
    arrays that are not rectangular or deeper than an array can be. Among the innermost there
    may still be an array beside values, which `held` refuses.
    """
    if type(values) is not list:
        return [values], ()
    level, shape = values, [len(values)]
    while level and type(level[0]) is list:
        if len(level) == 1:
            level = level[0]
            shape.append(len(level))
        else:
            lengths = set(map(len, level)) if set(map(type, level)) == {list} else ()
            if len(lengths) != 1:
                raise DecodeError(f"{where} is not rectangular: {_ragged(level, len(shape))}")
            shape += lengths
            level = list(chain.from_iterable(level))
        if len(shape) > MAX_DIMENSIONS:
            raise DecodeError(f"{where} is nested deeper than {MAX_DIMENSIONS} arrays")
    return level, tuple(shape)


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
    FP64, booleans BOOL and texts BYTES. null is NaN among numbers with a fraction, and the
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


def read(values: Any, name: str, where: str, *, booleans: bool = True, b64: bool = False) -> Tensor:
    """Return *values*, nested or a single one, as the tensor *name*; raise DecodeError."""
    flat, shape = nested(values, where)
    datatype, array = held(flat, where, booleans=booleans, b64=b64)
    return Tensor(name, datatype, shaped(array, shape, where))


def is_shape(said: Any) -> TypeGuard[list[int]]:
    """Whether JSON *said* an array of counts, as many as an array has dimensions at most."""
    if type(said) is not list or len(said) > MAX_DIMENSIONS:
        return False
    for count in said:  # noqa: SIM110  # of two or four, a generator takes twice as long
        if type(count) is not int or count < 0:
            return False
    return True


def has_booleans(body: Body) -> bool:
    """Whether the JSON *body* may have a boolean anywhere; False is certain.

    Looked for by the letter that numbers and the members of our forms have least of, since a
    search for a letter takes a hundredth of the time that one for a word does. In a small body
    nobody looks: the types of its few values are told sooner.
    """
    data = body.data
    return len(data) < _SMALL or _may_have(data, b"true", b"u") or _may_have(data, b"false", b"f")


def of_bytes(values: list[bytes], name: str) -> Tensor:
    """Return *values* as the BYTES tensor *name* of one dimension.

    numpy would make an array of texts without the zeros at their ends.
    """
    import numpy as np

    array = np.empty(len(values), dtype=object)
    array[:] = values
    return Tensor(name, "BYTES", array)


def shaped(array: Array, shape: Sequence[int], where: str) -> Array:
    """Return *array* in *shape*, whose count of values it has; raise DecodeError if it cannot."""
    if not array.size:
        check_empty(shape, where)
    try:
        for count in shape:
            if count < 0:
                raise ValueError("a count is negative")  # numpy takes any such for "the rest"
        return array.reshape(shape)
    except (ValueError, OverflowError) as error:  # more dimensions than this numpy has
        raise DecodeError(
            f"{where} has {array.size} values: expected those of shape {shown(str(list(shape)))}"
        ) from error


def unique(tensors: Sequence[Tensor], where: str) -> tuple[Tensor, ...]:
    """Return *tensors*; raise DecodeError where two have one name, or there are too many."""
    count_checked(len(tensors), where)
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise DecodeError(f"{where} has two tensors called {shown(tensor.name)}")
        seen.add(tensor.name)
    return tuple(tensors)


def count_checked(count: int, where: str) -> None:
    """Raise DecodeError where *count* tensors are more than a payload may have."""
    if count > MAX_TENSORS:
        raise DecodeError(f"{where} has {count} tensors: expected {MAX_TENSORS} at most")


def _may_have(data: bytes, word: bytes, letter: bytes) -> bool:
    """Whether *data* has *word*, which has *letter* once; or has too many of it to look at."""
    before = word.index(letter)
    at = data.find(letter)
    for _ in range(_LOOKS):
        if at < 0:
            return False
        if data.startswith(word, max(0, at - before)):
            return True
        at = data.find(letter, at + 1)
    return True


#: Bytes of a body in which nobody looks for booleans.
_SMALL = 512
#: Letters of a body that are looked at before it is said to be a text.
_LOOKS = 64
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


def _ragged(level: list[Any], depth: int) -> str:
    """Return what differs in a *level* that is *depth* arrays deep."""
    lengths = sorted({len(one) for one in level if type(one) is list})
    if any(type(one) is not list for one in level):
        return f"values beside arrays, {depth} deep"
    return f"arrays of {', '.join(map(str, lengths[:3]))} values, {depth} deep"


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
