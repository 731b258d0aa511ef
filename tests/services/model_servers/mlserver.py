"""MLServer 1.7.1, Seldon's: the Open Inference Protocol over REST (JSON) and gRPC.

One process (`parallel_workers` 0), models of a custom runtime. It has no binary extension of
REST. NaN becomes null in its JSON.

Measured here (2 cores): installed in 40 s (downloads cached; 95 s without) to 330 MB, ready in
0.9 to 1.1 s (3 s on a busy machine), 130 MB (PSS).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

VERSION = "1.7.1"


@contextmanager
def running(*, output: Path) -> Iterator[Server]:
    """Yield a server of all three models; raise Missing where it cannot be installed."""
    python = venv("mlserver", (f"mlserver=={VERSION}",), constraints=CONSTRAINTS / "mlserver.txt")
    rest, grpc, metrics = free_port(), free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    with started(
        [str(python.with_name("mlserver")), "start", str(MODELS / "mlserver")],
        output=output,
        ready=well(f"{url}/v2/health/ready", grpc=grpc),
        environment={
            "MLSERVER_HOST": "127.0.0.1",
            "MLSERVER_HTTP_PORT": str(rest),
            "MLSERVER_GRPC_PORT": str(grpc),
            "MLSERVER_METRICS_PORT": str(metrics),
            "MLSERVER_PARALLEL_WORKERS": "0",
        },
    ) as pid:
        yield Server(
            name="mlserver",
            version=VERSION,
            rest_url=url,
            grpc_target=f"127.0.0.1:{grpc}",
            models=of(IRIS, ECHO, BROKEN),
            pid=pid,
        )
