"""How commands print: rich where a person looks, JSON where a program reads.

What came from outside (an event, a file, a far end's answer) is text and nothing else: no
markup, no emoji codes, no control codes for the terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from rich.console import Console

#: Exit statuses: a far end or an event failed; the configuration or the command line is wrong.
FAILED: Final = 1
MISUSED: Final = 2


class Output(StrEnum):
    """Whom the output is for."""

    TEXT = "text"
    JSON = "json"


def show_json(value: Any) -> None:
    """Print *value* as one JSON document, indented."""
    _print(orjson.dumps(value, option=orjson.OPT_INDENT_2))


def show_json_line(value: Any) -> None:
    """Print *value* as JSON in one line, now: more may follow."""
    _print(orjson.dumps(value))
    sys.stdout.flush()


def console() -> Console:
    """Return what prints for a person: `style=` is colour, the text itself is only text."""
    from rich.console import Console

    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True)


def plain(text: str) -> str:
    """Return *text* with its control characters escaped, save line ends and tabs."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def quiet_logs() -> None:
    """Send the log of a short command to standard error, from warnings up."""
    from bridge.observe import log

    log.configure("warning", "console", sys.stderr)


@contextmanager
def clean(output: Output) -> Iterator[None]:
    """Keep standard output for JSON: what users' classes print goes to standard error."""
    if output is Output.TEXT:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield


def _print(document: bytes) -> None:
    sys.stdout.write(document.decode() + "\n")
