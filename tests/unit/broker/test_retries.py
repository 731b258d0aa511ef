from __future__ import annotations

import pytest

from bridge.broker.retries import (
    LONGEST_PAUSE_SECONDS,
    Delivery,
    backoff_seconds,
    passing,
    pause_seconds,
)

LINEAR = Delivery(retry=5, backoff_policy="linear", backoff_delay_seconds=0.2)
EXPONENTIAL = Delivery(retry=5, backoff_policy="exponential", backoff_delay_seconds=0.2)


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        (LINEAR, [0.0, 0.2, 0.4, 0.6, 0.8]),
        (EXPONENTIAL, [0.2, 0.4, 0.8, 1.6, 3.2]),
        (Delivery(retry=5), [0.0] * 5),
        (Delivery(retry=5, backoff_policy="linear"), [0.0] * 5),
        (Delivery(retry=5, backoff_delay_seconds=1.0), [0.0] * 5),
    ],
)
def test_pauses_are_those_of_knatives_dispatcher(delivery: Delivery, expected: list[float]) -> None:
    """Attempts count from 0: linear begins with no pause, exponential with one delay."""
    pauses = [backoff_seconds(delivery, attempt) for attempt in range(5)]

    assert expected == pytest.approx(pauses)


def test_a_pause_has_an_end_however_often_it_doubles() -> None:
    """The thousandth exponential pause is the longest there is, and no overflow."""
    assert backoff_seconds(EXPONENTIAL, 100_000) == LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504, 599])
def test_what_may_pass_is_tried_again(status: int) -> None:
    """Knative retries exactly these."""
    assert passing(status)


@pytest.mark.parametrize(
    "status", [100, 200, 202, 301, 307, 400, 401, 403, 410, 413, 415, 422, 425]
)
def test_a_verdict_is_not_tried_again(status: int) -> None:
    """Neither redirects nor other 4xx come again."""
    assert not passing(status)


@pytest.mark.parametrize(
    ("longest", "status", "retry_after", "expected"),
    [
        (None, 503, b"7", 0.2),
        (10.0, 503, b"7", 7.0),
        (10.0, 429, b"7", 7.0),
        (10.0, 500, b"7", 0.2),
        (3.0, 503, b"7", 3.0),
        (0.0, 503, b"7", 0.2),
        (10.0, 503, b"0", 0.2),
        (10.0, 503, None, 0.2),
        (10.0, 503, b"soon", 0.2),
        (10.0, 503, b"-7", 0.2),
        (10.0, 503, b"Sat, 21 Mar 2020 03:41:33 GMT", 5.0),
        (10.0, 503, b"Sat, 21 Mar 2020 03:41:08 GMT", 0.2),
    ],
)
def test_retry_after_counts_only_where_the_trigger_allows_it(
    longest: float | None, status: int, retry_after: bytes | None, expected: float
) -> None:
    """429 and 503 with `retryAfterMax`: seconds or a date, capped, and never below the back-off."""
    delivery = Delivery(
        retry=1,
        backoff_policy="exponential",
        backoff_delay_seconds=0.2,
        retry_after_max_seconds=longest,
    )
    now_ns = 1_584_762_088_000_000_000  # 2020-03-21T03:41:28Z

    assert expected == pause_seconds(delivery, 0, status, retry_after, now_ns)
