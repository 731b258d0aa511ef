import os
import sys

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from bridge.observe.ledger import STEP_BOUNDS_SECONDS, Ledger, PartitionFacts
from bridge.observe.metrics import registry, render


@pytest.fixture
def ledger():
    """One source with one settled, one refused and one open delivery; one pipeline likewise."""
    ledger = Ledger()
    deliveries = ledger.source("http")
    deliveries.limit = 256
    for _ in range(3):
        deliveries.taken()
    deliveries.settled()
    deliveries.refused("overloaded")
    deliveries.turn_away(413)
    iris = ledger.pipeline("iris")
    iris.deadline_seconds = 30.0
    events = iris.events
    for _ in range(5):
        events.accepted()
    events.replied()
    events.filtered()
    events.failed("decode")
    events.dead_lettered("transform")
    iris.step("model").observe(0.003)
    iris.step("model").observe(0.2)
    iris.components["model"] = True
    iris.components["sink"] = False
    return ledger


def samples(text, parse=plain):
    """Return every sample of an exposition by name and labels."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def pipeline(name, **labels):
    return (name, *sorted({"pipeline": "iris", **labels}.items()))


def source(name, **labels):
    return (name, *sorted({"source": "http", **labels}.items()))


EXPECTED = {
    pipeline("bridge_events_accepted_total"): 5,
    pipeline("bridge_events_total", outcome="replied"): 1,
    pipeline("bridge_events_total", outcome="published"): 0,
    pipeline("bridge_events_total", outcome="filtered"): 1,
    pipeline("bridge_events_total", outcome="dead_lettered"): 1,
    pipeline("bridge_events_total", outcome="failed"): 1,
    pipeline("bridge_events_in_flight"): 1,
    pipeline("bridge_refusals_total", outcome="failed", reason="decode"): 1,
    pipeline("bridge_refusals_total", outcome="dead_lettered", reason="transform"): 1,
    source("bridge_deliveries_taken_total"): 3,
    source("bridge_deliveries_total", outcome="settled"): 1,
    source("bridge_deliveries_total", outcome="refused"): 1,
    source("bridge_deliveries_total", outcome="given_back"): 0,
    source("bridge_deliveries_refused_total", reason="overloaded"): 1,
    source("bridge_requests_turned_away_total", status="413"): 1,
    source("bridge_in_flight"): 1,
    source("bridge_in_flight_limit"): 256,
    pipeline("bridge_deadline_seconds"): 30,
    pipeline("bridge_step_seconds_count", step="model"): 2,
    pipeline("bridge_step_seconds_sum", step="model"): 0.203,
    pipeline("bridge_step_seconds_bucket", step="model", le="0.0025"): 0,
    pipeline("bridge_step_seconds_bucket", step="model", le="0.005"): 1,
    pipeline("bridge_step_seconds_bucket", step="model", le="0.1"): 1,
    pipeline("bridge_step_seconds_bucket", step="model", le="0.25"): 2,
    pipeline("bridge_step_seconds_bucket", step="model", le="+Inf"): 2,
    pipeline("bridge_component_up", component="model"): 1,
    pipeline("bridge_component_up", component="sink"): 0,
    ("bridge_ledger_balanced",): 1,
}


@pytest.mark.parametrize(
    ("accept", "content_type", "parse"),
    [
        ("", "text/plain", plain),
        (
            "application/openmetrics-text; version=1.0.0",
            "application/openmetrics-text",
            openmetrics,
        ),
    ],
)
def test_the_exposition_says_what_the_ledger_says(ledger, accept, content_type, parse):
    """Prometheus' own parser reads back every count, in both forms of the exposition."""
    found_type, text = render(registry(ledger), accept)

    found = samples(text.decode(), parse)
    assert found_type.startswith(content_type)
    assert {key: found[key] for key in EXPECTED} == EXPECTED
    buckets = [key for key in found if key[0] == "bridge_step_seconds_bucket"]
    assert len(STEP_BOUNDS_SECONDS) + 1 == len(buckets)


def test_the_exposition_is_always_of_now(ledger):
    """What is counted after the registry was made is in the next exposition."""
    own = registry(ledger)
    before = samples(render(own)[1].decode())

    ledger.pipeline("iris").events.accepted()
    ledger.pipeline("mnist").events.accepted()

    after = samples(render(own)[1].decode())
    key = pipeline("bridge_events_accepted_total")
    assert (before[key], after[key]) == (5, 6)
    assert after["bridge_events_accepted_total", ("pipeline", "mnist")] == 1


def test_a_reason_is_there_before_the_first_refusal(ledger):
    """Prometheus sees no increase where a series begins: the first of a kind would be missed."""
    found = samples(render(registry(ledger))[1].decode())

    assert 0 == found[pipeline("bridge_refusals_total", outcome="failed", reason="unavailable")]
    assert 0 == found[source("bridge_deliveries_refused_total", reason="error")]


def test_partitions_are_told_as_they_are_now(ledger):
    """Each that a source has at this moment is there; an end that nobody knows is left out."""
    now = [
        PartitionFacts(topic="in", partition=0, committed=90, end=100, held=2, oldest_seconds=1.5),
        PartitionFacts(topic="in", partition=1, committed=5, end=None, held=0, oldest_seconds=0.0),
    ]
    ledger.source("http").partitions = lambda: now
    own = registry(ledger)

    before = samples(render(own)[1].decode())
    now[:] = now[1:]
    after = samples(render(own)[1].decode())

    first = {"topic": "in", "partition": "0"}
    assert {
        "committed_offset": 90,
        "end_offset": 100,
        "lag_records": 10,
        "held_events": 2,
        "oldest_unsettled_seconds": 1.5,
    } == {
        name: before[source(f"bridge_kafka_{name}", **first)]
        for name in (
            *("committed_offset", "end_offset", "lag_records"),
            *("held_events", "oldest_unsettled_seconds"),
        )
    }
    second = source("bridge_kafka_lag_records", topic="in", partition="1")
    assert second not in before
    assert 5 == after[source("bridge_kafka_committed_offset", topic="in", partition="1")]
    assert source("bridge_kafka_committed_offset", **first) not in after


def test_a_log_that_was_cut_has_no_lag(ledger):
    """An end before what is committed, as after a topic was made anew, is no negative lag."""
    cut = PartitionFacts(topic="in", partition=0, committed=9, end=3, held=0, oldest_seconds=0.0)
    ledger.source("http").partitions = lambda: [cut]

    found = samples(render(registry(ledger))[1].decode())

    assert 0 == found[source("bridge_kafka_lag_records", topic="in", partition="0")]


def test_an_imbalance_is_exported(ledger):
    """A ledger that does not add up shows as 0."""
    ledger.source("http").open += 1

    assert samples(render(registry(ledger))[1].decode())["bridge_ledger_balanced",] == 0


def test_odd_names_survive():
    """Labels are escaped: a reason of a user's error may hold anything."""
    ledger = Ledger()
    events = ledger.pipeline("iris").events
    events.accepted()
    events.failed('a "reason"\nwith \\ all')

    found = samples(render(registry(ledger))[1].decode())

    assert (
        found[pipeline("bridge_refusals_total", outcome="failed", reason='a "reason"\nwith \\ all')]
        == 1
    )


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="memory is read from /proc")
def test_the_process_is_measured():
    """Resident memory, CPU time and open files of this process are exported."""
    found = samples(render(registry(Ledger()))[1].decode())

    assert found["process_resident_memory_bytes",] > 1_000_000
    assert found["process_cpu_seconds_total",] > 0
    assert found["process_open_fds",] > 0
    major, minor = str(sys.version_info.major), str(sys.version_info.minor)
    (info,) = [dict(key[1:]) for key in found if key[0] == "python_info"]
    assert (major, minor) == (info["major"], info["minor"])


def test_the_global_registry_is_left_alone(ledger):
    """Nothing of ours is in the registry that libraries share."""
    registry(ledger)

    names = {family.name for family in REGISTRY.collect()}

    assert not [name for name in names if name.startswith("bridge")]
