"""A YAML file to a plain tree that knows its lines.

    bytes ──UTF-8──▶ text ──YAML──▶ nodes with marks ──${VAR}──▶ Document(tree, lines)

Variables are put in after the YAML was read, into text that is already a value, so nothing
in the environment can add a key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from bridge.config.problems import Problems
from bridge.config.tree import Document, build
from bridge.core.errors import ConfigError

__all__ = ["Document", "load"]

#: A file written by people is smaller; a larger one is the wrong file.
MAX_FILE_BYTES: Final = 256 * 1024

#: Sections within sections.
MAX_DEPTH: Final = 40


def load(
    path: str | Path,
    environ: Mapping[str, str],
    problems: Problems | None = None,
    *,
    top: str = "pipelines",
) -> Document:
    """Read the file at *path*, its `${VAR}` taken from *environ*; *top* is a section it needs.

    Raise ConfigError where there is nothing to go on with: no file, not UTF-8, not YAML, too
    large. What is wrong with single values (a key twice, a variable that is not set) goes to
    *problems*, for whoever finds more of them; without, it is raised too, all at once.
    """
    name = str(path)
    node = _compose(name, _read(name))
    if node is None:
        raise ConfigError(f"{name}:1: the file is empty: expected a section '{top}'")
    own = Problems() if problems is None else problems
    document = build(name, node, environ, own, top=top)
    if problems is None:
        own.check()
    return document


def _read(name: str) -> str:
    try:
        with Path(name).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{name}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError(f"{name}: larger than {MAX_FILE_BYTES} bytes: expected a short YAML file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError(
            f"{name}:{line}:{column}: byte 0x{data[error.start]:02x} is not UTF-8"
        ) from error


class _Loader(yaml.SafeLoader):
    """Composes nodes, only so deep: each level is one of Python's own stack."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth >= MAX_DEPTH:
            event = self.peek_event()  # type: ignore[no-untyped-call]  # left out of the stubs
            raise yaml.composer.ComposerError(
                None, None, f"more than {MAX_DEPTH} levels deep", event.start_mark
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(name: str, text: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        line, column = _position(text, error.position)
        raise ConfigError(
            f"{name}:{line}:{column}: character U+{ord(text[error.position]):04X} "
            "is not allowed in YAML"
        ) from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(_syntax_text(name, text, error)) from error
    return node


#: A template's placeholder, which YAML takes for a section where no quotes are around it.
_PLACEHOLDER = re.compile(r"\{[a-z][\w.]*\}")


def _position(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _syntax_text(name: str, text: str, error: yaml.MarkedYAMLError) -> str:
    """Say where and what, but not the line itself: it may hold a secret."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    said = error.problem or "no YAML"
    lines = text.splitlines()
    here = lines[line - 1] if line <= len(lines) else ""
    hint = ""
    if here[:column].isspace() and "\t" in here[:column]:
        said, hint = "a tab", ": indent with spaces"
    elif "${" in here:
        hint = "; inside { } or [ ], put quotes around a value with ${ }"
    elif _PLACEHOLDER.search(here):
        hint = "; put quotes around a value with { }"
    elif said == "expected <block end>, but found '<block mapping start>'":
        said, hint = "its indentation is that of no line above", ": align it with its section"
    elif said == "mapping values are not allowed here":
        hint = "; indent it as its section, or put quotes around a value with ': '"
    elif said == "but found another document":
        said, hint = "a second document", ": expected one in a file"
    return f"{name}:{line}:{column}: not YAML: {said}{hint}"
