"""The two ledgers and the step timings: plain integers, balanced at every moment.

    deliveries of a source    taken    = settled + refused + given back + open
    events of a pipeline      accepted = replied + published + filtered + dead-lettered
                                         + failed + in flight

Each method books both sides of its line before anything else of the event loop can run, so
whoever reads in between, on the loop, finds them equal. What is still open is counted and
not computed from the rest: something settled twice shows as a line that does not add up.
An event costs two additions here; labels exist only when somebody reads the metrics
(`bridge.observe.metrics`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

#: Upper ends of the histogram's buckets, from a pure function to a slow model.
STEP_BOUNDS_SECONDS: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)

#: Reasons told apart in one line; a user's errors beyond count as `other`.
MAX_REASONS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionFacts:
    """Where a source is in one partition.

    *committed*: the next offset that is not known to be done. *end*: the offset after the
    last record there is, None while nobody said. *held*: events that wait to be tried again.
    *oldest_seconds*: how long the oldest record that is not settled has been here.
    """

    topic: str
    partition: int
    committed: int
    end: int | None
    held: int
    oldest_seconds: float


class Deliveries:
    """What one source took in, and what became of it.

    Every `taken` is followed by exactly one of `settled`, `refused` and `given_back`. *limit*:
    how many may be open at once, None where nothing bounds them. *partitions* says, when
    asked, where a source of partitions is in each. *turned_away*: requests that
    were no delivery, by the status they were answered.
    """

    __slots__ = (
        "given_back_total",
        "limit",
        "open",
        "partitions",
        "refusals",
        "refused_total",
        "settled_total",
        "taken_total",
        "turned_away",
    )

    def __init__(self) -> None:
        self.taken_total = 0
        self.settled_total = 0
        self.refused_total = 0
        self.given_back_total = 0
        self.open = 0
        self.limit: int | None = None
        self.partitions: Callable[[], Sequence[PartitionFacts]] = tuple
        self.refusals: dict[str, int] = {}
        self.turned_away: dict[int, int] = {}

    def taken(self) -> None:
        """Book a delivery as taken in: it is open from here on."""
        self.taken_total += 1
        self.open += 1

    def settled(self) -> None:
        """Book an open delivery as done: whoever delivered it may forget it."""
        self.open -= 1
        self.settled_total += 1

    def refused(self, reason: str = "error") -> None:
        """Book an open delivery as refused, for good or for now; *reason* is the error's."""
        self.open -= 1
        self.refused_total += 1
        if reason not in self.refusals and len(self.refusals) >= MAX_REASONS - 1:
            reason = "other"
        self.refusals[reason] = self.refusals.get(reason, 0) + 1

    def given_back(self) -> None:
        """Book an open delivery as left to be delivered again, without a verdict."""
        self.open -= 1
        self.given_back_total += 1

    def turn_away(self, status: int) -> None:
        """Count a request that was answered *status* and is no delivery: none was taken."""
        self.turned_away[status] = self.turned_away.get(status, 0) + 1

    def balanced(self) -> bool:
        """Whether both sides are equal and nothing was closed that was not open."""
        return self.open >= 0 and self.taken_total == self.open + sum(self.outcomes().values())

    def outcomes(self) -> dict[str, int]:
        """Return how many deliveries ended in which way."""
        return {
            "settled": self.settled_total,
            "refused": self.refused_total,
            "given_back": self.given_back_total,
        }

    def counts(self) -> dict[str, int]:
        """Return the whole line, for people and for JSON."""
        return {"taken": self.taken_total, **self.outcomes(), "open": self.open}


class Events:
    """What one pipeline accepted, and what became of it.

    Every `accepted` is followed by exactly one of the others. *reason* is that of the error
    (`bridge.core.errors`): it says why an event was refused, whether its sender was told
    (`failed`) or the dead letter got it (`dead_lettered`). *refusals* counts by both.
    *filtered_for*: how many of the filtered were so for a reason of their own, by that reason.
    *error_events*: how many refusals were told by an event, by reason; such an event ends as
    that event went.
    """

    __slots__ = (
        "accepted_total",
        "dead_lettered_total",
        "error_events",
        "failed_total",
        "filtered_for",
        "filtered_total",
        "in_flight",
        "published_total",
        "refusals",
        "replied_total",
    )

    def __init__(self) -> None:
        self.accepted_total = 0
        self.replied_total = 0
        self.published_total = 0
        self.filtered_total = 0
        self.dead_lettered_total = 0
        self.failed_total = 0
        self.in_flight = 0
        self.refusals: dict[tuple[str, str], int] = {}
        self.filtered_for: dict[str, int] = {}
        self.error_events: dict[str, int] = {}

    def accepted(self) -> None:
        """Book an event as accepted: it is in flight from here on."""
        self.accepted_total += 1
        self.in_flight += 1

    def replied(self) -> None:
        """Book an event as answered by a reply; also where sinks got the response as well."""
        self.in_flight -= 1
        self.replied_total += 1

    def published(self) -> None:
        """Book an event whose response every sink has."""
        self.in_flight -= 1
        self.published_total += 1

    def filtered(self, reason: str | None = None) -> None:
        """Book an event that is not for this pipeline, or that had nothing to say.

        *reason*, one word: why, where that is worth a count of its own (it had expired, what
        it told of is gone).
        """
        self.in_flight -= 1
        self.filtered_total += 1
        if reason is not None:
            if reason not in self.filtered_for and len(self.filtered_for) >= MAX_REASONS - 1:
                reason = "other"
            self.filtered_for[reason] = self.filtered_for.get(reason, 0) + 1

    def told_of(self, reason: str) -> None:
        """Count a refusal that an error event told of; how its event ended is booked apart."""
        if reason not in self.error_events and len(self.error_events) >= MAX_REASONS - 1:
            reason = "other"
        self.error_events[reason] = self.error_events.get(reason, 0) + 1

    def dead_lettered(self, reason: str) -> None:
        """Book an event that the dead letter has."""
        self.in_flight -= 1
        self.dead_lettered_total += 1
        self._refuse("dead_lettered", reason)

    def failed(self, reason: str) -> None:
        """Book an event that was refused or cancelled: it is not settled."""
        self.in_flight -= 1
        self.failed_total += 1
        self._refuse("failed", reason)

    def balanced(self) -> bool:
        """Whether both sides are equal and nothing ended that was not in flight."""
        ended = sum(self.outcomes().values())
        return self.in_flight >= 0 and self.accepted_total == self.in_flight + ended

    def outcomes(self) -> dict[str, int]:
        """Return how many events ended in which way."""
        return {
            "replied": self.replied_total,
            "published": self.published_total,
            "filtered": self.filtered_total,
            "dead_lettered": self.dead_lettered_total,
            "failed": self.failed_total,
        }

    def counts(self) -> dict[str, int]:
        """Return the whole line, for people and for JSON."""
        return {"accepted": self.accepted_total, **self.outcomes(), "in_flight": self.in_flight}

    def _refuse(self, outcome: str, reason: str) -> None:
        if (outcome, reason) not in self.refusals and len(self.refusals) >= MAX_REASONS - 1:
            reason = "other"
        self.refusals[outcome, reason] = self.refusals.get((outcome, reason), 0) + 1


class Histogram:
    """Durations in fixed buckets: how many, how long in all, how they spread."""

    __slots__ = ("bounds", "buckets", "sum")

    def __init__(self, bounds: tuple[float, ...] = STEP_BOUNDS_SECONDS) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count *seconds* in the bucket whose upper end it does not exceed."""
        self.buckets[bisect_left(self.bounds, seconds)] += 1
        self.sum += seconds

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self.buckets)


class PipelineLedger:
    """Everything that is counted of one pipeline.

    *steps*: durations by step. *components*: whether each answered its last ping, by name.
    *deadline_seconds*: how long an event may take, None where nobody said.
    """

    __slots__ = ("components", "deadline_seconds", "events", "steps")

    def __init__(self) -> None:
        self.events = Events()
        self.steps: dict[str, Histogram] = {}
        self.components: dict[str, bool] = {}
        self.deadline_seconds: float | None = None

    def step(self, name: str) -> Histogram:
        """Return the histogram of the step *name*, a new one at the first call.

        Ask once, when the pipeline is built, and keep the answer.
        """
        return self.steps.setdefault(name, Histogram())


class Ledger:
    """Everything that is counted in this process, by source and by pipeline."""

    __slots__ = ("pipelines", "sources")

    def __init__(self) -> None:
        self.sources: dict[str, Deliveries] = {}
        self.pipelines: dict[str, PipelineLedger] = {}

    def source(self, name: str) -> Deliveries:
        """Return the deliveries of the source *name*, a new line at the first call."""
        return self.sources.setdefault(name, Deliveries())

    def pipeline(self, name: str) -> PipelineLedger:
        """Return what is counted of the pipeline *name*, a new line at the first call."""
        return self.pipelines.setdefault(name, PipelineLedger())

    def balanced(self) -> bool:
        """Whether every line adds up."""
        return all(line.balanced() for line in self.sources.values()) and all(
            line.events.balanced() for line in self.pipelines.values()
        )

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return every line by source and by pipeline, for people and for JSON."""
        return {
            "sources": {name: line.counts() for name, line in self.sources.items()},
            "pipelines": {name: line.events.counts() for name, line in self.pipelines.items()},
        }
