"""A part of the file to typed options; what does not fit is said in plain words, with its line.

    Document ──at(path)──▶ raw mapping ──pydantic──▶ Options, or Problems

Text is turned into what the option's type asks for ("8080" is a number where one is
expected), because variables are text. The other way only where nothing is lost: a number
where text is expected is its own text, as it stands in the file; a truth value is refused,
because `no` may have been meant as a word. Secrets appear in no text.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar, get_args, overload

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bridge.config.file import Document
from bridge.config.problems import KeyPath, Problems, did_you_mean
from bridge.config.shape import (
    annotation_at,
    in_words,
    is_secret,
    members,
    options_of,
    secrets_in,
    section_of,
)
from bridge.core.event import shown

O = TypeVar("O", bound=BaseModel)  # noqa: E741  # short for options, and local to signatures


@overload
def parse(document: Document, path: KeyPath, options: type[O]) -> O: ...


@overload
def parse(document: Document, path: KeyPath, options: type[O], problems: Problems) -> O | None: ...


def parse(
    document: Document, path: KeyPath, options: type[O], problems: Problems | None = None
) -> O | None:
    """Return the section at *path* as *options*.

    What does not fit goes to *problems*, and None comes back; without *problems* it is raised
    as one ConfigError with a line for each.
    """
    own = Problems() if problems is None else problems
    parsed = parse_raw(document, path, document.at(path), options, own)
    if problems is None:
        own.check()
    return parsed


def parse_raw(
    document: Document,
    path: KeyPath,
    raw: Any,
    options: type[O],
    problems: Problems,
    *,
    also_known: Sequence[str] = (),
) -> O | None:
    """Return *raw*, which is (a part of) the section at *path*, as *options*, or None.

    *also_known*: names that somebody else reads from the same section.
    """
    raw = copy.deepcopy(raw)
    while True:
        try:
            return options.model_validate(raw)
        except ValidationError as error:
            details = error.errors(include_url=False)
        if not _numbers_as_text(document, path, raw, details):
            break
    words = _Words(document, path, raw, options, also_known)
    for detail in details:
        where = (*path, *_in_tree(raw, detail))
        if not problems.at(where):
            problems.add(document.problem(where, words.of(detail)))
    return None


def _numbers_as_text(
    document: Document, path: KeyPath, raw: Any, details: list[ErrorDetails]
) -> bool:
    """Put the text of numbers where text was expected; return whether there was any."""
    changed = False
    for detail in details:
        loc, value = detail["loc"], detail["input"]
        if detail["type"] not in ("string_type", "literal_error") or not loc:
            continue
        text = document.texts.get((*path, *loc))
        if text is None or isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        section = raw
        for step in loc[:-1]:
            section = section[step]
        section[loc[-1]] = text
        changed = True
    return changed


def _in_tree(raw: Any, detail: ErrorDetails) -> KeyPath:
    """Return where in *raw* the error is, without pydantic's own steps (`[key]`, a union's)."""
    path: list[str | int] = []
    for step in detail["loc"]:
        inside = (isinstance(raw, Mapping) and step in raw) or (
            isinstance(raw, list) and isinstance(step, int) and step < len(raw)
        )
        if inside:
            raw = raw[step]
            path.append(step)
    if detail["type"] == "missing":
        path.append(detail["loc"][-1])
    return tuple(path)


_EXPECTED = frozenset(
    (
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
        *("finite_number", "int_from_float", "literal_error", "string_pattern_mismatch"),
        *("too_short", "too_long", "string_too_short", "string_too_long"),
    )
)
_USERINFO = re.compile(r"//[^/@\s]*@")


class _Words:
    """Says what pydantic found, to somebody who never heard of pydantic."""

    def __init__(
        self,
        document: Document,
        path: KeyPath,
        raw: Any,
        options: type[BaseModel],
        also_known: Sequence[str],
    ) -> None:
        self._document = document
        self._path = path
        self._raw = raw
        self._options = options
        self._also_known = also_known

    def of(self, detail: ErrorDetails) -> str:
        kind, inside = detail["type"], _in_tree(self._raw, detail)
        annotation = annotation_at(self._options, inside)
        if kind == "extra_forbidden":
            return f"unknown option{did_you_mean(str(inside[-1]), self._known(inside[:-1]))}"
        if kind == "missing":
            return self._missing(inside, annotation)
        if detail["loc"][-1:] == ("[key]",):
            return f"not a name: expected {self._expected_key(inside)}"
        if kind in ("value_error", "assertion_error"):
            return self._masked(str(detail["ctx"]["error"]))
        if kind in _EXPECTED or kind.endswith(("_type", "_parsing")):
            return f"expected {in_words(annotation)}; {self._found(detail, inside, annotation)}"
        said = self._masked(detail["msg"]).replace("Input should be", "expected")
        return f"{said}; {self._found(detail, inside, annotation)}"

    def _known(self, inside: KeyPath) -> list[str]:
        section = section_of(annotation_at(self._options, inside))
        names = list(options_of(section)) if section else []
        return sorted({*names, *(self._also_known if not inside else ())})

    def _missing(self, inside: KeyPath, annotation: Any) -> str:
        section = section_of(annotation_at(self._options, inside[:-1]))
        field = options_of(section).get(str(inside[-1])) if section else None
        sentence = f": {field.description}" if field and field.description else ""
        return f"missing, expected {in_words(annotation)}{sentence}"

    def _expected_key(self, inside: KeyPath) -> str:
        for member in members(annotation_at(self._options, inside[:-1])):
            key = next(iter(get_args(member)), str)
            described = [getattr(item, "description", None) for item in get_args(key)]
            return next((words for words in described if words), in_words(key))
        return "text"

    def _found(self, detail: ErrorDetails, inside: KeyPath, annotation: Any) -> str:
        value = detail["input"]
        text = self._document.texts.get((*self._path, *inside))
        if value is None:
            return "found nothing"
        if isinstance(value, Mapping):
            return "found a section"
        if isinstance(value, (list, tuple)):
            return f"found a list of {len(value)}"
        if is_secret(annotation):
            return "found a secret that is not shown"
        if isinstance(value, bool):
            if text is not None and detail["type"] in ("string_type", "literal_error"):
                quoted = f"which YAML reads as {str(value).lower()}: put it in quotes"
                return f"found {text}, {quoted}"
            return f"found {text or str(value).lower()}"
        if not isinstance(value, str):
            return f"found {shown(text or str(value)).strip(chr(39))}"
        near = ""
        if detail["type"] == "literal_error":
            choices = [str(c) for member in members(annotation) for c in get_args(member)]
            near = "".join(f"; did you mean '{n}'?" for n in get_close_matches(value, choices, n=1))
        if not value:
            return f"found empty text{near}"
        return f"found {self._masked(shown(value))}{near}"

    def _masked(self, text: str) -> str:
        """Take every secret of the section, and passwords in URLs, out of *text*."""
        for secret in sorted(secrets_in(self._options, self._raw), key=len, reverse=True):
            text = text.replace(secret, "***")
        return _USERINFO.sub("//***@", text)
