"""One test of a configuration: the real pipeline, its far ends replaced, its time stopped.

    event ─▶ Router ─▶ pipeline as `bridge run` builds it ─▶ what became of it ─▶ as expected?
                         │ model: given answers   sinks, dead letter: kept, never sent

A source, a remote model and a sink are not even constructed, so a test needs no port, no
certificate and no network. Transformers, and a `local` model without given answers, run for
real.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

from bridge import models
from bridge.app import App, build
from bridge.app.cases import Case
from bridge.app.explanation import explain, in_words, path_of
from bridge.app.judging import Failure, Happened, judge
from bridge.app.lines import Line
from bridge.config.cases import nanoseconds
from bridge.config.file import load as load_document
from bridge.config.options import Options
from bridge.config.problems import KeyPath, Problems, did_you_mean
from bridge.core.errors import BridgeError, Rejected
from bridge.core.event import Event, Origin
from bridge.core.payload import Body
from bridge.core.ports import Handler, Model, Request
from bridge.observe.ledger import Events
from bridge.runtime.routing import Route, Router

#: The only kind of model that a test asks itself: it runs in this process.
LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """A test that ran. *failures*: none, where it passed; *refused*: what the pipeline raised."""

    case: Case
    failures: Sequence[Failure]
    refused: BridgeError | None = None


async def run(case: Case) -> Tested:
    """Return how a test went; raise ConfigError where its configuration cannot work."""
    happened = Happened()
    app = _built(case, happened)
    lines = _lines(case, app)
    event = _arriving(case, lines)
    router = Router([_route(line, happened) for line in lines], Events())
    route = router.route(event)
    if route is None:
        happened.untaken = in_words(explain(lines, app.options, event))
    elif case.expect.outcomes:
        async with AsyncExitStack() as entered:
            for component in app.lines[route.name].components.values():
                await entered.enter_async_context(component)
            try:
                happened.reply = await router(event)
            except BridgeError as error:
                happened.refused = error
    else:  # only who takes it is asked
        happened.taken_by = route.name
    return Tested(case=case, failures=judge(case, happened), refused=happened.refused)


class StoppedClock:
    """A clock that moves only when somebody sleeps on it, and then at once."""

    def __init__(self, now_ns: int) -> None:
        self._start = now_ns
        self._slept = 0.0

    def monotonic(self) -> float:
        """Return the seconds that were slept."""
        return self._slept

    def now_ns(self) -> int:
        """Return the time of the test, and what was slept since."""
        return self._start + round(self._slept * 1e9)

    async def sleep(self, seconds: float) -> None:
        """Move on by *seconds*."""
        self._slept += seconds


class _StandIn:
    """A component without a far end."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Do nothing."""

    async def ping(self) -> None:
        """Return: nobody is asked."""


class _Nowhere(_StandIn):
    """A source that brings no event: a test has its own."""

    async def run(self, handle: Handler, stop: Any) -> None:  # noqa: ARG002  # the port's
        await stop.wait()


class _Kept(_StandIn):
    """A sink that gives every event to *keep*."""

    def __init__(self, keep: Callable[[Event], None]) -> None:
        self._keep = keep

    async def send(self, event: Event) -> None:
        self._keep(event)


class _Given(_StandIn):
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


def _built(case: Case, happened: Happened) -> App:
    """Return the application under test, everything with a far end replaced."""

    def stand_in(path: KeyPath, cls: type[Any]) -> Callable[..., Any]:
        section = path[2:]
        if section == ("source",):
            return lambda options: _Nowhere()  # noqa: ARG005  # makers are given options
        if section == ("model",):
            return _model(cls)
        if section == ("dead_letter",):
            return _sink(lambda event: setattr(happened, "letter", event))
        if section[0] in ("sinks", "k_sink"):
            name = "K_SINK" if section == ("k_sink",) else f"sinks[{section[1]}]"
            return _sink(lambda event: happened.published.update({name: event}))
        return cls

    def _sink(keep: Callable[[Event], None]) -> Callable[[Options], _Kept]:
        return lambda options: _Kept(keep)  # noqa: ARG005  # as above

    def _model(cls: type[Any]) -> Callable[..., Any]:
        if case.answers is not None or f"{cls.__module__}:{cls.__name__}" != models.TYPES[LOCAL]:
            return lambda options: _Given(case.answers or (), happened)  # noqa: ARG005  # as above

        def overheard(options: Options, **parts: Any) -> _Overheard:
            return _Overheard(cls(options, **parts), happened)

        overheard.__signature__ = inspect.signature(cls)  # type: ignore[attr-defined]  # its parts
        return overheard

    problems = Problems()
    document = load_document(case.config, case.environ, problems)
    return build(
        document,
        case.environ,
        problems,
        clock=StoppedClock(nanoseconds(case.time)),
        chance=random.Random(0),  # noqa: S311  # pauses, the same in every run
        stand_in=stand_in,
    )


def _lines(case: Case, app: App) -> list[Line]:
    """Return the pipelines that the event may go to, in the file's order."""
    known = list(app.lines)
    named = {("pipeline",): case.pipeline, ("expect", "taken_by"): case.expect.taken_by}
    problems = Problems()
    for path, name in named.items():
        if name is not None and name not in known:
            text = f"no pipeline '{name}'{did_you_mean(name, known)}"
            problems.add(case.document.problem((*case.path, *path), text))
    problems.check()
    return list(app.lines.values()) if case.pipeline is None else [app.lines[case.pipeline]]


def _arriving(case: Case, lines: Sequence[Line]) -> Event:
    """Return the event as it comes: on a path, where it comes over HTTP."""
    path, origin = case.at, case.event.origin
    if path is None:
        path = "/"
        if case.pipeline is not None:
            path = path_of(lines[0]) or ("/" if lines[0].source.kind == "http" else "")
    arrived = Origin(origin.transport, path, origin.wants_reply, origin.headers)
    return Event(case.event.attributes, case.event.data, arrived)


def _route(line: Line, happened: Happened) -> Route:
    async def handle(event: Event) -> Event | None:
        happened.taken_by = line.name
        return await line.handle(event)

    return Route(
        name=line.name,
        handle=handle,
        replies=line.pipeline.replies,
        path=path_of(line),
        accepts=line.accepts,
    )
