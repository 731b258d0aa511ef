"""Threads for one user's sync code: calls wait in line, the loop never does.

    run(f) ─▶ queue ─▶ thread ─▶ call_soon_threadsafe ─▶ (answer, error)

Own threads and not an executor's: those are joined when the process ends, so that one
endless call of a user would keep the process from ending. And where many calls wait, each
costs 5 µs on the loop's core where an executor's costs 14 (uvloop, 100 at once); a single
one costs the same 50 µs, which is what waking a thread and the loop takes.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from typing import Any

#: What came of a call: its answer, and what it raised instead, if it did.
Outcome = tuple[Any, BaseException | None]

#: One call on its way: who waits, in which context, and what to call.
_Job = tuple[
    asyncio.AbstractEventLoop,
    "asyncio.Future[Outcome]",
    contextvars.Context,
    Callable[..., Any],
    tuple[Any, ...],
    dict[str, Any],
]


class Threads:
    """*count* daemon threads called after *name*, from `start` to `stop`."""

    def __init__(self, name: str, count: int) -> None:
        self._name = name
        self._count = count
        self._jobs: queue.SimpleQueue[_Job | None] | None = None

    def start(self) -> None:
        """Start them; the loop's answers come through whichever loop calls `run`."""
        self._jobs = queue.SimpleQueue()
        for number in range(self._count):
            threading.Thread(
                target=_work, args=(self._jobs,), name=f"{self._name}-{number}", daemon=True
            ).start()

    def stop(self) -> None:
        """Have every thread end after what it is doing; wait for none. May be called twice."""
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            for _ in range(self._count):
                jobs.put(None)

    def run(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> asyncio.Future[Outcome]:
        """Return the future of calling *function*, with the caller's context variables.

        Whatever is raised is part of the outcome: `SystemExit` or `StopIteration` would
        otherwise tear the loop down. Cancelled while it waits in line, the function is never
        called; cancelled while it runs, it runs on, its outcome is dropped, and what comes
        later waits behind it.
        """
        if self._jobs is None:
            raise RuntimeError(f"the threads of {self._name} are not started")
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        self._jobs.put((loop, outcome, contextvars.copy_context(), function, args, kwargs))
        return outcome


def _work(jobs: queue.SimpleQueue[_Job | None]) -> None:
    """Do one call after the other until None comes."""
    while (job := jobs.get()) is not None:
        if not _do(job):
            return
        del job  # what an event held is free before the next one comes, which may take hours


def _do(job: _Job) -> bool:
    """Call what *job* says and tell the loop; return False if there is no loop any more."""
    loop, outcome, context, function, args, kwargs = job
    if outcome.cancelled():
        return True  # nobody waits any more, and it has not begun
    answer: Any = None
    error: BaseException | None = None
    try:
        answer = context.run(function, *args, **kwargs)
    except BaseException as raised:  # noqa: BLE001  # user code; the caller is told all of it
        error = raised
    try:
        loop.call_soon_threadsafe(_settle, outcome, answer, error)
    except RuntimeError:
        return False  # the loop is closed: the process ends, and nobody waits
    return True


def _settle(outcome: asyncio.Future[Outcome], answer: Any, error: BaseException | None) -> None:
    if not outcome.done():  # it is, when whoever waited was cancelled meanwhile
        outcome.set_result((answer, error))
