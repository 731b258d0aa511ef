"""KServe's form: a `kserve.Model` whose preprocess and postprocess take JSON and headers.

    event data ─▶ preprocess(inputs, headers) ─▶ the bridge's model ─▶ postprocess(outputs, headers)

The JSON is that of the V1 protocol, a dict; KServe's InferRequest is not made here. Between
the two steps the model of the pipeline is called, not the class's own `predict`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from bridge.core.errors import ConfigError
from bridge.core.payload import Body
from bridge.core.ports import Context
from bridge.core.usercode import UserCode
from bridge.transformers.step import Step, body_of, check


def recognises(cls: type) -> bool:
    """Whether *cls* is below `kserve.Model` or `kfserving.KFModel`, the real one or ours."""
    return any(
        base.__name__ in ("KFModel", "Model")
        and base.__module__.partition(".")[0] in ("kfserving", "kserve")
        for base in cls.__mro__[1:]
    )


def arguments(options: Mapping[str, Any], name: str) -> list[str]:
    """Return *options* as the command line that a file may read while it is imported.

    KServe's files are programs as well: some read `--model_name` and `--predictor_host` at
    their top level, and cannot be imported without.
    """
    given = {"model_name": options.get("name", name), **options}
    return [
        text
        for key, value in given.items()
        if isinstance(value, str | int | float)
        for text in (f"--{key}", str(value))
    ]


def parameters(cls: type, options: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return what to make an instance with: *name* where the options give none."""
    try:
        named = "name" in inspect.signature(cls).parameters and "name" not in options
    except ValueError:
        named = False
    return {"name": name, **options} if named else dict(options)


def steps(code: UserCode) -> tuple[Step | None, Step | None]:
    """Return the steps before and after the model; raise ConfigError where there are none."""
    name = code.cls.__name__
    if code.has("predict"):
        raise ConfigError(
            f"{name}.predict would never be called: between preprocess and postprocess the "
            "bridge calls the pipeline's `model`; expected a class without it"
        )
    found = _step(code, "preprocess"), _step(code, "postprocess")
    if found == (None, None):
        raise ConfigError(f"{name} has nothing to do: expected preprocess or postprocess")
    return found


#: How KServe's methods may be written, the longest first: arguments by position, and by name.
_CALLS: tuple[tuple[int, tuple[str, ...]], ...] = ((2, ("response_headers",)), (2, ()), (1, ()))


def _step(code: UserCode, method: str) -> Step | None:
    if not code.has(method):
        return None
    expected = f"{method}(self, inputs), or with headers, or with headers and response_headers"
    form = check(code, method, expected, *_CALLS)
    name = f"{code.cls.__name__}.{method}"

    async def with_response_headers(payload: Body, ctx: Context) -> Body | None:
        answer = await code.call(method, _fresh(payload), dict(ctx.headers), response_headers={})
        return body_of(answer, payload, name)

    async def with_headers(payload: Body, ctx: Context) -> Body | None:
        answer = await code.call(method, _fresh(payload), dict(ctx.headers))
        return body_of(answer, payload, name)

    async def alone(payload: Body, ctx: Context) -> Body | None:
        del ctx
        return body_of(await code.call(method, _fresh(payload)), payload, name)

    return (with_response_headers, with_headers, alone)[form]


def _fresh(payload: Body) -> Any:
    """Return the JSON of *payload*, parsed for this call alone: files change it in place."""
    return Body(payload.data).json()
