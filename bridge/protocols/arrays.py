"""JSON's nested arrays to the arrays of tensors.

    [[1, 2], [3, 4]]  ─nested▶  [1, 2, 3, 4], (2, 2)  ─held, shaped▶  INT64 [2, 2]

Ragged arrays are refused, and what `json_values` refuses of their values.
JSON is read level by level instead of value by value, which is what makes it fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from bridge.core.errors import DecodeError
from bridge.core.event import shown
from bridge.core.payload import Body
from bridge.core.tensors import Tensor
from bridge.protocols.json_values import held
from bridge.protocols.raw import MAX_DIMENSIONS, check_empty

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


def _ragged(level: list[Any], depth: int) -> str:
    """Return what differs in a *level* that is *depth* arrays deep."""
    lengths = sorted({len(one) for one in level if type(one) is list})
    if any(type(one) is not list for one in level):
        return f"values beside arrays, {depth} deep"
    return f"arrays of {', '.join(map(str, lengths[:3]))} values, {depth} deep"
