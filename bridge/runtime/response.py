"""The response event: whose it is, what it is called, what it carries over.

Its id is a digest of (source, id, type, pipeline), so a redelivered event is answered with
the same response, and whoever stores responses by id stores it once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b

from bridge.core.clock import Clock, rfc3339
from bridge.core.errors import EventError, TransformError
from bridge.core.event import Event, check_string, shown
from bridge.core.mediatype import is_media_type
from bridge.core.payload import JSON, Body

#: Makes the response event out of the request event, the answer and the response id.
Respond = Callable[[Event, Body, str], Event]

#: A text out of the request's attributes: a compiled template of the file.
Template = Callable[[Mapping[str, str]], str]

#: Attributes of the request that its response carries too.
CARRIED = ("traceparent", "tracestate", "partitionkey", "requestid")

#: How many bridges an event has come through. A broker starts its own count anew for every
#: event that is published to it, so the guard against loops has to be ours.
HOPS = "bridgehops"
HOPS_LIMIT = 8

#: What a request asks to be known by, and where whoever waits (Knative's RequestReply) looks.
CORRELATION_ID = "correlationid"
REPLY_ID = "replyid"

#: A client's own request id: Seldon's, and then the response's id as well.
PUID_HEADER = b"seldon-puid"


def puid(event: Event, pipeline: str) -> str:
    """Return the id of the response to *event*: always the same one for the same event.

    A client's own `Seldon-Puid` wins, as it does at Seldon's executor.
    """
    given = event.origin.header(PUID_HEADER)
    if given:
        text = given.decode("utf-8", "replace")
        check_string("id (from the header Seldon-Puid)", text)
        return text
    attributes = event.attributes
    return digest(attributes["source"], attributes["id"], attributes["type"], pipeline)


def digest(*names: str) -> str:
    """Return an id that is always the same one for the same *names*, in the form of a UUID."""
    text = blake2b("\0".join(names).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def responder(
    *,
    type: Template,
    source: Template,
    clock: Clock,
    specversion: str | None = None,
    extensions: Mapping[str, str] | None = None,
    correlate: bool = False,
    accepts: Callable[[Event], bool] | None = None,
) -> Respond:
    """Return what makes the response events of one pipeline.

    *specversion* None answers in the version of the request. *extensions* are set on every
    response. *correlate* answers a request's `correlationid` with `replyid`. *accepts* is the
    pipeline's own filter, given where only the running event can tell whether its response
    would come straight back.

    The function made raises EventError for an event that has come through too many bridges,
    and for a response that would be taken for its own request; TransformError for an answer
    whose content type is none: a Seldon server's never is, its protocol sees to that.
    """
    fixed = dict(extensions or {})
    carried = tuple([(name, name) for name in CARRIED])
    if correlate:
        carried += ((CORRELATION_ID, REPLY_ID),)

    def respond(event: Event, answer: Body, id: str) -> Event:
        request = event.attributes
        attributes = {
            "specversion": specversion or request["specversion"],
            "id": id,
            "source": source(request),
            "type": type(request),
            "time": rfc3339(clock.now_ns()),
        }
        content_type = answer.content_type
        if content_type is not None:
            if content_type != JSON and not is_media_type(content_type):
                raise TransformError(
                    f"the answer's content type is {shown(content_type)}: expected a media type, "
                    "as application/json"
                )
            attributes["datacontenttype"] = content_type
        if event.origin.path:
            attributes["path"] = event.origin.path
        for name, as_name in carried:
            if name in request:
                attributes[as_name] = request[name]
        attributes[HOPS] = str(hops(request) + 1)
        attributes.update(fixed)
        response = Event(attributes, answer.data, event.origin)
        _check_no_loop(event, response, accepts)
        return response

    return respond


def hops(attributes: Mapping[str, str]) -> int:
    """Return how many bridges an event has come through; raise EventError at the limit."""
    text = attributes.get(HOPS)
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > len("999"):
        raise EventError(f"attribute '{HOPS}' is {shown(text)}: expected a small whole number")
    count = int(text)
    if count >= HOPS_LIMIT:
        raise EventError(
            f"the event has come through {count} bridges: expected fewer than {HOPS_LIMIT}; "
            "responses are probably being delivered as requests"
        )
    return count


def _check_no_loop(event: Event, response: Event, accepts: Callable[[Event], bool] | None) -> None:
    same = response.type == event.type and response.source == event.source
    if same or (accepts is not None and accepts(response)):
        raise EventError(
            f"the response (type {shown(response.type)}, source {shown(response.source)}) would be "
            "taken for its own request: expected a response that the pipeline does not accept"
        )
