"""KServe's V1 protocol over HTTP: TensorFlow Serving's rows, and what an answer means.

    status      body                                     meaning
    2xx         an object with predictions               the answer
    2xx         predictions null                         Doubtful: its batch failed
    2xx         {"error": …}, or anything else           Rejected: garbage
    2xx         a page of HTML                           Unavailable
    404         any: the model is not there (yet)        Unavailable
    501         any: the model cannot predict            Unavailable
    other 4xx   any                                      Rejected
    500         {"error": …}, {"detail": …}              Rejected: the model judged it
    others                                               as `verdicts` has it

The batcher answers 200 with `predictions: null` to every request of a batch that failed: it
says nothing of this one, which may have been in the company of a bad one, or be the bad one.

A body is sent as V1 JSON, whatever event it came in: KServe unwraps a structured CloudEvent
only under conditions, and answers a binary one with an event of its own.
"""

from __future__ import annotations

from typing import Final

from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.protocols import metadata
from bridge.protocols.choice import named, segment, without
from bridge.protocols.nonfinite import rewritten
from bridge.protocols.port import Asked, FormName, Headers, Metadata, NonFinite, Payload
from bridge.protocols.tensorflow import TensorflowForm
from bridge.protocols.verdicts import (
    batch_failed,
    forwarded,
    garbage,
    own_error,
    parsed,
    refusal,
    take_content_type,
)

_OUTAGES: Final = frozenset({501})
_CONTENT_TYPE = (b"content-type", b"application/json")


class KserveRest:
    """The protocol `kserve` of `models/rest.py`."""

    form: FormName = "kserve"

    def __init__(self, asked: Asked, *, non_finite: NonFinite = "null") -> None:
        """Raise ConfigError without a name, and for a version: the paths have one alone."""
        without(asked, "KServe", "version", "label", "signature")
        name = named(asked, "KServe")
        self._model = f"/v1/models/{segment(name)}"
        self._non_finite: NonFinite = non_finite
        self._form = TensorflowForm(non_finite=non_finite, rows_only=True)

    def path(self) -> str:
        """Return where predictions are made."""
        return f"{self._model}:predict"

    def probe_path(self) -> str:
        """Return the model's readiness: 503 while it loads, 404 for one that is not there."""
        return self._model

    def metadata_path(self) -> str | None:
        """Return None: V1 has no words for tensors."""
        return None

    def read_metadata(self, body: bytes) -> Metadata:
        """Return the model's name, which is all that its readiness tells."""
        return Metadata(name=metadata.text(metadata.loaded(body).get("name")))

    def call(self, request: Request, payload: Payload) -> tuple[Headers, bytes]:
        """Return *payload*, a Body as it came."""
        body = payload.data if isinstance(payload, Body) else self._form.asking(payload)
        return (_CONTENT_TYPE, *forwarded(request.headers)), body

    def judge(self, status: int, headers: Headers, body: bytes, who: str) -> Body:
        """Return the answer, or raise what the table says."""
        answer = Body(body)
        if not 200 <= status < 300:
            words = own_error(parsed(answer))
            raise refusal(status, answer, who=who, words=words, outages=_OUTAGES)
        answer = rewritten(answer, self._non_finite, who)
        said = parsed(answer)
        if not isinstance(said, dict) or "predictions" not in said:
            raise garbage(answer, "predictions", who=who, said=said)
        if said["predictions"] is None:
            raise batch_failed(said, who)
        take_content_type(answer, headers)
        return answer
