from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.observe.ledger import MAX_REASONS, Deliveries, Events, Histogram, Ledger

DELIVERY_ENDS = ("settled", "refused", "given_back")
EVENT_ENDS = ("replied", "published", "filtered", "dead_lettered", "failed")


@given(st.lists(st.sampled_from(("taken", *DELIVERY_ENDS)), max_size=60))
def test_deliveries_balance_after_every_step(steps):
    """Whatever happens to open deliveries, both sides stay equal and say what happened."""
    line = Deliveries()
    expected = dict.fromkeys(("taken", *DELIVERY_ENDS, "open"), 0)

    for step in steps:
        if step != "taken" and not expected["open"]:
            continue
        getattr(line, step)()
        expected[step] += 1
        expected["open"] += 1 if step == "taken" else -1

        assert line.balanced()
        assert expected == line.counts()


@given(st.lists(st.sampled_from(("accepted", *EVENT_ENDS)), max_size=60))
def test_events_balance_after_every_step(steps):
    """Whatever happens to events in flight, both sides stay equal and say what happened."""
    line = Events()
    expected = dict.fromkeys(("accepted", *EVENT_ENDS, "in_flight"), 0)

    for step in steps:
        if step != "accepted" and not expected["in_flight"]:
            continue
        arguments = ("decode",) if step in ("dead_lettered", "failed") else ()
        getattr(line, step)(*arguments)
        expected[step] += 1
        expected["in_flight"] += 1 if step == "accepted" else -1

        assert line.balanced()
        assert expected == line.counts()
        assert expected["failed"] + expected["dead_lettered"] == sum(line.refusals.values())


@pytest.mark.parametrize("end", DELIVERY_ENDS)
def test_a_delivery_closed_twice_is_an_imbalance(end):
    """What is closed without being open makes the line untrue, and it says so."""
    line = Deliveries()
    line.taken()
    line.settled()

    getattr(line, end)()

    assert not line.balanced()


def test_a_count_changed_on_one_side_is_an_imbalance():
    """An event that ends without its end being booked is found."""
    line = Events()
    line.accepted()

    line.in_flight -= 1

    assert not line.balanced()


def test_one_untrue_line_makes_the_ledger_untrue():
    """The ledger is balanced only if each of its lines is."""
    ledger = Ledger()
    ledger.source("http").taken()
    ledger.pipeline("iris").events.accepted()
    assert ledger.balanced()

    ledger.pipeline("iris").events.in_flight += 1

    assert not ledger.balanced()


def test_the_ledger_shows_every_line():
    """The counts name each source and each pipeline with the whole of its line."""
    ledger = Ledger()
    ledger.source("http").taken()
    ledger.source("http").refused()
    events = ledger.pipeline("iris").events
    events.accepted()
    events.failed("decode")

    counts = ledger.counts()

    expected = {
        "sources": {"http": {"taken": 1, "settled": 0, "refused": 1, "given_back": 0, "open": 0}},
        "pipelines": {
            "iris": {
                "accepted": 1,
                "replied": 0,
                "published": 0,
                "filtered": 0,
                "dead_lettered": 0,
                "failed": 1,
                "in_flight": 0,
            }
        },
    }
    assert expected == counts


def test_reasons_are_bounded():
    """However many reasons users invent, a pipeline keeps a limited number and loses no count."""
    line = Events()

    for number in range(1000):
        line.accepted()
        line.failed(f"reason-{number}")

    assert len(line.refusals) == MAX_REASONS
    assert sum(line.refusals.values()) == 1000
    assert line.refusals["failed", "other"] == 1000 - (MAX_REASONS - 1)


def test_reasons_of_deliveries_are_bounded():
    """A source keeps a limited number of reasons too, and loses no count."""
    line = Deliveries()

    for number in range(1000):
        line.taken()
        line.refused(f"reason-{number}")

    assert len(line.refusals) == MAX_REASONS
    assert line.refused_total == sum(line.refusals.values()) == 1000
    assert line.balanced()


def test_a_request_turned_away_is_no_delivery():
    """What never was a delivery is counted beside the line, which still adds up."""
    line = Deliveries()

    line.turn_away(413)
    line.turn_away(413)

    assert {413: 2} == line.turned_away
    assert {"taken": 0, "settled": 0, "refused": 0, "given_back": 0, "open": 0} == line.counts()


@given(st.lists(st.floats(min_value=0, max_value=100), max_size=50))
def test_a_histogram_counts_each_duration_once(durations):
    """Each duration is in the first bucket whose upper end is not below it."""
    histogram = Histogram()

    for seconds in durations:
        histogram.observe(seconds)

    below = [sum(seconds <= bound for seconds in durations) for bound in histogram.bounds]
    assert below == list(accumulate(histogram.buckets))[:-1]
    assert len(durations) == histogram.count
    assert sum(durations) == pytest.approx(histogram.sum)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, [1, 0, 0]), (1.0, [1, 0, 0]), (1.5, [0, 1, 0]), (2.0, [0, 1, 0]), (2.1, [0, 0, 1])],
)
def test_the_upper_end_belongs_to_its_bucket(seconds, expected):
    """A bucket's bound is inclusive (Prometheus exposition formats: `le`)."""
    histogram = Histogram((1.0, 2.0))

    histogram.observe(seconds)

    assert expected == histogram.buckets


def test_a_step_is_the_same_histogram_each_time():
    """Who asks for a step again adds to what was there."""
    pipeline = Ledger().pipeline("iris")

    assert pipeline.step("model") is pipeline.step("model")
    assert pipeline.step("model") is not pipeline.step("preprocess")


def test_an_expired_event_is_a_filtered_one():
    """Counted apart, and the line still adds up."""
    events = Events()
    events.accepted()

    events.filtered("expired")

    assert (events.filtered_total, events.filtered_for) == (1, {"expired": 1})
    assert events.balanced()


def test_a_refusal_that_was_told_by_an_event_is_counted_beside_the_line():
    """How its event ended is booked as for any other; reasons are bounded."""
    events = Events()

    for number in range(MAX_REASONS + 5):
        events.told_of(f"reason{number}")

    assert len(events.error_events) == MAX_REASONS
    assert events.error_events["other"] == 6
    assert events.balanced()
