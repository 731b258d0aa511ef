"""docker-compose.yml where there is no engine: each service's own command, as a process.

Its environment, its command, its health check and what it waits for are the file's. What differs
is where: names of hosts and the images' own paths become addresses and folders of this machine.
"""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bridge.cli.fetched import Missing
from bridge.cli.minio_binary import minio
from tests.compose import Service, services
from tests.manifests import ROOT
from tests.services.fixtures import unavailable
from tests.services.kafka_broker import Jvm, java_with_kafka
from tests.services.kafka_settings import NODE, Secured, Settings, free_ports
from tests.services.minio import ObjectServer
from tests.services.process import Process, answers

#: Longest until a service is well, or has ended.
SECONDS = 60.0

#: The services by the names that others call them, and which port of this machine each has.
HOSTS = {"kafka:9092": 0, "localhost:9093": 1, "minio:9000": 2, "model:8501": 3}

#: What only the service itself means by the port that it listens on.
OWN = {
    "kafka": {"://:9092": 0, "://:9093": 1},
    "minio": {":9000": 2, ":9001": 4},
    "model": {"8501": 3, "127.0.0.1:8501": 3},
    "bridge": {"127.0.0.1:8081": 5},
    "display": {"127.0.0.1:8081": 6},
}

#: Folders of the images that hold a service's data.
FOLDERS = ("/var/lib/kafka/data", "/data", "/queue")


class Here:
    """Where the services of the file are on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = free_ports(7)

    def text(self, told: str, service: str) -> str:
        """Return what *service* is *told*, with this machine's addresses and folders in it."""
        if told in FOLDERS:
            return str(self.folder / f"{service}-data" / told.rpartition("/")[2])
        for host, port in HOSTS.items():
            told = told.replace(host, f"127.0.0.1:{self.ports[port]}")
        for place, port in OWN.get(service, {}).items():
            if place.isdigit():
                told = str(self.ports[port]) if told == place else told
            elif place.startswith(":") and not place.startswith("://"):
                told = f"127.0.0.1:{self.ports[port]}" if told == place else told
            else:
                before = place.rpartition(":")[0].removesuffix("127.0.0.1")
                told = told.replace(place, f"{before}127.0.0.1:{self.ports[port]}")
        return told.replace("0.0.0.0", "127.0.0.1")

    def environment(self, service: Service) -> dict[str, str]:
        """Return the environment of *service*, and where its own pages are."""
        told = {name: self.text(text, service.name) for name, text in service.environment.items()}
        pages = OWN.get(service.name, {}).get("127.0.0.1:8081")
        if pages is not None:
            told |= {"ADMIN_HOST": "127.0.0.1", "ADMIN_PORT": str(self.ports[pages])}
        return told


class Running:
    """The services that run, started as the file says."""

    def __init__(self, here: Here, stack: ExitStack) -> None:
        self.here = here
        self._stack = stack
        self._services = services()
        self._kafka: Jvm | None = None
        self.processes: dict[str, Process] = {}

    def up(self) -> None:
        """Start every service when what it waits for is there; return when the last has ended."""
        waiting = dict(self._services)
        while waiting:
            ready = [one for one in waiting.values() if not set(one.waits_for) & set(waiting)]
            for service in ready:
                self._start(service)
            for service in ready:
                self._wait(service)
                del waiting[service.name]

    def _start(self, service: Service) -> None:
        (self.here.folder / f"{service.name}-data").mkdir()
        if service.name == "kafka":
            self._kafka = kafka(self.here, service)
            self._stack.callback(self._kafka.stop)
            self._kafka.start()
            return
        process = Process(
            self._command(service),
            output=self.here.folder / f"{service.name}.log",
            folder=self.here.folder / "image",
            environment=self.here.environment(service),
        )
        self.processes[service.name] = self._stack.enter_context(process)

    def _command(self, service: Service) -> list[str]:
        """Return the command of *service* with programs of this machine."""
        words = [self.here.text(word, service.name) for word in service.command]
        if "build" in service.raw:
            entry = ["-m", "bridge"] if service.entrypoint is None else service.entrypoint[1:]
            return [sys.executable, *entry, *words]
        if service.name == "minio":
            return [str(minio(build=True)), *words]
        assert service.name == "topics"
        assert service.entrypoint is not None
        return [*service.entrypoint, *(kafkas_own(self.here, word) for word in words)]

    def _wait(self, service: Service) -> None:
        """Return when *service* is well by its own check, or has ended if it is a job."""
        if service.name == "kafka":
            return  # `up` found it serving
        process = self.processes[service.name]
        if service.is_job:
            assert process.ended(SECONDS) == 0, process.tail()
        elif service.name == "minio":  # `mc` is in its image alone
            url = f"http://127.0.0.1:{self.here.ports[2]}/minio/health/ready"
            process.wait_until(lambda: answers(url), seconds=SECONDS)
        else:
            assert service.check is not None
            words = [self.here.text(word, service.name) for word in service.check]
            assert words[0] == "python"
            until = time.monotonic() + SECONDS
            while not self._passes([sys.executable, *words[1:]]):
                assert time.monotonic() < until, process.tail()

    def _passes(self, check: list[str]) -> bool:
        output = self.here.folder / "check.log"
        with Process(check, output=output) as process:
            return process.ended(SECONDS) == 0


def kafka(here: Here, service: Service) -> Jvm:
    """Return a broker that is told what the image makes of its environment: KAFKA_A_B is a.b."""
    folder = here.folder / "kafka"
    folder.mkdir()
    told = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): text
        for name, text in here.environment(service).items()
    }
    lines = "".join(f"{name}={text}\n" for name, text in told.items())
    (folder / "server.properties").write_text(lines)
    (folder / "log4j2.properties").write_text((NODE / "log4j2.properties").read_text())
    nobody = Secured(
        sasl="", tls="", mtls="", sasl_tls="", ca=folder, certificate=folder, key=folder
    )
    settings = Settings(folder=folder, ports=(), bootstrap="", secured=nobody)
    return Jvm(settings, output=here.folder / "kafka.log")


def kafkas_own(here: Here, script: str) -> str:
    """Return *script* with Kafka's own command being the same class in a java of this machine."""
    program = here.folder / "kafka-topics.sh"
    words = " ".join(f"'{word}'" for word in java_with_kafka())
    program.write_text(f'#!/bin/sh\nexec {words} org.apache.kafka.tools.TopicCommand "$@"\n')
    program.chmod(0o755)
    return script.replace("/opt/kafka/bin/kafka-topics.sh", str(program))


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Start everything in *folder*, where the image's files are, and end it."""
    (folder / "image").mkdir()
    (folder / "image" / "mnist").symlink_to(ROOT / "examples" / "mnist")
    with ExitStack() as stack:
        try:
            started = Running(Here(folder), stack)
            started.up()
        except Missing as missing:
            unavailable(f"docker compose's services: {missing}")
        yield started


async def test_every_service_comes_up_and_every_image_finds_its_bucket(tmp_path: Path) -> None:
    """Fifty images are put; each lies in one bucket of a digit, and the display shows fifty."""
    with running(tmp_path) as started:
        told: Mapping[str, str] = started.here.environment(services()["images"])
        store = ObjectServer(told["MINIO_URL"], told["MINIO_ACCESS_KEY"], told["MINIO_SECRET_KEY"])
        put = await store.keys("mnist")
        display = started.processes["display"]
        display.wait_until(
            lambda: display.tail(10_000).count("org.kubeflow.mnist.classified") >= len(put),
            seconds=SECONDS,
        )
        buckets = await store.buckets("digit-")
        filed = [key for bucket in buckets for key in await store.keys(bucket)]
        await asyncio.to_thread(started.processes["bridge"].interrupt)

    assert len(put) == 50
    assert sorted(filed) == put
    assert len(buckets) > 5


def test_the_hosts_of_the_file_are_all_known() -> None:
    """A service that is added, or another port, has to be told here: nothing is passed over."""
    here = Here(Path("/nowhere"))
    left = [
        f"{service.name}: {text}"
        for service in services().values()
        for text in here.environment(service).values()
        if re.search(r"\b(kafka|minio|model|bridge|display):\d", text)
    ]

    assert left == []
