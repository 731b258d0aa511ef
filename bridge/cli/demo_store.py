"""The object store of a demo: a real MinIO where one was built, else one that pip brings.

    the cache, or a `minio` command  ─▶ MinIO: tells a topic of Kafka of every object
    moto, with flask                 ─▶ its S3 server: objects are found by listing

Nothing is built here: that takes minutes, and whoever wants it is told how.
"""

from __future__ import annotations

import importlib.util
import secrets
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.cli.demo_steps import STEP_SECONDS, DemoError, step
from bridge.cli.fetched import Missing
from bridge.cli.minio_binary import minio
from bridge.cli.processes import free_port

if TYPE_CHECKING:
    from minio import Minio
    from rich.console import Console

    from bridge.cli.demo_cluster import Cluster
    from bridge.cli.processes import Processes

#: What the process is called, and its log file.
NAME: Final = "minio"

#: What Python is told to build a MinIO, where the demo and the tests find it.
BUILD: Final = '"from bridge.cli.minio_binary import minio; minio(build=True)"'

#: Who the demo is to its store.
ACCESS_KEY: Final = "demo-access"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A store that serves. *notifies*: whether it tells a topic of its objects."""

    url: str
    access_key: str
    secret_key: str
    notifies: bool

    def client(self) -> Minio:
        """Return MinIO's own client, which blocks: a demo puts its objects as others do."""
        from minio import Minio

        return Minio(
            endpoint=urlsplit(self.url).netloc,
            access_key=self.access_key,
            secret_key=self.secret_key,
            secure=False,
            region="us-east-1",
        )


def start(
    console: Console, processes: Processes, cluster: Cluster, topic: str, *, first_port: int = 0
) -> Store:
    """Return a store that serves, on *first_port* or above, saying on *console* which it is.

    What it tells goes to *topic* of *cluster*, which has to be there. Raise DemoError, with what
    to install, where there is neither.
    """
    try:
        with console.status("looking for MinIO"):
            program = str(minio(build=False))
    except Missing as missing:
        return _moto(console, processes, missing, first_port)
    port, data = free_port(first_port), processes.folder / "minio-data"
    processes.throw_away(data)
    secret_key = secrets.token_hex(12)
    environ = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": secret_key,
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
        "MINIO_NOTIFY_KAFKA_ENABLE_PRIMARY": "on",
        "MINIO_NOTIFY_KAFKA_BROKERS_PRIMARY": cluster.bootstrap,
        "MINIO_NOTIFY_KAFKA_TOPIC_PRIMARY": topic,
    }
    command = [program, "server", "--quiet", "--address", f"127.0.0.1:{port}", str(data)]
    processes.start_program(NAME, command, port, environ=environ, disposable=True)
    title = f"MinIO on http://127.0.0.1:{port}, which tells topic {topic} of every image"
    with step(console, title, meanwhile="MinIO: starting"):
        processes[NAME].wait_until_listening(STEP_SECONDS)
    return _store(port, secret_key, notifies=True)


def _moto(console: Console, processes: Processes, missing: Missing, first_port: int) -> Store:
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "flask_cors")):
        raise DemoError(
            f"{missing}, and no stand-in from pip either: expected a minio command, or "
            "pip install -e '.[demo-mnist]' in this checkout"
        )
    console.print(
        "  no MinIO is here: so this is moto's S3 server, which tells nobody of its objects, and\n"
        "  the bridge finds them by listing the bucket. With Go and three minutes for a MinIO:\n"
        f"  {sys.executable} -c {BUILD}",
        style="yellow",
        markup=False,
    )
    port = free_port(first_port)
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    processes.start_program(NAME, command, port, disposable=True)
    with step(console, f"moto's S3 server on http://127.0.0.1:{port}"):
        processes[NAME].wait_until_listening(STEP_SECONDS)
    return _store(port, secrets.token_hex(12), notifies=False)


def _store(port: int, secret_key: str, *, notifies: bool) -> Store:
    return Store(
        url=f"http://127.0.0.1:{port}",
        access_key=ACCESS_KEY,
        secret_key=secret_key,
        notifies=notifies,
    )
