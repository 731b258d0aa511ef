"""The Open Inference Protocol over HTTP: the call, and what an answer means.

    status      body                                        meaning
    2xx         an object with outputs                      the answer
    2xx         JSON and binary tensors                     the answer, as tensors
    2xx         {"error": …}, or anything else              Rejected: garbage
    2xx         a page of HTML                              Unavailable
    400         Triton's "Request for unknown model"        Unavailable
    400         MLServer's "Model … is not ready yet."      Unavailable: it is loading
    404         any: the model or version is not there      Unavailable
    501         any: not implemented                        Unavailable
    other 4xx   any                                         Rejected
    500         {"error": …}, {"detail": …}                 Rejected: the model judged it
    500         "Internal Server Error", or a traceback as
                text, as MLServer has it where the model
                raises                                      Rejected
    others                                                  as `verdicts` has it

Seen of Triton, MLServer and KServe: all three answer 500 to a shape that the model does not
take, so there it says nothing of the server. A server's `ce-*` headers are not looked at.
Source: Open Inference Protocol (V2), inference_rest.md.
"""

from __future__ import annotations

from typing import Any, Final

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.protocols import metadata, oip_binary
from bridge.protocols.choice import named, segment, without
from bridge.protocols.members import with_member
from bridge.protocols.nonfinite import rewritten
from bridge.protocols.oip import OipForm, is_loading
from bridge.protocols.port import Asked, FormName, Headers, Metadata, NonFinite, Payload, header
from bridge.protocols.verdicts import (
    forwarded,
    garbage,
    own_error,
    parsed,
    refusal,
    shown_body,
    take_content_type,
)

#: NOT IMPLEMENTED: the server has no such call, which says nothing of the event.
_OUTAGES: Final = frozenset({501})
_UNKNOWN_MODEL: Final = "Request for unknown model"
_MODEL_RAISED: Final = b"Internal Server Error"
_TRACEBACK: Final = b"Traceback (most recent call last):"


class OipRest:
    """The protocol `oip` of `models/rest.py`."""

    form: FormName = "oip"

    def __init__(
        self, asked: Asked, *, binary: bool = False, non_finite: NonFinite = "null"
    ) -> None:
        """*binary*: whether tensors go as binary, and are asked for so. A Body stays JSON.

        Raise ConfigError without a name: every path has it.
        """
        without(asked, "the Open Inference Protocol", "label", "signature")
        self._model = f"/v2/models/{segment(named(asked, 'the Open Inference Protocol'))}"
        if asked.version is not None:
            self._model += f"/versions/{segment(asked.version)}"
        self._binary = binary
        self._non_finite: NonFinite = non_finite
        self._form = OipForm(non_finite=non_finite)

    def path(self) -> str:
        """Return where predictions are made."""
        return f"{self._model}/infer"

    def probe_path(self) -> str:
        """Return the model's readiness."""
        return f"{self._model}/ready"

    def metadata_path(self) -> str:
        """Return where the model tells of its tensors."""
        return self._model

    def read_metadata(self, body: bytes) -> Metadata:
        """Return what the model tells; raise DecodeError if it is no object."""
        return metadata.read(body)

    def call(self, request: Request, payload: Payload) -> tuple[Headers, bytes]:
        """Return *payload*, a Body as it came but for the puid as id where it has none.

        KServe fails without an id.
        """
        if isinstance(payload, Body):
            body = with_member(payload, "id", request.id)
        elif not self._binary:
            body = self._form.write_request(payload, id=_id(request)).data
        else:
            length, body = oip_binary.write_request(payload, _id(request))
            own = (
                (b"content-type", oip_binary.CONTENT_TYPE),
                (oip_binary.LENGTH_HEADER, b"%d" % length),
            )
            return (*own, *forwarded(request.headers, (oip_binary.LENGTH_HEADER,))), body
        return (_JSON, *forwarded(request.headers, (oip_binary.LENGTH_HEADER,))), body

    def judge(self, status: int, headers: Headers, body: bytes, who: str) -> Payload:
        """Return the answer, or raise what the table says."""
        answer = Body(body)
        if not 200 <= status < 300:
            raise self._refusal(status, answer, who)
        length = header(headers, oip_binary.LENGTH_HEADER)
        if length is not None:
            try:
                return oip_binary.read_answer(body, oip_binary.length_of(length, body))
            except DecodeError as error:
                raise Rejected(f"{who} answered garbage: {error}") from error
        answer = rewritten(answer, self._non_finite, who)
        said = parsed(answer)
        if not isinstance(said, dict) or not isinstance(said.get("outputs"), list):
            raise garbage(answer, "outputs", who=who, said=said)
        take_content_type(answer, headers)
        return answer

    def _refusal(self, status: int, answer: Body, who: str) -> Exception:
        words = own_error(parsed(answer))
        if words is None and (
            answer.data.strip() == _MODEL_RAISED or answer.data.startswith(_TRACEBACK)
        ):
            words = shown_body(answer)
        outages = _OUTAGES
        if status == 400 and _is_not_there(parsed(answer)):
            outages = _OUTAGES | {400}
        return refusal(status, answer, who=who, words=words, outages=outages)


def _is_not_there(said: Any) -> bool:
    """Whether an error is of a model that is not loaded (yet).

    Looked at is where the server's own words stand: what an event is called may be quoted later.
    """
    told = said.get("error") if isinstance(said, dict) else None
    return isinstance(told, str) and (told.startswith(_UNKNOWN_MODEL) or is_loading(told))


def _id(request: Request) -> str:
    """Return the id of a request in this protocol, which its answer has to have, or the puid."""
    said = parsed(request.payload)
    own = said.get("id") if isinstance(said, dict) and "inputs" in said else None
    return own if isinstance(own, str) and own else request.id


_JSON = (b"content-type", b"application/json")
