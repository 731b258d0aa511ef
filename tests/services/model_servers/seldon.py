"""Seldon's own Python microservice 1.17.1: Seldon's protocol over REST and gRPC.

It is the last release under the Apache licence. It needs `setuptools` below 81 (its gunicorn
imports pkg_resources) and packages older than ours. It is seven processes; REST closes the
connection after each answer; every error of the model is 500 or UNKNOWN.

Measured here (2 cores): installed in 17 s (downloads cached) to 170 MB, ready in 0.5 to 0.9 s
(3 s on a busy machine), 115 MB (PSS) in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.model_servers.server import CONSTRAINTS, IRIS, Server, of, started, well
from tests.services.process import free_port
from tests.services.toolchain import venv

VERSION = "1.17.1"


@contextmanager
def running(*, output: Path) -> Iterator[Server]:
    """Yield a microservice that serves models/SeldonIris.py; raise Missing if none can be had.

    The protocol has no name of a model: it answers `/predict`, `/api/v1.0/predictions` and
    both services of its gRPC.
    """
    python = venv(
        "seldon",
        (f"seldon-core=={VERSION}", "setuptools<81"),
        constraints=CONSTRAINTS / "seldon.txt",
    )
    rest, grpc, metrics = free_port(), free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    with started(
        [
            str(python.with_name("seldon-core-microservice")),
            "SeldonIris",
            "--service-type",
            "MODEL",
        ],
        output=output,
        ready=well(f"{url}/health/status", grpc=grpc),
        environment={
            "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": str(rest),
            "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": str(grpc),
            "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": str(metrics),
            "GUNICORN_WORKERS": "1",
        },
    ) as pid:
        yield Server(
            name="seldon",
            version=VERSION,
            rest_url=url,
            grpc_target=f"127.0.0.1:{grpc}",
            models=of(IRIS),
            pid=pid,
        )
