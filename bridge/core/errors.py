"""The error tree: a bad event is never retried, an outage always is.

    BridgeError
    ├─ ConfigError            at start; exit status 2
    ├─ Filtered               there is nothing to do for the event; settled
    ├─ EventError             the event is bad; never retried
    │  ├─ DecodeError         no CloudEvent / no known payload
    │  │  └─ UnsupportedFormat  a format nobody here reads
    │  ├─ TransformError      a user's transformer raised
    │  └─ Rejected            the model or a sink said no for good
    └─ Unavailable            try again later
       ├─ Doubtful            it may be the event's own fault
       │  └─ DeadlineExceeded    the time for this event is used up
       └─ Overloaded          our own limit is reached

Every text says what, where, and what was expected. ``reason`` is the one word that
travels where a text cannot: the ``Kne-Bridgereason`` header, a metric label, a dead letter.
"""

from __future__ import annotations


class BridgeError(Exception):
    """Anything the bridge raises on purpose."""

    reason = "error"


class ConfigError(BridgeError):
    """The configuration cannot work; found at start, exit status 2."""

    reason = "config"


class Filtered(BridgeError):
    """There is nothing to do for this event: it is settled, and counted as filtered.

    What a transformer or a sink raises that wants to say why, where returning None would say
    nothing: the object that a notification tells of is gone, say. *reason* is one word, for
    the log and the metric; the text is for people.
    """

    reason = "filtered"

    def __init__(self, text: str, *, reason: str | None = None) -> None:
        super().__init__(text)
        if reason is not None:
            self.reason = reason


class EventError(BridgeError):
    """The event is bad: refused for good, or taken to the dead letter; never retried."""

    reason = "event"


class DecodeError(EventError):
    """The bytes are no CloudEvent, or its data is no known payload."""

    reason = "decode"


class UnsupportedFormat(DecodeError):
    """The bytes name a format that nobody here reads (HTTP 415)."""

    reason = "format"


class TransformError(EventError):
    """A user's transformer raised; the text names class, method and error."""

    reason = "transform"


class Rejected(EventError):
    """The model or a sink refused the event for good; the text names who and why."""

    reason = "rejected"


class Unavailable(BridgeError):
    """Not now: the far end is down, slow or overloaded. The event is good.

    *retry_after_seconds*: when to try again, if the far end said so.
    """

    reason = "unavailable"

    def __init__(self, text: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


class Doubtful(Unavailable):
    """Not now, and it may be the event's own fault: a batch failed that it was part of.

    A source that delivers again itself gives it up after `max_attempts`, where others that
    came later are answered.
    """

    reason = "doubtful"


class DeadlineExceeded(Doubtful):
    """The time for this event is used up (HTTP 504)."""

    reason = "deadline"


class Overloaded(Unavailable):
    """A limit of our own is reached (HTTP 429)."""

    reason = "overloaded"
