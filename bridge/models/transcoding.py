"""Between the form that payloads are written in and what a model server speaks.

    Body ──read──▶ tensors ──inputs──▶ tensors ──▶ the protocol ══▶ model
    Body ◀─write── tensors ◀─outputs── tensors ◀── the protocol ◀══

Where both are the same and nothing is mapped, a payload is passed as the bytes it came in.
Reading and writing are bounded by the sizes that transports allow.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Final

from bridge.core.errors import ConfigError, DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.tensors import Tensor, Tensors
from bridge.models.asking import AskingOptions, TensorOptions
from bridge.models.example import example
from bridge.protocols.forms import form_called
from bridge.protocols.oip import OUTPUTS
from bridge.protocols.port import FormName, Metadata, Payload
from bridge.protocols.raw import MAX_DIMENSIONS

#: What is in every request that asks for some outputs alone.
_WANTED: Final = b'"%b"' % OUTPUTS.encode()

#: Characters of the names there are, where one is missing.
MAX_SHOWN: Final = 300


class Transcoding:
    """What a model does with payloads, given its options and its protocol's *own* form.

    *wire*: whether the protocol takes a body of its own form as it is; without it every
    payload becomes tensors.
    """

    def __init__(self, options: AskingOptions, own: FormName, *, wire: bool = True) -> None:
        """Raise ConfigError for a mapping that cannot work, or where tensors need numpy."""
        written = options.form or own
        self._inputs, self._outputs = options.inputs, options.outputs
        _check(options.inputs, "inputs")
        _check(options.outputs, "outputs")
        self._form = form_called(written, non_finite=options.non_finite)
        self._own = self._form
        if written != own:
            self._own = form_called(own, non_finite=options.non_finite)
        self._passes = wire and written == own and not options.inputs
        self._comes_back = written == own and not options.outputs
        self._renames_wanted = bool(options.outputs) and written == "oip"
        if not (self._passes and self._comes_back) and importlib.util.find_spec("numpy") is None:
            raise ConfigError(
                "numpy, which tensors are made with, is not installed: expected the extra "
                "inference-bridge[tensors]"
            )

    @property
    def passes(self) -> bool:
        """Whether payloads go to the model as they came."""
        return self._passes

    def tensors(self, body: Body, *, answer: bool) -> Tensors:
        """Return what *body*, a payload or the answer to one, says; raise DecodeError if none."""
        return self._form.read_answer(body) if answer else self._form.read_request(body)

    def example(self, told: Metadata) -> Body:
        """Return a payload that the model *told* of would take; raise Rejected if none can be."""
        return example(self._form, self._inputs, told)

    def request(self, payload: Body) -> Payload:
        """Return what the protocol asks with: *payload* itself, or its tensors, mapped.

        Raise Rejected, naming the tensor, where one that the model is to be given is missing,
        DecodeError where the payload is not written in the form it should be.
        """
        wants = self._renames_wanted and _WANTED in payload.data
        if self._passes and not wants:
            return payload
        tensors = self._form.read_request(payload)
        if wants:  # by names that the model has not: it is asked for all, and they are chosen here
            others = {key: one for key, one in tensors.parameters.items() if key != OUTPUTS}
            tensors = Tensors(tensors.tensors, others)
        return _mapped(tensors, self._inputs, "the payload") if self._inputs else tensors

    def answer(self, payload: Payload, *, like: Body, id: str, who: str = "the model") -> Body:
        """Return what the protocol answered, as the form of *like* answers such a request.

        Raise Rejected, naming *who* answered, where an output that is wanted is missing, or
        what is read is no answer; or where the form has no room for it.
        """
        if isinstance(payload, Body):
            if self._comes_back:
                return payload
            try:
                payload = self._own.read_answer(payload)
            except DecodeError as error:
                raise Rejected(f"{who} answered garbage: {error}") from error
        if self._outputs:
            payload = _mapped(payload, self._outputs, f"{who} answered: its answer")
        return self._form.write_answer(payload, like=like, id=id)


def _check(mapping: Mapping[str, TensorOptions], where: str) -> None:
    for name, options in mapping.items():
        if options.shape is not None and options.shape.count(-1) > 1:
            raise ConfigError(f"{where}.{name}.shape: -1 may stand for one dimension, not for two")
        if options.shape is not None and len(options.shape) > MAX_DIMENSIONS:
            raise ConfigError(f"{where}.{name}.shape: expected {MAX_DIMENSIONS} dimensions at most")


def _mapped(tensors: Tensors, mapping: Mapping[str, TensorOptions], whose: str) -> Tensors:
    """Return the tensors that *mapping* names, made of those of *tensors*."""
    made = []
    for name, options in mapping.items():
        found = _found(tensors, name, options, whose)
        if options.datatype not in (None, found.datatype) or options.shape is not None:
            found = _cast(found, options)
        made.append(Tensor(name, found.datatype, found.array, found.parameters))
    return Tensors(tuple(made), tensors.parameters, tensors.model_version)


def _found(tensors: Tensors, name: str, options: TensorOptions, whose: str) -> Tensor:
    wanted = options.from_ or name
    for tensor in tensors.tensors:
        if tensor.name == wanted:
            return tensor
    if len(tensors.tensors) == 1:
        (only,) = tensors.tensors
        column = _column(only, wanted)
        if column is not None:
            return column
        if options.from_ is None:
            return only
    there = ", ".join(map(repr, _known(tensors)))[:MAX_SHOWN] or "none"
    raise Rejected(f"{whose} has no tensor {wanted!r}: there are {there}")


def _column(tensor: Tensor, name: str) -> Tensor | None:
    """Return the column called *name* of a tensor whose columns have names, as [rows, 1]."""
    names = tensor.columns
    if name not in names or tensor.array.ndim != 2 or len(names) != tensor.array.shape[1]:
        return None
    index = names.index(name)
    return Tensor(name, tensor.datatype, tensor.array[:, index : index + 1].copy())


def _known(tensors: Tensors) -> list[str]:
    """Return what could be named, columns included."""
    names = list(tensors.names)
    for tensor in tensors.tensors:
        names += tensor.columns
    return names


def _cast(tensor: Tensor, options: TensorOptions) -> Tensor:
    """Return *tensor* in the datatype and the shape that are asked for."""
    array = tensor.array
    if options.shape is not None:
        try:
            array = array.reshape(options.shape)
        except ValueError as error:
            raise Rejected(
                f"tensor {tensor.name!r} of shape {list(tensor.shape)}: expected what can be "
                f"shaped {options.shape}"
            ) from error
    datatype = options.datatype or tensor.datatype
    if datatype == tensor.datatype:
        return Tensor(tensor.name, datatype, array, tensor.parameters)
    try:
        cast = Tensor.of(tensor.name, array, datatype)
    except DecodeError as error:
        raise Rejected(str(error)) from error
    return Tensor(cast.name, cast.datatype, cast.array, tensor.parameters)
