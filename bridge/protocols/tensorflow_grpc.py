"""TensorFlow Serving over gRPC: PredictRequest out, PredictResponse back.

    status                                                    meaning
    an answer with garbage: sizes, types that are nobody's    Rejected
    INVALID_ARGUMENT: a wrong name, shape or datatype         Rejected
    FAILED_PRECONDITION: no such signature                    Rejected
    UNKNOWN: the model of pythie-serving raised               Rejected
    UNKNOWN: "Unknown model", of pythie-serving as well       Unavailable
    NOT_FOUND: a model that is not loaded (yet)               Unavailable
    other                                                     as `bridge.protocols.statuses`

Numbers go as `tensor_content`. A payload in TensorFlow's JSON has columns by their names, or
rows, whose only tensor has none: `inputs` of the model's options names it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.core.errors import ConfigError, DecodeError, Rejected, Unavailable
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols.arrays import count_checked
from bridge.protocols.forms import form_called
from bridge.protocols.port import Asked, FormName, Metadata, NonFinite, Payload, Spec
from bridge.protocols.proto import message, parsed
from bridge.protocols.statuses import judged
from bridge.protocols.tensor_proto import MAX_LEFT_OUT, read, write
from bridge.protocols.tensorflow import SIGNATURE
from bridge.protocols.tensorflow_types import datatype_of

if TYPE_CHECKING:
    from bridge.core.ports import Request

#: The signature that a server takes where none is asked for.
DEFAULT_SIGNATURE = "serving_default"

#: How pythie-serving, of which every error is UNKNOWN, tells that a model is not there.
_UNKNOWN_MODEL = "Exception calling application: Unknown model: "


class TensorflowGrpc:
    """The protocol `tensorflow` of `models/grpc.py`."""

    form: FormName = "tensorflow"
    method = "/tensorflow.serving.PredictionService/Predict"
    id_key: str | None = None

    def __init__(self, asked: Asked, *, non_finite: NonFinite = "null") -> None:
        """Raise ConfigError where the model has no name, or a version that is no number."""
        if not asked.name:
            raise ConfigError(
                "name: expected the model's name, which protocol tensorflow asks with"
            )
        if asked.version is not None and asked.label is not None:
            raise ConfigError("version and label: expected one of them")
        if asked.version is not None and not _is_number(asked.version):
            raise ConfigError(f"version {asked.version!r}: expected a number")
        self._asked = asked
        self._form = form_called("tensorflow", non_finite=non_finite)

    def call(self, request: Request, payload: Payload) -> bytes:  # noqa: ARG002  # the port's: there is no room for an id
        """Return the PredictRequest of *payload*; a signature that it names is the one asked."""
        tensors = payload
        if not isinstance(tensors, Tensors):
            tensors = self._form.read_request(tensors)
        signature = tensors.parameters.get(SIGNATURE)
        made = message("tensorflow.serving.PredictRequest")()
        self._set_spec(made.model_spec)
        if signature and isinstance(signature, str):
            made.model_spec.signature_name = signature
        for tensor in tensors.tensors:
            write(tensor, made.inputs[tensor.name])
        serialized: bytes = made.SerializeToString()
        return serialized

    def answer(self, message: bytes, payload: Payload, who: str) -> Tensors:  # noqa: ARG002  # the port's: an answer is tensors, whatever asked
        """Return the tensors of a PredictResponse, in the order of their names: it has none."""
        said = parsed("tensorflow.serving.PredictResponse", message, who)
        try:
            count_checked(len(said.outputs), "outputs")
            tensors = _outputs(said.outputs, len(message))
        except DecodeError as error:
            raise Rejected(f"{who} answered garbage: {error}") from error
        version = None
        if said.model_spec.HasField("version"):
            version = str(said.model_spec.version.value)
        return Tensors(tuple(tensors), model_version=version)

    def judge(self, code: str, text: str, who: str) -> Rejected | Unavailable:
        """Return what a status means by the table above."""
        judgement = judged(code, text, who, self.method)
        if code == "UNKNOWN" and text.startswith(_UNKNOWN_MODEL):
            return Unavailable(str(judgement))
        return judgement

    def probe(self) -> tuple[str, bytes]:
        """Return the question how the model's versions are; pythie-serving does not know it."""
        asked = message("tensorflow.serving.GetModelStatusRequest")()
        self._set_spec(asked.model_spec)
        return "/tensorflow.serving.ModelService/GetModelStatus", asked.SerializeToString()

    def is_well(self, message: bytes) -> bool:
        """Whether one of the versions asked for is there."""
        said = parsed("tensorflow.serving.GetModelStatusResponse", message, "the model")
        return any(version.state == _AVAILABLE for version in said.model_version_status)

    def metadata(self) -> tuple[str, bytes]:
        """Return method and message that ask for the model's signatures."""
        asked = message("tensorflow.serving.GetModelMetadataRequest")()
        self._set_spec(asked.model_spec)
        asked.metadata_field.append("signature_def")
        return "/tensorflow.serving.PredictionService/GetModelMetadata", asked.SerializeToString()

    def read_metadata(self, message: bytes) -> Metadata:
        """Return the tensors of the signature that is asked; raise Rejected for garbage."""
        said = parsed("tensorflow.serving.GetModelMetadataResponse", message, "the model")
        told = said.metadata["signature_def"].value if "signature_def" in said.metadata else b""
        signatures = parsed("tensorflow.serving.SignatureDefMap", told, "the model").signature_def
        name = self._asked.signature or DEFAULT_SIGNATURE
        signature = signatures.get(name)
        version = said.model_spec.version.value
        return Metadata(
            name=said.model_spec.name or self._asked.name or "",
            versions=(str(version),) if version else (),
            platform="tensorflow",
            inputs=_specs(signature.inputs) if signature is not None else (),
            outputs=_specs(signature.outputs) if signature is not None else (),
        )

    def _set_spec(self, made: Any) -> None:
        made.name = self._asked.name
        if self._asked.version is not None:
            made.version.value = int(self._asked.version)
        if self._asked.label is not None:
            made.version_label = self._asked.label
        if self._asked.signature is not None:
            made.signature_name = self._asked.signature


_AVAILABLE = 30


def _is_number(version: str) -> bool:
    return version.isascii() and version.isdigit() and int(version) < 1 << 63


def _outputs(said: Any, told: int) -> list[Tensor]:
    """Return the tensors of *said*, which *told* so many bytes; raise DecodeError for garbage.

    A value that is not left out takes a byte at least.
    """
    found, values = [], 0
    for name in sorted(said):
        found.append(read(name, said[name]))
        values += found[-1].array.size
        if values - told > MAX_LEFT_OUT:
            raise DecodeError(
                f"outputs of {values} values in {told} bytes: they leave out too many"
            )
    return found


def _specs(said: Any) -> tuple[Spec, ...]:
    """Return the tensors of one side of a signature, in the order of their names."""
    return tuple([_spec(name, said[name]) for name in sorted(said)])


def _spec(name: str, said: Any) -> Spec:
    shape = None
    if said.HasField("tensor_shape") and not said.tensor_shape.unknown_rank:
        shape = tuple([max(dimension.size, -1) for dimension in said.tensor_shape.dim])
    return Spec(name=name, datatype=datatype_of(said.dtype), shape=shape)
