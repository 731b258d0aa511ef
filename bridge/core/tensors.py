"""Tensors: named arrays with a datatype, as every protocol of a model server can say them.

    bytes ──protocols──▶ Tensors(Tensor, …) ──protocols──▶ bytes of another protocol

Datatypes are called as the Open Inference Protocol calls them. A payload is only made into
tensors where two protocols meet, or where the wire has no other form: otherwise it stays the
bytes that came (`bridge.core.payload`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import DecodeError
from bridge.core.value import value

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
else:  # the name alone: numpy is imported where arrays are made
    Array = Any

#: Datatype → how numpy holds it. BF16 passes through as its 16 bits, since numpy has no such
#: type; BYTES is an array of `bytes` objects, text being its UTF-8.
DTYPES: Final[Mapping[str, str]] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "BF16": "uint16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}

#: Those with a fraction, of which NaN and the infinities are values.
FLOATS: Final = frozenset(("FP16", "BF16", "FP32", "FP64"))


@value
class Tensor:
    """One named array. *datatype* is a key of DTYPES, and *array* is of the dtype it names.

    The array is C-contiguous, in the machine's byte order, and nobody changes it in place.
    *parameters* are those of this tensor, where its protocol has such.
    """

    name: str
    datatype: str
    array: Array
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values along each dimension; () is a single value without one."""
        counts: tuple[int, ...] = self.array.shape
        return counts

    @property
    def columns(self) -> tuple[str, ...]:
        """What its columns are called: `names` of its parameters; () where there is no such list.

        Whoever writes an event says the parameters, which are anything that JSON can say.
        """
        names = self.parameters.get("names")
        if not isinstance(names, list | tuple):
            return ()
        return tuple([name for name in names if isinstance(name, str)])

    @classmethod
    def of(cls, name: str, array: Any, datatype: str | None = None) -> Tensor:
        """Return *array*, anything that numpy takes, as a tensor; its own datatype by default.

        Texts and bytes become BYTES. Raise DecodeError, naming the tensor, where its values
        have no datatype or do not fit the one asked for: nothing is rounded or cut off but
        the digits of a float, and an integer is no float's or boolean's value unless it is
        the same number.
        """
        return cls(name, *_held(array, datatype, name))


@value
class Tensors:
    """A payload as tensors: what a model is asked, or what it answers.

    *names* of each are unique. *parameters* are those of the whole, where the protocol has
    such. *model_version*: which one answered, if it says.
    """

    tensors: tuple[Tensor, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    model_version: str | None = None

    @classmethod
    def of(cls, **arrays: Any) -> Tensors:
        """Return tensors by name; raise DecodeError as `Tensor.of` does."""
        return cls(tuple([Tensor.of(name, array) for name, array in arrays.items()]))

    def __getitem__(self, name: str) -> Array:
        """Return the array called *name*; raise KeyError, with the names there are, if none."""
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor.array
        raise KeyError(f"no tensor {name!r}: there are {', '.join(map(repr, self.names))}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names in their order."""
        return tuple([tensor.name for tensor in self.tensors])


def datatype_of(array: Array) -> str:
    """Return the datatype that holds *array*'s values as they are; raise DecodeError if none."""
    import numpy as np

    found = _OF_DTYPE.get(array.dtype.name)
    if found is not None:
        return found
    if array.dtype.kind in "SU":
        return "BYTES"
    if array.dtype.kind == "O" and all(
        isinstance(one, str | bytes | np.bytes_ | np.str_) for one in array.flat
    ):
        return "BYTES"
    raise DecodeError(f"values of numpy's {array.dtype}: expected {', '.join(DTYPES)}")


_OF_DTYPE = {dtype: name for name, dtype in DTYPES.items() if name not in ("BF16", "BYTES")}


def _held(values: Any, datatype: str | None, name: str) -> tuple[str, Array]:
    """Return *values* as their datatype's array, without a copy where they are that already."""
    import numpy as np

    try:
        array = values if isinstance(values, np.ndarray) else _made(values, name)
    except ValueError as error:  # a list of lists of different lengths
        raise DecodeError(f"tensor {name!r} is not rectangular: {error}") from error
    if datatype is None:
        try:
            datatype = datatype_of(array)
        except DecodeError as error:
            raise DecodeError(f"tensor {name!r}: {error}") from error
    if datatype not in DTYPES:
        known = ", ".join(DTYPES)
        raise DecodeError(f"tensor {name!r} of datatype {datatype!r}: expected {known}")
    if datatype == "BYTES":
        return datatype, _bytes(array, name)
    return datatype, np.ascontiguousarray(_fitting(array, datatype, name)).reshape(array.shape)


def _made(values: Any, name: str) -> Array:
    """Return *values* as numpy makes an array of them, texts as what they are.

    Of texts it would cut the zeros at their ends, give each the room of the longest, and make
    texts of the numbers beside them. Raise ValueError where they are not rectangular, and
    DecodeError where it would round an integer to have it beside a fraction or a negative one.
    """
    import numpy as np

    array = np.array(values, dtype=object)
    if any(isinstance(one, str | bytes) for one in array.flat):
        return array
    made = np.array(values)
    if made.dtype.kind == "f" and any(
        type(one) is int and one != float(number)
        for one, number in zip(array.flat, made.flat, strict=True)
    ):
        raise DecodeError(
            f"tensor {name!r} holds an integer that no FP64 holds, beside what needs one"
        )
    return made


def _bytes(array: Array, name: str) -> Array:
    import numpy as np

    held = np.empty(array.size, dtype=object)
    for index, one in enumerate(array.flat):
        if isinstance(one, str):
            held[index] = one.encode()
        elif isinstance(one, bytes):
            held[index] = bytes(one)
        else:
            raise DecodeError(
                f"tensor {name!r} holds {type(one).__name__} among its texts: "
                "expected text or bytes throughout"
            )
    return held.reshape(array.shape)


def _fitting(array: Array, datatype: str, name: str) -> Array:
    """Return *array* as *datatype*'s dtype; raise DecodeError where a value would change."""
    import numpy as np

    dtype = np.dtype(DTYPES[datatype])
    if array.dtype == dtype and array.dtype.isnative:
        return array
    if array.size == 0:
        return array.astype(dtype)
    if datatype == "BF16":
        raise DecodeError(f"tensor {name!r}: BF16 is given as its 16 bits, an array of uint16")
    if array.dtype.kind not in "biuf":
        raise DecodeError(f"tensor {name!r} holds {_sort(array)}: expected values of {datatype}")
    with np.errstate(all="ignore"):  # what does not fit is told below
        cast = array.astype(dtype)
    if dtype.kind == "f":
        if array.dtype.kind == "f":
            kept = np.isfinite(array) == np.isfinite(cast)  # beyond the largest is no digit lost
            fits = bool(kept.all())
        else:
            fits = array.dtype.kind != "b" and _same_numbers(array, cast)
        if not fits:
            raise DecodeError(f"tensor {name!r}: a value does not fit {datatype}")
        return cast
    if (array.dtype.kind == "b") != (dtype.kind == "b"):
        raise DecodeError(f"tensor {name!r} holds {_sort(array)}: expected values of {datatype}")
    if not (
        np.isfinite(array).all() and (cast == array).all() and ((cast < 0) == (array < 0)).all()
    ):
        raise DecodeError(f"tensor {name!r}: a value does not fit {datatype}")
    return cast


def _same_numbers(integers: Array, floats: Array) -> bool:
    """Whether every float is the integer it was made of: beyond 2^53 not every one can be."""
    import numpy as np

    if integers.dtype.itemsize * 8 <= np.finfo(floats.dtype).nmant + 1:
        return True
    limit = 2.0 ** (integers.dtype.itemsize * 8 - (integers.dtype.kind == "i"))
    wide = floats.astype(np.float64)
    with np.errstate(all="ignore"):  # what is beyond the limit is told so
        back = wide.astype(integers.dtype)
    return bool(((wide < limit) & (wide >= -limit) & (back == integers)).all())


def _sort(array: Array) -> str:
    return {"b": "booleans", "O": "texts or mixed values", "U": "texts", "S": "bytes"}.get(
        array.dtype.kind, str(array.dtype)
    )
