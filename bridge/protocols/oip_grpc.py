"""The Open Inference Protocol over gRPC: ModelInfer with raw contents, or with typed ones.

    status                                                       meaning
    an answer with garbage: sizes, datatypes, twice one name     Rejected
    INVALID_ARGUMENT (Triton), INTERNAL (MLServer, KServe):
    a wrong name, shape or datatype                              Rejected
    NOT_FOUND: a model that is not loaded (yet)                  Unavailable
    INVALID_ARGUMENT: MLServer's "Model … is not ready yet."     Unavailable: it is loading
    other                                                        as `bridge.protocols.statuses`

Asked is with raw contents, which all of them take. Triton answers with them always, the others
in kind; an answer may hold an empty `contents` beside raw ones, so these are looked at first.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import ConfigError, DecodeError, Rejected, Unavailable
from bridge.core.tensors import DTYPES, Array, Tensor, Tensors
from bridge.protocols.arrays import count_checked, shaped, unique
from bridge.protocols.choice import without
from bridge.protocols.forms import form_called
from bridge.protocols.nonfinite import loaded
from bridge.protocols.oip import OUTPUTS, is_loading, scalars
from bridge.protocols.port import Asked, FormName, Metadata, NonFinite, Payload, Spec
from bridge.protocols.proto import message, parsed
from bridge.protocols.raw import counted, from_raw, to_raw
from bridge.protocols.statuses import judged

if TYPE_CHECKING:
    from bridge.core.ports import Request


class OipGrpc:
    """The protocol `oip` of `models/grpc.py`."""

    form: FormName = "oip"
    method = "/inference.GRPCInferenceService/ModelInfer"
    id_key: str | None = None

    def __init__(self, asked: Asked, *, non_finite: NonFinite = "null") -> None:
        """Raise ConfigError where the model has no name, and for a label or a signature."""
        without(asked, "the Open Inference Protocol", "label", "signature")
        if not asked.name:
            raise ConfigError("name: expected the model's name, which protocol oip asks with")
        self._name, self._version = asked.name, asked.version or ""
        self._form = form_called("oip", non_finite=non_finite)

    def call(self, request: Request, payload: Payload) -> bytes:
        """Return the ModelInferRequest of *payload*; its id is the payload's own, or the puid."""
        own: Any = None
        if isinstance(payload, Tensors):
            tensors = payload
            wanted: Any = payload.parameters.get(OUTPUTS) or ()
        else:
            tensors, said = self._form.read_request(payload), loaded(payload)
            wanted, own = said.get(OUTPUTS) or (), said.get("id")
        made = message("inference.ModelInferRequest")(
            model_name=self._name,
            model_version=self._version,
            id=own if isinstance(own, str) and own else request.id,
        )
        if tensors.parameters:
            _set_parameters(made.parameters, tensors.parameters)
        for tensor in tensors.tensors:
            told = made.inputs.add(
                name=tensor.name, datatype=tensor.datatype, shape=tensor.array.shape
            )
            if tensor.parameters:
                _set_parameters(told.parameters, tensor.parameters)
            made.raw_input_contents.append(to_raw(tensor))
        for one in wanted:
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                told = made.outputs.add(name=one["name"])
                if isinstance(one.get("parameters"), dict):
                    _set_parameters(told.parameters, one["parameters"])
        serialized: bytes = made.SerializeToString()
        return serialized

    def answer(self, message: bytes, payload: Payload, who: str) -> Tensors:  # noqa: ARG002  # the port's: an answer is tensors, whatever asked
        """Return the tensors of a ModelInferResponse."""
        said = parsed("inference.ModelInferResponse", message, who)
        try:
            return _answered(said)
        except DecodeError as error:
            raise Rejected(f"{who} answered garbage: {error}") from error

    def judge(self, code: str, text: str, who: str) -> Rejected | Unavailable:
        """Return what a status means by the table above."""
        judgement = judged(code, text, who, self.method)
        if code == "INVALID_ARGUMENT" and is_loading(text):
            return Unavailable(str(judgement))
        return judgement

    def probe(self) -> tuple[str, bytes]:
        """Return the question whether the model is ready."""
        asked = message("inference.ModelReadyRequest")(name=self._name, version=self._version)
        return "/inference.GRPCInferenceService/ModelReady", asked.SerializeToString()

    def is_well(self, message: bytes) -> bool:
        """Whether the answer says that the model is ready."""
        return bool(parsed("inference.ModelReadyResponse", message, "the model").ready)

    def metadata(self) -> tuple[str, bytes]:
        """Return method and message that ask what the model takes."""
        asked = message("inference.ModelMetadataRequest")(name=self._name, version=self._version)
        return "/inference.GRPCInferenceService/ModelMetadata", asked.SerializeToString()

    def read_metadata(self, message: bytes) -> Metadata:
        """Return what the model tells there; raise Rejected for garbage."""
        said = parsed("inference.ModelMetadataResponse", message, "the model")
        return Metadata(
            name=said.name,
            versions=tuple(said.versions),
            platform=said.platform,
            inputs=tuple(map(_spec, said.inputs)),
            outputs=tuple(map(_spec, said.outputs)),
        )


#: Datatype → the field of its typed contents; FP16 and BF16 have none and are always raw.
_CONTENTS: Final[Mapping[str, tuple[str, str]]] = {
    "BOOL": ("bool_contents", "bool"),
    "INT8": ("int_contents", "int32"),
    "INT16": ("int_contents", "int32"),
    "INT32": ("int_contents", "int32"),
    "INT64": ("int64_contents", "int64"),
    "UINT8": ("uint_contents", "uint32"),
    "UINT16": ("uint_contents", "uint32"),
    "UINT32": ("uint_contents", "uint32"),
    "UINT64": ("uint64_contents", "uint64"),
    "FP32": ("fp32_contents", "float32"),
    "FP64": ("fp64_contents", "float64"),
    "BYTES": ("bytes_contents", "object"),
}


def _answered(said: Any) -> Tensors:
    raw, outputs = said.raw_output_contents, said.outputs[:]
    count_checked(len(outputs), "outputs")
    if raw and len(raw) != len(outputs):
        raise DecodeError(f"{len(raw)} raw contents for {len(outputs)} outputs")
    tensors = []
    for index, output in enumerate(outputs):
        name, datatype, shape = output.name, output.datatype, tuple(output.shape[:])
        where = f"output {name!r}"
        if raw:
            array = from_raw(raw[index], datatype, shape, where)
        else:
            array = _typed(output.contents, datatype, shape, where)
        tensors.append(Tensor(name, datatype, array, _parameters(output.parameters)))
    return Tensors(
        unique(tensors, "the answer"), _parameters(said.parameters), said.model_version or None
    )


def _typed(contents: Any, datatype: str, shape: tuple[int, ...], where: str) -> Array:
    """Return the array of an output's typed *contents*."""
    import numpy as np

    if datatype not in _CONTENTS:
        known = ", ".join(DTYPES)
        told = "is always raw" if datatype in DTYPES else f"is none of {known}"
        raise DecodeError(f"{where} has typed contents of {datatype!r}, which {told}")
    field, dtype = _CONTENTS[datatype]
    values = getattr(contents, field)
    if len(values) != counted(shape, where):
        raise DecodeError(
            f"{where} has {len(values)} values in {field}: expected those of shape {list(shape)}"
        )
    if datatype == "BYTES":
        texts = np.empty(len(values), dtype=object)
        texts[:] = values
        return shaped(texts, shape, where)
    return shaped(Tensor.of(where, np.array(values, dtype=dtype), datatype).array, shape, where)


def _set_parameters(made: Any, said: Mapping[str, Any]) -> None:
    """Fill the map *made* with those of the parameters *said* that gRPC has a form for."""
    for name, value in scalars(said).items():
        if isinstance(value, bool):
            made[name].bool_param = value
        elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
            made[name].int64_param = value
        elif isinstance(value, str):
            made[name].string_param = value
        elif abs(value) <= sys.float_info.max or not isinstance(value, int):
            made[name].double_param = value


def _parameters(said: Any) -> dict[str, Any]:
    if not said:
        return {}
    kinds = {name: value.WhichOneof("parameter_choice") for name, value in said.items()}
    return {name: getattr(said[name], kind) for name, kind in kinds.items() if kind is not None}


def _spec(said: Any) -> Spec:
    datatype = said.datatype if said.datatype in DTYPES else None
    return Spec(name=said.name, datatype=datatype, shape=tuple(said.shape))
