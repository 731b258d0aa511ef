"""What every model server over HTTP has in common: which answers are outages, and its words.

    status                              body                          meaning
    401, 407, 408, 425, 429,
    502, 503, 504                       any                           Unavailable
    404: no such model (yet)            any                           Unavailable
    405: nobody predicts at this path   any                           Unavailable
    other 4xx                           any                           Rejected
    other 5xx                           the server's own error        Rejected
    other 5xx                           other                         Unavailable
    1xx, 3xx: never asked the model     any                           Unavailable
    2xx                                 a page of HTML                Unavailable
    2xx                                 other than an answer          Rejected

A page is a load balancer's or a login's: no model server answers so, and the event is good.
What is a server's own error, and what it answers against this table, is said by its protocol.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from bridge.core.errors import DecodeError, Doubtful, Rejected, Unavailable
from bridge.core.event import shown
from bridge.core.mediatype import is_media_type
from bridge.core.payload import JSON, Body
from bridge.protocols.port import Headers, header

#: Answers that ask to be tried again, whoever wrote them; 401 and 407 say that our own
#: credentials are not taken, and nothing of the event.
TRY_AGAIN: Final = frozenset({401, 407, 408, 425, 429, 502, 503, 504})

#: Answers of who knows nothing of a model at this path, whatever the event: it may be on its
#: way, or the file is wrong.
NOT_HERE: Final = frozenset({404, 405})

#: What is quoted of a server's words.
SHOWN_CHARACTERS: Final = 200


def refusal(
    status: int,
    body: Body,
    *,
    who: str,
    words: str | None = None,
    outages: frozenset[int] = frozenset(),
) -> Rejected | Unavailable:
    """Return what an answer without a 2xx means by the table above.

    *words*: those of the server's own error, None where *body* is none. *outages*: further
    statuses by which this server says that it could not ask the model.
    """
    text = f"{who} answered {status}: {words or shown_body(body)}"
    if status in TRY_AGAIN or status in outages or status in NOT_HERE:
        return Unavailable(text)
    if 400 <= status < 500 or (status >= 500 and words is not None):
        return Rejected(text)
    if 300 <= status < 400:
        text += " (redirects are not followed)"
    return Unavailable(text)


def garbage(body: Body, expected: str, *, who: str, said: Any = None) -> Rejected | Unavailable:
    """Return what an answer with a 2xx means that is not what was *expected*.

    *said*: the body as JSON, if it is any.
    """
    if is_page(body.data):
        page = f"{shown_body(body)}, a page and no model's"
        return Unavailable(f"{who} answered garbage: {page}: expected {expected}")
    words = own_error(said) or shown_body(body)
    return Rejected(f"{who} answered garbage: {words}: expected {expected}")


def batch_failed(said: dict[Any, Any], who: str) -> Doubtful:
    """Return what `predictions: null` means, which KServe's batcher answers to a whole batch."""
    told = said.get("message")
    why = worded(told if isinstance(told, str) and told else "no reason given")
    return Doubtful(f"{who} answered without predictions, the batch failed: {why}")


def is_page(data: bytes) -> bool:
    """Whether *data* is HTML or XML, which stands in no answer of a model server."""
    return data[: 4 * SHOWN_CHARACTERS].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def parsed(body: Body) -> Any:
    """Return *body* as JSON, None where it is none; the parse is kept in it."""
    with suppress(DecodeError):  # what is not JSON is judged with everything that is no object
        return body.json()
    return None


def own_error(said: Any) -> str | None:
    """Return the words of `{"error": …}` or FastAPI's `{"detail": …}`, None where it is none."""
    if not isinstance(said, dict):
        return None
    error = said.get("error")
    if isinstance(error, str) and error:
        return worded(error)
    detail = said.get("detail")
    if isinstance(detail, str) and detail:
        return worded(detail)
    if isinstance(detail, list):
        told = [one["msg"] for one in detail[:3] if isinstance(one, dict) and _is_text(one, "msg")]
        return worded("; ".join(told) or "not valid")
    return None


def worded(text: str) -> str:
    """Return a server's *text* quoted and cut, of a traceback in it the last line alone."""
    text = text.partition("\n\nAt:\n")[0]  # where Triton's C++ says it was
    before, found, after = text.partition("Traceback (most recent call last):")
    if found:
        lines = [line.strip() for line in after.splitlines() if line.strip()]
        text = f"{before.strip()} {lines[-1] if lines else ''}"
    return shown(text.strip(), SHOWN_CHARACTERS)


def shown_body(body: Body) -> str:
    """Return the beginning of *body*, fit for an error text."""
    if not body.data:
        return "an empty body"
    # A traceback may be long, and what it says stands at its end.
    return worded(body.data[: 64 * SHOWN_CHARACTERS].decode("utf-8", "replace"))


def take_content_type(answer: Body, headers: Headers) -> None:
    """Give *answer* the media type that *headers* name; it stays JSON where they name none."""
    content_type = header(headers, b"content-type")
    if content_type is not None and content_type != b"application/json":
        said = content_type.decode("utf-8", "replace")
        # What is no media type would make the response event invalid, its data is JSON.
        answer.content_type = said if is_media_type(said) else JSON


def forwarded(headers: Headers, own: Iterable[bytes] = ()) -> Headers:
    """Return those of a request's *headers* that a model server is given.

    None that the transport or the protocol (*own*) says itself, and no `ce-*`: a server that
    reads CloudEvents would take the call for one.
    """
    return tuple(
        [
            line
            for line in headers
            if line[0] not in _NOT_FORWARDED and line[0] not in own and line[0][:3] != b"ce-"
        ]
    )


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
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


def _is_text(value: dict[Any, Any], key: str) -> bool:
    return isinstance(value.get(key), str)
