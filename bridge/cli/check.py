"""`bridge check FILE`: everything that is wrong with a file, before it runs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.output import (
    FAILED,
    MISUSED,
    Output,
    clean,
    console,
    plain,
    quiet_logs,
    show_json,
)
from bridge.cli.run import File

if TYPE_CHECKING:
    from bridge.app import App
    from bridge.core.ports import Component

#: What a far end that answers is said to be; anything else is what is wrong with it.
OK = "ok"

#: What an answer begins with that is not what the file says of it.
DIFFERS = "differs from the file:"

#: How long one far end may take to answer.
ASK_SECONDS = 10.0


def check(
    file: File,
    connect: Annotated[
        bool,
        typer.Option("--connect", help="Ask every far end, and show what a model would be sent."),
    ] = False,
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Check FILE and say everything that is wrong with it, line by line.

    Exit status: 0 fine, 1 a far end does not answer or is not as FILE says (--connect), 2 the
    file cannot work.
    """
    from bridge import app
    from bridge.cli.process import run_loop
    from bridge.core.errors import ConfigError

    quiet_logs()
    try:
        with clean(output):
            loaded = app.load(file, os.environ)
            answers = run_loop(_ask_all(loaded)) if connect else {}
    except ConfigError as error:
        if output is Output.TEXT:
            raise
        show_json({"file": str(file), "problems": str(error).splitlines()})
        raise typer.Exit(MISUSED) from error
    requests = _requests(loaded) if connect else {}
    if output is Output.JSON:
        show_json(
            {
                "file": str(file),
                "problems": [],
                "pipelines": list(loaded.lines),
                "warnings": list(loaded.warnings),
                "answers": answers,
                "requests": requests,
            }
        )
    else:
        _show(file, loaded, answers, requests)
    if any(answer != OK for answer in answers.values()):
        raise typer.Exit(FAILED)


async def _ask_all(loaded: App) -> dict[str, str]:
    """Return what each far end says, `ok` or what is wrong, by pipeline and component."""
    listeners = [source for source, _ in loaded.sources if not hasattr(source, "delivers_again")]
    components: dict[str, Component] = {}
    for (pipeline, name), component in loaded.far_ends.items():
        asked: Component | None = component
        if component in listeners:  # nothing is listened on, for a question
            asked = getattr(component, "far_end", None)
        if asked is not None:
            components[f"{pipeline}.{name}"] = asked
    once = {id(component): component for component in components.values()}  # some are shared
    answers = dict(zip(once, await asyncio.gather(*map(_ask, once.values())), strict=True))
    return {name: answers[id(component)] for name, component in components.items()}


async def _ask(component: Component) -> str:
    """Enter *component*, ask it and leave it; return `ok` or what is wrong."""
    from bridge.core.errors import BridgeError

    try:
        async with component:
            async with asyncio.timeout(ASK_SECONDS):
                await component.ping()
                # What a model says of its tensors, against what the file says of them.
                disagreements: Callable[[], Awaitable[list[str]]] | None
                disagreements = getattr(component, "disagreements", None)
                found = [] if disagreements is None else await disagreements()
    except TimeoutError:
        return f"no answer within {ASK_SECONDS:g} s"
    except BridgeError as error:
        return str(error)
    return OK if not found else f"{DIFFERS} {'; '.join(found)}"


def _requests(loaded: App) -> dict[str, str]:
    """Return the exact request that each model would be sent, where it has one to show."""
    shown = {}
    for line in loaded.lines.values():
        describe: Callable[[], str | None] = getattr(line.pipeline.model, "describe", lambda: None)
        request = describe()
        if request is not None:
            shown[line.name] = request
    return shown


def _show(file: Path, loaded: App, answers: dict[str, str], requests: dict[str, str]) -> None:
    from rich.text import Text

    out = console()
    for warning in loaded.warnings:
        out.print(Text.assemble(("warning: ", "yellow"), plain(warning)))
    for name, answer in answers.items():
        if answer == OK:
            out.print(Text.assemble(("answers    ", "green"), name))
        elif answer.startswith(DIFFERS):
            said = plain(answer.removeprefix(DIFFERS).strip())
            out.print(Text.assemble(("differs    ", "red"), f"{name}: {said}"))
        else:
            out.print(Text.assemble(("no answer  ", "red"), f"{name}: {plain(answer)}"))
    for name, request in requests.items():
        out.print(f"\n{name} would be asked so:", style="bold")
        out.print("\n".join(f"  {line}".rstrip() for line in plain(request).splitlines()))
        out.print()
    names = ", ".join(loaded.lines)
    count = f"{len(loaded.lines)} pipeline{'s' * (len(loaded.lines) != 1)}"
    differing = sum(answer.startswith(DIFFERS) for answer in answers.values())
    silent = sum(answer != OK for answer in answers.values()) - differing
    ends = f"; {silent} of {len(answers)} far ends did not answer" if silent else ""
    ends += f"; {differing} differ from the file" if differing else ""
    out.print(f"{plain(str(file))}: no mistakes in {count}: {names}{ends}")
