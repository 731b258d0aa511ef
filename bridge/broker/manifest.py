"""Kubernetes YAML read strictly: every value knows its file, line and path.

A key that nobody knows, a key given twice and a value of the wrong type are errors with a
place, as the Kubernetes API would refuse them; a null is a key that is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import yaml

from bridge.core.errors import ConfigError

#: What YAML's own text can say without leaving JSON's values.
Plain = str | list["Plain"] | dict[str, "Plain"]

#: Nesting of lists and mappings below one value.
MAX_DEPTH = 32

_STRING = "tag:yaml.org,2002:str"
_INTEGER = "tag:yaml.org,2002:int"
_NULL = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a file and where it stands: the line is that of its key, if it has one."""

    node: yaml.Node
    file: str
    line: int
    path: str = ""

    def wrong(self, text: str) -> ConfigError:
        """Return the error that says *text* about this value, with file, line and path."""
        place = f"{self.file}:{self.line}"
        return ConfigError(f"{place}: {self.path}: {text}" if self.path else f"{place}: {text}")

    def entries(self) -> dict[str, Value]:
        """Return the entries of this mapping that are not null; raise ConfigError otherwise."""
        if not isinstance(self.node, yaml.MappingNode):
            raise self.wrong(f"expected a mapping, found {_kind(self.node)}")
        found: dict[str, Value] = {}
        seen: set[str] = set()
        for key_node, value_node in self.node.value:
            line = _line(key_node)
            key = Value(key_node, self.file, line, self.path).string()
            value = Value(value_node, self.file, line, f"{self.path}.{key}" if self.path else key)
            if key in seen:
                raise value.wrong("given twice")
            seen.add(key)
            if value_node.tag != _NULL:
                found[key] = value
        return found

    def fields(self, *known: str) -> dict[str, Value]:
        """Return the entries, all of which are among *known*; raise ConfigError otherwise."""
        entries = self.entries()
        for key, value in entries.items():
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"expected {', '.join(known)}"
                raise value.wrong(f"unknown key, {hint}")
        return entries

    def needed(self, key: str, entries: Mapping[str, Value]) -> Value:
        """Return *key* of this mapping's *entries*; raise ConfigError if it is missing."""
        if key not in entries:
            raise self.wrong(f"'{key}' is missing")
        return entries[key]

    def items(self) -> list[Value]:
        """Return the items of this list; raise ConfigError if it is none."""
        if not isinstance(self.node, yaml.SequenceNode):
            raise self.wrong(f"expected a list, found {_kind(self.node)}")
        return [
            Value(node, self.file, _line(node), f"{self.path}[{index}]")
            for index, node in enumerate(self.node.value)
        ]

    def string(self) -> str:
        """Return this string; raise ConfigError if YAML reads anything else in it."""
        if not isinstance(self.node, yaml.ScalarNode) or self.node.tag != _STRING:
            raise self.wrong(f"expected a string, found {_kind(self.node)}")
        return str(self.node.value)

    def choice(self, *choices: str) -> str:
        """Return this string, which is one of *choices*; raise ConfigError otherwise."""
        text = self.string()
        if text not in choices:
            raise self.wrong(f"{text!r}: expected {' or '.join(choices)}")
        return text

    def count(self) -> int:
        """Return this decimal number, 0 or more; raise ConfigError otherwise."""
        text = str(self.node.value) if self.node.tag == _INTEGER else ""
        if not (text.isascii() and text.isdecimal()) or len(text) > 10:
            raise self.wrong(f"expected a whole number from 0 up, found {_kind(self.node)}")
        return int(text)

    def plain(self, depth: int = MAX_DEPTH) -> Plain:
        """Return this value as strings, lists and dicts; raise ConfigError for other scalars."""
        if depth == 0:
            raise self.wrong(f"nested more than {MAX_DEPTH} deep")
        if isinstance(self.node, yaml.MappingNode):
            return {key: value.plain(depth - 1) for key, value in self.entries().items()}
        if isinstance(self.node, yaml.SequenceNode):
            return [value.plain(depth - 1) for value in self.items()]
        return self.string()


def documents(path: Path) -> Iterator[Value]:
    """Yield each document of the file *path*, empty ones left out.

    Raise ConfigError if the file cannot be read or is no YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    try:
        for node in yaml.compose_all(text, Loader=yaml.SafeLoader):
            if node.tag != _NULL:
                yield Value(node, str(path), _line(node))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{place}: not YAML: {problem}") from error


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _kind(node: yaml.Node) -> str:
    """Name what YAML found, as a person would."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    name = node.tag.rpartition(":")[2]
    return f"{node.value!r} ({name})" if name != "str" else f"{node.value!r}"
