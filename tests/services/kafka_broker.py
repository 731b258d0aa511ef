"""One Kafka broker that can be taken away and given back, its data and its ports kept.

    Jvm       runs it in a java of this machine, with jars that Maven fetched once
    Docker    runs the same settings in Apache's image, through testcontainers
    Elsewhere runs already, and is not ours to stop

What a broker prints goes to the file *output*; what it printed before it was started again is
in `<output>.before`. `run` is for Kafka's own commands, named by their Java class.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Protocol

from tests.services.cache import Missing
from tests.services.kafka_settings import POM, Settings
from tests.services.process import POLL_SECONDS, STOP_SECONDS, Process, tail
from tests.services.toolchain import jars, java

#: Longest until a broker serves, or a command of Kafka's is done: 1 to 5 s when idle.
READY_SECONDS = 90.0

#: The version of `POM`.
IMAGE = "apache/kafka:4.1.1"

_MEMORY = "-Xms128m -Xmx256m"
_OPTIONS = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
_IN_IMAGE = "/opt/kafka/bin/kafka-run-class.sh"


class Broker(Protocol):
    """A broker, and Kafka's own commands."""

    def start(self) -> None:
        """Return when it serves: at once if it does, and after a freeze."""

    def stop(self) -> None:
        """End it as an operator would: SIGTERM, and SIGKILL after `STOP_SECONDS`."""

    def kill(self) -> None:
        """End it with SIGKILL."""

    def freeze(self) -> None:
        """Let it hang with its connections open."""

    def run(self, java_class: str, *arguments: str) -> tuple[int, str]:
        """Return the status of one of Kafka's own commands, and what it printed."""


class Jvm:
    """The broker of *settings* in a java of this machine; raise Missing where there is none."""

    def __init__(self, settings: Settings, *, output: Path) -> None:
        self._settings = settings
        self._output = output
        self._java = [*java_with_kafka(), _log_option(settings)]
        self._process: Process | None = None
        status, printed = self.run(*settings.format)
        if status != 0:
            raise RuntimeError(f"Kafka's storage cannot be formatted:\n{printed}")

    def start(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGCONT)
            return
        _put_aside(self._output)
        process = Process(
            [*self._java, "kafka.Kafka", self._settings.properties], output=self._output
        )
        self._process = process.__enter__()
        try:
            process.wait_until(lambda: _serves(self._output), seconds=READY_SECONDS)
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
        assert self._process is not None, "the broker is not running"
        os.kill(self._process.pid, signal.SIGSTOP)

    def run(self, java_class: str, *arguments: str) -> tuple[int, str]:
        return _run([*self._java, java_class, *arguments])


class Docker:
    """The broker of *settings* (written with `listen="0.0.0.0"`) in Apache's image."""

    def __init__(self, settings: Settings, *, output: Path) -> None:
        self._settings = settings
        self._output = output
        self._container: Any = None

    def start(self) -> None:
        if self._container is not None:
            self._thaw()
            return
        _put_aside(self._output)
        log = shlex.quote(str(self._output))
        script = (
            f"{_IN_IMAGE} {shlex.join(self._settings.format)} > {log} 2>&1 && "
            f"exec {_IN_IMAGE} kafka.Kafka {self._settings.properties} > {log} 2>&1"
        )
        testcontainers = importlib.import_module("testcontainers.core.container")
        container = testcontainers.DockerContainer(IMAGE).with_command(["bash", "-c", script])
        container.with_kwargs(user=f"{os.getuid()}:{os.getgid()}")
        container.with_volume_mapping(str(self._output.parent), str(self._output.parent), "rw")
        container.with_envs(
            KAFKA_HEAP_OPTS=_MEMORY,
            KAFKA_JVM_PERFORMANCE_OPTS=_OPTIONS,
            KAFKA_LOG4J_OPTS=_log_option(self._settings),
            LOG_DIR=str(self._settings.folder),
        )
        container.ports.update({str(port): ("127.0.0.1", port) for port in self._settings.ports})
        self._container = container.start()
        until = time.monotonic() + READY_SECONDS
        while not _serves(self._output):
            if time.monotonic() > until:
                self.stop()
                raise RuntimeError(f"{IMAGE} does not serve:\n{tail(self._output)}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        if self._container is not None:
            self._thaw()
            container, self._container = self._container, None
            container.get_wrapped_container().stop(timeout=int(STOP_SECONDS))
            container.stop()  # removes it; the data is in the folder

    def kill(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.get_wrapped_container().kill()
            container.stop()

    def freeze(self) -> None:
        self._container.get_wrapped_container().pause()

    def run(self, java_class: str, *arguments: str) -> tuple[int, str]:
        done = self._container.exec([_IN_IMAGE, java_class, *arguments])
        return done.exit_code, done.output.decode()

    def _thaw(self) -> None:
        container = self._container.get_wrapped_container()
        container.reload()
        if container.status == "paused":
            container.unpause()


class Elsewhere:
    """A broker that runs already: Kafka's own commands need a java here."""

    def start(self) -> None:
        """It has been started."""

    def stop(self) -> None:
        raise Missing("a broker of ours: the one of the environment is not stopped")

    kill = freeze = stop

    def run(self, java_class: str, *arguments: str) -> tuple[int, str]:
        return _run([*java_with_kafka(), java_class, *arguments])


def has_docker() -> bool:
    """Return whether a Docker engine answers, and testcontainers can ask it."""
    docker = shutil.which("docker")
    if docker is None or importlib.util.find_spec("testcontainers") is None:
        return False
    return _run([docker, "info"], seconds=10.0)[0] == 0


def java_with_kafka() -> list[str]:
    found = jars("kafka", POM)
    return [java(), *_MEMORY.split(), *_OPTIONS.split(), "-cp", f"{found}/*"]


def _log_option(settings: Settings) -> str:
    return f"-Dlog4j2.configurationFile={settings.folder / 'log4j2.properties'}"


def _put_aside(output: Path) -> None:
    """Keep what was printed before: the start is seen in what is printed from now on."""
    if output.exists():
        output.replace(output.with_name(output.name + ".before"))


def _serves(output: Path) -> bool:
    return output.exists() and b"Kafka Server started" in output.read_bytes()


def _run(command: list[str], *, seconds: float = READY_SECONDS) -> tuple[int, str]:
    """Return status and output of *command*; what it logs is added where it failed."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"{command[0]} was not done in {seconds:g} s"
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")
