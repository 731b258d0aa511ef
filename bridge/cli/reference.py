"""`bridge options` and `bridge schema`: what a file may say, made from the options classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.output import Output, console, show_json

if TYPE_CHECKING:
    from bridge.config.reference import Row


def options(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="A kind, such as http or sources.http; `file` for the file itself.",
            metavar="KIND",
            show_default=False,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="The whole page, in Markdown: docs/options.md.")
    ] = False,
    output: Annotated[Output, typer.Option(help="For people, or for programs.")] = Output.TEXT,
) -> None:
    """Print the options of KIND, wherever there is one of that name, or the list of kinds."""
    from bridge.app import reference
    from bridge.core.errors import ConfigError

    if every:
        if kind is not None or output is Output.JSON:
            raise ConfigError("options --all: prints Markdown and takes nothing else")
        print(reference.page(), end="")
        return
    names = list(reference.names())
    chosen = names if kind is None else _named(kind, names)
    if output is Output.JSON:
        show_json(
            {name: [_facts(row) for row in reference.rows(name)] for name in chosen}
            if kind is not None
            else names
        )
    elif kind is None:
        for name, cls in reference.names().items():
            print(f"{name:<26}  {' '.join((cls.__doc__ or '').split())}")
    else:
        for index, name in enumerate(chosen):
            print("\n" * (index > 0), end="")
            _show(name, reference.rows(name))


def schema(
    tests: Annotated[
        bool, typer.Option("--tests", help="Of a file of tests, which `bridge test` runs.")
    ] = False,
) -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from bridge.app.reference import json_schema
    from bridge.config.cases import CasesOptions
    from bridge.config.reference import schema_of

    show_json(schema_of(CasesOptions) if tests else json_schema())


def _named(kind: str, names: Iterable[str]) -> list[str]:
    """Return the full names that *kind*, with or without its room, stands for."""
    from bridge.config.problems import did_you_mean
    from bridge.core.errors import ConfigError

    by_short = {name: name.partition(".")[2] or name for name in names}
    chosen = [name for name, short in by_short.items() if kind in (name, short)]
    if not chosen:
        known = sorted(by_short) if "." in kind else sorted(set(by_short.values()))
        raise ConfigError(f"no kind '{kind}'{did_you_mean(kind, known)}")
    return chosen


def _show(name: str, rows: Iterable[Row]) -> None:
    """Print options as a manual does: name, type and default, then the sentence."""
    from rich.text import Text

    out = console()
    out.print(name, style="bold")
    for row in rows:
        default = f", default {row.default}" if row.default else ", must be given"
        line = Text.assemble("  ", (row.name, "cyan"), (f"  {row.type}{default}", "dim"))
        out.print(line)
        out.print(f"      {row.sentence}")


def _facts(row: Row) -> dict[str, str | bool | None]:
    """Return an option as a program reads it; no default where it must be given."""
    return {
        "name": row.name,
        "type": row.type,
        "required": not row.default,
        "default": row.default or None,
        "sentence": row.sentence,
    }
