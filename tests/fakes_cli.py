"""`bridge` as a person runs it: real processes, their ports read from what they say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.process import Process

#: How long a command may take to start or to end.
SECONDS = 60.0

#: What Knative injects, taken away.
PLATFORM = {"PORT": "", "K_SINK": "", "K_CE_OVERRIDES": "", "K_CA_CERTS": "", "NAMESPACE": ""}

COMMAND = [sys.executable, "-m", "bridge"]


@dataclass(frozen=True)
class Ended:
    """A command that ended."""

    status: int
    out: str
    err: str


def bridge(
    *argv: object,
    stdin: bytes = b"",
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run `bridge` with *argv* to its end."""
    ended = subprocess.run(
        [*COMMAND, *map(str, argv)],
        input=stdin,
        capture_output=True,
        cwd=folder,
        env={**os.environ, **PLATFORM, **(environment or {})},
        timeout=SECONDS,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


@dataclass(frozen=True)
class Serving:
    """A command that serves: its process, and the ports it said it listens on."""

    process: Process
    port: int
    admin_port: int | None

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self.process.output.read_text()

    def wait_for(self, text: str) -> None:
        """Return when it has said *text*."""
        self.process.wait_until(lambda: text in self.log, seconds=SECONDS)

    def displayed(self, last: str) -> str:
        """Return what it printed next on standard output, up to the line *last*."""
        lines: list[str] = []
        while not lines or lines[-1] != last:
            line = self.process.stdout.readline().decode()
            assert line, f"ended after {lines}"
            lines.append(line.rstrip("\n"))
        return "\n".join(lines)


@contextmanager
def serving(
    log: Path,
    *argv: object,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Serving]:
    """Yield `bridge` with *argv*, once it says where it listens and that it is ready.

    *log* is the file of its standard error; standard output is a pipe.
    """
    with Process(
        [*COMMAND, *map(str, argv)],
        output=log,
        folder=folder,
        environment={**PLATFORM, "NO_COLOR": "1", **(environment or {})},
        pipes=True,
    ) as process:
        ready = re.compile(r"\bready\b|broker listens")
        process.wait_until(lambda: bool(ready.search(log.read_text())), seconds=SECONDS)
        said = log.read_text()
        yield Serving(
            process,
            port=_port(r"listening for requests.*?port=(\d+)", said)
            or _port(r"broker listens.*?url=\S*:(\d+)", said)
            or 0,
            admin_port=_port(r"listening for operators.*?port=(\d+)", said),
        )


def _port(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None
