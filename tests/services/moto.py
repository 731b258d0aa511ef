"""moto's S3 server: a stand-in that lists, reads and writes, and sends no notifications."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.cache import Missing
from tests.services.minio import ObjectServer
from tests.services.process import Process, answers, free_port

READY_SECONDS = 30.0


@contextmanager
def moto(*, output: Path) -> Iterator[ObjectServer]:
    """Yield moto's S3 server, a process that prints into *output* and lets every key in."""
    if importlib.util.find_spec("moto") is None:
        raise Missing("moto[s3]")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    with Process(command, output=output) as process:
        process.wait_until(lambda: answers(f"{url}/moto-api/"), seconds=READY_SECONDS)
        yield ObjectServer(url, "test-access", "test-secret")
