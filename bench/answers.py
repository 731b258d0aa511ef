"""Whether the answers in a topic are those that were asked for, each once and in order by key.

    events 0 … N-1 ─▶ contender ─▶ records, each judged as it is read: right, or why not

A contender that loses, repeats or reorders has no figure, however fast it was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench.replies import SOURCE, TYPE, Wrong, same_answer

#: Of each key's events the n-th has number `key + n * KEYS`: its order is that of its numbers.
KEYS = 1000

_EXPECTED = {
    "ce_specversion": b"1.0",
    "ce_type": TYPE,
    "ce_source": SOURCE,
    "content-type": b"application/json",
}


def key_of(number: int) -> bytes:
    """Return the key of the event *number*."""
    return b"key-%d" % (number % KEYS)


class Answers:
    """Judges the answers of one run of *events* events, whose request ids are *id_of* theirs.

    Records of earlier runs are nobody's here: whoever reads begins where they end. *exact*:
    the model's answer must come through to the byte; otherwise equal JSON will do.
    """

    def __init__(self, events: int, id_of: Callable[[int], bytes], *, exact: bool) -> None:
        self.right = 0
        self.wrong = 0
        self.complaints: list[str] = []
        self._exact = exact
        self._numbers = {id_of(number): number for number in range(events)}
        self._answered = bytearray(events)
        self._last: dict[bytes, int] = {}
        self._ids: set[bytes] = set()

    @property
    def complete(self) -> bool:
        """Whether every event has its right answer."""
        return self.right == len(self._answered)

    def take(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> None:
        """Count a record; those of a key are to be taken in the order of their offsets."""
        try:
            self._check(key, value, dict(headers))
        except Wrong as wrong:
            self.wrong += 1
            if len(self.complaints) < 5:
                self.complaints.append(str(wrong))
        else:
            self.right += 1

    def _check(self, key: bytes | None, value: bytes | None, headers: dict[str, bytes]) -> None:
        """Raise Wrong unless it is the first answer to an event, and none of a later one came."""
        requestid = headers.get("ce_requestid")
        number = self._numbers.get(requestid or b"")
        if number is None:
            raise Wrong(f"ce_requestid is {requestid!r}: that is no event of this run")
        if key != key_of(number):
            raise Wrong(f"the key of event {number} is {key!r}: expected {key_of(number)!r}")
        if self._answered[number]:
            raise Wrong(f"a second answer to event {number}")
        self._answered[number] = 1
        if number < self._last.get(key, -1):
            raise Wrong(f"event {number} is out after {self._last[key]}, which has the same key")
        self._last[key] = number
        for name, expected in _EXPECTED.items():
            if headers.get(name) != expected:
                raise Wrong(f"{name} is {headers.get(name)!r}: expected {expected!r}")
        found = headers.get("ce_id")
        if not found or found in self._ids:
            raise Wrong(f"ce_id is {found!r}: expected one that no other answer has")
        self._ids.add(found)
        if not same_answer(value or b"", exact=self._exact):
            raise Wrong(f"the value is {value!r}: expected the model's answer")
