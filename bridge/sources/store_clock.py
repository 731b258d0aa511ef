"""A store's clock that goes back: what is put from then on looks older than what was done.

    bound of this pass  <  floor, or than the last bound and our own clock make it
                        ─▶ the floor goes back too, and what is known of the future is forgotten

Whoever sets a wrong clock right, or moves a store to another machine, makes it so. Without
this, everything put until the clock is where it was would be passed over, and nothing said.
"""

from __future__ import annotations

import structlog

from bridge.core.clock import Clock
from bridge.sources.cursor import BucketCursor
from bridge.sources.sequence import Newest

log = structlog.get_logger()


class StoreClock:
    """The clock of one store, as the passes of *source* find it; *clock* is our own."""

    def __init__(self, clock: Clock, overlap_ms: int, *, source: str) -> None:
        self._clock = clock
        self._overlap_ms = overlap_ms
        self._source = source
        self._last: tuple[int, float] | None = None
        self._back_ms = self._since_ms = 0

    def taken_over(self) -> None:
        """Forget the last pass: what the clock did since, another replica has seen to."""
        self._last = None

    def began(self, bound: int) -> None:
        """Note that a pass begins, and that the store's clock says *bound* milliseconds."""
        now, self._back_ms, self._since_ms = self._clock.monotonic(), 0, 0
        if self._last is not None:
            last, then = self._last
            self._since_ms = int((now - then) * 1000)
            self._back_ms = last + self._since_ms - bound
        self._last = bound, now

    def look_again(self, bucket: str, at: BucketCursor, newest: Newest, bound: int) -> None:
        """Set *at* back where the clock went back by more than the overlap hides.

        What has changed since is found then. What a pass meets again without knowing it is
        repeated once, with the same ids.
        """
        floor = at.floor
        if at.bound is not None:
            at.bound = min(at.bound, bound)
        if floor is None or not (bound < floor or self._back_ms > self._overlap_ms):
            return
        # It may have gone back right after the last pass began, and run on since.
        earliest = bound - self._since_ms
        at.floor = min(floor, earliest - self._overlap_ms)
        newest.forget_after(bound)  # what was put over the rest, the store still lists
        log.warning(
            "the store's clock went back: looking at what changed since once more, and not at "
            "what was put while nobody listed, earlier than that",
            source=self._source,
            bucket=bucket,
            seconds=max(self._back_ms, floor - bound) / 1000,
            overlap_seconds=self._overlap_ms / 1000,
        )
