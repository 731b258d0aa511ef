"""Who is measured over HTTP: the bridge and its peers, each a process on a core of its own.

All of them do the same: a binary event in, its data to a model over HTTP, the model's answer
out as a response event in the request's version, the `requestid` carried over.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.services.process import Process, answers, free_port
from tests.services.toolchain import go_build

BENCH = Path(__file__).parent
ROOT = BENCH.parent

#: How long any of them may take to start.
READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The core that contenders are alone on, and the other one; None where there are not two."""

    own: int | None
    other: int | None

    @classmethod
    def here(cls) -> Cores:
        """Return the first two cores that this process may use."""
        cpus = sorted(getattr(os, "sched_getaffinity", lambda _: ())(0))
        return cls(own=cpus[0], other=cpus[1]) if len(cpus) > 1 else cls(own=None, other=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A running contender. *exact*: the model's answer has to come through to the byte.

    *url*: where it takes events; of one on Kafka there is none, it has topics.
    """

    name: str
    exact: bool
    url: str = ""
    process: psutil.Process

    def cpu_seconds(self) -> float:
        """Return the processor time it has used until now, all of its threads."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def resident_megabytes(self) -> float:
        """Return the memory it holds now, in units of 1,000,000 bytes."""
        return float(self.process.memory_info().rss / 1e6)


#: Starts one: the model's URL, the folder for what it prints, the core to run on.
Start = Callable[[str, Path, int | None], AbstractContextManager[Contender]]


@contextmanager
def stub_model(output: Path, cpu: int | None) -> Iterator[str]:
    """Yield the URL of the model that costs next to nothing."""
    command = [sys.executable, "-m", "bench.stub_model"]
    with Process(command, output=output / "stub_model.log", folder=ROOT, cpu=cpu) as process:
        yield _announced(process)


@contextmanager
def hung_model(output: Path, cpu: int | None) -> Iterator[str]:
    """Yield the URL of a model that takes connections and nothing else."""
    command = [sys.executable, "-m", "bench.stub_model"]
    with Process(command, output=output / "hung_model.log", folder=ROOT, cpu=cpu) as process:
        url = _announced(process)
        os.kill(process.pid, signal.SIGSTOP)
        try:
            yield url
        finally:
            os.kill(process.pid, signal.SIGCONT)  # what is stopped hears no SIGTERM


@contextmanager
def bridge(model_url: str, output: Path, cpu: int | None) -> Iterator[Contender]:
    """Yield the bridge, as `bridge run bench/iris.yaml` starts it."""
    port, admin_port = free_port(), free_port()
    with Process(
        [sys.executable, "-m", "bridge", "run", str(BENCH / "iris.yaml")],
        output=output / "bridge.log",
        folder=ROOT,
        environment={
            "BENCH_PORT": str(port),
            "BENCH_ADMIN_PORT": str(admin_port),
            "MODEL_URL": model_url,
        },
        cpu=cpu,
    ) as process:
        url = f"http://127.0.0.1:{port}/"
        process.wait_until(lambda: answers(f"{url}readyz"), seconds=READY_SECONDS)
        yield Contender(name="bridge", url=url, exact=True, process=psutil.Process(process.pid))


@contextmanager
def go_receiver(model_url: str, output: Path, cpu: int | None) -> Iterator[Contender]:
    """Yield the receiver on the Go CloudEvents SDK; raise Missing where Go is not there."""
    program = go_build(BENCH / "peers" / "go_receiver")
    with Process(
        [str(program), model_url],
        output=output / "go_receiver.log",
        environment={"GOMAXPROCS": "1"},
        cpu=cpu,
    ) as process:
        url = _announced(process)
        yield Contender(name="go", url=url, exact=True, process=psutil.Process(process.pid))


@contextmanager
def aiohttp_sdk(model_url: str, output: Path, cpu: int | None) -> Iterator[Contender]:
    """Yield the application on aiohttp and the Python CloudEvents SDK."""
    with Process(
        [sys.executable, "-m", "bench.peers.aiohttp_sdk", model_url],
        output=output / "aiohttp_sdk.log",
        folder=ROOT,
        cpu=cpu,
    ) as process:
        url = _announced(process)
        yield Contender(name="aiohttp", url=url, exact=False, process=psutil.Process(process.pid))


def _announced(process: Process) -> str:
    """Return the URL that *process* prints as its first line once it listens."""

    def line() -> str:
        text = process.output.read_text(errors="replace")
        return next((line for line in text.splitlines() if line.startswith("http://")), "")

    process.wait_until(lambda: bool(line()), seconds=READY_SECONDS)
    return line()
