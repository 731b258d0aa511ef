"""The newest state of each object, so that an older one never follows it, in bounded memory.

    a state found ─▶ newer than what is known of its key?   NEW
                     the very state that is known?          KNOWN
                     older?                                 SUPERSEDED

States are compared by the store's own time of change, to the millisecond: a listing has no
more. Where both say nanoseconds (a notification's sequencer), those decide within one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from heapq import nsmallest

#: Which part of what is remembered goes at once when there is too much.
SHARE_FORGOTTEN = 8


class Verdict(Enum):
    """What a state is beside the newest one known of its object."""

    NEW = "new"
    KNOWN = "duplicate"
    SUPERSEDED = "superseded"


@dataclass(slots=True, eq=False)
class Seen:
    """One state of an object: by what it is known, and when it was made.

    *ns* is None where only milliseconds are known. *settled*: its outcome exists.
    """

    id: str
    ms: int
    ns: int | None = None
    settled: bool = False


class Newest:
    """The newest state of up to *limit* objects of one bucket, each called by its *place*.

    Beyond that the oldest settled ones are forgotten, by their time; what is not settled is
    always remembered. *forgotten_ms* is the time of the youngest that had to be forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[str, Seen] = {}
        self.forgotten_ms: int | None = None

    def __len__(self) -> int:
        """How many objects are remembered."""
        return len(self._known)

    def get(self, place: str) -> Seen | None:
        """Return what is known of the object at *place*."""
        return self._known.get(place)

    def judge(self, place: str, state: Seen) -> Verdict:
        """Return what *state* is beside what is known of *place*."""
        known = self._known.get(place)
        if known is None:
            return Verdict.NEW
        if known.id == state.id:
            return Verdict.KNOWN
        if state.ms != known.ms:
            return Verdict.NEW if state.ms > known.ms else Verdict.SUPERSEDED
        if state.ns is not None and known.ns is not None and state.ns < known.ns:
            return Verdict.SUPERSEDED
        return Verdict.NEW

    def take(self, place: str, state: Seen) -> None:
        """Remember *state* as the newest of *place*."""
        if len(self._known) >= self._limit and place not in self._known:
            self._shrink()
        self._known[place] = state

    def forget(self, place: str, state: Seen) -> None:
        """Forget *state*, which was given back, unless a newer one is known."""
        if self._known.get(place) is state:
            del self._known[place]

    def forget_before(self, ms: int) -> None:
        """Forget what is settled and older than *ms*: nobody will ask for it again."""
        self._known = {
            place: seen for place, seen in self._known.items() if seen.ms >= ms or not seen.settled
        }

    def forget_after(self, ms: int) -> None:
        """Forget what is settled and younger than *ms*, which is in the future by now."""
        self._known = {
            place: seen for place, seen in self._known.items() if seen.ms <= ms or not seen.settled
        }

    def settled_since(self, ms: int | None) -> dict[str, Seen]:
        """Return what is settled and not older than *ms*, by place."""
        return {
            place: seen
            for place, seen in self._known.items()
            if seen.settled and (ms is None or seen.ms >= ms)
        }

    def _shrink(self) -> None:
        settled = [(seen.ms, place) for place, seen in self._known.items() if seen.settled]
        going = nsmallest(max(1, self._limit // SHARE_FORGOTTEN), settled)
        for _, place in going:
            del self._known[place]
        if going:
            self.forgotten_ms = max(going[-1][0], self.forgotten_ms or 0)
