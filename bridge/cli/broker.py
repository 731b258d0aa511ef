"""`bridge broker TRIGGERS`: a Knative-style broker for one machine, in memory."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.listen import Host, Port


def broker(
    triggers: Annotated[
        list[Path],
        typer.Argument(
            help="YAML files with Triggers, as kubectl would apply them.",
            metavar="TRIGGERS",
            show_default=False,
        ),
    ],
    resolve: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind/name=URL: where a subscriber's `ref` is; may be given again.",
            show_default=False,
        ),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    drain_seconds: Annotated[
        float,
        typer.Option(help="How long what is queued may take to be delivered at the end.", min=0),
    ] = 10.0,
) -> None:
    """Deliver events by TRIGGERS until a signal. Holds them in memory: not for production.

    Exit status: 0 everything was delivered, 1 events were lost, 2 a file cannot work.
    """
    from bridge.broker import triggers as manifests
    from bridge.broker.broker import Broker, BrokerOptions
    from bridge.cli.process import exit_with
    from bridge.core.clock import SystemClock
    from bridge.observe import log

    log.configure("info", "console", sys.stderr)
    declared = manifests.read(triggers, _resolved(resolve or []))
    made = Broker(BrokerOptions(host=host, port=port), declared, clock=SystemClock())

    async def serving(stop: asyncio.Event) -> bool:
        async with made:
            await stop.wait()
            return await made.drain(drain_seconds) == 0

    exit_with(serving)


def _resolved(pairs: list[str]) -> dict[str, str]:
    from bridge.core.errors import ConfigError

    found: dict[str, str] = {}
    for pair in pairs:
        reference, equals, url = pair.partition("=")
        if not equals or not url or "/" not in reference:
            raise ConfigError(f"--resolve {pair}: expected Kind/name=URL")
        if found.setdefault(reference, url) != url:
            raise ConfigError(f"--resolve {reference}: given twice, expected once")
    return found
