"""A process of a test: its own group, its output in a file, stopped by its own id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Self

#: How often a process that is starting is asked whether it is ready.
POLL_SECONDS = 0.05

#: How long a process may take to end when asked to, before it is made to.
STOP_SECONDS = 10.0


class Process:
    """*command*, running from enter to exit; what it prints goes to the file *output*.

    *pipes* keeps stdin and stdout for the test; *cpu* is the one core it may use (Linux).
    Leaving asks the whole process group to end, waits `STOP_SECONDS`, and then ends what is
    left of it: a server's workers go with it.
    """

    def __init__(
        self,
        command: list[str],
        *,
        output: Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        pipes: bool = False,
        cpu: int | None = None,
    ) -> None:
        self.command = command
        self.output = output
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._pipes = pipes
        self._cpu = cpu
        self._popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE if self._pipes else None
        with self.output.open("wb") as file, on_cpu(self._cpu):
            self._popen = subprocess.Popen(
                self.command,
                cwd=self._folder,
                env=self._environment,
                stdin=pipe or subprocess.DEVNULL,
                stdout=pipe or file,
                stderr=file,
                start_new_session=True,
            )
        return self

    def __exit__(self, *exc: object) -> None:
        popen, self._popen = self._popen, None
        if popen is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(popen.pid, signal.SIGTERM)
        for pipe in (popen.stdin, popen.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            popen.wait(STOP_SECONDS)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
        popen.wait()

    @property
    def pid(self) -> int:
        """The id of the process, which is that of its group."""
        return self._running.pid

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into the process, asked for with *pipes*."""
        pipe = self._running.stdin
        assert pipe is not None, "started without pipes"
        return pipe

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of the process, asked for with *pipes*."""
        pipe = self._running.stdout
        assert pipe is not None, "started without pipes"
        return pipe

    def wait_until(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Return when *ready* says so; raise RuntimeError when it ended or *seconds* are over."""
        until = time.monotonic() + seconds
        while not ready():
            status = self._running.poll()
            if status is not None:
                raise RuntimeError(f"{self.name} ended with {status}:\n{self.tail()}")
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} was not ready in {seconds:g} s:\n{self.tail()}")
            time.sleep(POLL_SECONDS)

    def interrupt(self, number: int = signal.SIGTERM) -> int:
        """Send signal *number* to the process alone and return its exit status."""
        self._running.send_signal(number)
        return self._running.wait(STOP_SECONDS)

    def ended(self, seconds: float) -> int | None:
        """Return its exit status once it ends by itself, None if it still runs after *seconds*."""
        try:
            return self._running.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def name(self) -> str:
        """What to call it in an error."""
        return Path(self.command[0]).name

    def tail(self, lines: int = 40) -> str:
        """Return the end of what it printed."""
        return tail(self.output, lines)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._popen is not None, f"{self.name} is not running"
        return self._popen


@contextmanager
def on_cpu(cpu: int | None) -> Iterator[None]:
    """Bind this thread to *cpu* for a moment: a process started meanwhile inherits it (Linux)."""
    if cpu is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(
    url: str, expected: Callable[[int, bytes], Any] = lambda status, _: status < 300
) -> bool:
    """Return whether a GET of *url* is answered as *expected*; no answer is no."""
    try:
        with urllib.request.urlopen(url, timeout=2.0) as response:
            return bool(expected(response.status, response.read()))
    except urllib.error.HTTPError as error:
        with error:
            return bool(expected(error.code, error.read()))
    except OSError:
        return False


def tail(path: Path, lines: int = 40) -> str:
    """Return the last *lines* of the file *path*."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
