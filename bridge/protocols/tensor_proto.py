"""TensorFlow's TensorProto: what PredictRequest, PredictResponse and Seldon's `tftensor` carry.

Numbers are written as `tensor_content`, texts as `string_val`. Read is either, and every
repeated field, whose last value stands for all that are left out (tensor.proto): a shape of
a million with one value is a million times the same.
"""

from __future__ import annotations

from typing import Any, Final

from bridge.core.errors import DecodeError
from bridge.core.tensors import DTYPES, Array, Tensor
from bridge.protocols.arrays import shaped
from bridge.protocols.raw import counted, from_raw, to_raw
from bridge.protocols.tensorflow_types import TYPES, datatype_of

#: Most values that a tensor may have by leaving them out.
MAX_LEFT_OUT: Final = 16 * 1024 * 1024

#: Datatype → the field of its single values.
_FIELDS: Final = {
    datatype: member.replace("Val", "_val") for datatype, (_, _, member) in TYPES.items()
}
#: What numpy reads the field of single values as.
_WIDE: Final = {
    "float_val": "float32",
    "double_val": "float64",
    "int_val": "int32",
    "half_val": "int32",
    "int64_val": "int64",
    "bool_val": "bool",
    "uint32_val": "uint32",
    "uint64_val": "uint64",
}


def write(tensor: Tensor, into: Any) -> None:
    """Fill *into*, an empty TensorProto, with *tensor*."""
    into.dtype = TYPES[tensor.datatype][1]
    told = into.tensor_shape
    told.SetInParent()
    for count in tensor.array.shape:
        told.dim.add(size=count)
    if tensor.datatype == "BYTES":
        into.string_val.extend(tensor.array.reshape(-1).tolist())
    else:
        into.tensor_content = to_raw(tensor)


def read(name: str, said: Any) -> Tensor:
    """Return the tensor called *name* that the TensorProto *said* is.

    Raise DecodeError, naming it, where it is of a type that nobody else has (complex,
    quantized), or where its values are not those of its shape.
    """
    where = f"tensor {name!r}"
    datatype = datatype_of(said.dtype)
    if datatype is None:
        raise DecodeError(f"{where} is of {_type_name(said)}: expected one of {', '.join(DTYPES)}")
    told = said.tensor_shape
    if told.unknown_rank:
        raise DecodeError(f"{where} has no shape, only values")
    shape = tuple([dimension.size for dimension in told.dim[:]])
    content = said.tensor_content  # taken once: protobuf copies it each time it is asked for
    if content and datatype != "BYTES":
        return Tensor(name, datatype, from_raw(content, datatype, shape, where))
    field = _FIELDS[datatype]
    count = counted(shape, where)
    values = _values(getattr(said, field), field, datatype, name)
    return Tensor(name, datatype, shaped(_full(values, count, where), shape, where))


def _type_name(said: Any) -> str:
    """Return what TensorFlow calls the type of *said*, which has a `dtype`."""
    known = said.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number
    return known[said.dtype].name if said.dtype in known else f"type {said.dtype}"


def _values(said: Any, field: str, datatype: str, name: str) -> Array:
    """Return the single values that a repeated *field* holds, as *datatype*'s array."""
    import numpy as np

    if datatype == "BYTES":
        texts = np.empty(len(said), dtype=object)
        texts[:] = said
        return texts
    wide = np.array(said, dtype=_WIDE[field])
    if field == "half_val":  # the 16 bits of each, as an integer
        bits = Tensor.of(name, wide, "UINT16").array
        return bits.view(np.float16) if datatype == "FP16" else bits
    return Tensor.of(name, wide, datatype).array


def _full(values: Array, count: int, where: str) -> Array:
    """Return *values* made *count*: the last stands for what is left out; none at all is zero."""
    import numpy as np

    if len(values) == count:
        return values
    if len(values) > count:
        raise DecodeError(f"{where} has {len(values)} values: expected {count}")
    if count > MAX_LEFT_OUT:
        raise DecodeError(
            f"{where} has {len(values)} values and a shape of {count}: "
            f"expected {MAX_LEFT_OUT} at most to be left out"
        )
    full = np.empty(count, dtype=values.dtype)
    full[: len(values)] = values
    full[len(values) :] = values[-1] if len(values) else b"" if values.dtype == object else 0
    return full
