"""Templates of the file: `seldon.{name}.response` to a function of an event's attributes.

    text ──placeholders──▶ pieces ──name, namespace put in──▶ Template(attributes) ──▶ text

Everything that is known at start is put in at start: a template without attributes costs
nothing per event.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bridge.config.problems import did_you_mean
from bridge.core.errors import ConfigError, EventError
from bridge.core.event import CORE, shown

#: A text out of the request's attributes. Raises EventError where the event lacks one.
Template = Callable[[Mapping[str, str]], str]

#: Attributes of the request that a template may name as they are.
ATTRIBUTES: Final = tuple(sorted(CORE))

#: What stands before the name of any other attribute: `{extension.partitionkey}`.
EXTENSION: Final = "extension."

KNOWN: Final = ("name", "namespace", *ATTRIBUTES, f"{EXTENSION}<name>")


def placeholders(text: str) -> tuple[str, ...]:
    """Return the names in *text* that stand in braces, each once.

    Raise ValueError for a name that nobody knows, and for a brace without its partner;
    `{{` and `}}` are plain braces.
    """
    return tuple(dict.fromkeys(name for _, name in pieces(text, _check) if name))


def pieces(text: str, check: Callable[[str], None]) -> list[tuple[str, str]]:
    """Take *text* apart into (plain text, "") and ("", placeholder).

    Raise ValueError for a brace without its partner, and whatever *check* raises for the name
    of a placeholder that it does not know.
    """
    found, plain, end = [], "", 0
    for piece in _PIECE.finditer(text):
        plain += text[end : piece.start()]
        end = piece.end()
        name = piece["name"]
        if piece["brace"]:
            raise ValueError(f"'{piece['brace']}' without its partner; a plain one is doubled")
        if name is None:
            plain += piece.group()[0]
            continue
        check(name)
        found += [(plain, ""), ("", name)]
        plain = ""
    return [*found, (plain + text[end:], "")]


def check_attribute(name: str, known: Sequence[str]) -> None:
    """Raise ValueError unless the placeholder *name* is one of *known*, or an extension's."""
    if name.startswith(EXTENSION):
        if _EXTENSION_NAME.fullmatch(name[len(EXTENSION) :]):
            return
        raise ValueError(f"placeholder {{{name}}}: an attribute's name is of a-z and 0-9")
    if name not in known:
        raise ValueError(f"unknown placeholder {{{name}}}{did_you_mean(name, known)}")


def constant(text: str, *, name: str, namespace: str | None) -> str | None:
    """Return what *text* always comes out as, or None if that depends on the event.

    Raise ConfigError as `compile_template` does.
    """
    filled = _filled(text, name=name, namespace=namespace)
    return None if any(attribute for _, attribute in filled) else "".join(p for p, _ in filled)


def compile_template(text: str, *, name: str, namespace: str | None) -> Template:
    """Return the function that *text* stands for.

    Raise ConfigError if *text* is no template, or needs a *namespace* and there is none.
    The function raises EventError, naming the attribute, for an event that lacks one.
    """
    fixed = constant(text, name=name, namespace=namespace)
    if fixed is not None:
        return lambda attributes: fixed  # noqa: ARG005  # a constant looks at nothing
    filled = _filled(text, name=name, namespace=namespace)

    def fill(attributes: Mapping[str, str]) -> str:
        try:
            return "".join(
                [attributes[attribute] if attribute else piece for piece, attribute in filled]
            )
        except KeyError as error:
            raise EventError(
                f"attribute '{error.args[0]}' is missing: the response's {shown(text)} needs it"
            ) from error

    return fill


_PIECE = re.compile(r"\{\{|\}\}|\{(?P<name>[^{}]*)\}|(?P<brace>[{}])")
_EXTENSION_NAME = re.compile(r"[a-z0-9]+")


def _check(name: str) -> None:
    check_attribute(name, KNOWN)


def _filled(text: str, *, name: str, namespace: str | None) -> list[tuple[str, str]]:
    """Return the pieces of *text*, those known at start put in, attributes by their own name."""
    try:
        taken = pieces(text, _check)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    filled = []
    for piece, placeholder in taken:
        if placeholder == "namespace" and namespace is None:
            raise ConfigError(
                f"{shown(text)} needs a namespace: set the environment variable NAMESPACE"
            )
        known = {"": piece, "name": name, "namespace": namespace or ""}.get(placeholder)
        if known is None:
            filled.append(("", placeholder.removeprefix(EXTENSION)))
        elif known:
            filled.append((known, ""))
    return filled
