"""What of one Kafka partition may be committed: pure, one partition, no clock and no network.

    offset      …  40  41  42  44  45  46          (43 was compacted away: no gap)
    taken          ✓   ✓   ✓   ✓   ✓
    settled        ✓   ✓       ✓
                           ▲                       position = 42, the first unsettled one
    committed 40 ──────────┘ window = 5             taken and not committed

A commit names the next offset to read. It never passes a record that was delivered and is not
settled; records that were never delivered (compacted, aborted, control batches) hold nothing up.
"""

from __future__ import annotations

from collections import deque


class Offsets:
    """The offsets of one partition, from *start*, the first one that will be delivered.

    Each offset is taken once, in rising order, and settled once, in any order; a ValueError
    says where that is not so: it would be a bug of the source.
    """

    __slots__ = ("_open", "_uncommitted", "_unsettled", "committed", "next")

    def __init__(self, start: int) -> None:
        #: What the group's coordinator knows, as far as it told us.
        self.committed = start
        #: One after the last offset that was delivered or known to hold nothing.
        self.next = start
        self._unsettled: deque[int] = deque()
        self._uncommitted: deque[int] = deque()
        self._open: set[int] = set()

    def take(self, offset: int) -> None:
        """Note that the record at *offset* was delivered."""
        if offset < self.next:
            raise ValueError(f"offset {offset} was delivered already: expected {self.next} or more")
        self._open.add(offset)
        self._unsettled.append(offset)
        self._uncommitted.append(offset)
        self.next = offset + 1

    def settle(self, offset: int) -> None:
        """Note that the record at *offset* is done."""
        if offset not in self._open:
            raise ValueError(f"offset {offset} is not open: expected one that was taken")
        self._open.remove(offset)
        while self._unsettled and self._unsettled[0] not in self._open:
            self._unsettled.popleft()

    def skip_to(self, position: int) -> None:
        """Note that nothing will be delivered before *position*."""
        self.next = max(self.next, position)

    def commit(self, position: int) -> None:
        """Note that the coordinator has *position*."""
        self.committed = max(self.committed, position)
        while self._uncommitted and self._uncommitted[0] < position:
            self._uncommitted.popleft()

    @property
    def position(self) -> int:
        """What may be committed: the first offset that is not settled, else the next one."""
        return self._unsettled[0] if self._unsettled else self.next

    @property
    def window(self) -> int:
        """How many records were taken and are not committed: redelivered after a kill."""
        return len(self._uncommitted)

    @property
    def committable(self) -> int:
        """How many records of the window a commit of `position` would take out of it."""
        return len(self._uncommitted) - self.open

    @property
    def open(self) -> int:
        """How many records a commit of `position` would leave in the window."""
        return len(self._unsettled)
