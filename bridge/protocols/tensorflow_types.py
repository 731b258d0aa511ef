"""TensorFlow's datatypes: what it calls them in JSON, their numbers, the members of their values.

Source: TensorFlow's types.proto and tensor.proto, and the JSON mapping of proto3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Datatype → name, number, and the member of a TensorProto that holds single values.
TYPES: Final[Mapping[str, tuple[str, int, str]]] = {
    "FP32": ("DT_FLOAT", 1, "floatVal"),
    "FP64": ("DT_DOUBLE", 2, "doubleVal"),
    "INT32": ("DT_INT32", 3, "intVal"),
    "UINT8": ("DT_UINT8", 4, "intVal"),
    "INT16": ("DT_INT16", 5, "intVal"),
    "INT8": ("DT_INT8", 6, "intVal"),
    "BYTES": ("DT_STRING", 7, "stringVal"),
    "INT64": ("DT_INT64", 9, "int64Val"),
    "BOOL": ("DT_BOOL", 10, "boolVal"),
    "BF16": ("DT_BFLOAT16", 14, "halfVal"),
    "UINT16": ("DT_UINT16", 17, "intVal"),
    "FP16": ("DT_HALF", 19, "halfVal"),
    "UINT32": ("DT_UINT32", 22, "uint32Val"),
    "UINT64": ("DT_UINT64", 23, "uint64Val"),
}


def datatype_of(told: Any) -> str | None:
    """Return the datatype that TensorFlow calls *told*, by name or number; None if it is none."""
    return _DATATYPES.get(told) if type(told) in (str, int) else None


_DATATYPES: Final[Mapping[str | int, str]] = {
    key: datatype for datatype, (name, number, _) in TYPES.items() for key in (name, number)
}
