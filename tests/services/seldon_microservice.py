"""The original: Seldon's own Python microservice, serving an iris model over its protocol.

`seldon-core` 1.17.1 is the last release under the Apache licence. It needs `setuptools`
below 81 (its gunicorn imports pkg_resources) and packages older than ours, hence an
environment of its own. `BRIDGE_TEST_SELDON` is the base URL of one that runs already.

It listens on all addresses (hard-coded there), and closes the connection after each answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.services.process import Process, answers, free_port
from tests.services.toolchain import venv

ADDRESS = "BRIDGE_TEST_SELDON"

REQUIREMENTS = ("seldon-core==1.17.1", "setuptools<81", "scikit-learn==1.9.1")

#: It starts four processes, each of which imports scikit-learn.
READY_SECONDS = 90.0

_FOLDER = Path(__file__).parent / "seldon_iris"


@dataclass(frozen=True, slots=True)
class SeldonMicroservice:
    """A running microservice; *url* is its base: `/predict`, `/api/v1.0/predictions`."""

    url: str


@contextmanager
def seldon_microservice(*, output: Path, folder: Path = _FOLDER) -> Iterator[SeldonMicroservice]:
    """Yield the microservice of the environment, or one that serves `Iris` of *folder*.

    Raise Missing where neither can be had.
    """
    address = os.environ.get(ADDRESS)
    if address:
        yield SeldonMicroservice(address.rstrip("/"))
        return
    python = venv("seldon-core", REQUIREMENTS)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with Process(
        [str(python.with_name("seldon-core-microservice")), "Iris", "--service-type", "MODEL"],
        output=output,
        folder=folder,
        environment={
            "PREDICTIVE_UNIT_HTTP_SERVICE_PORT": str(port),
            "PREDICTIVE_UNIT_GRPC_SERVICE_PORT": str(free_port()),
            "PREDICTIVE_UNIT_METRICS_SERVICE_PORT": str(free_port()),
            "GUNICORN_WORKERS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    ) as process:
        process.wait_until(lambda: answers(f"{url}/health/status"), seconds=READY_SECONDS)
        yield SeldonMicroservice(url)
