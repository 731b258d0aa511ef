"""Which partition a key goes to: where every other client of Kafka would send it."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from aiokafka.partitioner import DefaultPartitioner
from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.kafka.partitioner import MAX_REMEMBERED_LENGTH, Partitioner, murmur2


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_that_of_javas_client(key: bytes, expected: int) -> None:
    """The values of UtilsTest.testMurmur2 in Apache Kafka."""
    assert expected % 2**32 == murmur2(key)


@given(st.binary(max_size=2 * MAX_REMEMBERED_LENGTH), st.integers(1, 50))
def test_a_key_goes_where_aiokafka_sends_it(key: bytes, count: int) -> None:
    """Any key, any number of partitions, remembered or not."""
    every = list(range(count))
    choose = Partitioner(random.Random(1))

    assert DefaultPartitioner()(key, every, every) == choose(key, every) == choose(key, every)


def test_without_a_key_any_partition_with_a_leader_will_do() -> None:
    """Spread by the chance that it is given; all of them where none has a leader."""
    choose = Partitioner(random.Random(1))

    led = Counter(choose(None, range(4), [1, 3]) for _ in range(1000))
    every = Counter(choose(None, range(4), []) for _ in range(1000))

    assert {1, 3} == set(led)
    assert {0, 1, 2, 3} == set(every)
    assert min(*led.values(), *every.values()) > 200
