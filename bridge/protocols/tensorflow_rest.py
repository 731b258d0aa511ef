"""TensorFlow Serving over HTTP: the call, and what an answer means.

    status          body                                      meaning
    2xx             an object with predictions or outputs     the answer
    2xx             predictions null, of KServe's batcher     Doubtful: its batch failed
    2xx             {"error": …}, or anything else            Rejected: garbage
    2xx             a page of HTML                            Unavailable
    404             any: the model or version is not there    Unavailable
    409, 499, 501   any: aborted, cancelled, not implemented  Unavailable
    other 4xx       any                                       Rejected
    500             {"error": …}                              Rejected: the model judged it
    others                                                    as `verdicts` has it

NaN and the infinities are bare tokens in both directions, which are no JSON: an answer with
them is rewritten as `non_finite` says, and keeps every other byte.
Source: TensorFlow Serving, RESTful API (api_rest.md); statuses are those of its gRPC codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bridge.core.errors import DecodeError
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.protocols import metadata
from bridge.protocols.choice import named, segment
from bridge.protocols.members import with_member
from bridge.protocols.nonfinite import rewritten
from bridge.protocols.port import Asked, FormName, Headers, Metadata, NonFinite, Payload, Spec
from bridge.protocols.tensorflow import SIGNATURE, TensorflowForm
from bridge.protocols.tensorflow_types import datatype_of
from bridge.protocols.verdicts import (
    batch_failed,
    forwarded,
    garbage,
    own_error,
    parsed,
    refusal,
    take_content_type,
)

#: ABORTED, CANCELLED and UNIMPLEMENTED, as the server maps them.
OUTAGES: Final = frozenset({409, 499, 501})

_CONTENT_TYPE = (b"content-type", b"application/json")


class TensorflowRest:
    """The protocol `tensorflow` of `models/rest.py`."""

    form: FormName = "tensorflow"

    def __init__(self, asked: Asked, *, non_finite: NonFinite = "null") -> None:
        """Raise ConfigError without a name: every path has it."""
        self._name = named(asked, "TensorFlow Serving")
        self._signature = asked.signature
        self._non_finite: NonFinite = non_finite
        self._form = TensorflowForm(non_finite=non_finite)
        which = ""
        if asked.version is not None:
            which = f"/versions/{segment(asked.version)}"
        elif asked.label is not None:
            which = f"/labels/{segment(asked.label)}"
        self._model = f"/v1/models/{segment(self._name)}{which}"

    def path(self) -> str:
        """Return where predictions are made."""
        return f"{self._model}:predict"

    def probe_path(self) -> str:
        """Return the model's status, which is 404 for one that is not there."""
        return self._model

    def metadata_path(self) -> str:
        """Return where the signatures are told."""
        return f"{self._model}/metadata"

    def read_metadata(self, body: bytes) -> Metadata:
        """Return the tensors of the signature that is asked; raise DecodeError if it is none."""
        told = metadata.loaded(body)
        spec = _inner(told, "model_spec")
        signatures = _inner(told, "metadata", "signature_def", "signature_def")
        name = self._signature or "serving_default"
        signature = signatures.get(name)
        if not isinstance(signature, dict):
            there = ", ".join(map(repr, signatures)) or "none"
            raise DecodeError(f"the model has no signature {name!r}: there are {there}"[:300])
        version = spec.get("version")
        return Metadata(
            name=metadata.text(spec.get("name")) or self._name,
            versions=metadata.texts([version]),
            platform="tensorflow",
            inputs=_specs(signature.get("inputs")),
            outputs=_specs(signature.get("outputs")),
        )

    def call(self, request: Request, payload: Payload) -> tuple[Headers, bytes]:
        """Return *payload*, a Body as it came but for the signature where it names none."""
        if not isinstance(payload, Body):
            # In kind, so that the answer is in kind as well and need not be rewritten.
            like = request.payload
            body = self._form.asking(payload, self._signature, like=like, tokens=True)
        elif self._signature is None:
            body = payload.data
        else:
            body = with_member(payload, SIGNATURE, self._signature)
        return (_CONTENT_TYPE, *forwarded(request.headers)), body

    def judge(self, status: int, headers: Headers, body: bytes, who: str) -> Body:
        """Return the answer, or raise what the table says."""
        answer = Body(body)
        if not 200 <= status < 300:
            words = own_error(parsed(answer))
            raise refusal(status, answer, who=who, words=words, outages=OUTAGES)
        answer = rewritten(answer, self._non_finite, who)
        said = parsed(answer)
        if not isinstance(said, dict) or (
            "predictions" not in said and said.get("outputs") is None
        ):
            raise garbage(answer, "predictions or outputs", who=who, said=said)
        if said.get("outputs") is None and said["predictions"] is None:
            raise batch_failed(said, who)
        take_content_type(answer, headers)
        return answer


def _inner(told: Mapping[Any, Any], *path: str) -> Mapping[Any, Any]:
    """Return the object at *path*, an empty one where there is none."""
    for key in path:
        inner = told.get(key)
        if not isinstance(inner, dict):
            return {}
        told = inner
    return told


def _specs(told: Any) -> tuple[Spec, ...]:
    """Return what a signature says of its inputs or outputs, which are TensorInfo by name."""
    if not isinstance(told, dict):
        return ()
    return tuple(
        [
            Spec(
                name=name,
                datatype=datatype_of(info.get("dtype")),
                shape=_shape(info.get("tensor_shape")),
            )
            for name, info in told.items()
            if isinstance(info, dict)
        ]
    )


def _shape(told: Any) -> tuple[int, ...] | None:
    if not isinstance(told, dict) or told.get("unknown_rank") is True:
        return None
    dimensions = told.get("dim", [])
    if not isinstance(dimensions, list) or not all(isinstance(one, dict) for one in dimensions):
        return None
    return metadata.shape([one.get("size", "0") for one in dimensions])
