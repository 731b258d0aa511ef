"""Threads for users' sync code, from start to stop."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import pytest

from bridge.core.threads import Threads


async def test_a_call_before_the_start_is_refused() -> None:
    """Threads that are not started take nothing that would wait for ever."""
    with pytest.raises(RuntimeError, match="the threads of T are not started"):
        Threads("T", 1).run(print, (), {})


async def test_stopping_lets_what_waits_come_to_its_end() -> None:
    """Stopping ends each thread after the calls before it; stopping twice is stopping once."""
    threads = Threads("T", 2)
    threads.start()
    waiting = [threads.run(threading.current_thread, (), {}) for _ in range(4)]

    threads.stop()
    threads.stop()

    for answer, error in await asyncio.gather(*waiting):
        assert error is None
        await asyncio.to_thread(answer.join, 10)
        assert not answer.is_alive()


def test_a_loop_that_is_gone_ends_the_thread() -> None:
    """A call that outlives its loop tells nobody, and raises nothing in its thread."""
    threads = Threads("T", 1)
    begun, go_on = threading.Event(), threading.Event()
    thread: list[threading.Thread] = []

    def outlive() -> None:
        thread.append(threading.current_thread())
        begun.set()
        assert go_on.wait(10)

    async def leave() -> None:
        threads.start()
        threads.run(outlive, (), {})
        assert await asyncio.to_thread(begun.wait, 10)

    asyncio.run(leave())
    go_on.set()
    thread[0].join(10)

    assert not thread[0].is_alive()


async def test_an_idle_thread_holds_nothing() -> None:
    """What the last call was given is free while the thread waits for the next."""

    class Payload:
        """Something an event held."""

    threads = Threads("T", 1)
    threads.start()
    payload = Payload()
    gone = weakref.ref(payload)

    await threads.run(lambda one: None, (payload,), {})
    del payload
    # The second call begins only after the thread has let go of the first.
    await threads.run(lambda: None, (), {})
    gc.collect()
    threads.stop()

    assert gone() is None
