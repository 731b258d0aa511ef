"""One test of a configuration: the real pipeline, its far ends replaced, its time stopped.

    event ─▶ Router ─▶ pipeline as `bridge run` builds it ─▶ what became of it ─▶ as expected?
                         │ model: given answers   sinks, dead letter: kept, never sent

Nothing with a far end is even constructed (`bridge.app.stand_ins`), so a test needs no port, no
certificate and no network.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.app import App, build
from bridge.app.cases import Case
from bridge.app.explanation import explain, in_words, path_of
from bridge.app.judging import Failure, Happened, judge
from bridge.app.lines import Line
from bridge.app.parts import StandIn
from bridge.app.stand_ins import stand_ins
from bridge.config.cases import nanoseconds
from bridge.config.file import load as load_document
from bridge.config.problems import Problems, did_you_mean
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import BridgeError
from bridge.core.event import Event, Origin
from bridge.observe.ledger import Events
from bridge.runtime.routing import Route, Router


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A test that ran. *failures*: none, where it passed; *refused*: what the pipeline raised."""

    case: Case
    failures: Sequence[Failure]
    refused: BridgeError | None = None


def run(case: Case) -> Ran:
    """Return how a test went; raise ConfigError where its configuration cannot work.

    On an event loop of its own, whose time the test's clock moves: pauses between tries cost
    nothing, and count towards deadlines all the same.
    """
    clock = StoppedClock(nanoseconds(case.time))
    with asyncio.Runner(loop_factory=lambda: _Loop(clock)) as runner:
        return runner.run(_run(case, clock))


def unplugged(config: Path, environ: Mapping[str, str]) -> App:
    """Return the application of the file *config*, its far ends replaced and its models mute.

    It can be asked what it would do with an event where it could not run: away from its
    certificates and its models. Raise ConfigError where the file cannot work.
    """
    return _built(config, environ, SystemClock(), stand_ins((), Happened()))


async def _run(case: Case, clock: StoppedClock) -> Ran:
    happened = Happened()
    stand_in = stand_ins(case.answers, happened, case.fetched)
    app = _built(case.config, case.environ, clock, stand_in)
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
                happened.expired = app.lines[route.name].pipeline.expired(event)
            except BridgeError as error:
                happened.refused = error
    else:  # only who takes it is asked
        happened.taken_by = route.name
    return Ran(case=case, failures=judge(case, happened), refused=happened.refused)


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
        """Move on by *seconds*, and let what is due by then happen."""
        self._slept += seconds
        await asyncio.sleep(_MOMENT_SECONDS)  # timers run in order: those that are due are first


#: The shortest time that is a timer of the loop's, as no time at all is not.
_MOMENT_SECONDS: Final = 1e-6


class _Loop(asyncio.SelectorEventLoop):
    """An event loop on which time goes by as it does, and as a test's clock says."""

    def __init__(self, clock: StoppedClock) -> None:
        self._clock = clock
        super().__init__()

    def time(self) -> float:
        return super().time() + self._clock.monotonic()


def _built(path: Path, environ: Mapping[str, str], clock: Clock, stand_in: StandIn) -> App:
    problems = Problems()
    document = load_document(path, environ, problems)
    return build(
        document,
        environ,
        problems,
        clock=clock,
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
