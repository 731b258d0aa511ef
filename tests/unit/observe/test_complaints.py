"""Refusals are told at once, then sparingly, and counted in between."""

from structlog.testing import capture_logs

from bridge.observe.complaints import INTERVAL_SECONDS, MAX_KINDS, Complaints
from tests.fakes import FakeClock


def test_the_first_refusal_is_told_at_once():
    """Who reads the log sees the reason, the text and where."""
    with capture_logs() as lines:
        Complaints(FakeClock(), pipeline="iris").of("unavailable", OSError("down"), id="7")

    assert lines == [
        {
            "event": "refused",
            "log_level": "warning",
            "reason": "unavailable",
            "error": "down",
            "pipeline": "iris",
            "id": "7",
        }
    ]


def test_the_same_kind_is_told_again_after_a_while_with_how_many_were_left_out():
    """A model that is down for an hour makes a line every ten seconds, not a million."""
    clock = FakeClock()
    complaints = Complaints(clock)

    with capture_logs() as lines:
        for _ in range(100):
            complaints.of("unavailable", OSError("down"))
        clock.now += INTERVAL_SECONDS
        complaints.of("unavailable", OSError("down"))

    assert [line.get("left_out") for line in lines] == [None, 99]


def test_another_kind_is_told_meanwhile():
    """One kind never hides another."""
    complaints = Complaints(FakeClock())

    with capture_logs() as lines:
        complaints.of("unavailable", OSError("down"))
        complaints.of("rejected", ValueError("no"))

    assert [line["reason"] for line in lines] == ["unavailable", "rejected"]


def test_kinds_are_bounded():
    """A user's code that invents reasons does not fill the memory."""
    complaints = Complaints(FakeClock())

    with capture_logs() as lines:
        for number in range(MAX_KINDS * 3):
            complaints.of(f"reason {number}", ValueError("no"))

    assert len(lines) == MAX_KINDS + 1


def test_a_request_nobody_could_answer_is_told_by_its_status():
    """An event that is too large leaves a trace at its receiver, too."""
    with capture_logs() as lines:
        Complaints(FakeClock(), source="http").of_request(413, "body: too large")

    assert [(line["reason"], line["error"]) for line in lines] == [("http_413", "body: too large")]


def test_what_is_left_out_is_told_in_another_word():
    """An expired event is no refusal, and shares their pace."""
    complaints = Complaints(FakeClock())

    with capture_logs() as lines:
        for _ in range(2):
            complaints.of_filtered("expired", "expirytime 2020 has passed", id="7")

    (line,) = lines
    assert (line["event"], line["reason"], line["id"]) == ("filtered", "expired", "7")
