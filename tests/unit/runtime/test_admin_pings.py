"""The pings of far ends: each is asked, and none can spoil the asking."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from bridge import Unavailable
from bridge.runtime.admin import Pings
from tests.fakes import FakeClock, FakeSink


class Sink(FakeSink):
    """A sink whose ping does what it is told."""

    def __init__(self, outcome: BaseException | None) -> None:
        super().__init__()
        self.outcome = outcome

    async def ping(self) -> None:
        if isinstance(self.outcome, asyncio.TimeoutError):
            await asyncio.Event().wait()
        if self.outcome is not None:
            raise self.outcome


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


class Slow(FakeSink):
    """A sink that answers when it is let; *asked* counts."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.let = asyncio.Event()

    async def ping(self) -> None:
        self.asked += 1
        await self.let.wait()


async def test_a_far_end_is_asked_once_however_many_look_at_the_page() -> None:
    """The page asks for no token: who reaches it must not be able to flood a model with pings."""
    sink = Slow()
    pings = Pings(
        {("iris", "model"): sink},
        report=lambda *one: None,
        clock=FakeClock(),
        interval_seconds=15,
        timeout_seconds=1,
    )

    looking = [asyncio.create_task(pings.now()) for _ in range(50)]
    await asyncio.sleep(0)
    looking[0].cancel()
    sink.let.set()
    told = await asyncio.gather(*looking[1:])
    again = await pings.now()

    assert [{"iris.model": "ok"}] * 49 == told
    assert {"iris.model": "ok"} == again
    assert 2 == sink.asked


async def test_a_far_end_that_falls_silent_is_told_once_and_once_when_it_answers_again() -> None:
    """The log has what changed, however often it is asked."""
    sink = Sink(None)
    pings = Pings(
        {("iris", "sinks.0"): sink},
        report=lambda *one: None,
        clock=FakeClock(),
        interval_seconds=15,
        timeout_seconds=1,
    )

    with capture_logs() as lines:
        for outcome in (None, Unavailable("down"), Unavailable("still down"), None, None):
            sink.outcome = outcome
            await pings.now()

    assert [
        ("warning", "far end does not answer", "sinks.0", "down"),
        ("info", "far end answers again", "sinks.0", None),
    ] == [
        (line["log_level"], line["event"], line["component"], line.get("error")) for line in lines
    ]
