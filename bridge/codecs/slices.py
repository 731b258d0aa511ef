r"""The members of a JSON object, one of them also as the very bytes it was written in.

    {"id": "1", "data": {"x": 1.50}, "n": 5}
                        └────┬────┘
          these bytes stay as they are; everything is parsed

The JSON parser alone judges what is valid (orjson, which also refuses what the grammar allows
and no double or string can hold: `1e999`, a lone surrogate). What is here only finds where
values begin and end, in text that the parser accepts, and refuses nesting deeper than asked
for, so that no later reader runs out of stack.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, Final, NamedTuple

import orjson

from bridge.core.errors import DecodeError


class Members(NamedTuple):
    """An object's members.

    *values* as parsed, by name; *raw*: the chosen member as written, None if there is none
    (where *raw* is given, a chosen array or object may be None in *values*); *repeated*: a
    name that occurs twice, if one does.
    """

    values: dict[str, Any]
    raw: bytes | None
    repeated: str | None


def read_object(body: bytes, chosen: str, *, max_depth: int) -> Members:
    """Return the members of the JSON object *body* is.

    Raise DecodeError if it is none, with line and column of what is wrong. A *chosen* member
    that comes last, as most senders write it, is parsed once; elsewhere twice.
    """
    text = _text(body, max_depth)
    found = _walk(text, 0, chosen, may_be_last=True)
    try:
        if found is None:
            value = orjson.loads(text)
            if isinstance(value, dict):  # valid, and still the walk lost its way: out of stack
                raise DecodeError("JSON is nested too deeply to be read")
            raise DecodeError(f"expected a JSON object, found {_kind(value)}")
        start, stop = found.span
        if found.proven:
            values = orjson.loads(f"{text[:start]}null{text[stop:]}")
        else:
            values = orjson.loads(text)
    except orjson.JSONDecodeError:
        _parse(text)  # raises, counting lines and columns from the beginning
        raise
    return Members(values, text[start:stop].encode() if stop else None, found.repeated)


def read_array(
    body: bytes, chosen: str, *, max_depth: int, max_members: int
) -> list[Members | DecodeError]:
    """Return the members of each object in the JSON array *body* is, errors in their place.

    Raise DecodeError if it is no array, or one of more than *max_members*: before any of
    them is looked at.
    """
    text = _text(body, max_depth)
    values = _parse(text)
    if not isinstance(values, list):
        raise DecodeError(f"expected a JSON array, found {_kind(values)}")
    if len(values) > max_members:
        raise DecodeError(f"batch holds {len(values)} events: expected at most {max_members}")
    return [
        DecodeError(f"expected a JSON object, found {_kind(value)}")
        if found is None
        else Members(
            value,
            text[found.span[0] : found.span[1]].encode() if found.span[1] else None,
            found.repeated,
        )
        for value, found in zip(values, _walk_array(text, values, chosen), strict=True)
    ]


def is_embeddable(data: bytes, *, max_depth: int) -> bool:
    """Whether *data* is JSON that comes back byte for byte as a member of an object.

    White space around it would not, nor would what the parser refuses.
    """
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return data.strip(_SPACE.encode()) == data and not _is_deeper(data, max_depth)


#: Attributes of one event, and its data: more are no event, and would only cost time.
MAX_MEMBERS: Final = 1_000


class _Found(NamedTuple):
    """What the walk over one object saw: the chosen value's place, and the object's end."""

    span: tuple[int, int]
    proven: bool  # the chosen value is known to be valid
    repeated: str | None
    end: int


def _walk(text: str, at: int, chosen: str, *, may_be_last: bool) -> _Found | None:
    """Go over the members of the object at *at*; None: no object, or not valid."""
    opened = _OPENED.match(text, at)
    if opened is None:
        return None
    names: set[str] = set()
    repeated, span, proven, at = None, (0, 0), False, opened.end()
    closed = opened[1] is not None
    while not closed:
        member = _MEMBER.match(text, at)
        if member is None:
            return None
        raw, value, comma = member.groups()
        name = raw if "\\" not in raw else _unescaped(raw)
        if name is None:
            return None
        if value is not None:
            start, stop = member.span(2)
            at = member.end()
        else:  # an array or an object: its end must be looked for
            start, stop = member.end(), -1
            if name == chosen and may_be_last:
                may_be_last = False
                stop = _end_if_last(text, start)
                proven = stop > 0
            if stop < 0:
                stop = _end(text, start)
            following = _FOLLOWING.match(text, stop) if stop > 0 else None
            if following is None:
                return None
            comma, at = following[1], following.end()
        if name in names:
            repeated = name
        names.add(name)
        if len(names) > MAX_MEMBERS:
            raise DecodeError(f"an event holds more than {MAX_MEMBERS} members")
        if name == chosen:
            span = (start, stop)
        closed = comma == "}"
    return _Found(span, proven, repeated, at)


def _walk_array(text: str, values: list[Any], chosen: str) -> Iterator[_Found | None]:
    """Go over the elements of the valid array *text*: None for one that is no object."""
    at = text.index("[") + 1
    for value in values:
        found = _walk(text, at, chosen, may_be_last=False)
        if found is None and isinstance(value, dict):
            raise DecodeError("JSON is nested too deeply to be read")
        begin = _SPACES.match(text, at)
        at = found.end if found else _end(text, begin.end() if begin else at)
        comma = _COMMA.match(text, at)
        at = comma.end() if comma else at
        yield found


def _unescaped(name: str) -> str | None:
    """Undo the escapes of a member's *name*; None if they are not valid."""
    try:
        return str(orjson.loads(f'"{name}"'))
    except orjson.JSONDecodeError:
        return None


def _end_if_last(text: str, start: int) -> int:
    """Return where the value at *start* ends if it is an object's last member, else -1."""
    stop = text.rfind("}", start)
    while stop > start and text[stop - 1] in _SPACE:
        stop -= 1
    try:
        orjson.loads(text[start:stop])
    except orjson.JSONDecodeError:
        return -1
    return stop


def _end(text: str, start: int) -> int:
    """Return where the value at *start* ends, or -1 if it is not valid JSON."""
    try:
        return _DECODER.raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return -1


def _text(body: bytes, max_depth: int) -> str:
    """Return *body* as text; raise DecodeError if it is no UTF-8, or nested too deeply."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise DecodeError(f"not UTF-8: {error.reason} at byte {error.start}") from error
    if text.startswith("\ufeff"):
        raise DecodeError("not JSON: starts with a byte order mark")
    if _is_deeper(body, max_depth):
        _parse(text)  # broken JSON says so rather
        raise DecodeError(f"JSON is nested deeper than {max_depth} levels")
    return text


def _is_deeper(body: bytes, max_depth: int) -> bool:
    """Whether arrays and objects nest deeper than *max_depth* in valid JSON."""
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return False
    steps = _STRING.sub(b"", body).translate(_STEPS, _NO_STEPS)
    depth = 0
    for start in range(0, len(steps), _STEPS_AT_ONCE):
        stop = min(start + _STEPS_AT_ONCE, len(steps))
        opened = steps.count(_OPENS, start, stop)
        # Only where so many open that the depth might be passed is each of them looked at.
        if depth + opened > max_depth:
            at_once = memoryview(steps)[start:stop].cast("b")
            if max(accumulate(at_once, initial=depth)) > max_depth:
                return True
        depth += 2 * opened - (stop - start)
    return False


def _parse(text: str) -> Any:
    """Return JSON *text* parsed; raise DecodeError with line and column if it is not JSON."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"not JSON: {error}") from error


def _kind(value: Any) -> str:
    """Return what JSON calls *value*, with its article."""
    for kinds, name in _KINDS:
        if isinstance(value, kinds):
            return name
    return "null"


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (dict, "an object"),
    (list, "an array"),
    (str, "a string"),
    (bool, "a boolean"),
    ((int, float), "a number"),
)
_SPACE = " \t\n\r"
_WS = r"[ \t\n\r]*+"
_IN_STRING = r'[^"\\]*+(?:\\.[^"\\]*+)*+'
_SPACES = re.compile(_WS)
_COMMA = re.compile(rf"{_WS},")
_OPENED = re.compile(rf"{_WS}\{{{_WS}(\}})?+")
_MEMBER = re.compile(
    rf'{_WS}"({_IN_STRING})"{_WS}:{_WS}(?:("{_IN_STRING}"|[^][{{}}",:\s]++){_WS}([,}}]))?+',
    re.DOTALL,
)
_FOLLOWING = re.compile(rf"{_WS}([,}}])")
# A string without an end is taken whole, or each quote in it would be tried as a beginning.
_STRING = re.compile(rf'"{_IN_STRING}"?+'.encode(), re.DOTALL)
_OPENS = 1
_STEPS_AT_ONCE = 64
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_STEPS = bytes(set(range(256)) - set(b"[{]}"))
# Numbers stay text: only the end of a value is of interest, never the value.
_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=str)
