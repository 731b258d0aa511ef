from __future__ import annotations

import pytest

from bridge.broker.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PT0.2S", 0.2),
        ("PT0,2S", 0.2),
        ("PT5S", 5.0),
        ("PT0S", 0.0),
        ("PT1M30S", 90.0),
        ("PT1H", 3_600.0),
        ("P1D", 86_400.0),
        ("P1W", 604_800.0),
        ("P1DT2H3M4.5S", 93_784.5),
        ("PT0.5M", 30.0),
        ("PT0.000000001S", 1e-9),
        ("PT36H", 129_600.0),
    ],
)
def test_a_duration_is_read_exactly(text: str, expected: float) -> None:
    """Every component and a fraction in the last one count, with point or comma."""
    assert expected == seconds(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "P", "PT", "P1DT", "5", "5s", "PT5", "T5S", "pt5s", " PT5S", "PT5S ", "PT5S\n"),
        *("-PT5S", "PT-5S", "+PT5S", "PT1S1M", "P1H", "PT1D", "PT.5S", "PT5.S", "PT1e3S", "PT٥S"),
        "PT" + "9" * 5_000 + "S",
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    """The error shows what was found and what a duration looks like."""
    with pytest.raises(ValueError, match=r"expected an ISO 8601 duration such as PT0\.2S"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("P1Y", "years have no exact length"),
        ("P2M", "months have no exact length"),
        ("PT1.5M30S", "only the last component may have a fraction"),
    ],
)
def test_a_duration_without_one_meaning_is_refused(text: str, reason: str) -> None:
    """Years, months and a fraction in the middle are refused by name."""
    with pytest.raises(ValueError, match=reason):
        seconds(text)
