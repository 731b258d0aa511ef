"""The broker: a listener, one queue a trigger, and a fixed number of deliveries at once each.

    HTTP ─▶ Ingress ─▶ Intake ─▶ queue ─▶ Deliveries ─▶ subscriber
                         ▲  └──▶ queue ─▶ Deliveries ─▶ subscriber
                         └───────── replies ◀──┘

For one machine: events are held in memory and are gone with the process, which it says at
start. Where events must not be lost, Knative with Kafka takes its place.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Annotated, Self

import structlog
from pydantic import Field

from bridge.broker.counts import Counts, exposition
from bridge.broker.delivery import Deliveries
from bridge.broker.ingress import Ingress
from bridge.broker.intake import Intake
from bridge.broker.triggers import DEFAULT_BROKER, DEFAULT_NAMESPACE, Declared
from bridge.config.options import Bytes, Options, Seconds
from bridge.core.clock import Clock
from bridge.transports.http import HttpServer, cannot_listen

log = structlog.get_logger()


class BrokerOptions(Options):
    """A Knative-style broker for one machine."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 picks a free one."""
    queue_events: Annotated[int, Field(ge=1)] = 10_000
    """Events that may wait for one trigger; beyond, senders get 429."""
    deliveries: Annotated[int, Field(ge=1)] = 32
    """Deliveries at once for one trigger, those waiting for another try included."""
    timeout_seconds: Seconds = 600.0
    """Longest wait for a subscriber's answer where the trigger sets no `timeout`."""
    ttl: Annotated[int, Field(ge=1, le=2_147_483_647)] = 255
    """Hops a new event may take through replies before it is dropped."""
    max_body_bytes: Bytes = 8 * 1024 * 1024
    """Largest body that is taken, in requests and in replies; one byte more is refused."""
    max_decompression_ratio: Annotated[int, Field(ge=1)] = 100
    """How many times its size a gzip or deflate body may become; beyond 64 KiB it is 413."""
    retry_after_seconds: Seconds = 1.0
    """When senders shall come back after a 429."""


class Broker:
    """A broker that runs while it is entered. Delivers at least once, in no promised order."""

    Options = BrokerOptions

    def __init__(self, options: BrokerOptions, declared: Declared, *, clock: Clock) -> None:
        self._options = options
        self._declared = declared
        self._clock = clock
        self._stack = AsyncExitStack()
        self._intake = Intake(
            declared, clock=clock, queue_events=options.queue_events, ttl=options.ttl
        )
        ingress = Ingress(
            self._intake,
            addresses=declared.brokers,
            default=default_broker(declared),
            retry_after_seconds=options.retry_after_seconds,
            metrics=lambda: exposition(self.counts()),
            max_body_bytes=options.max_body_bytes,
            max_decompression_ratio=options.max_decompression_ratio,
        )
        self._server = HttpServer(ingress, max_body_bytes=options.max_body_bytes)

    async def __aenter__(self) -> Self:
        """Listen and deliver. A subscriber that is down is no error.

        Raise ConfigError where the address cannot be listened on.
        """
        options = self._options
        try:
            group = asyncio.TaskGroup()
            workers: list[asyncio.Task[None]] = []
            lanes = [
                await self._stack.enter_async_context(self._deliveries(index))
                for index in range(len(self._intake.lanes))
            ]
            await self._stack.enter_async_context(group)
            self._stack.callback(lambda: [worker.cancel() for worker in workers])
            try:
                await self._server.start(options.host, options.port)
            except OSError as error:
                raise cannot_listen("broker", options.host, options.port, error) from error
            self._stack.push_async_callback(self._server.close)
            workers += [
                group.create_task(lane.work()) for lane in lanes for _ in range(options.deliveries)
            ]
        except BaseException:
            await self._stack.aclose()
            raise
        log.info(
            "broker listens; it holds events in memory only: they are gone with this process",
            url=self.url,
            triggers=[trigger.key for trigger in self._declared.triggers],
            queue_events=options.queue_events,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop at once; what is left is counted as lost and said. May be called twice."""
        try:
            await self._stack.aclose()
        finally:
            left = self._intake.abandon()
            if left:
                log.error("events lost: the broker stopped before they were delivered", left=left)

    async def drain(self, seconds: float) -> int:
        """Take nothing new, deliver what waits, replies included; return how many were left.

        Returns as soon as nothing is left, and after *seconds* at the latest.
        """
        idle = asyncio.create_task(self._drained())
        timer = asyncio.create_task(self._clock.sleep(seconds))
        try:
            await asyncio.wait((idle, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            idle.cancel()
            timer.cancel()
            await asyncio.wait((idle, timer))
        if not idle.cancelled():
            idle.result()
        left = self._intake.open
        log.info("broker drained", left=left)
        return left

    async def idle(self) -> None:
        """Return when nothing waits and nothing is being delivered."""
        await self._intake.idle()

    def counts(self) -> Counts:
        """Return a snapshot of all counters; every line adds up."""
        return self._intake.counts()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._server.port

    @property
    def url(self) -> str:
        """The base URL of the listener."""
        return f"http://{self._options.host}:{self.port}"

    async def _drained(self) -> None:
        await self._server.drain()
        await self._intake.idle()

    def _deliveries(self, index: int) -> Deliveries:
        lane = self._intake.lanes[index]
        return Deliveries(
            lane,
            self._intake,
            clock=self._clock,
            connections=self._options.deliveries,
            timeout_seconds=self._options.timeout_seconds,
            max_response_bytes=self._options.max_body_bytes,
            reply_url=lambda: f"{self.url}/{lane.trigger.address}",
        )


def default_broker(declared: Declared) -> str | None:
    """Return the broker that `/` stands for: `default/default`, or the only one there is."""
    default = f"{DEFAULT_NAMESPACE}/{DEFAULT_BROKER}"
    if default in declared.brokers:
        return default
    return declared.brokers[0] if len(declared.brokers) == 1 else None
