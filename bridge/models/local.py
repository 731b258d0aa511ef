"""A model in this process: a Seldon component, asked without a socket in between.

    Request ──decode──▶ X, names, meta ──▶ predict, then tags, metrics, class_names
       Body ◀──encode── answer ◀───────────┘ (in one turn of the class's own thread)

The class is any class with `predict(X, names)`; a class with `predict_raw(message)` is given
the whole message as a dict instead. `load` runs at start, `health_status` when asked.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from bridge.config.options import Options
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import (
    BridgeError,
    ConfigError,
    DeadlineExceeded,
    DecodeError,
    TransformError,
    Unavailable,
)
from bridge.core.event import shown
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.usercode import UserCode, load_class
from bridge.protocols.seldon import (
    BAD_DATA,
    BAD_METRIC,
    INTERNAL_ERROR,
    ModelRefusal,
    SeldonMessage,
    decode,
    encode,
)
from bridge.protocols.verdicts import TRY_AGAIN


class LocalModelOptions(Options):
    """A Python class in this process, as Seldon's wrapper would serve it."""

    type: Literal["local"] = "local"
    """The kind: a Python class in this process."""
    model: str
    """The class: `module:Class` or `path/file.py:Class`, from the configuration file's folder."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the class's constructor is given."""
    threads: Annotated[int, Field(ge=1)] = 1
    """Threads that call the class; with one, it need not know of threads."""


class LocalModel:
    """A user's class as a model. Calls may overlap; each thread of the class does one.

    Raises ConfigError at once if *folder* has no such class or it has no `predict`.
    """

    Options = LocalModelOptions

    def __init__(
        self, options: LocalModelOptions, folder: Path, *, clock: Clock | None = None
    ) -> None:
        cls = load_class(options.model, folder)
        self._clock = clock or SystemClock()
        self._name = cls.__name__
        self._code = UserCode(cls, options.options, threads=options.threads)
        self._raw = _defines(cls, "predict_raw")
        if not self._raw and not _defines(cls, "predict"):
            raise ConfigError(
                f"model '{options.model}': class {cls.__name__} has no method 'predict(X, names)'"
            )
        if not self._raw and importlib.util.find_spec("numpy") is None:
            raise ConfigError(
                f"model '{options.model}': 'predict' is given numpy arrays and numpy is not "
                "installed: install the extra 'models', or define 'predict_raw(message)'"
            )
        self._takes = _Takes()
        self._health = _defines(cls, "health_status")
        #: What the class tells beside each answer, asked in the same turn of its thread.
        self._then = tuple(name for name in _TOLD if _defines(cls, name))
        self._entered = False

    async def __aenter__(self) -> Self:
        """Make the instance and let it load; raise ConfigError if either raises."""
        await self._code.__aenter__()
        if not self._raw:
            self._takes = _Takes.of(self._code.instance.predict)
        self._entered = True
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Let the instance close and end its threads."""
        self._entered = False
        await self._code.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the class is loaded and its `health_status`, if it has one, returns."""
        if not self._entered:
            raise Unavailable(f"model {self._name} is not loaded")
        if self._health:
            try:
                await self._code.call("health_status")
            except TransformError as error:
                raise Unavailable(str(error)) from error

    async def predict(self, request: Request) -> Body:
        """Return the class's answer in the form of the request.

        Raise ModelRefusal, which is Rejected, when the payload is no Seldon message, when
        the class raised, or when its answer has no form; Unavailable when the class met an
        outage; DeadlineExceeded when the time was up (its thread then still runs to the end).
        """
        if request.deadline is None:
            return await self._predict(request)
        left = request.deadline - self._clock.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"{self._name} was not asked: the event's time is used up")
        try:
            async with asyncio.timeout(left):
                return await self._predict(request)
        except TimeoutError as error:
            raise DeadlineExceeded(f"{self._name}.predict: not done in time") from error

    async def _predict(self, request: Request) -> Body:
        # Parsed anew: the class may change what it is given, and others share the payload.
        payload = Body(request.payload.data, request.payload.content_type)
        try:
            if self._raw:
                return self._whole(await self._code.call("predict_raw", payload.json()))
            message = decode(payload)
            answer, told = await self._code.call_then(
                self._then, "predict", *self._takes.arguments(message), **self._takes.meta(message)
            )
        except DecodeError as error:
            raise ModelRefusal(f"{self._name}: {error}", status=400, code=BAD_DATA) from error
        except TransformError as error:
            raise _verdict(error) from error
        return self._answer(message, answer, dict(zip(self._then, told, strict=True)))

    def _answer(self, message: SeldonMessage, answer: Any, told: Mapping[str, Any]) -> Body:
        """Encode what the class answered and told; a `SeldonResponse` carries its own."""
        tags, metrics = [told.get("tags")], [told.get("metrics")]
        if all(hasattr(answer, name) for name in ("data", "tags", "metrics")):
            tags.append(answer.tags)
            metrics.append(answer.metrics)
            answer = answer.data
        # `load` may set it as an attribute, so the instance is asked and not the class.
        names = told.get("class_names")
        if names is None:
            names = getattr(self._code.instance, "class_names", None)
        meta = {"tags": self._tags(tags), "metrics": self._metrics(metrics)}
        try:
            return encode(
                answer, like=message, class_names=None if callable(names) else names, meta=meta
            )
        except TypeError as error:
            text = f"{self._name}.predict: {error}"
            raise ModelRefusal(text, status=400, code=BAD_DATA) from error

    def _whole(self, answer: Any) -> Body:
        """Return the message that `predict_raw` made; its own status may be a refusal."""
        status = answer.get("status") if isinstance(answer, dict) else None
        code = status.get("code") if isinstance(status, dict) else None
        if isinstance(status, dict) and isinstance(code, int) and 400 <= code < 600:
            said = status.get("reason") or INTERNAL_ERROR
            text = f"{self._name}.predict_raw: {said}: {status.get('info')}"
            if code in TRY_AGAIN:
                raise Unavailable(text)
            raise ModelRefusal(text, status=code, code=str(said))
        try:
            return Body.of(answer)
        except TypeError as error:
            text = f"{self._name}.predict_raw: {error}"
            raise ModelRefusal(text, status=400, code=BAD_DATA) from error

    def _tags(self, told: list[Any]) -> dict[str, Any]:
        """Return all *told* tags as one, the later winning."""
        tags: dict[str, Any] = {}
        for some in told:
            if some is not None and not isinstance(some, dict):
                text = f"{self._name}.tags: a {type(some).__name__}: expected a dict"
                raise ModelRefusal(text, status=500, code=INTERNAL_ERROR)
            tags.update(some or {})
        return tags

    def _metrics(self, told: list[Any]) -> list[Any]:
        """Return all *told* metrics as one list."""
        metrics: list[Any] = []
        for some in told:
            if some is not None and not (isinstance(some, list) and all(map(_is_metric, some))):
                text = (
                    f"{self._name}.metrics: {shown(repr(some))}: expected a list of "
                    "{key, type: COUNTER|GAUGE|TIMER, value}"
                )
                raise ModelRefusal(text, status=500, code=BAD_METRIC)
            metrics.extend(some or ())
        return metrics


@dataclass(frozen=True, slots=True)
class _Takes:
    """What a class's `predict` takes beside X."""

    names: bool = True
    with_meta: bool = False

    @classmethod
    def of(cls, predict: Callable[..., Any]) -> Self:
        """Read the signature, so that no TypeError of the user's is taken for it."""
        try:
            parameters = inspect.signature(predict).parameters.values()
        except ValueError:  # written in C: it takes what Seldon gives
            return cls()
        places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        return cls(
            names=len(places) > 1 or any(p.kind is p.VAR_POSITIONAL for p in parameters),
            with_meta=any(p.name == "meta" or p.kind is p.VAR_KEYWORD for p in parameters),
        )

    def arguments(self, message: SeldonMessage) -> tuple[Any, ...]:
        return (message.value, message.names) if self.names else (message.value,)

    def meta(self, message: SeldonMessage) -> dict[str, Any]:
        return {"meta": message.meta} if self.with_meta else {}


#: What a class may tell beside its answer.
_TOLD = ("tags", "metrics", "class_names")


def _defines(cls: type, method: str) -> bool:
    """Whether *cls* has a *method* of its own: Seldon's base class only says it has not."""
    found = getattr(cls, method, None)
    return callable(found) and not str(getattr(found, "__module__", "")).startswith("seldon_core")


def _verdict(error: TransformError) -> BridgeError:
    """Return what the exception of a user's class means: a verdict, unless it asks for time.

    Seldon's own exception names its HTTP status and its reason; any other is the wrapper's
    500.
    """
    raised = error.__cause__
    status, code = getattr(raised, "status_code", None), getattr(raised, "reason", None)
    if not isinstance(status, int) or not 400 <= status < 600:
        return ModelRefusal(str(error), status=500, code=INTERNAL_ERROR)
    if status in TRY_AGAIN:
        return Unavailable(str(error))
    return ModelRefusal(
        str(error), status=status, code=code if isinstance(code, str) else INTERNAL_ERROR
    )


def _is_metric(metric: Any) -> bool:
    """Whether *metric* is one of Seldon's custom metrics."""
    return (
        isinstance(metric, dict)
        and isinstance(metric.get("key"), str)
        and metric.get("type") in ("COUNTER", "GAUGE", "TIMER")
        and isinstance(metric.get("value"), Real)
    )
