"""Seldon v1 over HTTP: the call, and what an answer means: payload, verdict or outage.

    status                              body                          meaning
    2xx                                 a JSON object                 the answer
    2xx                                 FAILURE, or no JSON object    Rejected: garbage
    2xx                                 a page of HTML                Unavailable
    401, 407, 408, 425, 429,
    502, 503, 504                       any                           Unavailable
    404                                 the wrapper's error           Rejected
    404                                 other: no such model (yet)    Unavailable
    405: nobody predicts at this path   any                           Unavailable
    other 4xx                           any                           Rejected
    other 5xx                           the wrapper's error           Rejected
    other 5xx                           other                         Unavailable
    1xx, 3xx: never asked the model     any                           Unavailable

The wrapper's error is its own JSON with a reason, `MICROSERVICE_…` or the user's: it answers
500 when the user's class raises, so there 500 is a verdict. The executor's `FAILURE` has no
reason: it could not ask the model.
"""

from __future__ import annotations

from typing import Any

from bridge.core.errors import Rejected, Unavailable
from bridge.core.event import shown
from bridge.core.payload import JSON, Body
from bridge.core.ports import Request
from bridge.protocols import metadata
from bridge.protocols.choice import without
from bridge.protocols.nonfinite import rewritten
from bridge.protocols.port import (
    UNNAMED_INPUT,
    UNNAMED_OUTPUT,
    Asked,
    FormName,
    Headers,
    Metadata,
    NonFinite,
    Payload,
)
from bridge.protocols.seldon import REASON_PREFIX
from bridge.protocols.seldon_tensors import SeldonForm
from bridge.protocols.verdicts import (
    NOT_HERE,
    SHOWN_CHARACTERS,
    TRY_AGAIN,
    forwarded,
    garbage,
    parsed,
    shown_body,
    take_content_type,
)


class SeldonRest:
    """The protocol `seldon` of `models/rest.py`: one model a server, so no name is in its paths."""

    form: FormName = "seldon"

    def __init__(self, asked: Asked, *, non_finite: NonFinite = "null") -> None:
        """Raise ConfigError for a version: a server has one model and no words for which."""
        without(asked, "Seldon", "version", "label", "signature")
        self._name = asked.name or ""
        self._non_finite: NonFinite = non_finite
        self._form = SeldonForm(non_finite=non_finite)

    def path(self) -> str:
        """Return the external API's path, which executor and wrapper both serve."""
        return "/api/v1.0/predictions"

    def probe_path(self) -> str:
        """Return the wrapper's health path; an executor answers it with 404."""
        return "/health/status"

    def metadata_path(self) -> str:
        """Return where a wrapper tells of its model and an executor of its graph."""
        return "/api/v1.0/metadata"

    def read_metadata(self, body: bytes) -> Metadata:
        """Return what wrapper or executor tell; raise DecodeError if it is no object.

        A class that says nothing of its tensors is told of without any.
        """
        told = metadata.loaded(body)
        return Metadata(
            name=metadata.text(told.get("name")) or self._name,
            versions=metadata.texts(told.get("versions")),
            platform=metadata.text(told.get("platform")),
            inputs=metadata.specs(told.get("inputs", told.get("graphinputs")), UNNAMED_INPUT),
            outputs=metadata.specs(told.get("outputs", told.get("graphoutputs")), UNNAMED_OUTPUT),
        )

    def call(self, request: Request, payload: Payload) -> tuple[Headers, bytes]:
        """Return *payload*, a Body as it came, under the event's own puid."""
        if not isinstance(payload, Body):
            # In kind, so that the answer is in kind as well and need not be rewritten.
            payload = self._form.write_request(payload, id=request.id, like=request.payload)
        own = (
            (b"content-type", (payload.content_type or JSON).encode("utf-8", "replace")),
            (b"seldon-puid", request.id.encode()),
        )
        if not request.headers:
            return own, payload.data
        return (*own, *forwarded(request.headers, (b"seldon-puid",))), payload.data

    def judge(self, status: int, headers: Headers, body: bytes, who: str) -> Body:
        """Return the answer unchanged, or raise what the table says.

        The wrapper writes NaN as Python does, which is no JSON: those tokens are rewritten.
        """
        answer = Body(body)
        if 200 <= status < 300:
            answer = rewritten(answer, self._non_finite, who)
        error = verdict(status, answer, who=who)
        if error is None:
            take_content_type(answer, headers)
            return answer
        raise error


def verdict(status: int, body: Body, *, who: str = "the model") -> Rejected | Unavailable | None:
    """Return what an answer means by the table above; None: *body* is the answer.

    Parses *body* to judge it; the parse is kept in it, so postprocess does not pay again.
    """
    said = parsed(body)
    if 200 <= status < 300:
        if not isinstance(said, dict):
            return garbage(body, "a JSON object", who=who)
        failed = said.get("status")
        if isinstance(failed, dict) and failed.get("status") in _FAILURE:
            return Rejected(f"{who} answered {status} with a failure: {_info(failed)}")
        return None
    told = said.get("status") if isinstance(said, dict) else None
    text = f"{who} answered {status}: {_info(told) or shown_body(body)}"
    if status in TRY_AGAIN:
        return Unavailable(text)
    if 400 <= status < 500 and status not in NOT_HERE:
        return Rejected(text)
    if status >= 400 and status != 405 and _is_wrappers(told):
        return Rejected(text)
    if 300 <= status < 400:
        text += " (redirects are not followed)"
    return Unavailable(text)


#: FAILURE by name and by number, as protobuf's JSON allows both.
_FAILURE = ("FAILURE", 1)


def _is_wrappers(told: Any) -> bool:
    """Whether *told* is the status object of a wrapper whose model judged the request."""
    if not isinstance(told, dict):
        return False
    reason = told.get("reason")
    if not isinstance(reason, str) or not reason:
        return False
    # A user's own reason comes with the wrapper's number; other servers write the word.
    return reason.startswith(REASON_PREFIX) or told.get("status") == 1


def _info(told: Any) -> str:
    """Return a status's reason and info, fit for an error text; "" where it is none."""
    if isinstance(told, str | int):
        return shown(str(told), SHOWN_CHARACTERS) if told else ""
    if not isinstance(told, dict):  # an array may be nested deeper than Python can print
        return ""
    words = [told[key] for key in ("reason", "info") if isinstance(told.get(key), str)]
    return shown(": ".join(word for word in words if word), SHOWN_CHARACTERS)
