"""`bridge test FILE`: the tests of a configuration, or why a pipeline takes an event."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge.cli.output import FAILED, MISUSED, Output, clean, console, plain, show_json

if TYPE_CHECKING:
    from bridge.app.cases import Case
    from bridge.app.explanation import Explained
    from bridge.app.testing import Ran

PASSED_WORD, FAILED_WORD, BROKEN_WORD = "passed", "failed", "broken"

_COLOURS = {PASSED_WORD: "green", FAILED_WORD: "red", BROKEN_WORD: "red"}


def run_tests(
    file: Annotated[
        Path,
        typer.Argument(
            help="A configuration, its tests (*_test.yaml), or a folder with tests below it.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    only: Annotated[
        str | None, typer.Option("--filter", help="Only the tests with this in their name.")
    ] = None,
    event: Annotated[
        Path | None,
        typer.Option(
            "--explain",
            metavar="EVENT.json",
            help="Run no test: say which pipeline takes this event, and why not the others.",
        ),
    ] = None,
    path: Annotated[
        str, typer.Option(help="HTTP path that the event to --explain comes on.")
    ] = "/",
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Run the tests of a configuration, which are in the file of the same name with _test.

    No test touches the network: models answer what the test says, sinks are kept. Exit
    status: 0 all passed, 1 one failed (or nobody takes the event), 2 a file is wrong.
    """
    from bridge.core.errors import ConfigError
    from bridge.observe import log

    # Below warnings: a refusal that a test expects is nobody's trouble.
    log.configure("error", "console", sys.stderr)
    try:
        if event is not None:
            _explain(file, event, path, output)
        else:
            _run(file, only, output)
    except ConfigError as error:
        if output is Output.TEXT:
            raise
        show_json({"file": str(file), "problems": str(error).splitlines()})
        raise typer.Exit(MISUSED) from error


def _run(file: Path, only: str | None, output: Output) -> None:
    cases = _selected(_cases(_files(file)), only)
    with clean(output):
        told = _run_all(cases, output)
    counts = {
        word: sum(one["status"] == word for one in told)
        for word in (PASSED_WORD, FAILED_WORD, BROKEN_WORD)
    }
    if output is Output.JSON:
        show_json({"file": str(file), "problems": [], "tests": told, **counts})
    else:
        known = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        print(f"{len(told)} test{'s' * (len(told) != 1)}: {known}")
    if counts[BROKEN_WORD]:
        raise typer.Exit(MISUSED)
    if counts[FAILED_WORD]:
        raise typer.Exit(FAILED)


def _files(file: Path) -> list[Path]:
    """Return the test files that *file* means; raise ConfigError where there is none."""
    from bridge.app.cases import SUFFIX, path_of_tests
    from bridge.core.errors import ConfigError

    if file.is_dir():
        found = sorted(
            path
            for path in file.rglob(f"*{SUFFIX}.y*ml")
            if path.suffix in (".yaml", ".yml")
            and not any(part.startswith(".") for part in path.relative_to(file).parts)
        )
        if not found:
            raise ConfigError(f"{file}: no tests below it: expected files such as bridge_test.yaml")
        return found
    if file.stem.endswith(SUFFIX):
        return [file]
    tests = path_of_tests(file)
    if file.exists() and not tests.exists():
        raise ConfigError(f"{tests}: is not there: expected the tests of {file.name}")
    return [tests if file.exists() else file]


def _cases(files: Sequence[Path]) -> list[Case]:
    """Return the tests of all *files*; raise ConfigError with what is wrong in any."""
    from bridge.app.cases import load_cases
    from bridge.core.errors import ConfigError

    cases: list[Case] = []
    problems: list[str] = []
    for file in files:
        try:
            cases += load_cases(file, os.environ)
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join(problems))
    return cases


def _selected(cases: Sequence[Case], only: str | None) -> Sequence[Case]:
    from bridge.config.problems import did_you_mean
    from bridge.core.errors import ConfigError

    if only is None:
        return cases
    selected = [case for case in cases if only in case.name]
    if not selected:
        names = sorted({case.name for case in cases})
        raise ConfigError(f"no test with '{only}' in its name{did_you_mean(only, names)}")
    return selected


def _run_all(cases: Sequence[Case], output: Output) -> list[dict[str, Any]]:
    """Run *cases* one by one; return what a program is told of each."""
    from bridge.app.testing import run
    from bridge.core.errors import ConfigError

    told: list[dict[str, Any]] = []
    said: set[str] = set()
    for case in cases:
        facts: dict[str, Any] = {
            "file": case.document.name,
            "line": case.line,
            "name": case.name,
            "status": PASSED_WORD,
            "failures": [],
            "problems": [],
        }
        told.append(facts)
        try:
            tested = run(case)
        except ConfigError as error:
            facts.update(status=BROKEN_WORD, problems=str(error).splitlines())
        else:
            facts["failures"] = [_facts(tested, place) for place in range(len(tested.failures))]
            if tested.failures:
                facts["status"] = FAILED_WORD
        if output is Output.TEXT:
            _show(facts, said)
    return told


def _facts(tested: Ran, place: int) -> dict[str, Any]:
    """Return a failure as a program reads it; the first has the user's line that raised."""
    from bridge.cli.trial import where
    from bridge.config.problems import dotted

    failure = tested.failures[place]
    raised: list[str] = []
    if tested.refused is not None and place == 0:
        raised = where(tested.refused, tested.case.config.resolve().parent)
    return {
        "line": failure.line,
        "where": dotted(failure.path),
        "expected": failure.expected,
        "actual": failure.actual,
        "raised_at": raised[0] if raised else None,
    }


def _show(facts: dict[str, Any], said: set[str]) -> None:
    """Print a test in one line, and below it each thing that is wrong.

    Problems of the configuration that were *said* before are not said again.
    """
    from rich.text import Text

    out = console()
    status, file = facts["status"], facts["file"]
    line = f"  {plain(file)}:{facts['line']}: {plain(facts['name'])}"
    out.print(Text.assemble((status, _COLOURS[status]), line))
    for problem in facts["problems"]:
        if problem not in said:
            said.add(problem)
            out.print(f"        {plain(problem)}")
    for failure in facts["failures"]:
        out.print(f"        {plain(file)}:{failure['line']}: {failure['where']}")
        out.print(Text.assemble("          expected ", (_indented(failure["expected"]), "green")))
        out.print(Text.assemble("          actual   ", (_indented(failure["actual"]), "red")))
        if failure["raised_at"] is not None:
            out.print(f"          at       {plain(failure['raised_at'])}")


def _indented(text: str) -> str:
    return plain(text).replace("\n", "\n" + " " * len("          expected "))


def _explain(file: Path, event_file: Path, path: str, output: Output) -> None:
    from dataclasses import asdict

    from bridge.app.cases import SUFFIX, path_of_config
    from bridge.app.explanation import explain
    from bridge.app.testing import unplugged
    from bridge.cli.events import read_events
    from bridge.core.errors import ConfigError
    from bridge.core.event import Event, Origin

    with clean(output):
        config = path_of_config(file) if file.stem.endswith(SUFFIX) else file
        loaded = unplugged(config, os.environ)
    events = read_events(event_file)
    if len(events) != 1:
        raise ConfigError(f"{event_file}: {len(events)} events: expected one")
    event = Event(events[0].attributes, events[0].data, Origin("http", path))
    explained = explain(loaded.lines.values(), loaded.options, event)
    if output is Output.JSON:
        show_json({"file": str(file), "pipelines": [asdict(one) for one in explained]})
    else:
        for one in explained:
            _show_explained(one)
    if not any(one.takes for one in explained):
        raise typer.Exit(FAILED)


def _show_explained(one: Explained) -> None:
    from rich.text import Text

    out = console()
    verb, colour = ("takes it  ", "green") if one.takes else ("not       ", "yellow")
    out.print(Text.assemble((verb, colour), f"{one.pipeline}: {plain(one.why)}"))
    if one.takes:
        way = " ─▶ ".join(("event", *one.steps, " and ".join(one.to)))
        out.print(f"          {plain(way)}")
        if one.dead_letter is not None:
            out.print(f"          refused for good ─▶ dead letter ({plain(one.dead_letter)})")
