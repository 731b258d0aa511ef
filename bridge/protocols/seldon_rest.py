"""Seldon v1 over HTTP: the call, and what an answer means: payload, verdict or outage.

    status                              body                          meaning
    2xx                                 a JSON object                 the answer
    2xx                                 FAILURE, or no JSON object    Rejected: garbage
    401, 407, 408, 425, 429,
    502, 503, 504                       any                           Unavailable
    404                                 the wrapper's error           Rejected
    404                                 other: no such model (yet)    Unavailable
    other 4xx                           any                           Rejected
    other 5xx                           the wrapper's error           Rejected
    other 5xx                           other                         Unavailable
    1xx, 3xx: never asked the model     any                           Unavailable

The wrapper's error is its own JSON with a reason, `MICROSERVICE_…` or the user's: it answers
500 when the user's class raises, so there 500 is a verdict. The executor's `FAILURE` has no
reason: it could not ask the model.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from bridge.core.errors import DecodeError, Rejected, Unavailable
from bridge.core.event import shown
from bridge.core.mediatype import is_media_type
from bridge.core.payload import JSON, Body
from bridge.core.ports import Request
from bridge.protocols.port import Headers, header
from bridge.protocols.seldon import REASON_PREFIX

#: Answers that ask to be tried again, whoever wrote them; 401 and 407 say that our own
#: credentials are not taken, and nothing of the event.
TRY_AGAIN: Final = frozenset({401, 407, 408, 425, 429, 502, 503, 504})


class SeldonRest:
    """The protocol `seldon` of `models/rest.py`."""

    def path(self, name: str | None) -> str:  # noqa: ARG002  # one model a server: no name in it
        """Return the external API's path, which executor and wrapper both serve."""
        return "/api/v1.0/predictions"

    def probe_path(self, name: str | None) -> str:  # noqa: ARG002  # as above
        """Return the wrapper's health path; an executor answers it with 404."""
        return "/health/status"

    def call(self, request: Request) -> tuple[Headers, bytes]:
        """Return the payload as it came, under the event's own puid."""
        payload = request.payload
        own = (
            (b"content-type", (payload.content_type or JSON).encode("utf-8", "replace")),
            (b"seldon-puid", request.id.encode()),
        )
        if not request.headers:
            return own, payload.data
        forwarded = (line for line in request.headers if line[0] not in _NOT_FORWARDED)
        return (*own, *forwarded), payload.data

    def judge(self, status: int, headers: Headers, body: bytes, who: str) -> Body:
        """Return the answer unchanged, or raise what the table says."""
        answer = Body(body)
        error = verdict(status, answer, who=who)
        if error is None:
            content_type = header(headers, b"content-type")
            if content_type is not None and content_type != b"application/json":
                said = content_type.decode("utf-8", "replace")
                # What is no media type would make the response event invalid, its data is JSON.
                answer.content_type = said if is_media_type(said) else JSON
            return answer
        raise error


def verdict(status: int, body: Body, *, who: str = "the model") -> Rejected | Unavailable | None:
    """Return what an answer means by the table above; None: *body* is the answer.

    Parses *body* to judge it; the parse is kept in it, so postprocess does not pay again.
    """
    said: Any = None
    with suppress(DecodeError):  # not JSON is judged below, with everything that is no object
        said = body.json()
    if 200 <= status < 300:
        if not isinstance(said, dict):
            return Rejected(f"{who} answered garbage: {_shown_body(body)}: expected a JSON object")
        failed = said.get("status")
        if isinstance(failed, dict) and failed.get("status") in _FAILURE:
            return Rejected(f"{who} answered {status} with a failure: {_info(failed)}")
        return None
    told = said.get("status") if isinstance(said, dict) else None
    text = f"{who} answered {status}: {_info(told) or _shown_body(body)}"
    if status in TRY_AGAIN:
        return Unavailable(text)
    if 400 <= status < 500 and status != 404:
        return Rejected(text)
    if status >= 400 and _is_wrappers(told):
        return Rejected(text)
    if 300 <= status < 400:
        text += " (redirects are not followed)"
    return Unavailable(text)


#: Said by the transport or by us, or between neighbours only.
_NOT_FORWARDED = frozenset(
    (
        b"accept-encoding",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authorization",
        b"seldon-puid",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
#: FAILURE by name and by number, as protobuf's JSON allows both.
_FAILURE = ("FAILURE", 1)
_SHOWN_CHARACTERS = 200


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
        return shown(str(told), _SHOWN_CHARACTERS) if told else ""
    if not isinstance(told, dict):  # an array may be nested deeper than Python can print
        return ""
    words = [told[key] for key in ("reason", "info") if isinstance(told.get(key), str)]
    return shown(": ".join(word for word in words if word), _SHOWN_CHARACTERS)


def _shown_body(body: Body) -> str:
    if not body.data:
        return "an empty body"
    head = body.data[: _SHOWN_CHARACTERS * 4].decode("utf-8", "replace")
    return shown(head, _SHOWN_CHARACTERS)
