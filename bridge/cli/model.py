"""`bridge model FILE`: what a model takes and answers, and a request that would work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.output import Output, clean, console, plain, quiet_logs, show_json
from bridge.cli.run import File

if TYPE_CHECKING:
    from bridge.app.lines import Line
    from bridge.core.payload import Body
    from bridge.protocols.port import Metadata, Spec


def model(
    file: File,
    pipeline: Annotated[
        str | None, typer.Option(help="Which pipeline.", show_default="the only one")
    ] = None,
    ask: Annotated[bool, typer.Option("--ask", help="Send the request, and show the answer.")] = (
        False
    ),
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Ask the model of FILE what it takes, and print a request that would work.

    The request is a payload in the form that the pipeline's events carry; with --ask it is
    sent, as the pipeline would. Exit status: 0 it told, 1 it does not answer or refused the
    request, 2 the file cannot work, or its model cannot tell.
    """
    from bridge import app
    from bridge.cli.process import run_loop
    from bridge.core.errors import ConfigError

    quiet_logs()
    with clean(output):
        loaded = app.load(file, os.environ)
        line = _line(loaded.lines, pipeline)
        told, request, answer = run_loop(_ask(line, ask=ask))
    if told is None:
        raise ConfigError(f"pipeline {line.name}: its model does not tell what it takes")
    if output is Output.JSON:
        show_json(_facts(line, told, request, answer))
    else:
        _show(line, told, request, answer)


def _line(lines: Any, name: str | None) -> Line:
    """Return the pipeline called *name*, or the only one that has a model."""
    from bridge.config.problems import did_you_mean
    from bridge.core.errors import ConfigError

    if name is not None and name not in lines:
        raise ConfigError(f"no pipeline '{name}'{did_you_mean(name, sorted(lines))}")
    found: Sequence[Line] = [
        line
        for line in lines.values()
        if line.pipeline.model is not None and name in (None, line.name)
    ]
    if not found:
        raise ConfigError(f"{f'pipeline {name} has' if name else 'there is'} no model to ask")
    if len(found) > 1:
        names = ", ".join(line.name for line in found)
        raise ConfigError(f"several pipelines have a model: expected --pipeline, one of {names}")
    return found[0]


async def _ask(line: Line, *, ask: bool) -> tuple[Metadata | None, Body | None, Body | None]:
    """Return what the model tells of itself, a request for it, and its answer if *ask*."""
    from bridge.core.errors import EventError
    from bridge.core.ports import Request
    from bridge.models.example import ID

    model: Any = line.pipeline.model
    if not hasattr(model, "metadata"):
        return None, None, None
    async with model:
        told = await model.metadata()
        if told is None:
            return None, None, None
        try:
            request = model.transcoding.example(told)
        except EventError as error:
            typer.echo(f"no request: {plain(str(error))}", err=True)
            return told, None, None
        answer = await model.predict(Request(payload=request, id=ID)) if ask else None
        return told, request, answer


def _facts(line: Line, told: Metadata, request: Body | None, answer: Body | None) -> dict[str, Any]:
    return {
        "pipeline": line.name,
        "model": told.name,
        "platform": told.platform,
        "versions": list(told.versions),
        "inputs": [_spec(spec) for spec in told.inputs],
        "outputs": [_spec(spec) for spec in told.outputs],
        "request": None if request is None else request.json(),
        "answer": None if answer is None else answer.json(),
    }


def _spec(spec: Spec) -> dict[str, Any]:
    shape = None if spec.shape is None else list(spec.shape)
    return {"name": spec.name, "datatype": spec.datatype, "shape": shape}


def _show(line: Line, told: Metadata, request: Body | None, answer: Body | None) -> None:
    from rich.table import Table

    out = console()
    versions = f", versions {', '.join(told.versions)}" if told.versions else ""
    platform = f" ({told.platform})" if told.platform else ""
    out.print(plain(f"model {told.name}{versions}{platform} of pipeline {line.name}"), style="bold")
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "name", "datatype", "shape"):
        table.add_column(heading)
    for kind, specs in (("takes", told.inputs), ("answers", told.outputs)):
        for spec in specs:
            shape = "?" if spec.shape is None else str(list(spec.shape))
            table.add_row(kind, plain(spec.name), spec.datatype or "?", plain(shape))
    out.print(table)
    for title, body in (("a request that it would take:", request), ("its answer:", answer)):
        if body is not None:
            out.print(f"\n{title}", style="bold")
            print(plain(body.data.decode("utf-8", "replace")))
