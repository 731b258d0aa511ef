"""The arrays of tensors to JSON's nested arrays.

    FP32 [2, 2]  ─values▶  the array itself  ─dumps▶  [[1.5,2.0],[3.0,4.0]]

An array of numbers is written as it lies in memory, so that a float has no more digits than
its datatype; only what JSON has no form for is made into lists first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import orjson

from bridge.core.errors import Rejected
from bridge.core.tensors import Tensor
from bridge.protocols.base64_texts import wrapped
from bridge.protocols.nonfinite import called
from bridge.protocols.port import NonFinite

if TYPE_CHECKING:
    from bridge.core.tensors import Array

#: How NaN and infinity are written: as the port says, or as JavaScript's bare tokens.
Written = NonFinite | Literal["token"]


def values(
    tensor: Tensor, non_finite: Written = "null", *, flat: bool = False, b64: bool = False
) -> Any:
    """Return *tensor*'s values, nested or *flat*, as `dumps` takes them.

    BF16 is written as the numbers it holds. With *b64*, bytes that are no UTF-8 and all those
    of a tensor whose name ends with `_bytes` become `{"b64": …}`. Raise Rejected where JSON has
    no form for a value: bytes that are no text otherwise, NaN where *non_finite* refuses it.
    """
    array = tensor.array.reshape(-1) if flat else tensor.array
    if tensor.datatype == "BYTES":
        return _texts(tensor.name, array, b64=b64)
    if tensor.datatype == "BF16":
        array = widened(array)
    flags = array.flags
    if not (flags.c_contiguous and flags.aligned and array.dtype.isnative):
        array = array.astype(array.dtype.newbyteorder("="), order="C")  # orjson takes no other
    if non_finite != "null" and array.dtype.kind == "f":
        return _finite(array, non_finite, tensor.name)
    return array if array.ndim else array[()]


def dumps(value: Any) -> bytes:
    """Return *value*, arrays and all, as JSON; raise Rejected where it has no form there."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError as error:
        raise Rejected(f"tensors or their parameters have no form in JSON: {error}") from error


def widened(array: Array) -> Array:
    """Return the numbers whose BF16 bits *array* holds: the upper halves of FP32."""
    import numpy as np

    return (array.astype(np.uint32) << 16).view(np.float32).reshape(array.shape)


def _texts(name: str, array: Array, *, b64: bool) -> Any:
    """Return bytes as texts, those that are none as base64."""
    import numpy as np

    held = np.empty(array.size, dtype=object)
    all_of_it = b64 and name.endswith("_bytes")
    for index, one in enumerate(array.flat):
        try:
            held[index] = wrapped(one) if all_of_it else one.decode()
        except UnicodeDecodeError as error:
            if not b64:
                raise Rejected(
                    f"tensor {name!r} holds bytes that are no UTF-8: JSON has no form for them"
                ) from error
            held[index] = wrapped(one)
    return held.reshape(array.shape).tolist()


def _finite(array: Array, non_finite: Written, name: str) -> Any:
    """Return *array* with NaN and infinity as *non_finite* says, itself where it has none."""
    import numpy as np

    finite = np.isfinite(array)
    if finite.all():
        return array if array.ndim else array[()]
    if non_finite == "refuse":
        raise Rejected(f"tensor {name!r} holds NaN or infinity: JSON has no form for them")
    held = np.empty(array.size, dtype=object)
    held[:] = list(array.reshape(-1))  # scalars of its own dtype keep their digits
    for index in np.flatnonzero(~finite.reshape(-1)):
        token = called(float(held[index]))
        held[index] = orjson.Fragment(token) if non_finite == "token" else token
    return held.reshape(array.shape).tolist()
