"""What a media type says of data: JSON, text, its charset.

Media types and parameter names are case-insensitive (RFC 2045); answers are remembered, as a
stream of events knows few media types.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar

#: Media types remembered; beyond it the least recently used is judged anew.
CACHE_SIZE: Final = 256

#: Characters of the longest media type that is remembered.
CACHE_LENGTH: Final = 256

_T = TypeVar("_T")


def _remembered(judge: Callable[[str], _T]) -> Callable[[str], _T]:
    """Remember the answers of *judge*, in bounded memory whatever a sender makes up."""
    known = lru_cache(CACHE_SIZE)(judge)

    @wraps(judge)
    def judged(value: str) -> _T:
        return known(value) if len(value) <= CACHE_LENGTH else judge(value)

    return judged


@_remembered
def is_media_type(value: str) -> bool:
    """Whether *value* is `type/subtype` with parameters, as RFC 2046 has it."""
    return _MEDIA_TYPE.fullmatch(value) is not None


@_remembered
def is_json(value: str) -> bool:
    """Whether *value* is `*/json` or `*/*+json` (CloudEvents JSON format, section 3.1.1)."""
    subtype = essence(value).partition("/")[2]
    return subtype == "json" or subtype.endswith("+json")


@_remembered
def is_text(value: str) -> bool:
    """Whether *value* names text that is not JSON: `text/*`, `*/xml`, `*/*+xml`."""
    kind, _, subtype = essence(value).partition("/")
    if is_json(value):
        return False
    return kind == "text" or subtype == "xml" or subtype.endswith("+xml")


@_remembered
def charset(value: str) -> str | None:
    """Return the charset parameter of *value* in lower case, or None if it has none."""
    for name, text in _PARAMETER.findall(value):
        if name.lower() == "charset":
            if text.startswith('"'):
                text = re.sub(r"\\(.)", r"\1", text[1:-1])  # noqa: PLW2901 - unquoted in place
            return str(text).lower()
    return None


def essence(value: str) -> str:
    """Return *value* without its parameters, in lower case."""
    return value.partition(";")[0].strip().lower()


# Possessive throughout (`++`, `*+`): no input makes these go back and try again.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*+"'
_MEDIA_TYPE = re.compile(
    rf"{_WORD}/{_WORD}(?: *+;(?: *+{_WORD} *+=(?: *+(?:{_WORD}|{_QUOTED}))?+)?+)*+"
)
_PARAMETER = re.compile(rf"; *+({_WORD}) *+= *+({_WORD}|{_QUOTED})")
