"""What the broker counts: one line of a ledger for each trigger, true at every moment.

    received by its broker = filtered + queued + in flight
                             + delivered + dead-lettered + dropped + lost

*Dropped* is a delivery whose reply had no hops left, *lost* one that nobody took, not even a
dead letter: both are logged one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

#: How a delivery ends.
Outcome = Literal["delivered", "dead_lettered", "dropped", "lost"]

OUTCOMES = (*get_args(Outcome), "filtered")


@dataclass(slots=True)
class Tally:
    """The counters of one trigger while they run; only its own parts write to them."""

    filtered: int = 0
    in_flight: int = 0
    delivered: int = 0
    dead_lettered: int = 0
    dropped: int = 0
    lost: int = 0
    retried: int = 0
    replied: int = 0

    def end(self, outcome: Outcome) -> None:
        """Move one event from in flight to its *outcome*."""
        self.in_flight -= 1
        setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCounts:
    """One trigger's line. *retried* and *replied* count tries and replies, not events."""

    trigger: str
    broker: str
    received: int
    filtered: int
    queued: int
    in_flight: int
    delivered: int
    dead_lettered: int
    dropped: int
    lost: int
    retried: int
    replied: int

    @property
    def balanced(self) -> bool:
        """Whether every event that the broker received is in exactly one place."""
        ended = self.delivered + self.dead_lettered + self.dropped + self.lost + self.filtered
        return self.received == self.queued + self.in_flight + ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A snapshot of everything. *received*: accepted events, replies among them.

    *invalid*, *expired* and *overloaded* are requests and replies that were refused: no
    event, no hops left, no room.
    """

    received: int
    invalid: int
    expired: int
    overloaded: int
    triggers: tuple[TriggerCounts, ...]

    @property
    def queued(self) -> int:
        """Events that wait, over all triggers."""
        return sum(line.queued for line in self.triggers)

    @property
    def in_flight(self) -> int:
        """Events being delivered or waiting for another try, over all triggers."""
        return sum(line.in_flight for line in self.triggers)

    @property
    def balanced(self) -> bool:
        """Whether every trigger's line adds up."""
        return all(line.balanced for line in self.triggers)

    def of(self, trigger: str) -> TriggerCounts:
        """Return the line of *trigger* (`namespace/name`); raise KeyError if there is none."""
        for line in self.triggers:
            if line.trigger == trigger:
                return line
        raise KeyError(trigger)


def exposition(counts: Counts) -> bytes:
    """Return *counts* in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

    class Snapshot:
        def collect(self) -> Iterator[Metric]:
            received = CounterMetricFamily(
                "bridge_broker_received", "Events accepted, replies among them."
            )
            received.add_metric([], counts.received)
            yield received
            refused = CounterMetricFamily(
                "bridge_broker_refused", "Requests and replies refused.", labels=["reason"]
            )
            for reason in ("invalid", "expired", "overloaded"):
                refused.add_metric([reason], getattr(counts, reason))
            yield refused
            events = CounterMetricFamily(
                "bridge_broker_events",
                "What became of each event, by trigger.",
                labels=["trigger", "outcome"],
            )
            for line in counts.triggers:
                for outcome in OUTCOMES:
                    events.add_metric([line.trigger, outcome], getattr(line, outcome))
            yield events
            for name, text in _COUNTERS:
                counter = CounterMetricFamily(f"bridge_broker_{name}", text, labels=["trigger"])
                for line in counts.triggers:
                    counter.add_metric([line.trigger], getattr(line, name))
                yield counter
            for name, text in _GAUGES:
                gauge = GaugeMetricFamily(f"bridge_broker_{name}", text, labels=["trigger"])
                for line in counts.triggers:
                    gauge.add_metric([line.trigger], getattr(line, name))
                yield gauge

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Snapshot())
    return generate_latest(registry)


_COUNTERS = (("retried", "Tries after the first."), ("replied", "Replies taken in as events."))
_GAUGES = (("queued", "Events that wait."), ("in_flight", "Events being delivered."))
