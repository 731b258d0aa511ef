"""`bridge try FILE EVENT.json`: one event through transformer and model, each stage shown."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.output import FAILED, Output, clean, console, plain, quiet_logs, show_json
from bridge.cli.run import File

if TYPE_CHECKING:
    from bridge.app import App
    from bridge.app.lines import Line
    from bridge.core.errors import BridgeError
    from bridge.core.event import Event
    from bridge.core.payload import Body
    from bridge.core.tensors import Tensor

#: Called with the name of a stage and what came out of it.
Show = Callable[[str, str], None]

#: How much of a payload is shown, how many values of a tensor, and how much of a text.
SHOWN_BYTES = 4000
SHOWN_VALUES = 8
SHOWN_TEXT_BYTES = 200


def trial(
    file: File,
    event: Annotated[
        Path,
        typer.Argument(
            help="The event, in CloudEvents' JSON format; - is stdin.",
            metavar="EVENT.json",
            show_default=False,
        ),
    ],
    pipeline: Annotated[
        str | None,
        typer.Option(help="Which pipeline.", show_default="the first that takes the event"),
    ] = None,
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Send one event through the transformer and the model of FILE; publish nothing.

    A pipeline that is named is tried even if its filter would not take the event. Exit
    status: 0 there is a response (or a transformer filters the event), 1 it is refused,
    2 the file or the event is wrong.
    """
    from bridge import app
    from bridge.cli.events import read_events
    from bridge.cli.process import run_loop
    from bridge.core.errors import ConfigError

    quiet_logs()
    with clean(output):
        loaded = app.load(file, os.environ)
    events = read_events(event)
    if len(events) != 1:
        raise ConfigError(f"{event}: {len(events)} events: expected one")
    line = _line(loaded, events[0], pipeline)
    stages: list[dict[str, str]] = []

    def show(stage: str, text: str) -> None:
        stages.append({"stage": stage, "shows": text})
        if output is Output.TEXT:
            console().print(f"── {stage}", style="bold")
            print(f"{plain(text)}\n", flush=True)

    with clean(output):
        refused = run_loop(_through(line, events[0], show, file.resolve().parent))
    if output is Output.JSON:
        show_json({"pipeline": line.name, "stages": stages, "refused": refused})
    if refused:
        raise typer.Exit(FAILED)


def where(error: BridgeError, folder: Path) -> list[str]:
    """Return the last line below *folder* that what *error* came from went through, if any.

    That is the user's own line, whatever library it called.
    """
    import traceback

    import bridge

    ours = Path(bridge.__file__).parent
    lines = []
    raised: BaseException | None = error
    while raised is not None:
        for frame in traceback.extract_tb(raised.__traceback__):
            path = Path(frame.filename)
            theirs = folder in path.parents and "site-packages" not in path.parts
            if theirs and ours not in path.parents:
                lines.append(f"{path}:{frame.lineno}: {frame.line}")
        raised = raised.__cause__
    return lines[-1:]


def _line(loaded: App, event: Event, name: str | None) -> Line:
    """Return the pipeline called *name*, or the first that takes *event*."""
    from bridge.app.explanation import explain, in_words
    from bridge.config.problems import did_you_mean
    from bridge.core.errors import ConfigError

    lines = loaded.lines
    if name is not None:
        if name not in lines:
            raise ConfigError(f"no pipeline '{name}'{did_you_mean(name, sorted(lines))}")
        return lines[name]
    for line in lines.values():
        if line.accepts is None or line.accepts(event):
            return line
    raise ConfigError(
        f"no pipeline takes the event (type '{event.type}', source '{event.source}'): "
        f"try one all the same with --pipeline ({', '.join(sorted(lines))})\n"
        + in_words(explain(lines.values(), loaded.options, event, by_path=False))
    )


async def _through(line: Line, event: Event, show: Show, folder: Path) -> bool:
    """Run the stages one by one; return whether the event was refused."""
    from contextlib import AsyncExitStack

    from bridge.core.errors import BridgeError, Filtered
    from bridge.sinks.log import display

    takes = line.accepts is None or line.accepts(event)
    verb = "taken by" if takes else "that the filter would not let through, to"
    show(f"event, {verb} pipeline {line.name}", display(event).rstrip("\n"))
    async with AsyncExitStack() as stack:
        for name, component in line.components.items():
            if name in ("transformer", "model") or name.startswith("claim_check."):
                await stack.enter_async_context(component)
        try:
            if line.pipeline.expired(event):
                show("filtered", f"the event's expirytime {event.get('expirytime')} has passed")
                return False
            response = await line.pipeline.response(event, _watching(show, event, line))
        except Filtered as nothing:
            show(f"filtered ({nothing.reason})", str(nothing))
            return False
        except BridgeError as error:
            show(_verdict(error), "\n".join((str(error), *where(error, folder))))
            return True
    if response is None:
        show("filtered", "a transformer had nothing to say about this event")
    else:
        show("response event", display(response).rstrip("\n"))
    return False


def _verdict(error: BridgeError) -> str:
    """Return what *error* means to whoever delivers the event."""
    from bridge.core.errors import Unavailable

    if isinstance(error, Unavailable):
        return f"not now ({error.reason}): it would be delivered again"
    return f"refused for good ({error.reason})"


def _watching(show: Show, event: Event, line: Line) -> Callable[[str, Body], None]:
    """Return what shows each stage, and between them the tensors that the model is given."""
    from bridge.core.payload import Body
    from bridge.runtime.claims import DATAREF

    before = "preprocess"
    if line.pipeline.preprocess is None:
        before = "claim check"
        if event.data is not None or DATAREF not in event.attributes:
            _given(show, Body(event.data or b"", event.datacontenttype), line)

    def watch(stage: str, body: Body) -> None:
        tensors = _answered(body, line) if stage == "model" else []
        kind = body.content_type or "no media type"
        text = "\n".join((*tensors, _readable(body.data)))
        show(f"{stage} → {kind}, {len(body.data)} bytes", text)
        if stage == before:
            _given(show, body, line)

    return watch


def _given(show: Show, body: Body, line: Line) -> None:
    """Show the tensors that the model is asked with, by its own names, where there are such."""
    from bridge.core.errors import EventError
    from bridge.core.tensors import Tensors

    transcoding = getattr(line.pipeline.model, "transcoding", None)
    if transcoding is None:
        return
    try:
        payload = transcoding.request(body)
        if not isinstance(payload, Tensors):
            payload = transcoding.tensors(body, answer=False)
    except EventError:  # the model says what is wrong with it, or it holds a text, for instance
        return
    show("to the model", "\n".join(map(_line_of, payload.tensors)))


def _answered(body: Body, line: Line) -> list[str]:
    """Return a line for each tensor of a model's answer, where its form has such."""
    from bridge.core.errors import EventError

    transcoding = getattr(line.pipeline.model, "transcoding", None)
    if transcoding is None:
        return []
    try:
        return list(map(_line_of, transcoding.tensors(body, answer=True).tensors))
    except EventError:
        return []


def _line_of(tensor: Tensor) -> str:
    values = _values(tensor.array)
    return f"{plain(tensor.name)}  {tensor.datatype} {list(tensor.shape)}  {values}"


def _values(array: Any) -> str:
    """Return the first values of a tensor."""
    values = array.reshape(-1)[:SHOWN_VALUES].tolist()
    more = " …" if array.size > SHOWN_VALUES else ""
    return plain(" ".join(map(_value, values))) + more


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes) and len(value) > SHOWN_TEXT_BYTES:
        return f"{value[:SHOWN_TEXT_BYTES]!r}… {len(value)} bytes"
    return repr(value)


def _readable(data: bytes) -> str:
    """Return a payload as a person reads it: text as it is, anything else in hexadecimal."""
    more = f"\n… {len(data) - SHOWN_BYTES} bytes more" if len(data) > SHOWN_BYTES else ""
    try:
        data.decode()
    except UnicodeDecodeError:
        return data[:SHOWN_BYTES].hex(" ") + more
    return data[:SHOWN_BYTES].decode("utf-8", "ignore") + more
