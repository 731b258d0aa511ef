"""The judge of the Kafka faults: what it must call wrong, and what it must let pass."""

from __future__ import annotations

import pytest

from tests.kafka_oracle import History, Mark, check, disorder, judge


def marks(text: str) -> list[Mark]:
    """Return the marks of `a0 a1 b0`."""
    return [Mark(word[0], int(word[1:])) for word in text.split()]


def test_a_clean_history_has_nothing_against_it() -> None:
    """Everything answered once, in the order of each key, keys as they come."""
    verdict = check(History(given=marks("a0 b0 a1 b1"), answers=marks("b0 a0 a1 b1")))

    assert (4, 4, 0, 0) == (verdict.given, verdict.answered, verdict.letters, verdict.duplicates)


@pytest.mark.parametrize(
    ("answers", "letters", "said"),
    [
        ("a0 b0", "", "1 lost: a-1"),
        ("a0 a1 b0 c0", "", "1 strangers: c-0"),
        ("a1 a0 b0", "", "1 out of order: a-0 after a-1"),
        ("b0", "a1 a0", "1 out of order: a-0 after a-1"),
        ("a0 a1 b0 a0", "", "1 duplicates: at most 0"),
        ("a0 a1 b0", "a1", "1 duplicates: at most 0"),
        ("a0 b0", "a1", "1 wrongly in the dead letter, or missing there: a-1"),
    ],
)
def test_each_kind_of_failure_is_named(answers: str, letters: str, said: str) -> None:
    """Lost, strange, out of order, twice, and a dead letter that should be none."""
    history = History(
        given=marks("a0 a1 b0"),
        answers=marks(answers),
        letters=marks(letters),
        refused=None if letters == "a1 a0" else frozenset(),
    )

    assert said in judge(history).failures
    with pytest.raises(AssertionError, match=said.partition(":")[0]):
        check(history)


def test_a_redelivered_prefix_is_no_disorder() -> None:
    """After a kill a key starts again earlier: repeats, and then what is new."""
    history = History(
        given=marks("a0 a1 a2 a3"), answers=marks("a0 a1 a2 a1 a2 a3"), kills=1, window=2
    )

    assert 2 == check(history).duplicates


def test_what_is_new_within_a_repeated_prefix_must_still_rise() -> None:
    """A kill excuses repeats, and not a number that comes late for the first time."""
    assert ["a-1 after a-2"] == disorder(marks("a0 a2 a0 a1 a2 a3"))


def test_a_kill_excuses_a_window_and_no_more() -> None:
    """The bound is kills times window."""
    history = History(
        given=marks("a0 a1 a2"), answers=marks("a0 a1 a2 a0 a1 a2"), kills=1, window=2
    )

    assert ["3 duplicates: at most 2"] == judge(history).failures


def test_a_dead_letter_leaves_its_place() -> None:
    """The gap in the answers is no loss, and what follows is in order."""
    history = History(
        given=marks("a0 a1 a2"),
        answers=marks("a0 a2"),
        letters=marks("a1"),
        refused=frozenset(marks("a1")),
    )

    assert 1 == check(history).letters


def test_what_must_be_refused_is_missed_in_the_dead_letter() -> None:
    """A poison that was answered is wrong as well."""
    history = History(given=marks("a0 a1"), answers=marks("a0 a1"), refused=frozenset(marks("a1")))

    assert ["1 wrongly in the dead letter, or missing there: a-1"] == judge(history).failures
