"""The lifecycle: enter, ready, run, drain, leave."""

import asyncio
import gc

import pytest

from bridge.core.errors import ConfigError
from bridge.runtime.runner import COLLECT_AFTER, Health, Lifecycle, run
from tests.fakes import FakeClock


class Component:
    def __init__(self, name, story):
        self.name, self.story = name, story

    async def __aenter__(self):
        self.story.append(f"enter {self.name}")
        return self

    async def __aexit__(self, *exc):
        self.story.append(f"leave {self.name}")

    async def ping(self):
        return None


class Source(Component):
    """Runs until told to stop, then takes *drain* to settle what it holds."""

    def __init__(self, name, story, drain=None, crash=None):
        super().__init__(name, story)
        self.drain, self.crash = drain, crash
        self.running = asyncio.Event()

    async def run(self, handle, stop):
        self.story.append(f"run {self.name}")
        self.running.set()
        if self.crash is not None:
            raise self.crash
        try:
            await stop.wait()
            if self.drain is not None:
                await self.drain.wait()
        except asyncio.CancelledError:
            self.story.append(f"cut {self.name}")
            raise
        self.story.append(f"settled {self.name}")


class Clock(FakeClock):
    """Lets the drain time pass only when *over* is set."""

    def __init__(self):
        super().__init__()
        self.over = asyncio.Event()

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if seconds == 25:
            await self.over.wait()


async def handle(event):
    return None


LIFECYCLE = Lifecycle(shutdown_delay_seconds=5, drain_seconds=25)


async def test_components_enter_in_order_sources_run_drain_and_all_leave_in_reverse():
    """A source is entered last and left first."""
    story, clock, stop, health = [], Clock(), asyncio.Event(), Health()
    source = Source("source", story)
    parts = [("sink", Component("sink", story)), ("model", Component("model", story))]

    task = asyncio.create_task(
        run(parts, [(source, handle)], health=health, lifecycle=LIFECYCLE, clock=clock, stop=stop)
    )
    await source.running.wait()
    assert health.ready
    stop.set()
    done = await task

    assert done
    assert not health.ready
    assert clock.slept[0] == 5
    assert story == [
        "enter sink",
        "enter model",
        "enter source",
        "run source",
        "settled source",
        "leave source",
        "leave model",
        "leave sink",
    ]


async def test_not_ready_while_still_accepting_before_the_drain():
    """Readiness goes red first; the source learns of the stop after the delay."""
    story, stop, health = [], asyncio.Event(), Health()
    source = Source("source", story)
    seen = []

    class Watching(Clock):
        async def sleep(self, seconds):
            seen.append((seconds, health.ready, "settled source" in story))
            await super().sleep(seconds)

    task = asyncio.create_task(
        run([], [(source, handle)], health=health, lifecycle=LIFECYCLE, clock=Watching(), stop=stop)
    )
    await source.running.wait()
    stop.set()
    await task

    assert seen[0] == (5, False, False)


async def test_what_does_not_drain_in_time_is_given_back():
    """After the drain time the source is cancelled, and run says so."""
    story, clock, stop = [], Clock(), asyncio.Event()
    source = Source("source", story, drain=asyncio.Event())

    task = asyncio.create_task(
        run([], [(source, handle)], health=Health(), lifecycle=LIFECYCLE, clock=clock, stop=stop)
    )
    await source.running.wait()
    stop.set()
    clock.over.set()
    done = await task

    assert not done
    assert story[-2:] == ["cut source", "leave source"]


async def test_a_crashed_source_ends_the_process_and_the_others_give_back():
    """The crash is what is raised; everything is left all the same."""
    story = []
    crashing = Source("one", story, crash=RuntimeError("a bug"))
    other = Source("two", story)

    with pytest.raises(ExceptionGroup) as raised:
        await run(
            [("sink", Component("sink", story))],
            [(other, handle), (crashing, handle)],
            health=Health(),
            lifecycle=LIFECYCLE,
            clock=Clock(),
            stop=asyncio.Event(),
        )

    assert raised.group_contains(RuntimeError, match="a bug")
    assert "cut two" in story
    assert story[-1] == "leave sink"


async def test_a_component_that_cannot_start_is_named():
    """Whoever reads it knows which section of the file to look at."""

    class Broken(Component):
        async def __aenter__(self):
            raise ConfigError("no weights")

    with pytest.raises(ConfigError, match=r"^pipelines\.iris\.model: no weights$"):
        await run(
            [("pipelines.iris.model", Broken("model", []))],
            [],
            health=Health(),
            lifecycle=LIFECYCLE,
            clock=Clock(),
            stop=asyncio.Event(),
        )


async def test_everything_that_cannot_be_entered_is_told_at_once():
    """Two components and a source: three lines, and what was entered is left."""
    story = []

    class Broken(Component):
        async def __aenter__(self):
            raise ConfigError(f"{self.name} is missing")

    with pytest.raises(ConfigError) as caught:
        await run(
            [("a", Broken("a", story)), ("", Component("b", story)), ("c", Broken("c", story))],
            [(Broken("d", story), handle)],
            health=Health(),
            lifecycle=LIFECYCLE,
            clock=Clock(),
            stop=asyncio.Event(),
        )

    assert "a: a is missing\nc: c is missing\nd is missing" == str(caught.value)
    assert ["enter b", "leave b"] == story


async def test_under_load_the_collector_does_not_look_at_every_event_under_way():
    """It begins later than Python has it: events are freed without it."""
    story, stop, health = [], asyncio.Event(), Health()
    source = Source("source", story)
    before = gc.get_threshold()

    running = asyncio.create_task(
        run([], [(source, handle)], stop=stop, health=health, lifecycle=LIFECYCLE, clock=Clock())
    )
    await source.running.wait()
    found = gc.get_threshold()
    stop.set()
    await running
    gc.set_threshold(*before)

    assert COLLECT_AFTER == found[0] > 10_000
