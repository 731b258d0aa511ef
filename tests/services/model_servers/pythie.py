"""pythie-serving 3.4.3: TensorFlow's PredictionService over gRPC, by somebody else.

Every feature is a tensor [n, 1] of its own, which is the shape of the published recommender;
the answer is one tensor `predictions`. It knows `Predict` and nothing else: no metadata, no
status, no signatures or versions, and every error is UNKNOWN. It takes `tensor_content`, and
of the repeated fields those of FLOAT, DOUBLE, INT32, BOOL and STRING: of `int64_val` it reads
nothing (its utils.py looks into `int_val`).

Measured here (2 cores): installed in 18 s (downloads cached) to 330 MB, nearly all of it
scikit-learn's, ready in 0.6 to 1.2 s, 120 MB (PSS).
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.cache import cached
from tests.services.model_servers.server import (
    CONSTRAINTS,
    MODELS,
    RECOMMENDER,
    Server,
    of,
    speaks_http2,
    started,
)
from tests.services.process import free_port
from tests.services.toolchain import venv

VERSION = "3.4.3"


@contextmanager
def running(*, output: Path) -> Iterator[Server]:
    """Yield a server of the recommender; raise Missing where it cannot be installed."""
    python = venv(
        "pythie",
        (f"pythie-serving=={VERSION}", "cloudpickle", "scikit-learn"),
        constraints=CONSTRAINTS / "pythie.txt",
    )
    port = free_port()
    with started(
        [
            *(str(python), "-m", "pythie_serving.run", str(_model(python) / "models.config")),
            *("--port", str(port), "--worker-count", "4"),
            # The default of 1 answers RESOURCE_EXHAUSTED to a second call at a time.
            "--maximum-concurrent-rpcs=-1",
        ],
        output=output,
        ready=lambda: speaks_http2(port),
    ) as pid:
        yield Server(
            name="pythie",
            version=VERSION,
            rest_url=None,
            grpc_target=f"127.0.0.1:{port}",
            models=of(RECOMMENDER),
            pid=pid,
        )


def _model(python: Path) -> Path:
    """Return the folder of the model, pickled by the scikit-learn that will load it."""
    sources = [MODELS / "pythie_model.py", MODELS / "recommender.py"]

    def make(made: Path) -> None:
        subprocess.run(
            [str(python), str(sources[0]), str(made)],
            cwd=MODELS,
            env={"PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
        )

    content = b"\0".join((str(python).encode(), *(path.read_bytes() for path in sources)))
    return cached("pythie-model", content, make)
