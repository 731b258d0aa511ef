"""One remote step tried again, within one delivery."""

import asyncio
import random

import pytest

from bridge import Body, Rejected, Request, Unavailable
from bridge.config.options import RetryOptions
from bridge.core.errors import DeadlineExceeded
from bridge.runtime.retry import Step, TriedModel, TriedSink
from tests.fakes import FakeClock, FakeModel, FakeSink, iris_event


class Failing:
    """Fails with each of *errors* in turn, then returns `done`."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def step(clock, *, timeout_seconds=None, **options):
    return Step(
        name="model",
        retry=RetryOptions(**options),
        clock=clock,
        chance=random.Random(1),
        timeout_seconds=timeout_seconds,
    )


async def run(call, clock, **options):
    return await step(clock, **options).tried(call)


async def test_by_default_nothing_is_tried_again():
    """The broker is the retry store."""
    call, clock = Failing(Unavailable("down")), FakeClock()

    with pytest.raises(Unavailable):
        await run(call, clock)

    assert (call.calls, clock.slept) == (1, [])


async def test_an_outage_is_tried_again_with_doubling_pauses_up_to_the_longest():
    """Between half and all of 1, 2, 3, 3 seconds."""
    call, clock = Failing(*[Unavailable("down")] * 4), FakeClock()

    result = await run(call, clock, attempts=5, initial_seconds=1, max_seconds=3)

    assert result == "done"
    assert len(clock.slept) == 4
    for slept, pause in zip(clock.slept, [1, 2, 3, 3], strict=True):
        assert pause / 2 <= slept <= pause


async def test_a_verdict_is_never_tried_again():
    """Refused for good is refused for good."""
    call, clock = Failing(Rejected("no")), FakeClock()

    with pytest.raises(Rejected):
        await run(call, clock, attempts=5)

    assert call.calls == 1


async def test_the_far_ends_own_wish_to_wait_longer_is_honoured():
    """Retry-After is a floor."""
    call, clock = Failing(Unavailable("busy", retry_after_seconds=7)), FakeClock()

    await run(call, clock, attempts=2)

    assert clock.slept == [7]


async def test_the_last_error_is_the_one_raised():
    """Whoever reads it sees how things stand now."""
    call = Failing(Unavailable("first"), Unavailable("second"))

    with pytest.raises(Unavailable, match="second"):
        await run(call, FakeClock(), attempts=2)


async def test_a_try_that_takes_too_long_is_an_outage_and_tried_again():
    """`timeout_seconds` bounds one try, not all of them."""
    waits = [asyncio.Event(), None]

    async def call():
        wait = waits.pop(0)
        if wait is not None:
            await wait.wait()
        return "done"

    assert await run(call, FakeClock(), attempts=2, timeout_seconds=0.01) == "done"


async def test_a_try_that_takes_too_long_names_its_step():
    """Whoever reads the refusal knows which far end it was."""
    with pytest.raises(DeadlineExceeded, match=r"model: not done within 0\.01 s"):
        await run(asyncio.Event().wait, FakeClock(), timeout_seconds=0.01)


async def test_a_retried_model_and_a_retried_sink_keep_their_ports():
    """Entered, pinged, asked and left like the thing itself."""
    model, sink = FakeModel(), FakeSink()
    again = step(FakeClock(), attempts=2)

    async with TriedModel(model, again) as asked, TriedSink(sink, again) as sent:
        await asked.ping()
        await sent.ping()
        answer = await asked.predict(Request(payload=Body(b"1"), id="1"))
        await sent.send(iris_event())

    assert answer.data == b'{"answer":1}'
    assert len(sink.events) == 1
    assert (model.entered, model.left, sink.entered, sink.left) == (1, 1, 1, 1)
