"""The models as Triton wants them, through pytriton, and its server with them.

    python triton_models.py HTTP_PORT GRPC_PORT WORKSPACE

WORKSPACE is a folder for the sockets between the server and this process.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datatypes
import iris
import numpy as np
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

#: Rows that one request may have.
MAX_ROWS = 1024

_DTYPES = {"BOOL": np.bool_, "FP16": np.float16, "FP32": np.float32, "FP64": np.float64}
_DTYPES |= {one: getattr(np, one.lower()) for one in datatypes.DATATYPES if "INT" in one}
_DTYPES |= {"BYTES": np.object_}


def _iris(measures: dict[str, Any]) -> dict[str, Any]:
    return {"probabilities": iris.probabilities(measures["measures"])}


def _echo(arrays: dict[str, Any]) -> dict[str, Any]:
    return {datatypes.echoed(name): array for name, array in arrays.items()}


def _broken(arrays: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError(datatypes.BROKEN)


def _each(run: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Any], Any]:
    """Return what answers the requests of one batch each for itself."""
    return lambda requests: [run(dict(request.items())) for request in requests]


def _tensors(told: list[dict[str, Any]], *, optional: bool) -> list[Tensor]:
    """Return *told* without the first dimension, which is the rows of a batch."""
    return [
        Tensor(
            name=one["name"],
            dtype=_DTYPES[one["datatype"]],
            shape=tuple(one["shape"][1:]),
            optional=optional,
        )
        for one in told
    ]


def main(http: int, grpc: int, workspace: Path) -> None:
    """Serve until told to end."""
    config = TritonConfig(
        http_address="127.0.0.1",
        http_port=http,
        grpc_address="127.0.0.1",
        grpc_port=grpc,
        allow_metrics=False,
        exit_timeout_secs=8,
    )
    with Triton(config=config, workspace=workspace) as triton:
        for name, run in (("iris", _iris), ("echo", _echo), ("broken", _broken)):
            inputs, outputs = datatypes.TENSORS[name]
            triton.bind(
                model_name=name,
                infer_func=_each(run),
                inputs=_tensors(inputs, optional=name == "echo"),
                outputs=_tensors(outputs, optional=False),
                config=ModelConfig(max_batch_size=MAX_ROWS),
                strict=True,
            )
        triton.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
