"""What came of images that were put into a bucket, decided by keys and ids: pure, no store.

    expected   key → etag, and the digit that the model names when asked directly
    placed     digit → key → etag: what lies in the buckets of the digits
    responses  id and key and digit of each record published, in the order of its log
    letters    keys in the dead letter
                  ──▶ failures: lost, in a wrong bucket or in two, strangers, too many repeats

A **response** is the same event as another if it has its id. Each image must be in exactly one
bucket, with its own bytes, and published under one id of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Image:
    """An image that was put: its content's *etag*, and the *digit* that the model calls it."""

    etag: str
    digit: int


@dataclass(frozen=True, slots=True)
class Response:
    """A response that was published."""

    id: str
    key: str
    digit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What went in and what came out.

    *allowed_repeats*: how many responses beyond the first of their id there may be: kills ×
    window. *refused*: keys that must be in the dead letter, and no others may.
    """

    expected: Mapping[str, Image]
    placed: Mapping[int, Mapping[str, str]]
    responses: Sequence[Response]
    letters: Sequence[str] = ()
    refused: Set[str] = field(default_factory=frozenset)
    allowed_repeats: int = 0

    @property
    def repeats(self) -> int:
        """How many responses there are beyond the first of their id."""
        return len(self.responses) - len({response.id for response in self.responses})

    @property
    def failures(self) -> list[str]:
        """What is wrong, a line each; empty where all is well."""
        found = [*self._of_places(), *self._of_responses()]
        if set(self.letters) != set(self.refused):
            wrong = sorted(set(self.letters) ^ set(self.refused))
            found.append(f"wrongly in the dead letter, or missing there: {wrong}")
        if self.repeats > self.allowed_repeats:
            found.append(f"{self.repeats} repeats: at most {self.allowed_repeats}")
        return found

    def _of_places(self) -> list[str]:
        found = []
        where: dict[str, list[int]] = {}
        for digit, objects in self.placed.items():
            for key, etag in objects.items():
                where.setdefault(key, []).append(digit)
                image = self.expected.get(key)
                if image is None:
                    found.append(f"{key} is in digit {digit}, and nobody expected it")
                elif etag != image.etag:
                    found.append(f"{key} in digit {digit} has other bytes: {etag}")
        for key, image in self.expected.items():
            if where.get(key, []) != [image.digit]:
                found.append(f"{key} is in {where.get(key, [])}: expected [{image.digit}]")
        return found

    def _of_responses(self) -> list[str]:
        found = []
        keys: dict[str, set[str]] = {}
        for response in self.responses:
            keys.setdefault(response.key, set()).add(response.id)
            image = self.expected.get(response.key)
            if image is None or image.digit != response.digit:
                found.append(f"response {response.id}: {response.key} is no {response.digit}")
        found += [f"{key} has no response" for key in self.expected if key not in keys]
        owners = Counter(id_ for ids in keys.values() for id_ in ids)
        found += [
            f"id {id_} is that of {count} images" for id_, count in owners.items() if count > 1
        ]
        found += [f"{key} has {len(ids)} ids" for key, ids in keys.items() if len(ids) > 1]
        return found
