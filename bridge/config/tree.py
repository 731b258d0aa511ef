"""YAML's nodes to a plain tree that knows its lines, without YAML's own surprises.

Dates and numbers like `0777` or `12:30` stay text, a key that is there twice is refused,
aliases are written out as copies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bridge.config.problems import KeyPath, Problem, Problems
from bridge.config.variables import interpolate
from bridge.core.errors import ConfigError

#: Values in one file, aliases written out: a few lines of aliases could name billions.
MAX_VALUES: Final = 20_000


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


def build(
    name: str, root: yaml.Node, environ: Mapping[str, str], problems: Problems, *, top: str
) -> Document:
    """Return the document of the file *name* that *root* stands for; it needs a section *top*.

    What is wrong with single values goes to *problems*. Raise ConfigError if the top is no
    section, or if there are more than MAX_VALUES values.
    """
    return _Builder(name, environ, problems).build(root, top)


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

    def build(self, root: yaml.Node, top: str) -> Document:
        if not isinstance(root, yaml.MappingNode):
            raise ConfigError(
                f"{self._name}:{_line(root)}: expected sections such as '{top}:' "
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
