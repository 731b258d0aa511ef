"""One case: bytes for one connection, and what the rules say must come back.

    seed, number ─▶ case() ─▶ a rule, its answer known  (`http_rules`, `event_rules`)
                          └─▶ a valid request, changed  (`mutations`), any answer but a 5xx

Every case is made from the seed and its own number alone, so that one that failed is made
again by itself: `python -m tests.fuzz SEED NUMBER`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random
from typing import Literal

#: Statuses of the last answer; 0: the connection was closed without one.
Statuses = frozenset[int]

ACCEPTED: Statuses = frozenset({200})
TAKEN: Statuses = frozenset({200, 202})
MALFORMED: Statuses = frozenset({400})
REFUSED: Statuses = frozenset({400, 415, 422})
CLOSED: Statuses = frozenset({0})

#: What a sender does after its last byte: say that no more will come, wait for the answers it
#: is owed, or go away without a word.
Ending = Literal["half-close", "wait", "abort"]

#: One share of a case's pieces is sent at a time, so that it comes in several.
MAX_PIECES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is sent on one connection.

    *name*: the rule, or how it was changed. *expected*: the statuses that the last answer may
    have, None where no rule says; *before*: how many answers of 200 come before it. *cuts*:
    where the bytes are cut on their way. *ending*: what the sender does behind them.
    """

    name: str
    data: bytes
    expected: Statuses | None = None
    before: int = 0
    cuts: tuple[int, ...] = ()
    ending: Ending = "half-close"

    @property
    def pieces(self) -> list[bytes]:
        """The bytes in the order and the pieces they are sent in."""
        at = sorted({0, len(self.data), *(cut for cut in self.cuts if cut < len(self.data))})
        return [self.data[a:b] for a, b in pairwise(at)] or [b""]


Rule = Callable[[Random], Case]


def one_of(
    rules: list[Rule], mutate: Callable[[Random, bytes], tuple[str, bytes]], seed: int
) -> Callable[[int], Case]:
    """Return the function that makes case *number* of *seed*: by a rule, or by a mutation."""

    def case(number: int) -> Case:
        chance = Random(f"{seed} {number}")
        made = chance.choice(rules)(chance)
        if chance.random() < 0.5:
            name, data = mutate(chance, made.data)
            made = Case(name=f"{made.name}, {name}", data=data)
        if chance.random() < 0.25:
            cuts = chance.choices(range(len(made.data) + 1), k=chance.randint(1, MAX_PIECES))
            made = replace(made, cuts=tuple(cuts))
        if made.expected is None and chance.random() < 0.1:
            made = replace(made, ending="abort")
        elif made.expected is not None and 0 not in made.expected and chance.random() < 0.5:
            made = replace(made, ending="wait")
        return made

    return case
