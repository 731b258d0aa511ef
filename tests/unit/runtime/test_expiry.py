"""Whether an event says that it is of no use any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import EventError
from bridge.runtime.expiry import has_expired

#: 2020-03-21T03:41:28.593036193Z
NOW = 1_584_762_088_593_036_193


@pytest.mark.parametrize(
    ("expirytime", "expired"),
    [
        ("2020-03-21T03:41:28.593036193Z", True),
        ("2020-03-21T03:41:28.593036194Z", False),
        ("2020-03-21T03:41:28.593036192Z", True),
        ("2020-03-21T03:41:28.5930361939999Z", True),
        ("2020-03-21T03:41:28.6Z", False),
        ("2020-03-21T03:41:28Z", True),
        ("2020-03-21t03:41:28z", True),
        ("2020-03-21T04:41:28+01:00", True),
        ("2020-03-21T04:41:29+01:00", False),
        ("2020-03-20T22:11:29-05:30", False),
        ("2020-03-20T22:11:28-05:30", True),
        ("2020-03-21T03:41:60Z", False),
        ("0000-02-29T00:00:00Z", True),
        ("0001-01-01T00:00:00+23:59", True),
        ("9999-12-31T23:59:60-23:59", False),
    ],
)
def test_an_event_expires_at_its_time_to_the_nanosecond(expirytime: str, expired: bool) -> None:
    """At or before now is expired, in any offset; a leap second and year 0 are times too."""
    assert expired is has_expired(expirytime, NOW)


@given(
    st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_any_time_is_the_moment_that_pythons_own_calendar_says(
    moment: datetime, minutes: int
) -> None:
    """Expired exactly from that microsecond on."""
    text = moment.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
    since = datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)
    at = (since // timedelta(microseconds=1)) * 1000

    assert has_expired(text, at)
    assert not has_expired(text, at - 1)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2020-03-21", "2020-03-21T03:41:28", "2020-02-30T00:00:00Z", "1584762088", "٢020"],
)
def test_what_is_no_time_is_the_events_fault(text: str) -> None:
    """Refused for good, naming the attribute, what it holds and what was expected."""
    with pytest.raises(
        EventError, match=r"attribute 'expirytime' is .*expected RFC 3339"
    ) as caught:
        has_expired(text, NOW)

    assert caught.value.reason == "event"
