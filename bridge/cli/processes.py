"""The demo's processes: each started, waited for, and stopped, whatever happens."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.core.errors import BridgeError

#: How long a process may take to drain before it is killed.
STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One command that runs, and the port it answers on.

    *disposable*: nothing of it is kept, so at the end, after the others, it is just killed.
    """

    name: str
    port: int
    log: Path
    out: Path
    running: subprocess.Popen[bytes]
    disposable: bool = False

    def output(self) -> str:
        """Return what it has printed so far."""
        return self.out.read_text("utf-8", "replace")

    def wait_until_ready(self, seconds: float) -> None:
        """Return once it answers `/healthz`; raise BridgeError with its log if it never does."""
        self.wait_until(lambda: _answers(self.port), seconds)

    def wait_until_listening(self, seconds: float) -> None:
        """Return once somebody listens on its port; otherwise as `wait_until_ready`."""
        self.wait_until(lambda: _listens(self.port), seconds)

    def wait_until(self, true: Callable[[], bool], seconds: float) -> None:
        """Return once *true* says so; otherwise as `wait_until_ready`."""
        deadline = time.monotonic() + seconds
        while not true():
            status = self.running.poll()
            if status is not None or time.monotonic() > deadline:
                end = "did not answer in time" if status is None else f"ended with {status}"
                tail = "\n".join(self.log.read_text("utf-8", "replace").splitlines()[-20:])
                raise BridgeError(f"{self.name} {end}; its log ends with:\n{tail}")
            time.sleep(0.02)


class Processes:
    """Processes started in order and stopped in reverse when the block is left."""

    def __init__(self) -> None:
        self._processes: dict[str, Process] = {}
        self._thrown_away: list[Path] = []
        self.folder = Path()

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="bridge-demo-"))
        signal.signal(signal.SIGTERM, _interrupt)  # so that `finally` runs for SIGTERM as well
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        lasting = [process for process in self if not process.disposable]
        for process in reversed(lasting):
            process.running.send_signal(signal.SIGTERM)
        for process in reversed(lasting):
            _wait(process.running)
        for process in self:
            process.running.kill()
            process.running.wait()
        for folder in self._thrown_away:
            shutil.rmtree(folder, ignore_errors=True)

    def __iter__(self) -> Iterator[Process]:
        return iter(self._processes.values())

    def __getitem__(self, name: str) -> Process:
        return self._processes[name]

    def ended(self) -> list[str]:
        """Return the names of those that run no more."""
        return [process.name for process in self if process.running.poll() is not None]

    def throw_away(self, folder: Path) -> None:
        """Remove *folder* when all have ended."""
        self._thrown_away.append(folder)

    def stop(self, name: str) -> None:
        """Return when *name* has drained and ended."""
        process = self._processes.pop(name)
        process.running.send_signal(signal.SIGTERM)
        _wait(process.running)

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        port: int,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """Start `bridge` with *command*; its output and its log go to files."""
        self.start_program(name, [sys.executable, "-m", "bridge", *command], port, environ=environ)

    def start_program(
        self,
        name: str,
        program: Sequence[str],
        port: int,
        *,
        environ: Mapping[str, str] | None = None,
        disposable: bool = False,
    ) -> None:
        """Start *program*, as `start` does."""
        stem = name.replace(" ", "-")
        out, log = self.folder / f"{stem}.out", self.folder / f"{stem}.log"
        with out.open("wb") as stdout, log.open("wb") as stderr:
            running = subprocess.Popen(  # noqa: S603  # our own command
                program,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})},
                preexec_fn=_die_with_parent(),  # noqa: PLW1509  # no thread is running yet
            )
        self._processes[name] = Process(
            name=name, port=port, log=log, out=out, running=running, disposable=disposable
        )


def free_port(first: int = 0) -> int:
    """Return a port on 127.0.0.1 that is free now: *first*, or the next one above it."""
    for port in range(first, first + 100) if first else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise BridgeError(f"no free port from {first} to {first + 99}")


def _answers(port: int) -> bool:
    """Whether `/readyz` of *port* says that it is ready (a broker has only `/healthz`)."""
    for path in ("/readyz", "/healthz"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except OSError:
            return False
        finally:
            connection.close()
        if status == 200:
            return True
        if status != 404:
            return False
    return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _wait(running: subprocess.Popen[bytes]) -> None:
    try:
        running.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _die_with_parent() -> Callable[[], None] | None:
    """Return what ties a child's life to ours on Linux, so that even SIGKILL leaves nothing."""
    if sys.platform != "linux":
        return None
    import ctypes

    libc = ctypes.CDLL(None)
    death_signal = 1  # PR_SET_PDEATHSIG, linux/prctl.h
    return lambda: libc.prctl(death_signal, signal.SIGTERM)
