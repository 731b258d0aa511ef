"""The ledger as Prometheus metrics: labels are made when somebody reads, not per event.

Each metric is described in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bridge.core.errors import (
    BridgeError,
    DeadlineExceeded,
    DecodeError,
    Doubtful,
    EventError,
    Overloaded,
    Rejected,
    TransformError,
    Unavailable,
    UnsupportedFormat,
)
from bridge.observe.ledger import Histogram, Ledger

_BAD = (EventError, DecodeError, UnsupportedFormat, TransformError, Rejected)
_OUTAGE = (Unavailable, Doubtful, DeadlineExceeded, Overloaded)

#: Exported as 0 until they happen: Prometheus sees no increase where a series begins, and
#: would miss the first of each.
DELIVERY_REASONS = tuple(error.reason for error in (*_BAD, *_OUTAGE, BridgeError))
EVENT_REASONS = (
    *(("dead_lettered", error.reason) for error in _BAD),
    *(("failed", error.reason) for error in (*_BAD, *_OUTAGE, BridgeError)),
)


def registry(ledger: Ledger) -> CollectorRegistry:
    """Return a registry of its own with *ledger* and this process: memory, CPU, files."""
    own = CollectorRegistry(auto_describe=False)
    own.register(LedgerCollector(ledger))
    ProcessCollector(registry=own)
    PlatformCollector(registry=own)
    GCCollector(registry=own)
    return own


def render(registry: CollectorRegistry, accept: str = "") -> tuple[str, bytes]:
    """Return the content type and the exposition of *registry*, in the form *accept* prefers.

    Call it on the event loop: only there does the ledger stand still.
    """
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)


class LedgerCollector(Collector):
    """Reads the ledger whenever somebody asks for metrics."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def describe(self) -> Iterator[Metric]:
        """Return nothing: what there is depends on the pipelines."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it is at this moment."""
        yield from self._events()
        yield from self._deliveries()
        yield from self._partitions()
        yield from self._steps()
        yield self._components()
        balanced = GaugeMetricFamily("bridge_ledger_balanced", "Whether both sides are equal.")
        balanced.add_metric([], float(self._ledger.balanced()))
        yield balanced

    def _events(self) -> Iterator[Metric]:
        accepted = CounterMetricFamily(
            "bridge_events_accepted", "Events accepted.", labels=["pipeline"]
        )
        ended = CounterMetricFamily(
            "bridge_events", "Events by how they ended.", labels=["pipeline", "outcome"]
        )
        in_flight = GaugeMetricFamily(
            "bridge_events_in_flight", "Events accepted and not ended.", labels=["pipeline"]
        )
        refusals = CounterMetricFamily(
            "bridge_refusals",
            "Events that failed or went to the dead letter, by why.",
            labels=["pipeline", "outcome", "reason"],
        )
        filtered = CounterMetricFamily(
            "bridge_filtered",
            "Filtered events by why, where a pipeline had a reason of its own.",
            labels=["pipeline", "reason"],
        )
        told = CounterMetricFamily(
            "bridge_error_events",
            "Refusals that were told by an event, by why.",
            labels=["pipeline", "reason"],
        )
        for name, pipeline in self._ledger.pipelines.items():
            events = pipeline.events
            for reason, count in (_NOT_EXPIRED | events.filtered_for).items():
                filtered.add_metric([name, reason], count)
            for reason, count in events.error_events.items():
                told.add_metric([name, reason], count)
            accepted.add_metric([name], events.accepted_total)
            in_flight.add_metric([name], events.in_flight)
            for outcome, count in events.outcomes().items():
                ended.add_metric([name, outcome], count)
            for (outcome, reason), count in (_NO_EVENTS | events.refusals).items():
                refusals.add_metric([name, outcome, reason], count)
        return iter((accepted, ended, in_flight, refusals, filtered, told))

    def _deliveries(self) -> Iterator[Metric]:
        taken = CounterMetricFamily(
            "bridge_deliveries_taken", "Deliveries taken in.", labels=["source"]
        )
        ended = CounterMetricFamily(
            "bridge_deliveries", "Deliveries by how they ended.", labels=["source", "outcome"]
        )
        refusals = CounterMetricFamily(
            "bridge_deliveries_refused", "Deliveries refused, by why.", labels=["source", "reason"]
        )
        turned_away = CounterMetricFamily(
            "bridge_requests_turned_away",
            "Requests that were no delivery, by what they were answered.",
            labels=["source", "status"],
        )
        open_ = GaugeMetricFamily("bridge_in_flight", "Deliveries still open.", labels=["source"])
        limit = GaugeMetricFamily(
            "bridge_in_flight_limit", "Deliveries that may be open at once.", labels=["source"]
        )
        for name, deliveries in self._ledger.sources.items():
            taken.add_metric([name], deliveries.taken_total)
            open_.add_metric([name], deliveries.open)
            if deliveries.limit is not None:
                limit.add_metric([name], deliveries.limit)
            for outcome, count in deliveries.outcomes().items():
                ended.add_metric([name, outcome], count)
            for reason, count in (_NO_DELIVERIES | deliveries.refusals).items():
                refusals.add_metric([name, reason], count)
            for status, count in deliveries.turned_away.items():
                turned_away.add_metric([name, str(status)], count)
        return iter((taken, ended, refusals, turned_away, open_, limit))

    def _partitions(self) -> Iterator[Metric]:
        labels = ["source", "topic", "partition"]
        committed = GaugeMetricFamily(
            "bridge_kafka_committed_offset", "The next offset to be settled.", labels=labels
        )
        end = GaugeMetricFamily(
            "bridge_kafka_end_offset", "The offset after the last record.", labels=labels
        )
        lag = GaugeMetricFamily(
            "bridge_kafka_lag_records", "How far committed is behind the end.", labels=labels
        )
        held = GaugeMetricFamily(
            "bridge_kafka_held_events", "Events that wait for another try.", labels=labels
        )
        oldest = GaugeMetricFamily(
            "bridge_kafka_oldest_unsettled_seconds",
            "How long the oldest record that is not settled has been here.",
            labels=labels,
        )
        for name, deliveries in self._ledger.sources.items():
            for facts in deliveries.partitions():
                where = [name, facts.topic, str(facts.partition)]
                committed.add_metric(where, facts.committed)
                held.add_metric(where, facts.held)
                oldest.add_metric(where, facts.oldest_seconds)
                if facts.end is not None:
                    end.add_metric(where, facts.end)
                    lag.add_metric(where, max(0, facts.end - facts.committed))
        return iter((committed, end, lag, held, oldest))

    def _steps(self) -> Iterator[Metric]:
        seconds = HistogramMetricFamily(
            "bridge_step_seconds", "Duration of a step, in seconds.", labels=["pipeline", "step"]
        )
        deadline = GaugeMetricFamily(
            "bridge_deadline_seconds",
            "How long an event may take, in seconds.",
            labels=["pipeline"],
        )
        for name, pipeline in self._ledger.pipelines.items():
            if pipeline.deadline_seconds is not None:
                deadline.add_metric([name], pipeline.deadline_seconds)
            for step, histogram in pipeline.steps.items():
                seconds.add_metric([name, step], _buckets(histogram), histogram.sum)
        return iter((seconds, deadline))

    def _components(self) -> Metric:
        up = GaugeMetricFamily(
            "bridge_component_up",
            "Whether the component's far end answered its last ping.",
            labels=["pipeline", "component"],
        )
        for name, pipeline in self._ledger.pipelines.items():
            for component, answered in pipeline.components.items():
                up.add_metric([name, component], float(answered))
        return up


_NO_DELIVERIES = dict.fromkeys(DELIVERY_REASONS, 0)
_NO_EVENTS = dict.fromkeys(EVENT_REASONS, 0)

#: There from the start, so that a first one shows as a rise.
_NOT_EXPIRED = {"expired": 0}


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Return the cumulative counts by upper end, as the exposition format wants them."""
    ends = [*map(str, histogram.bounds), "+Inf"]
    return list(zip(ends, accumulate(histogram.buckets), strict=True))
