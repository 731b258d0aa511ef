"""The time of an event: one timer for all that are under way, not one for each.

    running, oldest first:  [e1 until 12.0] [e2 until 12.3] [e3 until 14.1]
                              └─ the timer; when it fires, whoever is over time is cancelled

Every event of a pipeline has the same time, so they run out in the order they came.
"""

from __future__ import annotations

import asyncio

from bridge.core.errors import DeadlineExceeded
from bridge.core.event import Delivery, Event
from bridge.runtime.pipeline import Outcome, Step


def deadline(step: Step, seconds: float) -> Step:
    """Give each event *seconds*; then cancel its step and raise DeadlineExceeded, an outage.

    Like `asyncio.timeout`, without its price for an event that is in time. The step belongs
    to the loop it is first called on. An event that only waits for its turn, behind others of
    its key, is none that is late: it gets its time anew. One whose response is there gets it
    once more: cut off while that is written, it would be written again.
    """
    running: dict[_Running, None] = {}
    timer: asyncio.TimerHandle | None = None
    loop: asyncio.AbstractEventLoop | None = None  # kept: asking costs a system call on 3.11

    def sweep() -> None:
        nonlocal timer
        assert loop is not None  # noqa: S101  # it runs this
        now = loop.time()
        timer = None
        for one in list(running):
            if one.until > now:
                timer = loop.call_at(one.until, sweep)
                return
            del running[one]
            if one.delivery is not None and one.may_go_on(one.delivery):
                one.until = now + seconds
                running[one] = None
                continue
            one.over = True
            one.task.cancel()
        if running:  # every one of them got its time anew
            timer = loop.call_at(next(iter(running)).until, sweep)

    async def within(event: Event) -> Outcome:
        nonlocal timer, loop
        if loop is None:
            loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        assert task is not None  # noqa: S101  # a coroutine always runs in a task here
        one = _Running(loop.time() + seconds, task, event.origin.delivery)
        running[one] = None
        if timer is None:
            timer = loop.call_at(one.until, sweep)
        cancelling = task.cancelling()
        try:
            return await step(event)
        except asyncio.CancelledError as error:
            if one.over and task.uncancel() <= cancelling:
                raise DeadlineExceeded(f"not done within {seconds:g} s") from error
            raise
        finally:
            running.pop(one, None)

    return within


class _Running:
    """An event under way, and when its time is up."""

    __slots__ = ("delivery", "over", "publishing", "task", "until")

    def __init__(self, until: float, task: asyncio.Task[object], delivery: Delivery | None) -> None:
        self.until = until
        self.task = task
        self.delivery = delivery
        self.over = False
        self.publishing = False

    def may_go_on(self, delivery: Delivery) -> bool:
        """Whether the event, whose time is up, is none that is late."""
        if delivery.waiting:
            return True
        first, self.publishing = not self.publishing, delivery.response is not None
        return self.publishing and first
