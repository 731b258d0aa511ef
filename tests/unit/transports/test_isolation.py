"""An answer in a context of its own behaves like an awaited one."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from bridge.transports.http.isolation import isolated

variable: ContextVar[str] = ContextVar("variable", default="unset")


async def test_what_it_returns_and_raises_comes_through() -> None:
    """Values and exceptions, before and after an await."""

    async def twice(value: int) -> int:
        if value < 0:
            raise ValueError("before")
        await asyncio.sleep(0)
        if value == 0:
            raise ValueError("after")
        return 2 * value

    assert await isolated(twice, 21) == 42
    with pytest.raises(ValueError, match="before"):
        await isolated(twice, -1)
    with pytest.raises(ValueError, match="after"):
        await isolated(twice, 0)


async def test_variables_set_inside_stay_inside() -> None:
    """Across awaits they keep their value; outside nothing is seen of them."""

    async def sets(value: str) -> str:
        variable.set(value)
        await asyncio.sleep(0)
        return variable.get()

    assert await isolated(sets, "inside") == "inside"
    assert variable.get() == "unset"


async def test_variables_set_outside_are_seen() -> None:
    """The context is a copy of the one it was started in."""

    async def gets(_: None) -> str:
        return variable.get()

    token = variable.set("outside")
    seen = await isolated(gets, None)
    variable.reset(token)

    assert seen == "outside"


async def test_the_task_is_the_one_that_awaits() -> None:
    """So that time-outs, task groups and cancellation work as anywhere."""

    async def inside(_: None) -> asyncio.Task[object] | None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(10)
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
        return asyncio.current_task()

    assert await isolated(inside, None) is asyncio.current_task()


async def test_cancelling_reaches_inside_and_may_be_cleaned_up_after() -> None:
    """CancelledError is raised at the await; what is awaited in `finally` is awaited."""
    steps: list[str] = []
    waiting = asyncio.Event()

    async def inside(_: None) -> None:
        try:
            waiting.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            steps.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    async def outside() -> None:
        await isolated(inside, None)

    task = asyncio.ensure_future(outside())
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert steps == ["cancelled", "cleaned up"]


async def test_any_awaitable_will_do() -> None:
    """An answer may be a future as well as a coroutine."""
    future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_result, 7)

    assert await isolated(lambda _: future, None) == 7
