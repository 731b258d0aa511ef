"""The stand-in for TensorFlow Serving's REST as a process: tensorflow_rest.py says what it is.

It runs in our own environment. Measured here (2 cores): ready in 0.5 s, 36 MB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.protocols.port import Metadata, Spec
from tests.services.model_servers.server import Server, of, started, well
from tests.services.model_servers.tensorflow_models import DEFAULT, MODELS, Named
from tests.services.process import free_port

#: It is a stand-in in its name too, wherever servers are listed.
NAME, VERSION = "TensorFlow Serving (stand-in)", "of its REST page"

_ROOT = Path(__file__).parents[3]

_DATATYPES = {"DT_FLOAT": "FP32", "DT_INT64": "INT64", "DT_STRING": "BYTES"}


@contextmanager
def running(*, output: Path) -> Iterator[Server]:
    """Yield the stand-in with all models of tensorflow_models.py."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with started(
        [sys.executable, "-m", "tests.services.model_servers.tensorflow_rest", str(port)],
        output=output,
        ready=well(f"{url}/v1/models/recommender"),
        environment={"PYTHONPATH": str(_ROOT)},
    ) as pid:
        yield Server(
            name=NAME,
            version=VERSION,
            rest_url=url,
            grpc_target=None,
            models=of(*map(_told, MODELS)),
            pid=pid,
        )


def _told(name: str) -> Metadata:
    """Return what the newest version of the model *name* takes and gives by default."""
    versions = MODELS[name].versions
    signature = versions[max(versions)][DEFAULT]
    return Metadata(
        name=name,
        versions=tuple(map(str, sorted(versions))),
        inputs=tuple(_spec(*one) for one in signature.inputs.items()),
        outputs=tuple(_spec(*one) for one in signature.outputs.items()),
    )


def _spec(name: str, named: Named) -> Spec:
    return Spec(name=name, datatype=_DATATYPES[named.dtype], shape=named.shape)
