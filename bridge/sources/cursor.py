"""The cursor of a listing: how far it has come, and what is settled there; text in, text out.

    floor           bound - overlap      bound (the store's time when the pass began)
    ─┼─────────────────────┼──────────────────┼────────▶ time of change
     │ all settled before  │  looked at again by the next pass; `done` says what is settled
    ─┴───── keys up to `after`: settled, or by name in `open`; keys behind it: not looked at yet

It moves to the end of a page at most, and never past an object that is neither settled nor in
it by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from bridge.core.errors import BridgeError

#: The form of the text; another one is not read.
VERSION: Final = 1


class CursorUnreadable(BridgeError):
    """A cursor that is none of ours: going on from nothing would repeat all there is."""

    reason = "cursor"


@dataclass(slots=True, kw_only=True)
class BucketCursor:
    """How far the listing of one bucket has come; times in milliseconds, the store's own.

    *floor*: everything older is done, None before the first pass has ended. *bound*: when the
    pass under way began, None between two. *after*: the last key that it has dealt with.
    *open*: keys that are not settled. *done*: place to (time, id) of settled states that a
    pass may meet again.
    """

    floor: int | None = None
    bound: int | None = None
    after: str = ""
    open: list[str] = field(default_factory=list)
    done: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Cursor:
    """What a cursor object says. *owner*: who lists just now, None: nobody. *writes* grows."""

    owner: str | None = None
    writes: int = 0
    buckets: dict[str, BucketCursor] = field(default_factory=dict)


def encoded(cursor: Cursor, *, prefix: str, suffix: str) -> bytes:
    """Return the text of *cursor*, which is about keys with this *prefix* and *suffix*."""
    return orjson.dumps(
        {
            "version": VERSION,
            "owner": cursor.owner,
            "writes": cursor.writes,
            "prefix": prefix,
            "suffix": suffix,
            "buckets": {
                name: {
                    "floor": one.floor,
                    "bound": one.bound,
                    "after": one.after,
                    "open": one.open,
                    "done": one.done,
                }
                for name, one in cursor.buckets.items()
            },
        }
    )


def decoded(data: bytes, *, prefix: str, suffix: str, where: str) -> Cursor:
    """Return the cursor that *data* is; *where* names it in errors.

    Raise CursorUnreadable where it is none, or one about other keys.
    """
    try:
        found = orjson.loads(data)
        cursor = _cursor(found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CursorUnreadable(
            f"{where}: no cursor of a listing ({type(error).__name__}: {error}): expected the "
            "object that this source wrote; to begin anew, and repeat what there is, delete it"
        ) from error
    if (found["prefix"], found["suffix"]) != (prefix, suffix):
        raise CursorUnreadable(
            f"{where}: is about keys with prefix '{found['prefix']}' and suffix "
            f"'{found['suffix']}': expected '{prefix}' and '{suffix}'; give the listing another "
            "cursor, or delete this one to begin anew"
        )
    return cursor


def _cursor(found: Mapping[str, Any]) -> Cursor:
    if found["version"] != VERSION:
        raise ValueError(f"version {found['version']!r}, expected {VERSION}")
    if not isinstance(found["prefix"], str) or not isinstance(found["suffix"], str):
        raise TypeError("prefix and suffix: expected text")
    return Cursor(
        owner=_typed(found["owner"], str),
        writes=_typed(found["writes"], int) or 0,
        buckets={name: _bucket(one) for name, one in found["buckets"].items()},
    )


def _bucket(one: Mapping[str, Any]) -> BucketCursor:
    return BucketCursor(
        floor=_typed(one["floor"], int),
        bound=_typed(one["bound"], int),
        after=_key(one["after"]),
        open=[_key(key) for key in one["open"]],
        done={place: (int(ms), str(known)) for place, (ms, known) in one["done"].items()},
    )


def _typed(found: Any, kind: type[Any]) -> Any:
    if found is not None and (not isinstance(found, kind) or isinstance(found, bool)):
        raise TypeError(f"{found!r}: expected {kind.__name__} or null")
    return found


def _key(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{text!r}: expected a key")
    return text
