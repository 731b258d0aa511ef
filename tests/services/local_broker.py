"""`bridge broker` as a process, with the manifests of deploy/knative as an operator applies them.

events ──▶ broker ──iris-trigger──▶ subscriber          retry, back-off, dead letter sink:
             └──event-display-trigger──▶ responses      as the manifest says
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.process import Process, answers, free_port

_ROOT = Path(__file__).parents[2]
_MANIFESTS = _ROOT / "deploy" / "knative" / "base"

#: The Trigger of requests, as the broker's metrics call it.
TRIGGER = "default/seldon-eventing-sklearn-trigger"

READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBroker:
    """A running broker: where events go, and the process."""

    url: str
    process: Process


@contextmanager
def broker_running(
    folder: Path, *, subscriber: str, responses: str, dead_letters: str
) -> Iterator[LocalBroker]:
    """Yield a broker that delivers requests to *subscriber* and its replies to *responses*."""
    port = free_port()
    manifests = ("broker.yaml", "iris-trigger.yaml", "event-display-trigger.yaml")
    resolved = {
        "iris-bridge": subscriber,
        "event-display": responses,
        "dead-letter-display": dead_letters,
    }
    command = [sys.executable, "-m", "bridge", "broker", "--port", str(port)]
    for name, url in resolved.items():
        command += ["--resolve", f"Service/{name}={url}"]
    command += [str(_MANIFESTS / name) for name in manifests]
    with Process(command, output=folder / "broker.log", folder=_ROOT) as process:
        url = f"http://127.0.0.1:{port}/"
        process.wait_until(lambda: answers(f"{url}healthz"), seconds=READY_SECONDS)
        yield LocalBroker(url=url, process=process)
