"""One bucket of a listing: how far it was gone through, and what of it is open.

cursor read ─▶ pending, by name ─▶ open, worked on ─▶ settled ─▶ snapshot ─▶ cursor written
"""

from __future__ import annotations

from collections.abc import Mapping

from bridge.sources.cursor import BucketCursor
from bridge.sources.sequence import Seen
from bridge.sources.under_way import UnderWay, Work


class ListedBucket:
    """One bucket: its cursor, what is open, and what was open when the cursor was read."""

    def __init__(self, at: BucketCursor) -> None:
        self.cursor = at
        self.open: dict[str, Work] = {}
        self.pending: dict[str, None] = dict.fromkeys(at.open)

    def snapshot(self, under_way: UnderWay, bucket: str, overlap_ms: int) -> BucketCursor:
        """Return the cursor as it is now, with what a coming pass would meet again."""
        at = self.cursor
        since = at.floor
        if at.bound is not None:
            begins = at.bound - overlap_ms
            since = begins if since is None else max(begins, since)
        settled: Mapping[str, Seen] = under_way.newest(bucket).settled_since(since)
        return BucketCursor(
            floor=at.floor,
            bound=at.bound,
            after=at.after,
            open=list({**self.pending, **self.open}),
            done={place: (seen.ms, seen.id) for place, seen in settled.items()},
        )
