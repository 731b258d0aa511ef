"""Knative Eventing's own delivery client, as a peer that delivers to us.

    deliver() ──line of JSON──▶ knative_dispatcher (Go) ──HTTP──▶ destination, reply, dead letter
        ◀────line of JSON─────┘

The program is built from `knative_dispatcher/` around `pkg/kncloudevents` of
`knative.dev/eventing` v0.50.0, the code of Knative's brokers and channels.
`BRIDGE_TEST_KNATIVE_DISPATCHER` names one that is built already.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.services.process import Process
from tests.services.toolchain import go_build

ADDRESS = "BRIDGE_TEST_KNATIVE_DISPATCHER"

_FOLDER = Path(__file__).parent / "knative_dispatcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the dispatcher says of the last request it made for a delivery.

    That is the request to the dead letter sink if it came to that, else the one to the reply
    address if there was a reply, else the one to the destination. *error* is empty when the
    event has found a place, the dead letter sink included. *panic* is where a broker of
    Knative would have died.
    """

    code: int
    seconds: float = 0.0
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    body: bytes = b""
    error: str = ""
    panic: str = ""


class KnativeDispatcher:
    """A running dispatcher. Deliveries may be made concurrently, and from any event loop."""

    def __init__(self, program: Path, *, output: Path) -> None:
        self._process = Process([str(program)], output=output, pipes=True)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._open: dict[int, Future[Outcome]] = {}
        self._reader = threading.Thread(target=self._read, name="knative_dispatcher", daemon=True)
        self._ended = False

    @classmethod
    def find(cls, *, output: Path) -> KnativeDispatcher:
        """Return the dispatcher of the environment, or the one built here; or raise Missing."""
        program = os.environ.get(ADDRESS)
        return cls(Path(program) if program else go_build(_FOLDER), output=output)

    def __enter__(self) -> Self:
        self._process.__enter__()
        self._reader.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.stdin.close()  # the program ends by itself when its input does
        self._reader.join(timeout=10.0)
        self._process.__exit__(*exc)

    async def deliver(
        self,
        event: Mapping[str, Any],
        destination: str,
        *,
        reply: str | None = None,
        dead_letter: str | None = None,
        spec: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Deliver *event* (its JSON form) and return when the dispatcher is done with it.

        *spec* is a Trigger's `spec.delivery` in its own words: retry, backoffPolicy,
        backoffDelay, timeout, retryAfterMax, format. Without it nothing is retried.
        """
        return await asyncio.wrap_future(
            self._submit(
                {
                    "event": event,
                    "destination": destination,
                    "reply": reply or "",
                    "dead_letter": dead_letter or "",
                    "headers": headers or {},
                    "spec": spec,
                }
            )
        )

    def _submit(self, delivery: dict[str, Any]) -> Future[Outcome]:
        outcome: Future[Outcome] = Future()
        with self._lock:
            if self._ended:
                raise RuntimeError(f"the dispatcher has ended:\n{self._process.tail()}")
            number = next(self._numbers)
            self._open[number] = outcome
            line = json.dumps({"delivery": number, **delivery}, separators=(",", ":"))
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        return outcome

    def _read(self) -> None:
        """Settle open deliveries as their outcomes arrive, and all of them at the end."""
        for line in self._process.stdout:
            told = json.loads(line)
            with self._lock:
                outcome = self._open.pop(told["delivery"])
            if not outcome.set_running_or_notify_cancel():
                continue  # whoever asked has gone
            outcome.set_result(
                Outcome(
                    code=told["code"],
                    seconds=told["seconds"],
                    headers=told.get("headers", {}),
                    body=base64.b64decode(told.get("body", "")),
                    error=told.get("error", ""),
                    panic=told.get("panic", ""),
                )
            )
        with self._lock:
            self._ended = True
            left, self._open = self._open, {}
        for outcome in left.values():
            if outcome.set_running_or_notify_cancel():
                outcome.set_exception(
                    RuntimeError(f"the dispatcher has ended:\n{self._process.tail()}")
                )
