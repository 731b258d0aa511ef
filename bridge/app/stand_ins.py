"""What stands in for a pipeline's far ends while it is tested.

source ─▶ nothing comes                  model ─▶ given answers
claim stores ─▶ what the test says       sinks, dead letter ─▶ kept, never sent

The real ones are not even constructed. Transformers, and a `local` model without given
answers, stay what they are: they run in this process.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Final, Self

from bridge import models
from bridge.app.judging import Happened
from bridge.app.parts import StandIn
from bridge.config.options import Options
from bridge.config.pipeline import ClaimStoreOptions
from bridge.config.problems import KeyPath, dotted
from bridge.core.errors import BridgeError, ConfigError, Rejected
from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.ports import Handler, Model, Request
from bridge.runtime.references import base

#: The only kind of model that a test asks itself: it runs in this process.
LOCAL: Final = "local"


def stand_ins(
    answers: Sequence[Body | BridgeError] | None,
    happened: Happened,
    fetched: Body | None = None,
) -> StandIn:
    """Return what makes the components of a test, which tell *happened* of everything.

    *answers*: those of the model, in a row; None leaves a `local` model to itself, and any
    other without an answer. *fetched*: what any claim store has.
    """

    def stand_in(path: KeyPath, cls: type[Any]) -> Callable[..., Any]:
        section = path[2:]
        if section == ("source",):
            return lambda options: _Nowhere()  # noqa: ARG005  # makers are given options
        if section == ("model",):
            return _model(cls, answers, happened)
        if section == ("dead_letter",):
            return _sink(lambda event: setattr(happened, "letter", event))
        if section[0] in ("sinks", "k_sink"):
            name = "K_SINK" if section == ("k_sink",) else f"sinks[{section[1]}]"
            return _sink(lambda event: happened.published.update({name: event}))
        if section[0] == "claim_check":
            return lambda options: _Stocked(options, fetched, happened)
        if section == ("transformer",):
            return cls
        raise ConfigError(f"{dotted(path)}: a test has nothing that could stand in for it")

    return stand_in


def _sink(keep: Callable[[Event], None]) -> Callable[[Options], _Kept]:
    return lambda options: _Kept(keep)  # noqa: ARG005  # as above


def _model(
    cls: type[Any], answers: Sequence[Body | BridgeError] | None, happened: Happened
) -> Callable[..., Any]:
    if answers is not None or f"{cls.__module__}:{cls.__name__}" != models.TYPES[LOCAL]:
        return lambda options: _Given(answers or (), happened)  # noqa: ARG005  # as above

    def overheard(options: Options, **parts: Any) -> _Overheard:
        return _Overheard(cls(options, **parts), happened)

    overheard.__signature__ = inspect.signature(cls)  # type: ignore[attr-defined]  # whose parts
    return overheard


class _Placed:
    """A component without a far end."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Do nothing."""

    async def ping(self) -> None:
        """Return: nobody is asked."""


class _Nowhere(_Placed):
    """A source that brings no event: a test has its own."""

    async def run(self, handle: Handler, stop: asyncio.Event) -> None:  # noqa: ARG002  # the port's
        await stop.wait()


class _Kept(_Placed):
    """A sink that gives every event to *keep*."""

    def __init__(self, keep: Callable[[Event], None]) -> None:
        self._keep = keep

    async def send(self, event: Event) -> None:
        self._keep(event)


class _Stocked(_Placed):
    """A claim store whose references are the real one's, and which holds what the test says."""

    def __init__(
        self, options: ClaimStoreOptions, fetched: Body | None, happened: Happened
    ) -> None:
        self._base = base(options.url, queries=options.queries)
        self._fetched = fetched
        self._happened = happened

    def target(self, reference: str) -> str | None:
        return self._base.target(reference)

    async def fetch(self, target: str) -> Body:
        if self._fetched is None:
            self._happened.unfetched = target
            raise Rejected("the test does not say what lies there")
        return self._fetched


class _Given(_Placed):
    """A model that answers what the test says, in a row."""

    def __init__(self, answers: Sequence[Body | BridgeError], happened: Happened) -> None:
        self._answers = list(answers)
        self._happened = happened

    async def predict(self, request: Request) -> Body:
        self._happened.requests.append(request)
        if not self._answers:
            self._happened.unanswered = True
            raise Rejected("the test has no answer to this request")
        answer = self._answers.pop(0)
        if isinstance(answer, BridgeError):
            raise answer
        return Body(answer.data, answer.content_type)


class _Overheard:
    """A model that really answers, and whose requests are kept."""

    def __init__(self, model: Model, happened: Happened) -> None:
        self._model = model
        self._happened = happened

    async def __aenter__(self) -> Self:
        await self._model.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._model.__aexit__(*exc)

    async def ping(self) -> None:
        await self._model.ping()

    async def predict(self, request: Request) -> Body:
        self._happened.requests.append(request)
        return await self._model.predict(request)
