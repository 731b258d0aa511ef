"""Seldon's `tftensor`: TensorFlow's TensorProto as JSON.

    {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "2"}]}, "floatVal": [1.5, 2.5]}
    {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "2"}]}, "tensorContent": "AADAPwAAIEA="}

Members are read by both names that proto3's JSON has for them. One value stands for all of a
shape, as tensor.proto says. Written are `tensorContent`, and `stringVal` for BYTES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import DecodeError
from bridge.core.event import shown
from bridge.core.tensors import Tensor
from bridge.protocols import arrays, base64_texts, json_values
from bridge.protocols.raw import counted, from_raw, to_raw
from bridge.protocols.tensorflow_types import TYPES, datatype_of

if TYPE_CHECKING:
    from bridge.core.tensors import Array

#: Most values that one value may stand for.
MAX_REPEATED: Final = 1_000_000


def read(said: Any, name: str, where: str) -> Tensor:
    """Return the tensor that *said* is; raise DecodeError, beginning with *where*, if none."""
    if not isinstance(said, dict):
        raise DecodeError(f"{where} is no object")
    datatype = datatype_of(said.get("dtype"))
    if datatype is None:
        told = shown(said.get("dtype")) if isinstance(said.get("dtype"), str | int) else "none"
        raise DecodeError(f"{where}.dtype is {told}: expected a type of numbers or texts")
    shape = _shape(_member(said, "tensorShape"), f"{where}.tensorShape")
    content = _member(said, "tensorContent")
    if content:
        if datatype == "BYTES":
            raise DecodeError(f"{where} holds texts in tensorContent: expected stringVal")
        at = f"{where}.tensorContent"
        return Tensor(
            name, datatype, from_raw(base64_texts.decoded(content, at), datatype, shape, at)
        )
    field = TYPES[datatype][2]
    at = f"{where}.{field}"
    values = _member(said, field)
    if values is not None and not isinstance(values, list):
        raise DecodeError(f"{at} is no array")
    array = _values(values or [], datatype, field, at)
    count = counted(shape, where)
    if array.size == 1 and 1 < count <= MAX_REPEATED:
        array = array.repeat(count)
    return Tensor(name, datatype, arrays.shaped(array, shape, at))


def write(tensor: Tensor) -> dict[str, Any]:
    """Return *tensor* as JSON's TensorProto."""
    said: dict[str, Any] = {
        "dtype": TYPES[tensor.datatype][0],
        "tensorShape": {"dim": [{"size": str(count)} for count in tensor.shape]},
    }
    if tensor.datatype == "BYTES":
        said["stringVal"] = [base64_texts.encoded(one) for one in tensor.array.flat]
    else:
        said["tensorContent"] = base64_texts.encoded(to_raw(tensor))
    return said


def _member(said: Mapping[str, Any], name: str) -> Any:
    """Return the member *name*, or the one by the name that the interface itself has for it."""
    value = said.get(name)
    return said.get(_CAPITAL.sub(_lower, name)) if value is None else value


def _lower(capital: re.Match[str]) -> str:
    return "_" + capital[0].lower()


def _shape(said: Any, where: str) -> tuple[int, ...]:
    if said is None:
        return ()
    dimensions = said.get("dim") if isinstance(said, dict) else said
    if dimensions is None:
        dimensions = []
    if not isinstance(dimensions, list) or not all(isinstance(one, dict) for one in dimensions):
        raise DecodeError(f"{where} is no object with dim, an array of objects")
    if isinstance(said, dict) and _member(said, "unknownRank") is True:
        raise DecodeError(f"{where} has no shape, only values: expected dim")
    # proto3's JSON leaves out what is 0.
    return tuple([_integer(one.get("size", 0), f"{where}.dim[].size") for one in dimensions])


def _integer(said: Any, where: str) -> int:
    """Return an integer, which proto3's JSON writes as text where it has 64 bits."""
    if type(said) is int:
        return said
    if isinstance(said, str) and _INTEGER.fullmatch(said):
        return int(said)
    raise DecodeError(f"{where} holds what is no integer")


def _values(values: list[Any], datatype: str, field: str, where: str) -> Array:
    import numpy as np

    if datatype == "BYTES":
        return arrays.of_bytes([base64_texts.decoded(one, where) for one in values], "").array
    if field == "halfVal":  # the 16 bits of each, as an integer
        bits = json_values.held(values, where, "UINT16")[1]
        return bits.view(np.float16) if datatype == "FP16" else bits
    if field in ("int64Val", "uint64Val"):
        values = [_integer(one, where) for one in values]
    return json_values.held(values, where, datatype)[1]


_CAPITAL = re.compile("[A-Z]")
_INTEGER = re.compile(r"-?[0-9]{1,20}")
