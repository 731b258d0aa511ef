"""One MinIO that can be taken away and given back, its data and its ports kept.

    Local     runs the program that was built here once (`bridge.cli.minio_binary`)
    Docker    runs the same environment in MinIO's image, through testcontainers
    Elsewhere runs already, and is not ours to stop

What it prints goes to the file *output*. Its targets reach this machine's 127.0.0.1: so does
the container, which shares the machine's network.
"""

from __future__ import annotations

import importlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from bridge.cli.minio_binary import minio as minio_binary
from tests.services.cache import Missing
from tests.services.process import POLL_SECONDS, STOP_SECONDS, Process, answers, tail

#: Longest until it serves: 1 s when idle.
READY_SECONDS = 60.0

#: The last image that MinIO published; what is built here is the release after it.
IMAGE = "minio/minio:RELEASE.2025-09-07T16-13-09Z"


class Server(Protocol):
    """A server that may be broken."""

    def start(self) -> None:
        """Return when it serves: at once if it does, and after a freeze."""

    def stop(self) -> None:
        """End it as an operator would: SIGTERM, and SIGKILL after `STOP_SECONDS`."""

    def kill(self) -> None:
        """End it with SIGKILL."""

    def freeze(self) -> None:
        """Let it hang with its connections open."""


class Local:
    """The server on *port* of 127.0.0.1, its data in *folder*; raise Missing if it is not built."""

    def __init__(
        self, port: int, folder: Path, environment: Mapping[str, str], *, output: Path
    ) -> None:
        self._command = [str(minio_binary(build=True)), *_arguments(port, folder)]
        self._port = port
        self._environment = environment
        self._output = output
        self._process: Process | None = None

    def start(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
            return
        process = Process(self._command, output=self._output, environment=self._environment)
        self._process = process.__enter__()
        try:
            process.wait_until(lambda: _serves(self._port), seconds=READY_SECONDS)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            os.kill(process.pid, signal.SIGCONT)  # what hangs hears no SIGTERM
            process.__exit__(None, None, None)

    def kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.interrupt(signal.SIGKILL)
            process.__exit__(None, None, None)

    def freeze(self) -> None:
        assert self._process is not None, "MinIO is not running"
        os.kill(self._process.pid, signal.SIGSTOP)


class Docker:
    """The same server in MinIO's image, as this user, in the network of this machine."""

    def __init__(
        self, port: int, folder: Path, environment: Mapping[str, str], *, output: Path
    ) -> None:
        self._port = port
        self._folder = folder
        self._environment = environment
        self._output = output
        self._container: Any = None

    def start(self) -> None:
        if self._container is not None:
            self._thaw()
            return
        testcontainers = importlib.import_module("testcontainers.core.container")
        container = testcontainers.DockerContainer(IMAGE)
        container.with_command(_arguments(self._port, self._folder))
        container.with_kwargs(user=f"{os.getuid()}:{os.getgid()}", network_mode="host")
        container.with_volume_mapping(str(self._folder), str(self._folder), "rw")
        container.with_envs(**self._environment)
        self._container = container.start()
        until = time.monotonic() + READY_SECONDS
        while not _serves(self._port):
            if time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"{IMAGE} does not serve:\n{tail(self._output)}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        if self._container is not None:
            self._thaw()
            self._end(lambda container: container.stop(timeout=int(STOP_SECONDS)))

    def kill(self) -> None:
        if self._container is not None:
            self._end(lambda container: container.kill())

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()

    def _thaw(self) -> None:
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status == "paused":
            container.unpause()

    def _end(self, end: Any) -> None:
        container, self._container = self._container, None
        wrapped = container.get_wrapped_container()
        end(wrapped)
        self._output.write_bytes(wrapped.logs())
        container.stop()  # removes it; the data is in the folder


class Elsewhere:
    """A MinIO that runs already."""

    def start(self) -> None:
        """It has been started."""

    def stop(self) -> None:
        raise Missing("a MinIO of ours: the one of the environment is not stopped")

    kill = freeze = stop


def _arguments(port: int, folder: Path) -> list[str]:
    return ["server", "--address", f"127.0.0.1:{port}", "--quiet", str(folder / "data")]


def _serves(port: int) -> bool:
    return answers(f"http://127.0.0.1:{port}/minio/health/ready")
