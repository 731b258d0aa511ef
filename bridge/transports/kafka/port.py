"""What source and sink ask of a cluster: small enough for fakes that keep every promise.

join ─▶ assigned(partitions) ─▶ fetch, fetch … commit … ─▶ revoked(partitions) ─▶ assigned …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bridge.core.errors import BridgeError, Rejected, Unavailable
from bridge.core.event import Record


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class OutOfRange(BridgeError):
    """The next offset is not there any more, or not yet: retention or an operator took it."""

    reason = "out_of_range"


class Ended(BridgeError):
    """The client has met what it did not expect and does nothing any more."""

    reason = "ended"


class Fenced(Unavailable):
    """The group has moved on: what this member wanted to commit is somebody else's now."""

    reason = "fenced"


class Assignments(Protocol):
    """Who is told when partitions come and go. The group waits for both."""

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """Begin with *partitions*."""
        ...

    async def revoked(self, partitions: Sequence[Partition]) -> None:
        """Let go of *partitions*: settle or give back what was taken, and commit."""
        ...


class Consumer(Protocol):
    """One member of a group."""

    async def start(self, assignments: Assignments) -> None:
        """Connect and join; raise Unavailable where no broker can be reached.

        May be called again after that. *assignments* is told from then on.
        """
        ...

    async def stop(self) -> None:
        """Leave the group and close; may be called twice, and without `start`."""
        ...

    async def fetch(self, partition: Partition, max_records: int) -> list[Record]:
        """Return the next records of *partition*, at most so many; wait until there are some.

        May be empty where only the position moved on. Raise OutOfRange where the position is
        not there, Unavailable for anything that may pass. Cancelled, it has taken nothing.
        """
        ...

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Return when the group's coordinator has *positions*, the next offsets to read.

        Raise Fenced where this member does not own one of them, Unavailable otherwise.
        """
        ...

    async def committed(self, partition: Partition) -> int | None:
        """Return the group's position in *partition*, None where it has none."""
        ...

    async def bounds(self, partition: Partition) -> tuple[int, int]:
        """Return the first offset that is there and the one after the last."""
        ...

    def seek(self, partition: Partition, offset: int) -> None:
        """Have the next fetch begin at *offset*.

        Raise Fenced where *partition* is not this member's.
        """
        ...

    async def position(self, partition: Partition) -> int:
        """Return where the next fetch begins: past records that were never delivered.

        Raise Fenced where *partition* is not this member's.
        """
        ...

    def end(self, partition: Partition) -> int | None:
        """Return the offset after the last record there is, as of the last fetch."""
        ...

    def check(self) -> None:
        """Return if this member is in the group or tries to be.

        Raise Unavailable, once, where the group did not let it in: it tries again after that.
        Raise Ended where it does not try any more.
        """
        ...

    async def ping(self) -> None:
        """Return if a broker answers and has the topics; raise Unavailable if not."""
        ...


class TooLarge(Rejected):
    """The record is larger than the brokers, or we, allow; the text says how large."""


class Producer(Protocol):
    """Writes records, each acknowledged by itself."""

    async def send(
        self,
        topic: str,
        *,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> None:
        """Return when every replica in sync has the record, and not before.

        Records of one key have one partition, and there the order of the calls, if each waits
        for the one before it. Raise TooLarge or Rejected for what no other try would change,
        Unavailable for anything that may pass; the record may be there nevertheless then. May
        be called concurrently, and with brokers that are not there yet.
        """
        ...

    async def close(self) -> None:
        """Give up what is still under way, and disconnect. May be called twice."""
        ...

    async def ping(self, topic: str) -> None:
        """Return if a broker answers and has *topic*; raise Unavailable if not."""
        ...
