"""`bridge send URL`: one event or a file of events, in any mode, and the answers."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.output import FAILED, Output, plain, show_json_line

if TYPE_CHECKING:
    from bridge.core.event import Event
    from bridge.transports.http import HttpClient, HttpResponse


class Mode(StrEnum):
    """The content mode of CloudEvents over HTTP."""

    BINARY = "binary"
    STRUCTURED = "structured"
    BATCH = "batch"


class Version(StrEnum):
    """The specification's version."""

    V1_0 = "1.0"
    V0_3 = "0.3"


def send(
    url: Annotated[
        str,
        typer.Argument(
            help="Where to: a broker, a bridge, any receiver.", metavar="URL", show_default=False
        ),
    ],
    file: Annotated[
        Path | None,
        typer.Option(
            help="Events to send: one in JSON, an array, or one a line; - is stdin.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data of a single event; @FILE reads a file, @- stdin.", show_default=False
        ),
    ] = None,
    type: Annotated[
        str | None, typer.Option(help="Type of a single event.", show_default="bridge.send")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Source of a single event.", show_default="bridge.send")
    ] = None,
    id: Annotated[
        str | None, typer.Option(help="Id of a single event.", show_default="a new one")
    ] = None,
    content_type: Annotated[
        str | None,
        typer.Option(help="Media type of the data.", show_default="application/json"),
    ] = None,
    extension: Annotated[
        list[str] | None,
        typer.Option(
            help="name=value: a further attribute of a single event; may be given again.",
            show_default=False,
        ),
    ] = None,
    specversion: Annotated[
        Version | None,
        typer.Option(help="Version to send events in.", show_default="a file's own, or 1.0"),
    ] = None,
    mode: Annotated[
        Mode, typer.Option(help="Form of the requests; batch sends all in one.")
    ] = Mode.BINARY,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File with the token to present, `Bearer`.", show_default=False),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(
            help="name=value: a header to send along; may be given again.", show_default=False
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="PEM certificates to trust instead of the system's.", show_default=False),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Ask for replies and print them; fail without one.")
    ] = False,
    timeout_seconds: Annotated[
        float, typer.Option(help="Longest wait for an answer.", min=0)
    ] = 30.0,
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Send events to URL, one after the other, and say how each was answered.

    Exit status: 0 everything was accepted, 1 something was not, 2 the event is none. With
    `--output json` each answer is one line.
    """
    from bridge.cli.output import quiet_logs
    from bridge.cli.process import run_loop

    quiet_logs()
    given = (data, type, source, id, content_type, extension)
    if file is not None:
        events = _from_file(file, specversion, alone=all(option is None for option in given))
    else:
        attributes = {
            "specversion": specversion or Version.V1_0,
            "id": _new_id() if id is None else id,
            "source": "bridge.send" if source is None else source,
            "type": "bridge.send" if type is None else type,
        }
        events = [_single(attributes, data, content_type, extension or [])]
    client = _client(url, token_file, header or [], ca_file)
    sending = _send(client, events, mode, output, wait=wait, timeout_seconds=timeout_seconds)
    if not run_loop(sending):
        raise typer.Exit(FAILED)


def _from_file(file: Path, specversion: str | None, *, alone: bool) -> list[Event]:
    from bridge.cli.events import read_events
    from bridge.core.errors import ConfigError, DecodeError

    if not alone:
        raise ConfigError("--file: its events have their own type, source, id, data: expected none")
    events = read_events(file)
    if specversion is None:
        return events
    try:
        return [event.convert(specversion) for event in events]
    except DecodeError as error:
        raise ConfigError(f"{file}: --specversion {specversion}: {error}") from error


def _single(
    attributes: dict[str, str], data: str | None, content_type: str | None, extensions: list[str]
) -> Event:
    from bridge.cli.events import make_event, read_bytes

    if content_type is not None:
        attributes["datacontenttype"] = content_type
    elif data is not None:
        attributes["datacontenttype"] = "application/json"
    if data is None:
        return make_event(attributes, extensions, None)
    body = read_bytes(Path(data[1:])) if data.startswith("@") else data.encode("utf-8", "replace")
    return make_event(attributes, extensions, body)


def _new_id() -> str:
    from uuid import uuid4

    return str(uuid4())


def _client(
    url: str, token_file: Path | None, headers: list[str], ca_file: Path | None
) -> HttpClient:
    """Return what the events are sent through; raise ConfigError where it cannot work."""
    from pydantic import SecretStr

    from bridge.config.options import ClientTlsOptions, HttpClientOptions
    from bridge.core.errors import ConfigError
    from bridge.transports.http import http_client

    named: dict[str, SecretStr] = {}
    for pair in headers:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError("--header: expected name=value")  # it may be a secret: not shown
        if name.lower() == "content-type" or name.lower().startswith("ce-"):
            raise ConfigError(f"--header {name.lower()}: is the event's own: expected another")
        named[name] = SecretStr(value)
    return http_client(
        HttpClientOptions(
            url=url,
            token_file=None if token_file is None else str(token_file),
            headers=named,
            tls=ClientTlsOptions(ca_file=None if ca_file is None else str(ca_file)),
        )
    )


async def _send(
    client: HttpClient,
    events: list[Event],
    mode: Mode,
    output: Output,
    *,
    wait: bool,
    timeout_seconds: float,
) -> bool:
    """Post the events, and print each answer when it comes; return whether all were accepted.

    An outage ends it: what was not sent is said, and nothing is sent twice.
    """
    from bridge.codecs import http as codec
    from bridge.core.errors import Unavailable

    more = [(b"user-agent", b"bridge-send")]
    if wait:
        more.append((b"prefer", b"reply"))
    if mode is Mode.BATCH:
        requests = [codec.encode_batch(events)]
        more += [(b"accept", codec.BATCH_TYPE.partition(b";")[0])] * wait
    else:
        encode = codec.encode_binary if mode is Mode.BINARY else codec.encode_structured
        requests = [encode(event) for event in events]
    accepted = True
    async with client:
        for place, (headers, body) in enumerate(requests):
            try:
                answer = await client.request(
                    "POST", "", [*headers, *more], body, timeout_seconds=timeout_seconds
                )
            except Unavailable as error:
                left = f" (sent {place} of {len(requests)})" if len(requests) > 1 else ""
                print(f"{plain(str(error))}{left}", file=sys.stderr)
                return False
            heard = _heard(answer, wait=wait)
            _show(heard, output)
            accepted = accepted and heard.accepted
    return accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class _Heard:
    """What one answer means."""

    status: int
    accepted: bool
    said: str
    replies: list[Event]


def _heard(answer: HttpResponse, *, wait: bool) -> _Heard:
    """Return what *answer* means, and whether it is what was asked for."""
    from bridge.codecs import http as codec
    from bridge.core.errors import DecodeError

    accepted = 200 <= answer.status < 300
    replies: list[Event] = []
    said = ""
    if not accepted:
        said = answer.body.decode("utf-8", "replace").strip()
    elif answer.body or answer.header(b"ce-specversion") is not None:
        try:
            if codec.mode(answer.header(b"content-type")) is codec.Mode.BATCH:
                for member in codec.decode_batch(answer.headers, answer.body):
                    if isinstance(member, DecodeError):
                        raise member
                    replies.append(member)
            else:
                replies.append(codec.decode(answer.headers, answer.body))
        except DecodeError as error:
            accepted, said = False, f"the answer is no CloudEvent: {error}"
    if wait and accepted and not replies:
        accepted, said = False, "accepted, but nothing was replied"
    return _Heard(status=answer.status, accepted=accepted, said=said, replies=replies)


def _show(heard: _Heard, output: Output) -> None:
    from rich.text import Text

    from bridge.cli.output import console
    from bridge.sinks.log import display

    if output is Output.JSON:
        show_json_line(
            {
                "status": heard.status,
                "accepted": heard.accepted,
                "said": heard.said,
                "replies": [_as_json(reply) for reply in heard.replies],
            }
        )
        return
    colour = "green" if heard.accepted else "red"
    console().print(Text.assemble((str(heard.status), colour), f" {plain(heard.said)}".rstrip()))
    for reply in heard.replies:
        print(display(reply), end="", flush=True)


def _as_json(event: Event) -> object:
    """Return *event* as it stands in CloudEvents' JSON format."""
    import orjson

    from bridge.codecs import http as codec

    return orjson.Fragment(codec.encode_structured(event)[1])
