"""What may be committed, told as little stories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sources.offsets import Offsets


def taken(*offsets: int, start: int = 0) -> Offsets:
    """Return a partition with *offsets* taken."""
    made = Offsets(start)
    for offset in offsets:
        made.take(offset)
    return made


def test_nothing_taken_is_where_it_starts() -> None:
    """The first commit says where this group begins."""
    offsets = Offsets(40)

    assert (40, 0) == (offsets.position, offsets.window)


def test_what_is_settled_in_order_is_committed_in_order() -> None:
    """One after the last settled one."""
    offsets = taken(0, 1, 2)

    positions = []
    for offset in (0, 1, 2):
        offsets.settle(offset)
        positions.append(offsets.position)

    assert [1, 2, 3] == positions


def test_an_unsettled_record_holds_the_commit_however_much_is_settled_behind_it() -> None:
    """Committing beyond it would lose it."""
    offsets = taken(0, 1, 2, 3)

    for offset in (3, 1, 2):
        offsets.settle(offset)

    assert 0 == offsets.position
    offsets.settle(0)
    assert 4 == offsets.position


def test_offsets_that_were_never_delivered_are_no_gap() -> None:
    """Compaction and transactions leave holes."""
    offsets = taken(40, 41, 44, 47, start=40)

    offsets.settle(40)
    offsets.settle(44)
    first = offsets.position
    offsets.settle(41)

    assert (41, 47) == (first, offsets.position)


def test_holes_at_the_end_are_skipped_once_nothing_is_open() -> None:
    """An aborted transaction at the end is no lag."""
    offsets = taken(0)

    offsets.skip_to(9)
    before = offsets.position
    offsets.settle(0)

    assert (0, 9) == (before, offsets.position)


def test_the_window_is_what_was_taken_and_not_committed() -> None:
    """Settled and not committed is redelivered after a kill just the same."""
    offsets = taken(0, 1, 2, 3)
    offsets.settle(0)
    offsets.settle(1)
    offsets.settle(3)

    before = (offsets.window, offsets.committable, offsets.open)
    offsets.commit(offsets.position)

    assert ((4, 2, 2), (2, 0, 2)) == (before, (offsets.window, offsets.committable, offsets.open))


def test_a_late_answer_to_an_old_commit_takes_nothing_back() -> None:
    """What the coordinator once had it keeps."""
    offsets = taken(0, 1)
    offsets.settle(0)
    offsets.settle(1)
    offsets.commit(2)

    offsets.commit(1)

    assert (2, 0) == (offsets.committed, offsets.window)


@pytest.mark.parametrize("offset", [0, 1, 3, 9])
def test_what_is_not_open_cannot_be_settled(offset: int) -> None:
    """Settling twice, or something that never came, is a bug that must show."""
    offsets = taken(0, 2, 4)
    offsets.settle(0)

    with pytest.raises(ValueError, match=f"offset {offset} is not open"):
        offsets.settle(offset)


@pytest.mark.parametrize("offset", [0, 2])
def test_what_was_delivered_is_not_delivered_again(offset: int) -> None:
    """Within one assignment offsets only rise."""
    with pytest.raises(ValueError, match="expected 3 or more"):
        taken(0, 2).take(offset)


@given(st.sets(st.integers(0, 40)), st.randoms(use_true_random=False), st.data())
def test_a_commit_never_passes_what_is_not_settled(holes, chance, data) -> None:
    """Whatever the order and the holes: all before the position is settled, and it is the most."""
    delivered = [offset for offset in range(41) if offset not in holes]
    offsets = taken(*delivered)
    done: set[int] = set()
    order = list(delivered)
    chance.shuffle(order)

    for offset in order:
        offsets.settle(offset)
        done.add(offset)
        open_ = [each for each in delivered if each not in done]
        expected = min(open_) if open_ else (delivered[-1] + 1)
        assert expected == offsets.position
        if data.draw(st.booleans()):
            offsets.commit(offsets.position)
        assert offsets.window == sum(each >= offsets.committed for each in delivered)
