"""Our own form: `preprocess(self, payload, ctx)` and `postprocess(self, payload, ctx)`.

The payload is a `bridge.Body`, `ctx` a `bridge.Context` of this one event; either method may
be `async`, and either may be missing.
"""

from __future__ import annotations

from bridge.core.payload import Body
from bridge.core.ports import Context
from bridge.core.usercode import UserCode, provides
from bridge.transformers.step import Step, body_of, check


def recognises(cls: type) -> bool:
    """Whether *cls* is written in this form."""
    return provides(cls, "preprocess") or provides(cls, "postprocess")


def steps(code: UserCode) -> tuple[Step | None, Step | None]:
    """Return the steps before and after the model; raise ConfigError for a wrong signature."""
    return _step(code, "preprocess"), _step(code, "postprocess")


def _step(code: UserCode, method: str) -> Step | None:
    if not code.has(method):
        return None
    check(code, method, f"{method}(self, payload, ctx)", (2, ()))
    name = f"{code.cls.__name__}.{method}"

    async def step(payload: Body, ctx: Context) -> Body | None:
        return body_of(await code.call(method, payload, ctx), payload, name)

    return step
