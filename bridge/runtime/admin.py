"""The admin port: probes, metrics, and what the far ends say.

Liveness and readiness never ask a far end: a pod that goes red while a model is down turns
retries into refusals. The pings are shown at `/readyz?verbose` and as a gauge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Self

import structlog

from bridge.core.clock import Clock
from bridge.core.errors import BridgeError
from bridge.core.ports import Component
from bridge.runtime.runner import Health
from bridge.transports.http import cannot_listen

if TYPE_CHECKING:
    from aiohttp import web


log = structlog.get_logger()


class Pings:
    """Asks every component from time to time whether its far end answers."""

    def __init__(
        self,
        components: Mapping[tuple[str, str], Component],
        *,
        report: Callable[[str, str, bool], None],
        clock: Clock,
        interval_seconds: float,
        timeout_seconds: float,
    ) -> None:
        self._components = dict(components)
        self._report = report
        self._clock = clock
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._answers: dict[tuple[str, str], str] = {}
        self._task: asyncio.Task[None] | None = None
        self._round: asyncio.Task[dict[str, str]] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="pings")
        return self

    async def __aexit__(self, *exc: object) -> None:
        ours = [task for task in (self._task, self._round) if task is not None]
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)

    async def ping(self) -> None:
        """Return: this is no far end."""

    async def now(self) -> dict[str, str]:
        """Ask every component; return `ok` or what is wrong, by pipeline and component.

        Whoever comes while they are asked gets the same answers: the page asks for no token,
        and a far end must not hear from us as often as somebody looks at it.
        """
        if self._round is None or self._round.done():
            self._round = asyncio.create_task(self._ask_all(), name="ping round")
        return await asyncio.shield(self._round)

    async def _ask_all(self) -> dict[str, str]:
        keys = list(self._components)
        answers = await asyncio.gather(*map(self._ask, keys))
        return {f"{pipeline}.{name}": a for (pipeline, name), a in zip(keys, answers, strict=True)}

    async def _ask(self, key: tuple[str, str]) -> str:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._components[key].ping()
        except TimeoutError:
            answer = f"no answer within {self._timeout_seconds:g} s"
        except BridgeError as error:
            answer = str(error)
        except Exception as error:  # noqa: BLE001  # a user's own ping; the page shows what it said
            answer = repr(error)
        else:
            answer = "ok"
        self._tell(key, answer)
        self._report(*key, answer == "ok")
        return answer

    def _tell(self, key: tuple[str, str], answer: str) -> None:
        """Write to the log when a far end stops answering, and when it answers again."""
        pipeline, component = key
        was, self._answers[key] = self._answers.get(key, "ok"), answer
        if answer != "ok" == was:
            log.warning(
                "far end does not answer", pipeline=pipeline, component=component, error=answer
            )
        elif answer == "ok" != was:
            log.info("far end answers again", pipeline=pipeline, component=component)

    async def _run(self) -> None:
        while True:
            await self.now()
            await self._clock.sleep(self._interval_seconds)


class Admin:
    """Serves `/healthz`, `/readyz` and `/metrics`."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        health: Health,
        pings: Pings,
        metrics: Callable[[], tuple[str, bytes]],
    ) -> None:
        self._host = host
        self._port = port
        self._health = health
        self._pings = pings
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._runner is not None, "not entered"  # noqa: S101
        return int(self._runner.addresses[0][1])

    async def __aenter__(self) -> Self:
        """Listen; raise ConfigError where the address cannot be listened on."""
        from aiohttp import web

        application = web.Application()
        application.on_response_prepare.append(_unsigned)
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._expose)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise cannot_listen("admin", self._host, self._port, error) from error
        log.info("listening for operators", host=self._host, port=self.port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def ping(self) -> None:
        """Return: a listener has no far end."""

    async def _healthz(self, _: web.Request) -> web.Response:
        from aiohttp import web

        return web.Response(text="ok\n")

    async def _readyz(self, request: web.Request) -> web.Response:
        from aiohttp import web

        lines = ["ok" if self._health.ready else "not ready"]
        if "verbose" in request.query and self._health.ready:
            lines += [f"{name}: {answer}" for name, answer in (await self._pings.now()).items()]
        return web.Response(status=200 if self._health.ready else 503, text="\n".join(lines) + "\n")

    async def _expose(self, _: web.Request) -> web.Response:
        from aiohttp import web

        content_type, body = self._metrics()
        return web.Response(body=body, headers={"Content-Type": content_type})


async def _unsigned(_: web.Request, response: web.StreamResponse) -> None:
    """Leave out which versions answer: only a scanner wants to know."""
    response.headers.popall("Server", None)
