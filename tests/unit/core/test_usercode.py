"""A user's class at work: its thread, its errors, its coming and going."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from bridge.core import usercode
from bridge.core.errors import (
    ConfigError,
    DeadlineExceeded,
    DecodeError,
    EventError,
    Overloaded,
    Rejected,
    TransformError,
    Unavailable,
)
from bridge.core.usercode import UserCode, provides

CURRENT: contextvars.ContextVar[str] = contextvars.ContextVar("CURRENT", default="nothing")


class Worker:
    """A class of a user: says where it runs, and waits until it is let go."""

    def __init__(self) -> None:
        self.running = 0
        self.most_running = 0
        self.calls: list[Any] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def thread(self) -> int:
        return threading.get_ident()

    async def thread_of_async(self) -> int:
        return threading.get_ident()

    def variable(self) -> str:
        return CURRENT.get()

    async def variable_of_async(self) -> str:
        return CURRENT.get()

    def hold(self, name: str) -> str:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        self.calls.append(name)
        self.begun.set()
        assert self.go_on.wait(10)
        self.running -= 1
        return name

    def note(self, name: str) -> list[Any]:
        self.calls.append(name)
        return self.calls

    def noted(self) -> list[Any]:
        return list(self.calls)

    async def note_async(self, name: str) -> str:
        self.calls.append(name)
        return name

    def coroutine(self) -> Any:
        return self.note_async("never")


class Raising:
    """A class of a user that raises what it is given."""

    def sync(self, error: BaseException) -> None:
        raise error

    async def on_loop(self, error: BaseException) -> None:
        raise error


async def in_thread(event: threading.Event) -> None:
    """Return when *event* is set."""
    assert await asyncio.to_thread(event.wait, 10)


async def test_plain_methods_run_on_one_thread_of_their_own() -> None:
    """A plain method never runs on the loop, and always on the same thread."""
    async with UserCode(Worker, {}) as code:
        idents = {await code.call("thread") for _ in range(5)}

    assert len(idents) == 1
    assert threading.get_ident() not in idents


async def test_async_methods_run_on_the_loop() -> None:
    """An async method runs where the loop does."""
    async with UserCode(Worker, {}) as code:
        ident = await code.call("thread_of_async")

    assert threading.get_ident() == ident


async def test_one_thread_never_runs_two_calls_at_once() -> None:
    """With the default of one thread, calls of one class follow each other, in order."""
    async with UserCode(Worker, {}) as code:
        code.instance.go_on.set()
        names = [str(number) for number in range(50)]

        answers = await asyncio.gather(*(code.call("hold", name) for name in names))

        assert names == answers
        assert names == code.instance.calls
        assert code.instance.most_running == 1


async def test_more_threads_run_calls_at_once() -> None:
    """`threads: 2` lets a second call begin while the first still runs."""
    async with UserCode(Worker, {}, threads=2) as code:
        first = asyncio.ensure_future(code.call("hold", "first"))
        await in_thread(code.instance.begun)
        code.instance.begun.clear()
        second = asyncio.ensure_future(code.call("hold", "second"))
        await in_thread(code.instance.begun)
        code.instance.go_on.set()

        assert await asyncio.gather(first, second) == ["first", "second"]
        assert code.instance.most_running == 2


async def test_two_classes_run_beside_each_other() -> None:
    """A call of one class that hangs does not hold the calls of another."""
    async with UserCode(Worker, {}) as slow, UserCode(Worker, {}) as quick:
        held = asyncio.ensure_future(slow.call("hold", "slow"))
        await in_thread(slow.instance.begun)

        answer = await quick.call("note", "quick")

        assert answer == ["quick"]
        assert not held.done()
        slow.instance.go_on.set()
        await held


@pytest.mark.parametrize("method", ["variable", "variable_of_async"])
async def test_context_variables_reach_user_code(method: str) -> None:
    """What the caller set, a trace for example, the user's method finds."""
    token = CURRENT.set("mine")
    try:
        async with UserCode(Worker, {}) as code:
            assert await code.call(method) == "mine"
    finally:
        CURRENT.reset(token)


async def test_what_follows_runs_in_the_same_turn() -> None:
    """`call_then` lets no other call come between a method and what is asked after it."""
    async with UserCode(Worker, {}) as code:
        both = await asyncio.gather(
            code.call_then(["noted"], "note", "a"), code.call_then(["noted"], "note", "b")
        )

    assert [after[0] for _, after in both] == [["a"], ["a", "b"]]


async def test_what_follows_an_async_method_is_called_after_it() -> None:
    """`call_then` awaits an async method first."""
    async with UserCode(Worker, {}) as code:
        answer = await code.call_then(["noted"], "note_async", "a")

    assert answer == ("a", [["a"]])


@pytest.mark.parametrize("method", ["sync", "on_loop"])
@pytest.mark.parametrize(
    ("error", "expected", "text"),
    [
        (KeyError("EventName"), TransformError, "KeyError('EventName')"),
        (ValueError("no"), TransformError, "ValueError('no')"),
        (SystemExit(3), TransformError, "SystemExit(3)"),
        (ConfigError("late"), TransformError, "ConfigError('late')"),
        (ConnectionRefusedError("down"), Unavailable, "ConnectionRefusedError('down')"),
        (TimeoutError("slow"), Unavailable, "TimeoutError('slow')"),
        (
            FileNotFoundError(2, "No such file", "w.bin"),
            TransformError,
            """FileNotFoundError("[Errno 2] No such file: 'w.bin'")""",
        ),
        (Unavailable("not now"), Unavailable, "not now"),
        (DeadlineExceeded("late"), DeadlineExceeded, "late"),
        (Overloaded("full"), Overloaded, "full"),
        (EventError("bad"), EventError, "bad"),
        (DecodeError("no JSON"), DecodeError, "no JSON"),
        (Rejected("no"), Rejected, "no"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
async def test_errors_name_class_and_method(
    method: str, error: BaseException, expected: type[Exception], text: str
) -> None:
    """Each error of user code becomes one of ours: an outage, or the event's own fault."""
    async with UserCode(Raising, {}) as code:
        with pytest.raises(expected) as caught:
            await code.call(method, error)

    assert expected is type(caught.value)
    assert f"Raising.{method}: {text}" == str(caught.value)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", [KeyboardInterrupt, StopIteration, asyncio.CancelledError])
async def test_nothing_raised_on_the_thread_reaches_the_loop(error: type[BaseException]) -> None:
    """What would end the process, the coroutine or the task is a TransformError there."""
    async with UserCode(Raising, {}) as code:
        with pytest.raises(TransformError, match=rf"^Raising\.sync: {error.__name__}\(\)$"):
            await code.call("sync", error())


async def test_an_outage_keeps_its_retry_after() -> None:
    """When to try again, said by user code, is not lost."""
    async with UserCode(Raising, {}) as code:
        with pytest.raises(Unavailable) as caught:
            await code.call("sync", Unavailable("down", retry_after_seconds=7))

    assert caught.value.retry_after_seconds == 7


async def test_a_users_own_subclass_becomes_ours() -> None:
    """A subclass with arguments of its own is raised as the class of ours below it."""

    class NotThisOne(Rejected):
        def __init__(self, code: int, *, why: str) -> None:
            super().__init__(f"{code}: {why}")

    async with UserCode(Raising, {}) as code:
        with pytest.raises(Rejected) as caught:
            await code.call("sync", NotThisOne(7, why="too old"))

    assert str(caught.value) == "Raising.sync: 7: too old"


async def test_long_errors_are_cut_to_one_line() -> None:
    """An error's text is bounded, however much of the event its author put into it."""
    async with UserCode(Raising, {}) as code:
        with pytest.raises(TransformError) as caught:
            await code.call("sync", ValueError("x" * 5000))

    assert len(str(caught.value)) == len("Raising.sync: ") + usercode.ERROR_CHARACTERS


async def test_an_error_that_cannot_be_shown_is_named() -> None:
    """A repr that raises does not hide the error."""

    class Unspeakable(Exception):
        def __repr__(self) -> str:
            raise RuntimeError

    async with UserCode(Raising, {}) as code:
        with pytest.raises(TransformError, match=r"^Raising\.sync: Unspeakable$"):
            await code.call("sync", Unspeakable())


async def test_cancellation_passes_through_an_async_method() -> None:
    """CancelledError is never turned into anything else."""

    class Waiting:
        async def wait(self) -> None:
            await asyncio.Event().wait()

    async with UserCode(Waiting, {}) as code:
        task = asyncio.ensure_future(code.call("wait"))
        await asyncio.sleep(0)
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_cancelled_call_lets_go_while_its_thread_runs_on() -> None:
    """The await ends at once; what is called later waits until the thread is free."""
    async with UserCode(Worker, {}) as code:
        worker = code.instance
        running = asyncio.ensure_future(code.call("hold", "running"))
        await in_thread(worker.begun)
        waiting = asyncio.ensure_future(code.call("note", "waiting"))
        await asyncio.sleep(0)
        running.cancel()
        waiting.cancel()
        ended = await asyncio.gather(running, waiting, return_exceptions=True)
        later = asyncio.ensure_future(code.call("note", "later"))
        worker.go_on.set()

        assert [asyncio.CancelledError] * 2 == [type(error) for error in ended]
        assert await later == ["running", "later"]


async def test_a_plain_method_that_answers_a_coroutine_is_an_error() -> None:
    """A decorator that hides `async def` is found out, and nothing is left unawaited."""
    async with UserCode(Worker, {}) as code:
        with pytest.raises(TransformError) as caught:
            await code.call("coroutine")

    assert str(caught.value) == "Worker.coroutine: answered with a coroutine: expected 'async def'"


class Living:
    """A class of a user with a life: load, close, each noted."""

    notes: list[str]

    def __init__(self, notes: list[str], fail: BaseException | None = None) -> None:
        self.notes = notes
        self.fail = fail
        notes.append("made")

    def load(self) -> None:
        if self.fail is not None:
            raise self.fail
        self.notes.append("loaded")

    def close(self) -> None:
        self.notes.append("closed")


async def test_entering_makes_and_loads_leaving_closes_once() -> None:
    """`load` runs once at entering, `close` once at leaving, also if that is done twice."""
    notes: list[str] = []

    async with UserCode(Living, {"notes": notes}) as code:
        entered = list(notes)
    await code.__aexit__()

    assert entered == ["made", "loaded"]
    assert notes == ["made", "loaded", "closed"]


async def test_building_runs_no_user_code() -> None:
    """Building only checks the constructor's arguments."""
    notes: list[str] = []

    UserCode(Living, {"notes": notes})

    assert notes == []


async def test_async_load_and_unload_are_awaited() -> None:
    """`load` and `unload` may be async."""
    notes: list[str] = []

    class Async:
        async def load(self) -> None:
            notes.append("loaded")

        async def unload(self) -> None:
            notes.append("unloaded")

    async with UserCode(Async, {}):
        pass

    assert notes == ["loaded", "unloaded"]


async def test_a_load_that_fails_is_a_configuration_error() -> None:
    """What `load` raises ends the start, with class and method in its text."""
    code = UserCode(Living, {"notes": [], "fail": FileNotFoundError("model.bin")})

    with pytest.raises(ConfigError) as caught:
        await code.__aenter__()

    assert str(caught.value) == "Living.load: FileNotFoundError('model.bin')"


async def test_a_constructor_that_fails_is_a_configuration_error() -> None:
    """What the constructor raises ends the start, with the class in its text."""

    class Broken:
        def __init__(self) -> None:
            raise RuntimeError("no")

    with pytest.raises(ConfigError, match=r"^Broken\.__init__: RuntimeError\('no'\)$"):
        await UserCode(Broken, {}).__aenter__()


async def test_a_load_that_meets_an_outage_is_unavailable() -> None:
    """A far end that is down at start is an outage, not a wrong file."""
    code = UserCode(Living, {"notes": [], "fail": ConnectionError("store")})

    with pytest.raises(Unavailable, match=r"^Living\.load: ConnectionError\('store'\)$"):
        await code.__aenter__()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({}, "missing a required argument: 'notes'"),
        ({"notes": [], "secret": "hush"}, "got an unexpected keyword argument 'secret'"),
        ({"note": "hush"}, "got an unexpected keyword argument 'note'"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_building(
    options: dict[str, Any], text: str
) -> None:
    """The constructor's signature is in the text, the values of the options are not."""
    with pytest.raises(ConfigError) as caught:
        UserCode(Living, options)

    assert str(caught.value).startswith("Living: options do not fit Living(notes: ")
    assert str(caught.value).endswith(text)
    assert "hush" not in str(caught.value)


async def test_leaving_does_not_wait_for_ever() -> None:
    """A call that never ends keeps neither leaving nor the process."""

    class Stuck(Worker):
        def close(self) -> None:
            raise AssertionError

    code = await UserCode(Stuck, {}, leave_seconds=0.01).__aenter__()
    worker = code.instance
    stuck = asyncio.ensure_future(code.call("hold", "stuck"))
    await in_thread(worker.begun)

    with pytest.raises(Unavailable, match=r"^Stuck\.close: not done within 0\.01 s$"):
        await code.__aexit__()

    assert [thread.daemon for thread in threading.enumerate() if thread.name == "Stuck-0"] == [True]
    worker.go_on.set()
    await stuck


async def test_the_thread_ends_with_leaving() -> None:
    """After leaving no thread of the class is left."""

    class Brief:
        def thread(self) -> threading.Thread:
            return threading.current_thread()

    async with UserCode(Brief, {}) as code:
        thread = await code.call("thread")
    await asyncio.to_thread(thread.join, 10)

    assert not thread.is_alive()


def test_what_a_framework_defines_is_not_the_users() -> None:
    """A method of `kserve.Model` or SeldonComponent itself does not count as provided."""
    base = type("Model", (), {"preprocess": lambda self: None, "__module__": "kserve.model"})
    own = type("Own", (base,), {"postprocess": lambda self: None})

    found = {name: provides(own, name) for name in ("preprocess", "postprocess", "predict")}

    assert found == {"preprocess": False, "postprocess": True, "predict": False}
