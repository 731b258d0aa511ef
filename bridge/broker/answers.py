"""One request to a subscriber or dead letter sink, and what its answer means.

    POST ─▶ 2xx empty · 2xx with an event · everything else is a failure, no answer too

Source: Knative pkg/kncloudevents/event_dispatcher.go and pkg/broker/filter (v0.50.0). A 2xx
answer that is neither empty nor a CloudEvent failed, with the status 502 that Knative's
filter gives it; the event in a 202 is never routed (specs/eventing/data-plane.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from bridge.broker.destinations import target_of
from bridge.codecs import http as codec
from bridge.config.options import HttpClientOptions
from bridge.core.errors import DecodeError, Rejected, Unavailable
from bridge.core.event import Event, Origin
from bridge.transports.http import http_client

#: Status of a delivery that got no answer, as Knative's dispatcher reports it.
NO_ANSWER = 500

#: Status of an answer that should have been a CloudEvent or empty.
NO_EVENT = 502

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one try. *failure* is empty if it succeeded."""

    status: int
    destination: str
    headers: Headers = ()
    body: bytes = b""
    failure: str = ""
    reply: Event | None = None
    expired: bool = False


class Far:
    """One address that events are sent to, with connections of its own."""

    def __init__(self, url: str, *, connections: int, max_response_bytes: int) -> None:
        self.url = url
        origin, self._target = target_of(url)
        self._client = http_client(
            HttpClientOptions(
                url=origin, connections=connections, max_response_bytes=max_response_bytes
            )
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.__aexit__(*exc)

    async def post(self, headers: Headers, body: bytes, timeout_seconds: float) -> Answer:
        """Return what the far end answered; no answer is an answer too."""
        try:
            response = await self._client.request(
                "POST", self._target, headers, body, timeout_seconds=timeout_seconds
            )
        except Unavailable as error:
            return self._failed(NO_ANSWER, f"dispatch error: {error}")
        except Rejected as error:
            return self._failed(NO_EVENT, f"unreadable answer: {error}")
        failure = "" if 200 <= response.status < 300 else f"answered {response.status}"
        return Answer(
            status=response.status,
            destination=self.url,
            headers=tuple(response.headers),
            body=response.body,
            failure=failure,
        )

    def _failed(self, status: int, text: str) -> Answer:
        return Answer(status=status, destination=self.url, body=text.encode(), failure=text)


def read(answer: Answer) -> Answer:
    """Return *answer* with its reply, or as failed if it is 2xx but no CloudEvent nor empty."""
    if answer.failure:
        return answer
    headers, body = answer.headers, answer.body
    mode = codec.mode(header(headers, b"content-type"))
    if mode is codec.Mode.BINARY and header(headers, b"ce-specversion") is None:
        if not body:
            return answer
        return _no_event(answer, "a body that is no CloudEvent")
    try:
        reply = codec.decode(headers, body, origin=Origin(transport="http", headers=headers))
    except DecodeError as error:
        return _no_event(answer, f"a malformed CloudEvent: {error}")
    if answer.status == 202:
        return answer
    return Answer(status=answer.status, destination=answer.destination, reply=reply)


def header(headers: Headers, name: bytes) -> bytes | None:
    """Return the first of *headers* called *name* (lower case), or None."""
    for known, value in headers:
        if known == name:
            return value
    return None


def _no_event(answer: Answer, found: str) -> Answer:
    return Answer(
        status=NO_EVENT,
        destination=answer.destination,
        headers=answer.headers,
        body=answer.body,
        failure=f"answered {answer.status} with {found}: expected one CloudEvent or no body",
    )
