"""One step of a transformer: a payload in, a payload or nothing out."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from bridge.core.errors import ConfigError, TransformError
from bridge.core.payload import JSON, Body
from bridge.core.ports import Context
from bridge.core.usercode import UserCode

#: What a form makes of a user's method.
Step = Callable[[Body, Context], Awaitable[Body | None]]

TEXT = "text/plain; charset=utf-8"


def body_of(answer: Any, payload: Body, name: str) -> Body | None:
    """Return what the method called *name* answered to *payload*, as a body.

    A Body is itself; None is nothing to say; bytes have the media type of *payload*, a str is
    text; anything else is JSON, numpy included. Raise TransformError where it has no form.
    """
    if answer is None or isinstance(answer, Body):
        return answer
    if isinstance(answer, bytes):
        return Body(answer, payload.content_type)
    try:
        if isinstance(answer, str):
            return Body(answer.encode(), TEXT)
        return Body(orjson.dumps(answer, default=_plain, option=_OPTIONS), JSON)
    except (TypeError, UnicodeEncodeError) as error:
        raise TransformError(
            f"{name}: answered with {type(answer).__name__}: expected a Body, bytes, str, None "
            f"or what JSON can hold ({error})"
        ) from error


def check(code: UserCode, method: str, expected: str, *calls: tuple[int, tuple[str, ...]]) -> int:
    """Return which of *calls* the *method* takes: so many by position, these by name.

    Raise ConfigError, saying what was *expected*, if it takes none of them.
    """
    name = f"{code.cls.__name__}.{method}"
    function = getattr(code.cls, method)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"{name} yields: expected it to return its answer")
    try:
        signature = inspect.signature(function)
    except ValueError:
        return 0  # a method written in C may have none: its own error says it
    unbound = inspect.isfunction(inspect.getattr_static(code.cls, method))
    for index, (count, names) in enumerate(calls):
        try:
            signature.bind(*[None] * (count + unbound), **dict.fromkeys(names))
        except TypeError:
            continue
        return index
    raise ConfigError(f"{name}{signature} cannot be called: expected {expected}")


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def _plain(value: Any) -> Any:
    """Return arrays and numbers that orjson does not write itself as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"JSON has no form for {type(value).__name__}")
