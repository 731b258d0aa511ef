"""The bridge itself as a process, for tests that need the real thing on real sockets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.services.process import Process, answers, free_port

_ROOT = Path(__file__).parents[2]

READY_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A running bridge: where events go, where its pages are, and the process."""

    url: str
    admin_url: str
    process: Process


def iris(model_url: str, **changes: Any) -> dict[str, Any]:
    """Return the published example's pipeline, with *changes* to it."""
    return {
        "filter": {"attributes": {"type": "seldon.simple-iris-deployment.request"}},
        "model": {"type": "rest", "protocol": "seldon", "url": model_url},
        "response": {
            "type": "seldon.simple-iris-deployment.response",
            "source": "seldon.simple-iris-deployment",
        },
        **changes,
    }


@contextmanager
def bridge_running(
    pipeline: Mapping[str, Any], folder: Path, *, environment: Mapping[str, str] | None = None
) -> Iterator[Bridge]:
    """Yield `bridge run` with *pipeline* on an http source; its file and output are in *folder*.

    The environment is this one's without what Knative injects, and with *environment*.
    """
    with pipelines_running({"iris": pipeline}, folder, environment=environment) as bridge:
        yield bridge


@contextmanager
def pipelines_running(
    pipelines: Mapping[str, Mapping[str, Any]],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
    **lifecycle: float,
) -> Iterator[Bridge]:
    """Yield `bridge run` with *pipelines*, which share one http listener, on *port* or a free one.

    A pipeline's own `source` adds to what all have in common. Otherwise as `bridge_running`;
    raise RuntimeError if it ends before it is ready.
    """
    port, admin_port = port or free_port(), free_port()
    file = folder / "bridge.yaml"
    source = {"type": "http", "host": "127.0.0.1", "port": port}
    file.write_text(
        yaml.safe_dump(
            {
                "admin": {"host": "127.0.0.1", "port": admin_port},
                "lifecycle": {"shutdown_delay_seconds": 0, **lifecycle},
                "pipelines": {
                    name: {**pipeline, "source": {**source, **pipeline.get("source", {})}}
                    for name, pipeline in pipelines.items()
                },
            },
            sort_keys=False,
        )
    )
    injected = {"PORT": "", "K_SINK": "", "K_CE_OVERRIDES": "", "K_CA_CERTS": "", "NAMESPACE": ""}
    with Process(
        [sys.executable, "-m", "bridge", "run", str(file)],
        output=folder / "bridge.log",
        folder=_ROOT,
        environment={**injected, **(environment or {})},
    ) as process:
        url = f"http://127.0.0.1:{port}/"
        process.wait_until(lambda: answers(f"{url}readyz"), seconds=READY_SECONDS)
        yield Bridge(url=url, admin_url=f"http://127.0.0.1:{admin_port}/", process=process)
