"""A user's class at work: one instance, its sync methods on a thread of its own.

    await call("preprocess", …) ─┬─ async def ─▶ awaited on the loop
                                 └─ def ───────▶ the thread of this class ─▶ answer

One thread for each class by default, so a class written without a thought of threads is
right; two classes run beside each other. Here user code ends and ours begins: whatever it
raises becomes one of our errors, with the class and the method in its text.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import CoroutineType
from typing import Any, Final, Self, TypeVar

from bridge.core import errors
from bridge.core.aliases import PACKAGES
from bridge.core.errors import (
    BridgeError,
    ConfigError,
    EventError,
    Filtered,
    TransformError,
    Unavailable,
)
from bridge.core.loading import load_class
from bridge.core.threads import Threads

__all__ = ["UserCode", "load_class", "provides", "refusal"]

#: Longest text of a user's error that goes into ours, in characters.
ERROR_CHARACTERS: Final = 300

#: How long leaving waits for `close` and for the call before it; then the thread is left
#: behind. It is a daemon, so it never keeps the process alive.
LEAVE_SECONDS: Final = 5.0

_E = TypeVar("_E", bound=BridgeError)


class UserCode:
    """One instance of a user's class, made at entering, and where its methods run.

    Entering makes the instance with *options* and then calls its `load` if it has one, both
    on the thread. What they raise is a ConfigError, an outage Unavailable. Leaving calls
    `close`, or else `unload`, if there is one.
    """

    def __init__(
        self,
        cls: type,
        options: Mapping[str, Any],
        *,
        threads: int = 1,
        leave_seconds: float = LEAVE_SECONDS,
    ) -> None:
        """Check that *options* are what the constructor takes; raise ConfigError if not."""
        self.cls = cls
        self.instance: Any = None
        self._options = dict(options)
        self._threads = Threads(cls.__name__, threads)
        self._leave_seconds = leave_seconds
        self._methods: dict[str, _Method] = {}
        try:
            signature = inspect.signature(cls)
        except ValueError:
            return  # a class written in C may have none: its own error says it at entering
        try:
            signature.bind_partial(**options)  # a misspelt name before the one it leaves missing
            signature.bind(**options)
        except TypeError as error:
            raise ConfigError(
                f"{cls.__name__}: options do not fit {cls.__name__}{signature}: {error}"
            ) from error

    def has(self, method: str) -> bool:
        """Whether the user's class has this method, as `provides` says."""
        return provides(self.cls, method)

    async def __aenter__(self) -> Self:
        """Start the thread, make the instance and let it load."""
        self._threads.start()
        try:
            await self._run(_Method(f"{self.cls.__name__}.__init__", self._make, is_async=False))
            if self.has("load"):
                await self.call("load")
        except EventError as error:
            self._leave()
            raise ConfigError(str(error)) from error
        except BaseException:
            self._leave()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Let the instance close and the thread end. May be called twice.

        Raise Unavailable when `close` did not return within *leave_seconds*, because a call
        before it still runs: the thread is then left behind.
        """
        if self.instance is None:
            return
        name = next((name for name in ("close", "unload") if self.has(name)), None)
        try:
            if name is not None:
                async with asyncio.timeout(self._leave_seconds):
                    await self.call(name)
        except TimeoutError as error:
            raise Unavailable(
                f"{self.cls.__name__}.{name}: not done within {self._leave_seconds} s"
            ) from error
        finally:
            self._leave()

    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return what *method* of the instance answers.

        Raise TransformError, Unavailable or the EventError that `refusal` makes of what it
        raised. Context variables reach the thread. Cancelled while it waits in line, the
        method is never called; cancelled while it runs, the await ends at once, the thread
        goes on to the method's end, the answer is dropped, and later calls wait behind it.
        """
        return await self._run(self._methods.get(method) or self._adapt(method), *args, **kwargs)

    async def call_then(
        self, then: Sequence[str], method: str, /, *args: Any, **kwargs: Any
    ) -> tuple[Any, list[Any]]:
        """Return what *method* answers, and what the methods *then*, without arguments, do.

        All run in one turn of the thread, so that no other event's call comes between: this
        is how a class tells more about the answer it just gave (`tags()`, `metrics()`). An
        async method is awaited first, and the rest is called after it.
        """
        first = self._methods.get(method) or self._adapt(method)
        if first.is_async or not then:
            answer = await self._run(first, *args, **kwargs)
            return answer, [await self.call(name) for name in then]

        def in_one_turn() -> tuple[Any, list[Any]]:
            answer = first.function(*args, **kwargs)
            return answer, [getattr(self.instance, name)() for name in then]

        together = _Method(first.name, in_one_turn, is_async=False)
        answers: tuple[Any, list[Any]] = await self._run(together)
        return answers

    async def _run(self, method: _Method, *args: Any, **kwargs: Any) -> Any:
        """Call *method* where it belongs, and turn what it raises into ours."""
        if method.is_async:
            try:
                return await method.function(*args, **kwargs)
            except (Exception, SystemExit) as error:  # user code: any error is its own
                raise refusal(method.name, error) from error
        answer, raised = await self._threads.run(method.function, args, kwargs)
        if raised is not None:
            raise refusal(method.name, raised) from raised
        if type(answer) is CoroutineType:
            answer.close()
            raise TransformError(f"{method.name}: answered with a coroutine: expected 'async def'")
        return answer

    def _make(self) -> None:
        self.instance = self.cls(**self._options)

    def _adapt(self, name: str) -> _Method:
        """Decide where the method called *name* runs, once."""
        function = getattr(self.instance, name)
        method = _Method(
            f"{self.cls.__name__}.{name}", function, is_async=inspect.iscoroutinefunction(function)
        )
        self._methods[name] = method
        return method

    def _leave(self) -> None:
        self.instance = None
        self._methods.clear()
        self._threads.stop()


@dataclass(frozen=True, slots=True)
class _Method:
    """A method of the instance: how errors name it, what is called, and where."""

    name: str
    function: Callable[..., Any]
    is_async: bool


def provides(cls: type, method: str) -> bool:
    """Whether *cls* has a *method* of its user's own.

    What `kserve.Model` and `seldon_core`'s SeldonComponent define themselves (real or stood
    in for) does not count: there it means "not implemented".
    """
    for base in cls.__mro__:
        if method in vars(base):
            return base.__module__.partition(".")[0] not in PACKAGES and callable(
                getattr(cls, method)
            )
    return False


def refusal(name: str, error: BaseException) -> BridgeError:
    """Return what *error*, raised by the user's code called *name*, means for the event.

    `ConnectionError`, `TimeoutError` and our own Unavailable are outages: the event is good
    and is held. Our own EventErrors and Filtered stay what they are. Anything else is a
    TransformError.
    """
    if isinstance(error, Unavailable):
        outage: type[Unavailable] = _nearest_of_ours(error)
        return outage(f"{name}: {_cut(str(error))}", retry_after_seconds=error.retry_after_seconds)
    if isinstance(error, Filtered):
        return Filtered(f"{name}: {_cut(str(error))}", reason=error.reason)
    if isinstance(error, EventError):
        return _nearest_of_ours(error)(f"{name}: {_cut(str(error))}")
    if isinstance(error, (ConnectionError, TimeoutError)):
        return Unavailable(f"{name}: {_shown(error)}")
    return TransformError(f"{name}: {_shown(error)}")


def _nearest_of_ours(error: _E) -> type[_E]:
    """Return the class of *error*; for a user's subclass ours, whose arguments are known."""
    kinds: list[Any] = [kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__]
    nearest: type[_E] = kinds[0]
    return nearest


def _shown(error: BaseException) -> str:
    try:
        if isinstance(error, OSError) and error.filename is not None:  # its repr names no file
            return _cut(f"{type(error).__name__}({str(error)!r})")
        return _cut(repr(error))
    except Exception:  # noqa: BLE001  # an error's repr is user code as well
        return type(error).__name__


def _cut(text: str) -> str:
    """Return *text* in one line and no longer than an error should be."""
    line = " ".join(text.split()) if "\n" in text else text
    return line if len(line) <= ERROR_CHARACTERS else line[: ERROR_CHARACTERS - 1] + "…"
