"""Order per object: what is newer, what is known, what comes too late, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.sequence import Newest, Seen, Verdict


def seen(ms: int, ns: int | None = None, *, id: str | None = None, settled: bool = True) -> Seen:
    return Seen(id=id or f"{ms}/{ns}", ms=ms, ns=ns, settled=settled)


@pytest.mark.parametrize(
    ("known", "state", "verdict"),
    [
        (seen(5), seen(6), Verdict.NEW),
        (seen(5), seen(4), Verdict.SUPERSEDED),
        (seen(5, id="a"), seen(5, id="a"), Verdict.KNOWN),
        (seen(5, id="a"), seen(5, id="b"), Verdict.NEW),
        (seen(5, 5_000_009), seen(5, 5_000_001), Verdict.SUPERSEDED),
        (seen(5, 5_000_001), seen(5, 5_000_009), Verdict.NEW),
        (seen(5, 5_000_009), seen(5, None), Verdict.NEW),
        (seen(5, 5_000_001, id="a"), seen(5, None, id="a"), Verdict.KNOWN),
    ],
)
def test_states_are_compared_by_the_stores_time(known: Seen, state: Seen, verdict: Verdict) -> None:
    """To the millisecond; within one by nanoseconds where both have them, else both count."""
    newest = Newest(16)
    newest.take("a", known)

    assert verdict is newest.judge("a", state)


def test_an_object_that_nobody_knows_is_new() -> None:
    """Other objects say nothing of it."""
    newest = Newest(16)
    newest.take("a", seen(9))

    assert Verdict.NEW is newest.judge("b", seen(1))


@given(st.permutations(range(6)))
def test_no_older_state_is_taken_after_a_newer_one(order: list[int]) -> None:
    """Whatever the order of arrival, the times of what is taken only grow, up to the newest."""
    newest, taken = Newest(16), []

    for ms in order:
        if newest.judge("a", seen(ms)) is Verdict.NEW:
            newest.take("a", seen(ms))
            taken.append(ms)

    assert sorted(taken) == taken
    assert 5 == taken[-1]


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    """At the limit the oldest settled ones are forgotten, and how young they were is told."""
    newest = Newest(16)

    for ms in range(100):
        newest.take(str(ms), seen(ms))

    assert len(newest) <= 16
    assert newest.get("99") is not None
    assert newest.get("0") is None
    oldest = min(ms for ms in range(100) if newest.get(str(ms)) is not None)
    assert oldest - 1 == newest.forgotten_ms


def test_what_is_not_settled_is_never_forgotten() -> None:
    """Also where it is the oldest: somebody works on it."""
    newest = Newest(16)
    newest.take("held", seen(0, settled=False))

    for ms in range(1, 100):
        newest.take(str(ms), seen(ms))
    newest.forget_before(1000)

    assert newest.get("held") is not None
    assert 1 == len(newest)


def test_a_state_given_back_is_new_again() -> None:
    """Unless a newer one is known by then, which stays."""
    newest, first, second = Newest(16), seen(1, settled=False), seen(2)
    newest.take("a", first)
    newest.forget("a", first)
    again = newest.judge("a", first)
    newest.take("a", second)

    newest.forget("a", first)

    assert Verdict.NEW is again
    assert second is newest.get("a")


def test_a_cursor_gets_what_is_settled_and_young() -> None:
    """Nothing that is open, nothing that no pass would meet again."""
    newest = Newest(16)
    newest.take("old", seen(1))
    newest.take("young", seen(5))
    newest.take("open", seen(6, settled=False))

    assert {"young"} == set(newest.settled_since(5))
    assert {"old", "young"} == set(newest.settled_since(None))
