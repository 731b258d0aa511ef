"""Expiry: an event that says itself until when it is of use.

Source: CloudEvents extension `expirytime`: a timestamp; a consumer may drop the event from
that moment on. Only an event that has the attribute pays for more than a look into a dict.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from bridge.core.attributes import is_timestamp
from bridge.core.errors import EventError
from bridge.core.event import shown

#: The attribute of an event that stops being of use.
EXPIRYTIME: Final = "expirytime"


def has_expired(expirytime: str, now_ns: int) -> bool:
    """Whether *expirytime* is *now_ns* (nanoseconds since 1970 UTC) or before.

    Raise EventError, naming the attribute, where it is no RFC 3339 time with an offset.
    """
    if not is_timestamp(expirytime):
        raise EventError(
            f"attribute '{EXPIRYTIME}' is {shown(expirytime)}: expected RFC 3339 with an offset, "
            "as 2026-01-31T12:00:00Z"
        )
    return _ns(expirytime) <= now_ns


_EPOCH: Final = date(1970, 1, 1).toordinal()
#: Days in 400 years, after which the calendar repeats: year 0 is none of Python's.
_CYCLE: Final = date(401, 1, 1).toordinal() - date(1, 1, 1).toordinal()


def _ns(text: str) -> int:
    """Return a timestamp as nanoseconds since 1970; digits beyond the ninth are left out."""
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    days = (
        date(year, month, day).toordinal() if year else date(400, month, day).toordinal() - _CYCLE
    )
    seconds = int(text[11:13]) * 3600 + int(text[14:16]) * 60 + int(text[17:19])
    if text[-1] in "Zz":
        rest, offset = text[19:-1], 0
    else:
        rest, zone = text[19:-6], text[-6:]
        offset = int(zone[1:3]) * 3600 + int(zone[4:6]) * 60
        if zone[0] == "-":
            offset = -offset
    fraction = int(rest[1:10].ljust(9, "0")) if rest else 0
    return ((days - _EPOCH) * 86_400 + seconds - offset) * 1_000_000_000 + fraction
