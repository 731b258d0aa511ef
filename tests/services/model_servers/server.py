"""A model server as the tests see it: its addresses, and the models that it serves.

    tests ──REST, gRPC──▶ the server's own process, in an environment of its own
                             │
                             └─ models/*.py, the same functions on every server

Each server is a module here, whose `running` starts one; more than one may run at a time.
"""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bridge.protocols.port import Metadata, Spec
from tests.services.model_servers.models.datatypes import TENSORS
from tests.services.process import Process, answers

MODELS = Path(__file__).parent / "models"
CONSTRAINTS = Path(__file__).parent / "constraints"
_LOOPBACK = Path(__file__).parent / "loopback"

#: Longest that a server may take to start: they import much, and the machine may be busy.
READY_SECONDS = 120.0

#: A SETTINGS frame that sets nothing (RFC 9113, 6.5), and the byte that tells it is one.
_NO_SETTINGS, _SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0)), bytes((4,))
_HTTP2_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server that runs: *models* by name, *grpc_target* as `host:port`, *pid* of its group.

    *rest_url* is the base of the paths of its protocol, without a slash at its end.
    """

    name: str
    version: str
    rest_url: str | None
    grpc_target: str | None
    models: Mapping[str, Metadata]
    pid: int


def _named(name: str) -> Metadata:
    inputs, outputs = (
        tuple(
            Spec(name=one["name"], datatype=one["datatype"], shape=tuple(one["shape"]))
            for one in tensors
        )
        for tensors in TENSORS[name]
    )
    return Metadata(name=name, inputs=inputs, outputs=outputs)


#: [n, 4] measures → [n, 3] probabilities, as models/iris.py computes them.
IRIS = _named("iris")

#: Answers each input `in_<datatype>` that came, [n, m], as output `out_<datatype>`.
ECHO = _named("echo")

#: Takes and gives what IRIS does, and raises whatever it is asked, with a path in its words.
BROKEN = _named("broken")

#: [n, 1] products and users → [n, 1] scores, as models/recommender.py computes them.
RECOMMENDER = Metadata(
    name="recommender",
    inputs=(
        Spec(name="products", datatype="FP32", shape=(-1, 1)),
        Spec(name="users", datatype="FP32", shape=(-1, 1)),
    ),
    outputs=(Spec(name="predictions", datatype="FP32", shape=(-1, 1)),),
)


def of(*models: Metadata) -> dict[str, Metadata]:
    """Return *models* by their names."""
    return {model.name: model for model in models}


@contextmanager
def started(
    command: list[str],
    *,
    output: Path,
    ready: Callable[[], bool],
    environment: Mapping[str, str] | None = None,
    tidies: bool = False,
) -> Iterator[int]:
    """Run *command* until *ready*, listening on 127.0.0.1 alone, and yield the process's id.

    It runs in MODELS, whose modules it can import, and writes no caches there. All of its
    process group has ended on return. One that *tidies* is interrupted first, alone, and given
    `STOP_SECONDS` to end the others and remove what they leave.
    """
    path = f"{_LOOPBACK}:{MODELS}"
    quiet = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    with Process(
        command, output=output, folder=MODELS, environment={**quiet, **(environment or {})}
    ) as process:
        process.wait_until(ready, seconds=READY_SECONDS)
        try:
            yield process.pid
        finally:
            if tidies:
                with suppress(subprocess.TimeoutExpired):
                    process.interrupt(signal.SIGINT)


def well(*urls: str, grpc: int | None = None) -> Callable[[], bool]:
    """Return what says whether *urls* are answered with success, and *grpc* by a gRPC server."""
    return lambda: all(map(answers, urls)) and (grpc is None or speaks_http2(grpc))


def speaks_http2(port: int) -> bool:
    """Whether *port* of 127.0.0.1 answers HTTP/2's opening: gRPC binds before it serves."""
    with (
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port), timeout=_HTTP2_SECONDS) as connection,
    ):
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _NO_SETTINGS)
        return connection.recv(len(_NO_SETTINGS))[3:4] == _SETTINGS
    return False
