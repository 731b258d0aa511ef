"""The lifecycle: enter, be ready, run the sources, drain, leave.

enter components ─▶ ready ─▶ sources run ─▶ stop ─▶ not ready, still accepting
    ─▶ sources take nothing new, settle what is running ─▶ hard stop ─▶ leave in reverse
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from bridge.core.clock import Clock
from bridge.core.errors import BridgeError, ConfigError
from bridge.core.ports import Component, Handler, Source

#: How many more objects there are before the collector looks through them. Events are freed
#: without it; by Python's own 700 it would look at all that are under way, again and again,
#: for a third of the processor's time with 500 of them.
COLLECT_AFTER = 20_000

log = structlog.get_logger()


@dataclass(slots=True)
class Health:
    """Whether the process takes events. Never depends on a far end.

    A probe that failed while a model is down would turn retries into refusals. *started*
    stays true once it was ready.
    """

    ready: bool = False
    started: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """How a process ends.

    *shutdown_delay_seconds*: how long it still accepts after the signal, while load
    balancers learn of it. *drain_seconds*: how long what is under way may take.
    """

    shutdown_delay_seconds: float
    drain_seconds: float


async def run(
    components: Sequence[tuple[str, Component]],
    sources: Sequence[tuple[Source, Handler]],
    *,
    health: Health,
    lifecycle: Lifecycle,
    clock: Clock,
    stop: asyncio.Event,
) -> bool:
    """Run *sources* until *stop*; return whether everything taken in was settled or given back.

    *components*, with the names (or none) that errors give them, are entered in their order
    and left in reverse, sources after and before them. Raises one ConfigError with a line for
    each that cannot work, and what a source raised when it crashed: the process then ends with
    status 1.
    """
    async with AsyncExitStack() as stack:
        problems: list[str] = []
        for name, component in [*components, *(("", source) for source, _ in sources)]:
            try:
                await stack.enter_async_context(component)
            except BridgeError as error:
                if name:
                    error.args = (f"{name}: {error}",)  # its class says the exit status
                if not isinstance(error, ConfigError):
                    raise
                problems.append(str(error))
        if problems:
            raise ConfigError("\n".join(problems))
        soft = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(source.run(handle, soft)) for source, handle in sources]
            # What was made at start stays: the collector need not walk it under load.
            gc.collect()
            gc.freeze()
            gc.set_threshold(COLLECT_AFTER)
            health.ready = health.started = True
            log.info("ready")
            ending = group.create_task(
                _wind_down(running, soft, stop, health=health, lifecycle=lifecycle, clock=clock)
            )
            await asyncio.wait(running)
            ending.cancel()
        return not any(task.cancelled() for task in running)


async def _wind_down(
    running: Sequence[asyncio.Task[None]],
    soft: asyncio.Event,
    stop: asyncio.Event,
    *,
    health: Health,
    lifecycle: Lifecycle,
    clock: Clock,
) -> None:
    """Wait for *stop*; then end the running sources, softly first."""
    await stop.wait()
    health.ready = False
    log.info("stopping", shutdown_delay_seconds=lifecycle.shutdown_delay_seconds)
    await clock.sleep(lifecycle.shutdown_delay_seconds)
    soft.set()
    log.info("draining", drain_seconds=lifecycle.drain_seconds)
    await clock.sleep(lifecycle.drain_seconds)
    log.warning("drain time is over: giving back what is still under way")
    for task in running:
        task.cancel()
