"""A YAML file to a plain tree that knows its lines.

    bytes ──UTF-8──▶ text ──YAML──▶ nodes with marks ──${VAR}──▶ Document(tree, lines)

Variables are put in after the YAML was read, into text that is already a value, so nothing
in the environment can add a key. YAML's own surprises are left out: dates and numbers like
`0777` or `12:30` stay text, and a key that is there twice is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bridge.config.problems import KeyPath, Problem, Problems
from bridge.core.errors import ConfigError

#: A file written by people is smaller; a larger one is the wrong file.
MAX_FILE_BYTES: Final = 256 * 1024

#: Values in one file, aliases written out: a few lines of aliases could name billions.
MAX_VALUES: Final = 20_000

#: Sections within sections.
MAX_DEPTH: Final = 40


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says: dicts, lists and scalars, each with its line.

    *name* is the file as its user named it. *texts* holds what stands in the file where YAML
    read a number, a truth value or nothing: `1.10` is not 1.1 to somebody who meant text.
    """

    name: str
    tree: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict, repr=False)
    texts: dict[KeyPath, str] = field(default_factory=dict, repr=False)

    @property
    def folder(self) -> Path:
        """The folder of the file: where users' own classes are looked for."""
        return Path(self.name).resolve().parent

    def at(self, path: KeyPath) -> Any:
        """Return the value at *path*; raise LookupError if there is none."""
        value = self.tree
        for step in path:
            value = value[step]
        return value

    def line_of(self, path: KeyPath) -> int:
        """Return the line of *path*, or of the nearest section around it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def problem(self, path: KeyPath, text: str) -> Problem:
        """Return a problem with the value at *path*."""
        return Problem(self.name, self.line_of(path), path, text)

    def __repr__(self) -> str:
        """Leave the tree out: it holds secrets."""
        return f"Document({self.name!r})"


def load(
    path: str | Path, environ: Mapping[str, str], problems: Problems | None = None
) -> Document:
    """Read the file at *path*, its `${VAR}` taken from *environ*.

    Raise ConfigError where there is nothing to go on with: no file, not UTF-8, not YAML, too
    large. What is wrong with single values (a key twice, a variable that is not set) goes to
    *problems*, for whoever finds more of them; without, it is raised too, all at once.
    """
    name = str(path)
    node = _compose(name, _read(name))
    own = Problems() if problems is None else problems
    document = _Builder(name, environ, own).build(node)
    if problems is None:
        own.check()
    return document


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Return *text* with `${VAR}` and `${VAR:default}` replaced and `$$` as `$`.

    Raise ValueError, naming the variable but no value, where one is not set and has no
    default, and for a `${` that is nested, unclosed or without a name. What comes out of
    *environ* is not looked into again. Any other `$` is itself.
    """
    if "$" not in text:
        return text
    return _DOLLAR.sub(lambda found: _replacement(found, environ), text)


_DOLLAR = re.compile(r"\$\$|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:.*)?", re.DOTALL)


def _replacement(found: re.Match[str], environ: Mapping[str, str]) -> str:
    inside = found["inside"]
    if inside is None:
        return "$"
    if "${" in inside:
        raise ValueError("'${' inside '${': a variable's default is plain text")
    if not found["end"]:
        raise ValueError("'${' without its '}'; write '$$' for a plain '$'")
    parts = _INSIDE.fullmatch(inside)
    if parts is None:
        raise ValueError("'${' without a variable's name; expected ${NAME} or ${NAME:default}")
    name, default = parts["name"], parts["default"]
    if name in environ:
        return environ[name]
    if default is None:
        raise ValueError(
            f"environment variable {name} is not set; set it, or write ${{{name}:default}}"
        )
    return str(default[1:]).replace("$$", "$")


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


def _compose(name: str, text: str) -> yaml.Node:
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
    if node is None:
        raise ConfigError(f"{name}:1: the file is empty: expected a section 'pipelines'")
    return node


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
    elif said == "but found another document":
        said, hint = "a second document", ": expected one in a file"
    return f"{name}:{line}:{column}: not YAML: {said}{hint}"


_TAG = "tag:yaml.org,2002:"
_TRUE = frozenset(("yes", "true", "on"))
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_NUMBER = re.compile(r"[-+]?(?:[0-9][0-9_]*)?\.?[0-9_]*(?:[eE][-+]?[0-9]+)?")
_READ_AS = {"int": "a number", "float": "a number", "bool": "a truth value", "null": "nothing"}


class _TooMany(Exception):
    """The file, its aliases written out, holds more than MAX_VALUES."""


class _Builder:
    """Makes the plain tree, keeping lines and collecting what is wrong with values."""

    def __init__(self, name: str, environ: Mapping[str, str], problems: Problems) -> None:
        self._name = name
        self._environ = environ
        self._problems = problems
        self._lines: dict[KeyPath, int] = {(): 1}
        self._texts: dict[KeyPath, str] = {}
        self._around: set[int] = set()
        self._values = 0

    def build(self, root: yaml.Node) -> Document:
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(
                f"{self._name}:{_line(root)}: expected sections such as 'pipelines:' "
                f"at the top of the file, found {_kind(root)}"
            )
        try:
            tree = self._value(root, ())
        except _TooMany:
            raise ConfigError(
                f"{self._name}:1: more than {MAX_VALUES} values, aliases written out"
            ) from None
        return Document(self._name, tree, self._lines, self._texts)

    def _add(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self._problems.add(Problem(self._name, _line(node), path, text))

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _TooMany
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            self._add(node, path, f"the tag {_shown_tag(node)} is not supported")
            return None
        if id(node) in self._around:
            self._add(node, path, "an alias that holds itself")
            return None
        self._around.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            return self._items(node, path)
        finally:
            self._around.discard(id(node))

    def _items(self, node: yaml.Node, path: KeyPath) -> list[Any]:
        items = []
        for position, item in enumerate(node.value):
            self._lines[*path, position] = _line(item)
            items.append(self._value(item, (*path, position)))
        return items

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key, value in node.value:
            name = self._key(key, path)
            if name is None:
                continue
            here = (*path, name)
            if name in mapping:
                self._add(key, here, f"there twice: first on line {self._lines[here]}")
                continue
            self._lines[here] = _line(key)
            mapping[name] = self._value(value, here)
        return mapping

    def _key(self, key: yaml.Node, path: KeyPath) -> str | None:
        if not isinstance(key, yaml.ScalarNode):
            self._add(key, path, f"{_kind(key)} as a key: expected text")
            return None
        tag = key.tag.removeprefix(_TAG)
        if tag == "merge":
            self._add(key, path, "'<<' is not supported: alias a whole section, or write it out")
            return None
        if tag in _READ_AS:
            self._add(
                key, path, f"the key {key.value!r} is {_READ_AS[tag]} to YAML: put it in quotes"
            )
            return None
        return str(key.value)

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        tag, text = node.tag.removeprefix(_TAG), node.value
        if tag in _READ_AS:
            self._texts[path] = text
        if tag == "null":
            return None
        if tag == "bool":
            return text.lower() in _TRUE
        if tag in ("int", "float"):
            return self._number(node, path)
        if tag not in ("str", "timestamp", "value", "merge"):
            self._add(node, path, f"the tag {_shown_tag(node)} is not supported")
            return None
        try:
            return interpolate(text, self._environ)
        except ValueError as error:
            self._add(node, path, str(error))
            return text

    def _number(self, node: yaml.ScalarNode, path: KeyPath) -> int | float | str:
        """Decimal numbers are numbers; octal, base 60 and their like stay text."""
        text = node.value
        digits = text.replace("_", "")
        try:
            if _INTEGER.fullmatch(text):
                return int(digits)
            if node.tag == f"{_TAG}float" and _NUMBER.fullmatch(text):
                return float(digits)
        except ValueError:
            self._add(node, path, "not a number that can be read")
        del self._texts[path]
        return str(text)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a section"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


def _shown_tag(node: yaml.Node) -> str:
    return repr(str(node.tag).replace(_TAG, "!!")[:60])
