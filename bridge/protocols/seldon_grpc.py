"""Seldon v1 over gRPC: SeldonMessage out, SeldonMessage back.

    status                                   meaning
    a message with FAILURE, or no message    Rejected
    UNKNOWN: the user's class raised         Rejected
    other                                    as `bridge.protocols.statuses` has it

The wrapper tells of every error of a model as UNKNOWN, "Exception calling application: …".
A payload in Seldon's own JSON becomes the same message and comes back as JSON: tags, routing,
texts and bytes with it. Tensors become a `tensor` of doubles, which is a twentieth of the
work that an `ndarray` is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import DecodeError, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.tensors import DTYPES, Tensor, Tensors
from bridge.protocols.choice import without
from bridge.protocols.forms import form_called
from bridge.protocols.nonfinite import loaded
from bridge.protocols.port import (
    UNNAMED_OUTPUT,
    Asked,
    FormName,
    Metadata,
    NonFinite,
    Payload,
    Spec,
)
from bridge.protocols.proto import message, parsed
from bridge.protocols.seldon_proto import (
    MESSAGE,
    array_of,
    fill_meta,
    meta_json,
    status_json,
    to_json,
    to_message,
)
from bridge.protocols.statuses import judged
from bridge.protocols.tensor_proto import read
from bridge.protocols.verdicts import worded
from bridge.protocols.written import dumps, widened

if TYPE_CHECKING:
    from bridge.core.ports import Request


class SeldonGrpc:
    """The protocol `seldon` of `models/grpc.py`."""

    form: FormName = "seldon"
    method = "/seldon.protos.Seldon/Predict"
    #: Where the puid goes along beside the message: the executor reads it there.
    id_key: str | None = "seldon-puid"

    def __init__(self, asked: Asked, *, non_finite: NonFinite = "null") -> None:
        """Raise ConfigError for a version: a server has one model and no words for which."""
        without(asked, "Seldon", "version", "label", "signature")
        self._name = asked.name or ""
        self._non_finite: NonFinite = non_finite
        self._form = form_called("seldon", non_finite=non_finite)

    def call(self, request: Request, payload: Payload) -> bytes:
        """Return the SeldonMessage that *payload* is; of tensors, under the event's own puid."""
        if isinstance(payload, Tensors):
            return _serialized(self._of_tensors(payload, request.id))
        return _serialized(to_message(loaded(payload)))

    def answer(self, message: bytes, payload: Payload, who: str) -> Payload:
        """Return what *message* says: JSON where *payload* was, else its tensors."""
        said = parsed(MESSAGE, message, who)
        if said.HasField("status") and said.status.status == _FAILURE:
            told = status_json(said.status)
            words = ": ".join([part for part in (told["reason"], told["info"]) if part])
            raise Rejected(f"{who} answered with a failure: {worded(words) or told['code']}")
        try:
            if isinstance(payload, Tensors):
                return self._tensors(said)
            return Body(dumps(to_json(said, self._non_finite)))
        except DecodeError as error:
            raise Rejected(f"{who} answered garbage: {error}") from error

    def judge(self, code: str, text: str, who: str) -> Rejected | Unavailable:
        """Return what a status means by the table above."""
        return judged(code, text, who, self.method)

    def probe(self) -> tuple[str, bytes]:
        """Return the question for the metadata: any answer to it says that somebody serves."""
        return self.metadata()

    def is_well(self, message: bytes) -> bool:
        """Whether the answer says that the model is ready: the wrapper has no word for it."""
        return message is not None

    def metadata(self) -> tuple[str, bytes]:
        """Return method and message that ask what the model takes."""
        asked = message("seldon.protos.SeldonModelMetadataRequest")(name=self._name)
        return "/seldon.protos.Seldon/ModelMetadata", asked.SerializeToString()

    def read_metadata(self, message: bytes) -> Metadata:
        """Return what the model tells there; raise Rejected for garbage."""
        said = parsed("seldon.protos.SeldonModelMetadata", message, "the model")
        return Metadata(
            name=said.name,
            versions=tuple(said.versions),
            platform=said.platform,
            inputs=tuple(map(_spec, said.inputs)),
            outputs=tuple(map(_spec, said.outputs)),
        )

    def _of_tensors(self, tensors: Tensors, id: str) -> Any:
        if len(tensors.tensors) != 1 or tensors.tensors[0].datatype in ("BYTES", "BOOL"):
            return to_message(self._form.write_request(tensors, id=id).json())
        (tensor,) = tensors.tensors
        made = message(MESSAGE)()
        made.meta.puid = id
        if isinstance(tensors.parameters.get("meta"), dict):
            fill_meta(made.meta, tensors.parameters["meta"], "meta")
        told = made.data
        if tensor.parameters:
            told.names.extend(tensor.columns)
        told.tensor.shape.extend(tensor.array.shape)
        told.tensor.values.extend(_doubles(tensor))
        return made

    def _tensors(self, said: Any) -> Tensors:
        if said.HasField("data"):
            data, names = said.data, list(said.data.names)
            meta = meta_json(said.meta, self._non_finite) if said.HasField("meta") else {}
            named = {"names": names} if names else {}
            around = {"meta": meta} if meta else {}
            array = array_of(data)
            if array is not None:
                return Tensors((Tensor(UNNAMED_OUTPUT, "FP64", array, named),), around)
            if data.HasField("tftensor"):
                found = read(UNNAMED_OUTPUT, data.tftensor)
                return Tensors((Tensor(found.name, found.datatype, found.array, named),), around)
        return self._form.read_answer(Body(dumps(to_json(said, self._non_finite))))


_FAILURE: Final = 1


def _doubles(tensor: Tensor) -> list[Any]:
    """Return *tensor*'s numbers, which doubles hold; raise Rejected where one is none."""
    array = widened(tensor.array) if tensor.datatype == "BF16" else tensor.array
    numbers: list[Any] = array.reshape(-1).tolist()
    if tensor.datatype in ("INT64", "UINT64") and any(
        int(float(number)) != number for number in numbers
    ):
        raise Rejected(f"tensor {tensor.name!r} holds an integer that no double holds")
    return numbers


def _serialized(made: Any) -> bytes:
    try:
        serialized: bytes = made.SerializeToString()
    except ValueError as error:  # too large or too deep
        raise Rejected(f"the payload is no message: {error}") from error
    return serialized


def _spec(said: Any) -> Spec:
    datatype = said.datatype if said.datatype in DTYPES else None
    return Spec(name=said.name, datatype=datatype, shape=tuple(said.shape) or None)
