"""The servers of a model behind gRPC: found by their names, each with a channel of its own.

    target, replicas ──names──▶ addresses, again and again ──▶ a channel each ──▶ replicas

A channel for each address, instead of gRPC's round_robin over all of them, tells which server
failed: one that hangs is left alone after one deadline, where gRPC would give it its share of
the calls until a ping fails. One that is new is found when the names are looked up again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Self

import structlog

from bridge.config.grpc import GrpcClientOptions
from bridge.config.problems import tried
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError, DeadlineExceeded, Unavailable
from bridge.models.replicas import BreakerOptions, Replicas
from bridge.transports.grpc import ChannelTls, GrpcChannel
from bridge.transports.names import Lookup, Names, Target, target_of

#: Shortest pause between two lookups of the same names, however many calls fail.
MIN_LOOKUP_SECONDS: Final = 1.0

log = structlog.get_logger()


class GrpcServersOptions(GrpcClientOptions):
    """Where the servers of a model are, and when one is left alone."""

    replicas: Sequence[str] = ()
    """Further servers of the same model, beside `target`; of all the addresses, the one with the \
fewest calls under way is asked."""
    breaker: BreakerOptions = BreakerOptions()
    """When one of several servers is left alone."""


@dataclass(slots=True)
class GrpcServer:
    """One server of the model: an *address* of the *target*, and the channel to it."""

    address: Target
    target: Target
    who: str
    channel: GrpcChannel


class GrpcServers:
    """The servers of one model, which errors are to name *called*.

    *probe* asks one whether it is well: raises Unavailable if it is not. *replicas* are those
    that are known now, *targets* what the options name. Calls under way at a server that is no
    more have *grace_seconds* to end.
    """

    def __init__(
        self,
        options: GrpcServersOptions,
        *,
        called: str,
        probe: Callable[[GrpcServer], Coroutine[Any, Any, None]],
        clock: Clock,
        lookup: Lookup,
        grace_seconds: float,
    ) -> None:
        """Raise ConfigError for a target or a certificate that cannot work."""
        self._options = options
        self._called = called
        self._grace_seconds = grace_seconds
        self._clock = clock
        problems: list[str] = []
        named = (options.target, *options.replicas)
        targets = [tried(partial(target_of, one), problems) for one in named]
        self._tls: ChannelTls | None = None
        if options.tls is not None:
            self._tls = tried(partial(ChannelTls, options.tls, clock=clock), problems)
        if problems:
            raise ConfigError("; ".join(dict.fromkeys(problems)))
        self.targets = [target for target in targets if target is not None]
        if len(set(self.targets)) < len(self.targets):
            raise ConfigError("replicas: the same server twice, `target` included: expected others")
        self._names = Names(self.targets, lookup)
        self.replicas: Replicas[GrpcServer] = Replicas(
            [], breaker=options.breaker, probe=probe, clock=clock
        )
        self._tending: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self._wanted = asyncio.Event()
        self._lost: Unavailable | None = None

    async def __aenter__(self) -> Self:
        """Begin to look the names up; connections are made when there is something to ask."""
        if self._tls is not None:
            self._tls.tell()
        await self.replicas.__aenter__()
        fixed = all(target.is_address for target in self.targets)
        if fixed:
            self._take(await self._names.now())
            self._looked.set()
        if self._tls is not None or not fixed:
            self._tending = asyncio.create_task(self._tend())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        tending, self._tending = self._tending, None
        if tending is not None:
            tending.cancel()
            with suppress(asyncio.CancelledError):
                await tending
        await self.replicas.__aexit__(*exc)
        for server in self.replicas.change([]):
            await server.channel.close()
        self._looked.clear()

    def look(self) -> None:
        """Have the names looked up again soon: a server does not answer."""
        self._wanted.set()

    async def found(self, deadline: float) -> None:
        """Return when there is a server to ask; raise Unavailable if none is found now."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(deadline - self._clock.monotonic(), 0)):
                await self._looked.wait()
        if self.replicas.members:
            return
        self._wanted.set()
        lost = self._lost or DeadlineExceeded(f"{self.targets[0]}: the name was not found in time")
        raise type(lost)(f"{self._called}: {lost}")

    def authority(self, target: Target) -> str:
        """Return what a server of *target* is called."""
        host = self._options.authority
        return str(target if host is None else Target(host, target.port))

    async def _tend(self) -> None:
        """Look names up and certificates over, again and again."""
        async with asyncio.TaskGroup() as leaving:
            while True:
                self._wanted.clear()
                try:
                    gone = self._take(await self._names.now())
                    self._lost = None
                except Unavailable as error:
                    if self._lost is None:
                        log.warning("no server found", model=self._called, error=str(error))
                    gone, self._lost = [], error
                self._looked.set()
                for channel in (*gone, *self._renewed()):
                    leaving.create_task(channel.close(self._grace_seconds))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._options.resolve_seconds):
                        await self._wanted.wait()
                        await self._clock.sleep(MIN_LOOKUP_SECONDS)

    def _take(self, found: Mapping[Target, Target]) -> list[GrpcChannel]:
        """Have *found*, address → target, be the servers; return the channels not needed more."""
        known = {member.far_end.address: member.far_end for member in self.replicas.members}
        servers = [
            known.get(address) or self._server(address, target) for address, target in found.items()
        ]
        gone = self.replicas.change([(server.who, server) for server in servers])
        if known and (gone or len(servers) > len(known)):
            log.info(
                "servers changed",
                model=self._called,
                servers=[str(server.address) for server in servers],
            )
        return [server.channel for server in gone]

    def _server(self, address: Target, target: Target) -> GrpcServer:
        at = f"{target}" if address == target else f"{target} ({address})"
        return GrpcServer(
            address=address,
            target=target,
            who=f"{self._called} at {at}",
            channel=self._channel(address, target),
        )

    def _channel(self, address: Target, target: Target) -> GrpcChannel:
        return GrpcChannel(
            address,
            self._options,
            authority=self.authority(target),
            credentials=None if self._tls is None else self._tls.credentials,
        )

    def _renewed(self) -> list[GrpcChannel]:
        """Have every server be reached with new certificates, if there are; return the old."""
        try:
            if self._tls is None or not self._tls.changed():
                return []
        except ConfigError as error:
            log.warning("certificates not read again: going on with the old", error=str(error))
            return []
        log.info("certificates read again", model=self._called)
        old = []
        for member in self.replicas.members:
            server = member.far_end
            old.append(server.channel)
            server.channel = self._channel(server.address, server.target)
        return old
