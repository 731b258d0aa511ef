"""KServe's model server 0.21.0: V1 REST, V2 (Open Inference Protocol) REST and gRPC.

REST on all addresses and gRPC on [::] are hard-coded: `started` keeps both on 127.0.0.1,
which for REST takes asyncio's own loop, since uvloop binds past Python's sockets. V2 over
REST takes the binary extension too; FP16 is taken and given in binary alone. Versions in
paths are 501. It is the V2 server of `make test`: as light as MLServer, and the only one
here that speaks V1.

Measured here (2 cores): installed in 50 s (downloads cached; 105 s without) to 450 MB, ready in
0.8 to 1.3 s (4 s on a busy machine), 125 MB (PSS).
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

VERSION = "0.21.0"


@contextmanager
def running(*, output: Path) -> Iterator[Server]:
    """Yield a server of all three models; raise Missing where it cannot be installed."""
    python = venv("kserve", (f"kserve=={VERSION}",), constraints=CONSTRAINTS / "kserve.txt")
    rest, grpc = free_port(), free_port()
    url = f"http://127.0.0.1:{rest}"
    with started(
        [
            *(str(python), str(MODELS / "kserve_models.py"), "--event_loop", "asyncio"),
            *("--http_port", str(rest), "--grpc_port", str(grpc)),
        ],
        output=output,
        ready=well(f"{url}/v2/health/ready", grpc=grpc),
    ) as pid:
        yield Server(
            name="kserve",
            version=VERSION,
            rest_url=url,
            grpc_target=f"127.0.0.1:{grpc}",
            models=of(IRIS, ECHO, BROKEN),
            pid=pid,
        )
