"""Time and chance as arguments: one clock, one seeded generator, nothing global.

The event path never asks `time` or `random` itself (the linter forbids it), so a test can
own both and a simulation can run a day in a second.
"""

from __future__ import annotations

import asyncio
import time
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """What the event path knows of time."""

    def monotonic(self) -> float:
        """Return seconds that only grow; deadlines and durations are measured on it."""
        ...

    def now_ns(self) -> int:
        """Return nanoseconds since 1970-01-01 UTC, to be shown.

        It may be set back, so it is compared with nothing but what others say of the wall
        clock themselves, as an event's `expirytime` does.
        """
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds*; cancellable."""
        ...


class SystemClock:
    """The machine's own clock."""

    monotonic = staticmethod(time.monotonic)
    now_ns = staticmethod(time.time_ns)
    sleep = staticmethod(asyncio.sleep)


def rfc3339(now_ns: int) -> str:
    """Return *now_ns* as RFC 3339 in UTC with nine digits, as Knative writes it.

    Source: CloudEvents 1.0.2, Type System, Timestamp.
    """
    seconds, nanoseconds = divmod(now_ns, 1_000_000_000)
    return f"{_to_the_second(seconds)}.{nanoseconds:09d}Z"


@lru_cache(maxsize=2)
def _to_the_second(seconds: int) -> str:
    """Format *seconds*, remembering the last answers: events come many to a second."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
