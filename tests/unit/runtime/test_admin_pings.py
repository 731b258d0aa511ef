"""The pings of far ends: each is asked, and none can spoil the asking."""

from __future__ import annotations

import asyncio

import pytest

from bridge import Unavailable
from bridge.runtime.admin import Pings
from tests.fakes import FakeClock, FakeSink


class Sink(FakeSink):
    """A sink whose ping does what it is told."""

    def __init__(self, outcome: BaseException | None) -> None:
        super().__init__()
        self._outcome = outcome

    async def ping(self) -> None:
        if isinstance(self._outcome, asyncio.TimeoutError):
            await asyncio.Event().wait()
        if self._outcome is not None:
            raise self._outcome


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (None, "ok"),
        (Unavailable("sink http://x/: refused"), "sink http://x/: refused"),
        (TimeoutError(), "no answer within 0.01 s"),
        (RuntimeError("a user's own mistake"), 'RuntimeError("a user\'s own mistake")'),
    ],
    ids=["up", "down", "silent", "bug"],
)
async def test_what_a_far_end_says_is_shown_beside_the_others(
    outcome: BaseException | None, said: str
) -> None:
    """Whatever a user's own ping raises is its answer; the other components are asked as ever."""
    reported: list[tuple[str, str, bool]] = []
    pings = Pings(
        {("iris", "sinks.0"): Sink(outcome), ("iris", "model"): Sink(None)},
        report=lambda *one: reported.append(one),
        clock=FakeClock(),
        interval_seconds=15,
        timeout_seconds=0.01,
    )

    answers = await pings.now()

    assert answers == {"iris.sinks.0": said, "iris.model": "ok"}
    assert sorted(reported) == [("iris", "model", True), ("iris", "sinks.0", said == "ok")]
