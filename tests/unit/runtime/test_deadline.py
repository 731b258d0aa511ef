"""The time of an event: cut when it is over, and nobody else's."""

import asyncio

import pytest

from bridge.core.errors import DeadlineExceeded
from bridge.core.event import Event, Origin
from bridge.runtime.deadline import deadline
from tests.fakes import iris_event


async def test_an_event_that_takes_too_long_is_given_up_and_cancelled():
    """The deadline ends the step itself, not only the wait for it."""
    ended = asyncio.Event()

    async def slow(event):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(DeadlineExceeded, match=r"0\.01 s"):
        await deadline(slow, 0.01)(iris_event())

    assert ended.is_set()


async def test_each_event_has_its_own_time():
    """One timer serves them all: the late one is cut after the early one, the quick one never."""
    ends: list[str] = []

    async def step(event):
        if event.id == "quick":
            return event
        await asyncio.Event().wait()

    within = deadline(step, 0.03)

    async def run(id):
        try:
            await within(iris_event(id=id))
        except DeadlineExceeded:
            ends.append(id)

    async with asyncio.TaskGroup() as group:
        group.create_task(run("early"))
        await asyncio.sleep(0.01)
        group.create_task(run("late"))
        group.create_task(run("quick"))

    assert ends == ["early", "late"]


async def test_the_timer_goes_on_after_it_found_nobody_over_time():
    """An event that came while an older one's timer ran is cut in its own time."""

    async def step(event):
        if event.id == "hangs":
            await asyncio.Event().wait()
        return event

    within = deadline(step, 0.02)

    await within(iris_event(id="done"))
    await asyncio.sleep(0.01)

    with pytest.raises(DeadlineExceeded):
        await within(iris_event(id="hangs"))


async def test_a_timeout_of_the_step_itself_is_not_called_a_deadline():
    """A TimeoutError from inside passes as it is."""

    async def step(event):
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await deadline(step, 30)(iris_event())


async def test_a_cancellation_from_outside_passes():
    """The hard stop is no deadline, also where both come at once."""
    started = asyncio.Event()

    async def step(event):
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(deadline(step, 0.01)(iris_event()))
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_is_cut_leaves_its_task_uncancelled():
    """The caller goes on: it answers 504 and takes the next event."""

    async def step(event):
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceeded):
        await deadline(step, 0.01)(iris_event())

    await asyncio.sleep(0)
    assert asyncio.current_task().cancelling() == 0


class Held:
    """An event's place in a source that delivers again itself, as far as time asks for it."""

    def __init__(self) -> None:
        self.response: Event | None = None
        self.published = 0
        self.attempts = 1
        self.started_ns = 0
        self.waiting = False

    async def turn(self) -> None:
        return None


def held_event(place: Held) -> Event:
    event = iris_event()
    return Event(event.attributes, event.data, Origin("kafka", delivery=place))


async def test_a_response_that_is_being_written_gets_as_long_again():
    """Cut off in the middle it would be written again, and be there twice."""
    place, written = Held(), asyncio.Event()

    async def step(event):
        place.response = event
        await asyncio.sleep(0.03)  # the sink's answer comes after the event's time is up
        written.set()
        return event

    await deadline(step, 0.02)(held_event(place))

    assert written.is_set()


async def test_a_response_that_nobody_takes_is_given_up_all_the_same():
    """Once more, and not for ever: a sink of one's own may know no time-out."""
    place = Held()
    started = asyncio.get_running_loop().time()

    async def step(event):
        place.response = event
        await asyncio.Event().wait()

    with pytest.raises(DeadlineExceeded):
        await deadline(step, 0.02)(held_event(place))

    assert asyncio.get_running_loop().time() - started >= 0.04


async def test_an_event_without_a_response_is_late_at_its_time():
    """A model that hangs gets no more of it than over HTTP."""
    place = Held()

    async def step(event):
        await asyncio.Event().wait()

    started = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineExceeded):
        await deadline(step, 0.02)(held_event(place))

    assert asyncio.get_running_loop().time() - started < 0.04


async def test_an_event_that_waits_for_its_turn_is_not_late():
    """Those ahead of it in its key may take their time; its own begins anew behind them."""
    place = Held()
    place.waiting = True

    async def step(event):
        await asyncio.sleep(0.07)
        place.waiting = False
        return event

    await deadline(step, 0.02)(held_event(place))
