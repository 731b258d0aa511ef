"""Triton 2.51.0 (nvidia-pytriton 0.7.0): V2 over REST in JSON and with the binary extension, gRPC.

The package brings the real `tritonserver` and its Python backend, no other. That backend loads
the system's libpython, so the environment must be made of the system's own Python: any other
of the same version dies in it. gRPC answers with raw bytes whatever it was asked with; an
error of the model has its traceback in it. A request has at most MAX_ROWS rows.

Measured here (2 cores): installed in 34 s (downloads cached; 70 s without) to 370 MB, ready in
6 to 13 s, a process and two helpers a model, 260 MB (PSS) in all, stopped in 3 s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.cache import Missing
from tests.services.model_servers.server import (
    BROKEN,
    CONSTRAINTS,
    ECHO,
    IRIS,
    MODELS,
    Server,
    of,
    started,
    well,
)
from tests.services.process import free_port
from tests.services.toolchain import venv

#: Of the server; the package has versions of its own.
VERSION = "2.51.0"

PACKAGE = "nvidia-pytriton==0.7.0"

#: The system's own Python.
PYTHON = Path("/usr/bin/python3")


@contextmanager
def running(*, output: Path) -> Iterator[Server]:
    """Yield a server of all three models; raise Missing where it cannot be installed."""
    if not PYTHON.exists():
        raise Missing(f"no {PYTHON}: Triton's Python backend loads the system's own")
    python = venv(
        "triton", (PACKAGE, "numpy<2"), constraints=CONSTRAINTS / "triton.txt", base=str(PYTHON)
    )
    rest, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    models = of(IRIS, ECHO, BROKEN)
    with (
        tempfile.TemporaryDirectory(prefix="triton-", ignore_cleanup_errors=True) as workspace,
        started(
            [
                *(str(python), str(MODELS / "triton_models.py")),
                *(str(rest), str(grpc), f"{workspace}/sockets"),
            ],
            output=output,
            # It is ready before its models are: they are bound once it runs.
            ready=well(*(f"{url}/v2/models/{name}/ready" for name in models), grpc=grpc),
            tidies=True,  # else it leaves folders in /tmp, and shared memory
        ) as pid,
    ):
        yield Server(
            name="triton",
            version=VERSION,
            rest_url=url,
            grpc_target=f"127.0.0.1:{grpc}",
            models=models,
            pid=pid,
        )
