"""A request that a model would take, made of what the model says of itself.

Metadata ─▶ tensors of ones ─▶ names of the payload ─▶ the form of payloads
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any, Final

from bridge.core.errors import Rejected
from bridge.core.event import shown
from bridge.core.payload import Body
from bridge.core.tensors import DTYPES, Tensor, Tensors
from bridge.models.asking import TensorOptions
from bridge.protocols.arrays import count_checked
from bridge.protocols.port import Form, Metadata, Spec
from bridge.protocols.raw import MAX_DIMENSIONS

#: What the request is called.
ID: Final = "example"

#: Values of the largest example; a larger one helps nobody.
MAX_VALUES: Final = 1_000_000

#: The datatype of a tensor of which none is told.
_UNTOLD: Final = "FP64"


def example(form: Form, inputs: Mapping[str, TensorOptions], told: Metadata) -> Body:
    """Return a payload in *form* that, mapped by *inputs*, the model *told* of would take.

    A dimension of any size is 1. Raise Rejected where the form has no room for its tensors,
    or the model tells of none.
    """
    if not told.inputs:
        raise Rejected(f"model {told.name!r} does not tell what it takes")
    count_checked(len(told.inputs), f"the metadata of model {told.name!r}")
    if sum(prod(_shape(spec)) for spec in told.inputs) > MAX_VALUES:
        shapes = ", ".join(f"{spec.name!r} of {list(_shape(spec))}" for spec in told.inputs[:5])
        raise Rejected(f"inputs too large for an example: {shown(shapes, 300)}")
    names = {given: wanted.from_ or given for given, wanted in inputs.items()}
    tensors = [
        Tensor.of(names.get(spec.name, spec.name), _ones(spec), _datatype(spec))
        for spec in told.inputs
    ]
    return form.write_request(Tensors(tuple(tensors)), id=ID)


def _datatype(spec: Spec) -> str:
    told = spec.datatype
    return told if told is not None and told in DTYPES else _UNTOLD


def _ones(spec: Spec) -> Any:
    import numpy as np

    shape = _shape(spec)
    if len(shape) > MAX_DIMENSIONS:
        raise Rejected(f"input {spec.name!r} of {len(shape)} dimensions: too large for an example")
    datatype = _datatype(spec)
    if datatype == "BYTES":
        return np.full(shape, "text", dtype=object)
    if datatype == "BF16":
        return np.full(shape, 0x3F80, dtype=np.uint16)  # 1.0
    return np.ones(shape, dtype=DTYPES[datatype])


def _shape(spec: Spec) -> tuple[int, ...]:
    return tuple([1 if count < 1 else count for count in spec.shape or (1,)])
