"""What every demo is made of: steps that are ticked, ledgers that add up, commands and output."""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.cli.processes import Processes

#: How long one step of a demo may take before it is called failed.
STEP_SECONDS = 60.0


class DemoError(Exception):
    """A step did not do what it promises; the text says which, and what was seen."""


@contextmanager
def step(console: Console, text: str, *, meanwhile: str = "") -> Iterator[None]:
    """Print *text* with how it went and how long it took; *meanwhile* beside a spinner."""
    started = time.monotonic()
    try:
        with console.status(meanwhile or text):
            yield
    except BaseException:
        console.print(f"[red]✗[/] {text}")
        raise
    console.print(f"[green]✓[/] {text} [dim]({time.monotonic() - started:.2f} s)[/]")


def ledger(admin_port: int) -> list[str]:
    """Return the ledger's lines as the metrics have them; raise if one does not add up."""
    from prometheus_client.parser import text_string_to_metric_families

    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=STEP_SECONDS)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    counted = {
        (sample.name, sample.labels.get("outcome")): int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(("bridge_deliveries_", "bridge_events_", "bridge_in_flight"))
    }
    return [
        _line(
            counted, "bridge_deliveries_total", "bridge_deliveries_taken_total", "bridge_in_flight"
        ),
        _line(
            counted,
            "bridge_events_total",
            "bridge_events_accepted_total",
            "bridge_events_in_flight",
        ),
    ]


def follow(output: Callable[[], str], processes: Processes) -> None:
    """Print what the event display prints, until somebody stops it or something ends."""
    seen = len(output())
    while not processes.ended():
        text = output()
        if len(text) > seen:
            print(text[seen:], end="", flush=True)
            seen = len(text)
        time.sleep(0.05)
    raise DemoError(f"{', '.join(processes.ended())} ended by itself: see {processes.folder}")


def run_bridge(environ: Mapping[str, str], *command: str) -> str:
    """Return what `bridge` prints with *command*; raise DemoError if it fails."""
    done = subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "bridge", *command],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STEP_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise DemoError(f"bridge {' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout.rstrip()


def printed(console: Console, command: str, text: str) -> None:
    """Print a command and what it printed."""
    console.print(f"  [bold]$ {command}[/]")
    for line in text.splitlines():
        console.print(f"  {line}", style="dim", markup=False)


def _line(counted: dict[tuple[str, str | None], int], ended: str, taken: str, open_: str) -> str:
    """Return one line of the ledger as people read it; raise DemoError if it does not add up."""
    outcomes = {outcome: n for (name, outcome), n in counted.items() if name == ended}
    left, right = counted[taken, None], sum(outcomes.values()) + counted[open_, None]
    if left != right:
        raise DemoError(f"{taken} is {left}, but what became of them adds up to {right}")
    parts = [f"{n} {outcome}" for outcome, n in outcomes.items()] + [f"{counted[open_, None]} open"]
    kind = "deliveries" if "deliveries" in taken else "events"
    return f"{kind}: {left} = {' + '.join(parts)}"
