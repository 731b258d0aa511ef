"""Events to a stream, for people to read: the event display's own format, or JSON lines.

`display` prints what Knative's `event_display` prints, byte for byte:
`☁️  cloudevents.Event` and then the `String()` of the Go SDK's event (sdk-go v2.16.1,
v2/event/event.go and eventcontext_v1.go; recorded output in the tests). It differs where
data is no readable text, which the Go program writes raw: here that is base64 under
`Data (binary),`, so that no event can send control codes to a terminal.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from datetime import UTC, datetime
from typing import BinaryIO, Literal, Self

from bridge.codecs import http as codec
from bridge.config.options import Options
from bridge.core.errors import Unavailable
from bridge.core.event import Event


class LogSinkOptions(Options):
    """Events to standard output, for people to read."""

    type: Literal["log"]
    format: Literal["display", "json"] = "display"
    """Form of the output: Knative's event display, or one line of CloudEvents JSON an event."""
    pretty: bool = True
    """Whether `display` indents JSON data, as the event display does."""


class LogSink:
    """Writes each event in one piece, in the order of the calls. Idempotency key: none.

    Writing blocks: a reader that stops reading stops this process, and so its senders.
    """

    Options = LogSinkOptions

    def __init__(self, options: LogSinkOptions, stream: BinaryIO | None = None) -> None:
        self._options = options
        self._stream = stream

    async def __aenter__(self) -> Self:
        """Do nothing: the stream is open already."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Do nothing: the stream belongs to somebody else. May be called twice."""

    async def ping(self) -> None:
        """Return if the stream is open; raise Unavailable if not."""
        if self._out().closed:
            raise Unavailable("sink log: the output is closed")

    async def send(self, event: Event) -> None:
        """Return when *event* is written and flushed; raise Unavailable if nobody reads."""
        if self._options.format == "json":
            written = _line(event)
        else:
            written = display(event, pretty=self._options.pretty).encode("utf-8", "replace")
        out = self._out()
        try:
            out.write(written)
            out.flush()
        except (OSError, ValueError) as error:
            raise Unavailable(f"sink log: the output cannot be written: {error}") from error

    def _out(self) -> BinaryIO:
        """Return the stream; standard output is looked up late, since it may be replaced."""
        return self._stream if self._stream is not None else sys.stdout.buffer


def display(event: Event, *, pretty: bool = True) -> str:
    """Return *event* as Knative's event display prints it, the line end at its end included.

    Extensions are sorted, JSON keeps its digits and escapes, and `time` is in UTC without
    trailing zeros, as Go formats it. JSON is indented where *pretty* and only for the media
    type `application/json`, spelled so.
    """
    attributes = event.attributes
    lines = ["☁️  cloudevents.Event", "Context Attributes,"]
    order = _ORDER_03 if event.specversion == "0.3" else _ORDER
    for name in order:
        value = attributes.get(name)
        if value is not None:
            lines.append(f"  {name}: {_go_time(value) if name == 'time' else value}")
    extensions = sorted(name for name in attributes if name not in order)
    if extensions:
        lines.append("Extensions,")
        lines += [f"  {name}: {attributes[name]}" for name in extensions]
    if event.data:
        lines += _data(event.data, attributes.get("datacontenttype"), pretty=pretty)
    return "\n".join(lines) + "\n"


def _data(data: bytes, content_type: str | None, *, pretty: bool) -> list[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\x00"
    if _CONTROL.search(text) is not None:
        return ["Data (binary),", f"  {base64.b64encode(data).decode()}"]
    if pretty and content_type is not None and content_type.partition(";")[0].rstrip() == _JSON:
        text = _indented(text)
    return ["Data,", f"  {text}"]


#: An indented text is at most so many times as long as it was, beyond the characters that are
#: free.
_MOST_GROWTH = 16
_FREE_CHARACTERS = 64 * 1024


def _indented(text: str) -> str:
    """Return the JSON *text* as Go's `json.Indent` does (prefix and indent of two spaces).

    White space after the value is kept; what is no JSON is returned as it is, and so is what
    would become many times as long: a thousand levels indent every line by as much.
    """
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return text
    parts: list[str] = []
    margin = "\n  "
    opened = False
    left = max(_FREE_CHARACTERS, _MOST_GROWTH * len(text))
    for part in _TOKEN.findall(text):
        if opened and part not in "]}":
            margin += "  "
            parts.append(margin)
            left -= len(margin)
        if part in "]}":
            if not opened:
                margin = margin[:-2]
                parts.append(margin)
                left -= len(margin)
            parts.append(part)
        elif part == ",":
            parts.append(f",{margin}")
            left -= len(margin)
        elif part == ":":
            parts.append(": ")
        else:
            parts.append(part)
        if left < 0:
            return text
        opened = part in "[{"
    return "".join(parts) + text[len(text.rstrip(_SPACE)) :]


def _refuse(constant: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not know."""
    raise ValueError(constant)


def _go_time(text: str) -> str:
    """Return the timestamp *text* as Go shows it: in UTC, nanoseconds, no trailing zeros."""
    found = _TIME.fullmatch(text)
    if found is None:
        return text
    fraction = (found["fraction"] or "")[:9].rstrip("0")
    try:
        then = datetime.fromisoformat(f"{found['second']}{found['offset'].replace('Z', '+00:00')}")
        second = then.astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return text
    return f"{second}.{fraction}Z" if fraction else f"{second}Z"


def _line(event: Event) -> bytes:
    """Return *event* as one line: line ends in JSON stand between values only."""
    _, body = codec.encode_structured(event)
    return body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"


_JSON = "application/json"
_ORDER = (
    *("specversion", "type", "source", "subject", "id", "time"),
    *("dataschema", "datacontenttype"),
)
_ORDER_03 = (*_ORDER[:6], "schemaurl", "datacontenttype", "datacontentencoding")
_SPACE = " \t\r\n"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s\[\]{},:"]+')
_TIME = re.compile(
    r"(?P<second>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(?P<fraction>\d+))?(?P<offset>Z|[+-]\d\d:\d\d)"
)
