"""Seldon's form: `transform_input(self, X, names)` and `transform_output(self, X, names)`.

    Seldon message ─decode─▶ X, names, meta ─▶ transform_input ─encode─▶ Seldon message

X is an array, an object, a str or bytes, by what the message carries; the answer goes back
in the request's encoding. `transform_input_raw(self, msg)` has the whole message as a dict
and goes first where both are there.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from bridge.core.errors import ConfigError, TransformError
from bridge.core.payload import Body
from bridge.core.ports import Context
from bridge.core.usercode import UserCode, provides
from bridge.protocols import seldon
from bridge.transformers.step import Step, body_of, check


def recognises(cls: type) -> bool:
    """Whether *cls* is written in this form."""
    return any(
        provides(cls, method + end)
        for method in ("transform_input", "transform_output")
        for end in ("", "_raw")
    )


def steps(code: UserCode) -> tuple[Step | None, Step | None]:
    """Return the steps before and after the model; raise ConfigError for a wrong signature."""
    return (
        _step(code, "transform_input", "feature_names"),
        _step(code, "transform_output", "class_names"),
    )


def _step(code: UserCode, method: str, names_method: str) -> Step | None:
    if code.has(f"{method}_raw"):
        return _raw_step(code, f"{method}_raw")
    if not code.has(method):
        return None
    if importlib.util.find_spec("numpy") is None:
        raise ConfigError(f"{code.cls.__name__}.{method}: needs numpy, of the extra 'models'")
    expected = f"{method}(self, X, names) or {method}(self, X, names, meta)"
    with_meta = check(code, method, expected, (2, ("meta",)), (2, ())) == 0
    name = f"{code.cls.__name__}.{method}"
    more = [one for one in (names_method, "tags", "metrics") if code.has(one)]

    async def step(payload: Body, ctx: Context) -> Body | None:
        del ctx
        # Decoded for this call alone: user code may change what it is given.
        message = seldon.decode(Body(payload.data))
        kwargs = {"meta": dict(message.meta)} if with_meta else {}
        answer, facts = await code.call_then(
            more, method, message.value, list(message.names), **kwargs
        )
        if answer is None:
            return None
        told = dict(zip(more, facts, strict=True))
        names = told.get(names_method)
        if names is None and method == "transform_input":
            names = message.names  # the columns keep their names unless the class has its own
        value, meta = _with_meta(answer, told)
        try:
            return seldon.encode(
                value, like=message, names=None if names is None else list(names), meta=meta
            )
        except TypeError as error:
            raise TransformError(f"{name}: {error}") from error

    return step


def _raw_step(code: UserCode, method: str) -> Step:
    check(code, method, f"{method}(self, msg)", (1, ()))
    name = f"{code.cls.__name__}.{method}"

    async def step(payload: Body, ctx: Context) -> Body | None:
        del ctx
        return body_of(await code.call(method, Body(payload.data).json()), payload, name)

    return step


def _with_meta(answer: Any, told: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the value of *answer*, and its meta: the class's own, then this request's."""
    tags, metrics = dict(told.get("tags") or {}), list(told.get("metrics") or ())
    # By name: the class is `seldon_core`'s or what stands in for it, and neither is imported.
    if type(answer).__name__ == "SeldonResponse":
        tags.update(answer.tags or {})
        metrics.extend(answer.metrics or ())
        answer = answer.data
    return answer, {"tags": tags, "metrics": metrics}
