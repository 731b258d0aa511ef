"""What at least once and in order per key mean, decided by the ids: pure, no broker and no clock.

    given      what was written to the topic: a key, and a number that rises in each key
    answers    what is in the topic of responses, in the order of its partitions
    letters    what is in the dead letter, in the order of its partitions
                  ──▶ judge ──▶ lost, strangers, disorder, duplicates

**Lost**: given, and neither answered nor in the dead letter. **Stranger**: there, and never
given. **Duplicate**: every answer or letter of an event beyond its first. **Disorder**: the
first answers of a key must rise, so a number that shows up for the first time after a higher
one of its key is one violation. What was seen before is a repeat, and proves nothing: after a
kill a key starts again at most a window earlier, and that redelivered prefix is made of
repeats alone until it reaches what is new. Dead letters leave their place, so a gap in the
answers is none if the number is a letter; letters of a key are held to the same rule among
themselves.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One event: its *number* in *key*, from 0."""

    key: str
    number: int

    def __str__(self) -> str:
        return f"{self.key}-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What went in and what came out, each as a sequence in the order of its log.

    *kills*: how often what was under way was cut off: a SIGKILL, or a membership lost.
    *window*: how many records may be under way and not committed then, in all.
    *refused*: what must be in the dead letter, nothing else may be; None where anything may.
    """

    given: Sequence[Mark]
    answers: Sequence[Mark]
    letters: Sequence[Mark] = ()
    kills: int = 0
    window: int = 0
    refused: frozenset[Mark] | None = frozenset()


@dataclass(slots=True)
class Verdict:
    """What a history came to; *failures* say in words what must not be."""

    given: int
    answered: int
    letters: int
    lost: list[Mark] = field(default_factory=list)
    strangers: list[Mark] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)
    misplaced: list[Mark] = field(default_factory=list)
    duplicates: int = 0
    allowed_duplicates: int = 0

    @property
    def failures(self) -> list[str]:
        """What is wrong, a line for each kind of it; empty where all is well."""
        found = [
            f"{len(marks)} {what}: {', '.join(map(str, marks[:SHOWN]))}"
            for what, marks in (
                ("lost", self.lost),
                ("strangers", self.strangers),
                ("out of order", self.disorder),
                ("wrongly in the dead letter, or missing there", self.misplaced),
            )
            if marks
        ]
        if self.duplicates > self.allowed_duplicates:
            found.append(f"{self.duplicates} duplicates: at most {self.allowed_duplicates}")
        return found


#: How many marks of a kind a failure names.
SHOWN = 10


def judge(history: History) -> Verdict:
    """Return what *history* came to, by the rules at the top of this file."""
    given = set(history.given)
    answers, letters = set(history.answers), set(history.letters)
    misplaced: set[Mark] = set()
    if history.refused is not None:
        misplaced = (letters ^ history.refused) & given
    repeats = Counter([*history.answers, *history.letters])
    return Verdict(
        given=len(given),
        answered=len(answers),
        letters=len(letters),
        lost=sorted(given - answers - letters),
        strangers=sorted((answers | letters) - given),
        disorder=[*disorder(history.answers), *disorder(history.letters)],
        misplaced=sorted(misplaced),
        duplicates=sum(repeats.values()) - len(repeats),
        allowed_duplicates=history.kills * history.window,
    )


def disorder(marks: Iterable[Mark]) -> list[str]:
    """Return of each mark that is new, and behind a higher one of its key, which two they are."""
    seen: set[Mark] = set()
    highest: dict[str, int] = {}
    found = []
    for mark in marks:
        if mark in seen:
            continue
        seen.add(mark)
        before = highest.get(mark.key, -1)
        if mark.number < before:
            found.append(f"{mark} after {mark.key}-{before}")
        else:
            highest[mark.key] = mark.number
    return found


def check(history: History) -> Verdict:
    """Return the verdict on *history*; raise AssertionError with its failures."""
    verdict = judge(history)
    if verdict.failures:
        raise AssertionError("\n".join(verdict.failures))
    return verdict


__all__ = ["History", "Mark", "Verdict", "check", "disorder", "judge"]
