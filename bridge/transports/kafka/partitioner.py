"""Which partition a record goes to: by its key as Java's clients have it, else any.

    key ─▶ murmur2, 31 bits of it ─▶ modulo the number of partitions

So one key has one partition, whoever writes it. Hashes of keys that come again are remembered.
Source: org.apache.kafka.common.utils.Utils.murmur2 (Austin Appleby's MurmurHash2, seed
0x9747b28c) and BuiltInPartitioner.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import lru_cache
from struct import unpack_from
from typing import TypeVar

T = TypeVar("T")

#: How many keys are remembered, and of how many bytes.
MAX_REMEMBERED = 8192
MAX_REMEMBERED_LENGTH = 128


class Partitioner:
    """Chooses partitions; any of those with a leader for a record without a key."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def __call__(self, key: bytes | None, every: Sequence[T], available: Sequence[T] = ()) -> T:
        """Return the partition among *every*, all of a topic's by number."""
        if key is None:
            among = available or every
            return among[int(self._chance.random() * len(among))]
        known = _remembered(key) if len(key) <= MAX_REMEMBERED_LENGTH else murmur2(key)
        return every[(known & 0x7FFFFFFF) % len(every)]


def murmur2(key: bytes) -> int:
    """Return the hash of *key*, 32 bits."""
    length = len(key)
    words = length >> 2
    found = 0x9747B28C ^ length
    for word in unpack_from(f"<{words}I", key):
        mixed = word * 0x5BD1E995 & 0xFFFFFFFF
        mixed = (mixed ^ mixed >> 24) * 0x5BD1E995
        found = (found * 0x5BD1E995 ^ mixed) & 0xFFFFFFFF
    if length & 3:
        found ^= int.from_bytes(key[words * 4 :], "little")
        found = found * 0x5BD1E995 & 0xFFFFFFFF
    found = (found ^ found >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return found ^ found >> 15


_remembered = lru_cache(MAX_REMEMBERED)(murmur2)
