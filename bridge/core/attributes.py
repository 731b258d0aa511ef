"""The rules of context attributes: which names and values make a valid event.

Source: CloudEvents spec.md 1.0.2 and 0.3, Context Attributes and Type System. This is the
slow, complete form that explains what is wrong; codecs may prove the common case faster.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from bridge.core.errors import DecodeError
from bridge.core.mediatype import is_media_type

#: The versions we speak; an answer uses the version of its request.
SPECVERSIONS: Final = ("1.0", "0.3")

REQUIRED: Final = ("specversion", "id", "source", "type")

_BOTH = (*REQUIRED, "datacontenttype", "subject", "time")

#: Context attributes of either version that are not extensions.
CORE: Final = frozenset((*_BOTH, "dataschema", "schemaurl"))

#: The same by version; `datacontentencoding` is 0.3's and never outlives its envelope.
CORE_OF: Final[Mapping[str, frozenset[str]]] = {
    "1.0": frozenset((*_BOTH, "dataschema")),
    "0.3": frozenset((*_BOTH, "datacontentencoding", "schemaurl")),
}

#: The type system's Integer: signed, 32 bits.
INTEGER_MIN: Final = -(2**31)
INTEGER_MAX: Final = 2**31 - 1

#: Names that are remembered as good, and characters of the longest: beyond what an honest
#: stream of events reaches, each name is judged anew.
MAX_KNOWN_NAMES: Final = 1024
MAX_KNOWN_LENGTH: Final = 64

#: Says where an attribute was found: `header 'ce-time'`, `member 'time'`.
Where = Callable[[str], str]


def check_attributes(attributes: Mapping[str, str], where: Where | None = None) -> None:
    """Raise DecodeError unless *attributes* are those of a valid event.

    The text names the attribute, *where* it was found if that is known, what it holds and
    what was expected. URIs are not parsed: RFC 3986's grammar would refuse sources that are
    in use everywhere; a `dataschema` must at least be absolute.
    """
    if not _is_plain(attributes):
        _explain(attributes, where)


def check_names(attributes: Mapping[str, str]) -> None:
    """Raise DecodeError if a name in *attributes* may not name one: before any is written."""
    if not _known_names.issuperset(attributes):
        for name in attributes:
            check_name(name, attributes.get("specversion", "1.0"))


def check_name(name: str, version: str, where: Where | None = None) -> None:
    """Raise DecodeError unless *name* may name an attribute.

    0.3 flattens a map attribute to `attribute-key` over HTTP, so its names may hold dashes.
    """
    if _NAME.fullmatch(name) is not None and name != "data":
        if len(_known_names) < MAX_KNOWN_NAMES and len(name) <= MAX_KNOWN_LENGTH:
            _known_names.add(name)
    elif version != "0.3" or _NAME_03.fullmatch(name) is None or name == "data":
        at = f" ({where(name)})" if where else ""
        raise DecodeError(
            f"attribute name {shown(name)}{at} is invalid: expected a-z and 0-9, not 'data'"
        )


def check_string(name: str, value: str, where: Where | None = None) -> None:
    """Raise DecodeError if *value* holds what a String may not (spec.md, Type System)."""
    if value.isascii() and value.isprintable():
        return
    found = _FORBIDDEN.search(value)
    if found is not None:
        at = f" ({where(name)})" if where else ""
        raise DecodeError(
            f"attribute '{name}'{at} holds U+{ord(found.group()):04X} at character "
            f"{found.start()}: expected no control characters, surrogates or noncharacters"
        )


def canonical(name: str, value: object, where: Where | None = None) -> str:
    """Return *value*, as JSON or Python has it, as the canonical string of its type.

    Raise DecodeError for what the type system has no type for: floats, integers over 32
    bits, arrays, objects. Attributes of the specification that are Strings take no other type.
    """
    if isinstance(value, str):
        return value
    if name in CORE:
        raise _refused(name, value, "a string", where)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and INTEGER_MIN <= value <= INTEGER_MAX:
        return str(value)
    expected = "a string, a boolean or an integer of 32 bits"
    raise _refused(name, value, expected, where)


def is_timestamp(value: str) -> bool:
    """Whether *value* is RFC 3339 with an offset, on a day that exists, any digits of second."""
    if _TIMESTAMP.fullmatch(value) is None:
        return False
    return value[8:10] <= "28" or int(value[8:10]) <= _days(value[:7])


def shown(value: object, limit: int = 60) -> str:
    """Return *value* quoted, escaped and cut, fit for an error or a log line.

    It has *limit* characters of the value at most, and three times as many escaped ones: what
    is unprintable would else be ten times as long.
    """
    text = value if isinstance(value, str) else str(value)
    kept = text[:limit]
    escaped = ascii(kept)
    while len(escaped) > 3 * limit + 2:
        kept = kept[: len(kept) * 3 * limit // len(escaped)]
        escaped = ascii(kept)
    quoted = escaped if isinstance(value, str) else escaped[1:-1]
    return f"{quoted}…" if len(text) > len(kept) else quoted


#: Attributes with a rule that differs from version to version.
_LOOKED_AT_CLOSELY: Final = frozenset(("dataschema", "schemaurl", "datacontentencoding"))


def _is_plain(attributes: Mapping[str, str]) -> bool:
    """Whether *attributes* are those of a valid event, as far as that is cheap to say.

    True is certain; False means: look closely. What `str.isprintable` lets pass holds no
    control character, surrogate or noncharacter.
    """
    get = attributes.get
    time, content_type = get("time"), get("datacontenttype")
    return (
        _known_names.issuperset(attributes)
        and "".join(attributes.values()).isprintable()
        and get("specversion") in SPECVERSIONS
        and bool(get("id") and get("source") and get("type"))
        and get("subject") != ""
        and (time is None or is_timestamp(time))
        and (content_type is None or is_media_type(content_type))
        and _LOOKED_AT_CLOSELY.isdisjoint(attributes)
    )


def _explain(attributes: Mapping[str, str], where: Where | None) -> None:
    """Raise DecodeError, saying what is wrong, unless nothing is."""
    missing = [name for name in REQUIRED if name not in attributes]
    if missing:
        names = ", ".join(repr(name) for name in missing)
        found = f" ({', '.join(where(name) for name in missing)})" if where else ""
        subject = "attributes" if len(missing) > 1 else "attribute"
        verb = "are" if len(missing) > 1 else "is"
        raise DecodeError(f"{subject} {names}{found} {verb} missing: expected a CloudEvent")
    version = attributes["specversion"]
    if version not in SPECVERSIONS:
        raise _refused("specversion", version, "'1.0' or '0.3'", where)
    for name, value in attributes.items():
        check_name(name, version, where)
        check_string(name, value, where)
        expected = _expected(name, value, version)
        if expected is not None:
            raise _refused(name, value, expected, where)


def _refused(name: str, value: object, expected: str, where: Where | None) -> DecodeError:
    at = f" ({where(name)})" if where else ""
    found = "empty" if value == "" else shown(value)
    return DecodeError(f"attribute '{name}'{at} is {found}: expected {expected}")


def _expected(name: str, value: str, version: str) -> str | None:
    """Return what *name* should have held, or None where *value* is fine."""
    if name not in CORE_OF[version] or name == "specversion":
        return None
    if name == "time":
        good, expected = is_timestamp(value), "RFC 3339 with an offset, as 2026-01-31T12:00:00Z"
    elif name == "datacontenttype":
        good, expected = is_media_type(value), "a media type, as application/json"
    elif name == "dataschema":
        good, expected = _ABSOLUTE_URI.fullmatch(value) is not None, "an absolute URI"
    elif name == "datacontentencoding":
        good, expected = value.lower() == "base64", "'base64'"
    else:
        good, expected = value != "", "a non-empty string"
    return None if good else expected


@lru_cache(maxsize=64)
def _days(month: str) -> int:
    """Return how many days *month* (`2026-02`) has; year 0 counts as a leap year."""
    year, number = int(month[:4]), int(month[5:])
    return monthrange(year or 4, number)[1]


_known_names: set[str] = set(CORE)

_NAME = re.compile(r"[a-z0-9]+")
_NAME_03 = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane << 16 | 0xFFFE)}{chr(plane << 16 | 0xFFFF)}" for plane in range(17))
    + "]"
)
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")
_TIMESTAMP = re.compile(
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
    r"[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
