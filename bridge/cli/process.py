"""A process that serves until a signal: the event loop, the signals, the exit status."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from bridge.cli.output import FAILED

if TYPE_CHECKING:
    from bridge.app import App

T = TypeVar("T")

#: Runs until its event is set; returns whether everything taken in was settled or given back.
Serve = Callable[[asyncio.Event], Awaitable[bool]]


def run_loop(main: Coroutine[Any, Any, T]) -> T:
    """Return what *main* returns, run on uvloop where there is one."""
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    if sys.platform != "win32":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main)


def serve(load: Callable[[Mapping[str, str]], App]) -> None:
    """Load an application, run it until SIGTERM or SIGINT, and exit with its status.

    0: everything taken in was settled; 1: a source crashed, or the drain time ran out;
    2: the configuration cannot work. A second signal cuts the drain short.
    """
    app = load(os.environ)
    app.configure_logs()
    exit_with(app.run)


def exit_with(serving: Serve) -> None:
    """Run *serving* until a signal, and exit: 0 where it says that all is settled, else 1."""
    sys.exit(0 if run_loop(until_signal(serving)) else FAILED)


async def until_signal(serving: Serve) -> bool:
    """Return what *serving* returns; its event is set at SIGTERM or SIGINT.

    A second signal cancels it, and counts as not done.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = asyncio.current_task()
    assert running is not None  # noqa: S101  # a coroutine always runs in a task here

    def on_signal() -> None:
        if stop.is_set():
            running.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        return await serving(stop)
    except asyncio.CancelledError:
        return False
