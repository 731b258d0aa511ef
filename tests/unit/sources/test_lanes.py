"""Order within a lane, told as little stories."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.lanes import Lanes, Place


async def has_turn(place: Place) -> bool:
    """Whether *place* may let its event out now."""
    try:
        async with asyncio.timeout(0):
            await place.turn()
    except TimeoutError:
        return False
    return True


async def test_the_first_of_a_lane_never_waits() -> None:
    """Nothing is ahead of it."""
    lanes = Lanes()

    assert await has_turn(lanes.enter("a", 0))


async def test_whoever_is_behind_waits_until_those_ahead_are_settled() -> None:
    """One after the other, in the order they came."""
    lanes = Lanes()
    first, second, third = (lanes.enter("a", 0) for _ in range(3))

    told = [await has_turn(second), await has_turn(third)]
    first.leave()
    told += [await has_turn(second), await has_turn(third)]
    second.leave()

    assert [False, False, True, False, True] == [*told, await has_turn(third)]


async def test_one_that_is_settled_early_keeps_those_behind_it_waiting() -> None:
    """A filtered event between two others is no gap to slip through."""
    lanes = Lanes()
    first, second, third = (lanes.enter("a", 0) for _ in range(3))

    second.leave()
    early = await has_turn(third)
    first.leave()

    assert [False, True] == [early, await has_turn(third)]


async def test_lanes_do_not_wait_for_each_other() -> None:
    """A slow key delays itself alone; no lane delays nobody."""
    lanes = Lanes()
    lanes.enter("a", 0)

    others = [lanes.enter("b", 0), lanes.enter(None, 0), lanes.enter(None, 0)]

    assert [True, True, True] == [await has_turn(place) for place in others]


async def test_an_empty_lane_is_forgotten() -> None:
    """A million keys leave nothing behind."""
    lanes = Lanes()
    places = [lanes.enter(lane, 0) for lane in ("a", "b", "a", "c", "b")]

    for place in reversed(places):
        place.leave()

    assert 0 == len(lanes)


async def test_who_waits_is_told_so() -> None:
    """Waiting for a turn is not the model's time."""
    lanes = Lanes()
    first, second = lanes.enter("a", 0), lanes.enter("a", 0)

    waiting = asyncio.create_task(second.turn())
    await asyncio.sleep(0)
    during = second.waiting
    first.leave()
    await waiting

    assert (True, False) == (during, second.waiting)


async def test_a_cancelled_wait_can_begin_again() -> None:
    """As a try does that was cut by its deadline."""
    lanes = Lanes()
    first, second = lanes.enter("a", 0), lanes.enter("a", 0)

    cut = await has_turn(second)
    first.leave()

    assert [False, True] == [cut, await has_turn(second)]


async def test_those_behind_are_named_in_order() -> None:
    """Who is given back takes them along."""
    lanes = Lanes()
    first, other, second, third = (lanes.enter(lane, 0) for lane in "abaa")

    assert [second, third] == list(first.behind())
    assert [] == list(other.behind())


@given(st.lists(st.sampled_from("abc"), max_size=12), st.randoms(use_true_random=False))
def test_whatever_settles_when_each_lane_keeps_its_order(lanes_of, chance) -> None:
    """A place has its turn exactly when all ahead of it in its lane have left."""
    lanes = Lanes()
    places = [lanes.enter(lane, 0) for lane in lanes_of]
    left: set[int] = set()
    order = list(range(len(places)))
    chance.shuffle(order)

    for leaving in order:
        places[leaving].leave()
        left.add(leaving)
        for index, place in enumerate(places):
            if index not in left:
                ahead = [i for i in range(index) if lanes_of[i] == lanes_of[index]]
                assert (place._ahead is None) == all(i in left for i in ahead)

    assert 0 == len(lanes)
