"""Our messages beside those of model servers: the same fields, in the same process, no clash."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from bridge.protocols.proto import COMPILED, message
from tests.services import proto_neighbours
from tests.services.cache import Missing
from tests.services.fixtures import unavailable
from tests.services.model_servers import kserve, mlserver, pythie, seldon
from tests.services.model_servers.server import CONSTRAINTS
from tests.services.toolchain import venv

ROOT = COMPILED.parents[3]

#: Environment → what it holds, as the fixtures of the servers make it.
NEEDS: dict[str, tuple[str, ...]] = {
    "kserve": (f"kserve=={kserve.VERSION}",),
    "mlserver": (f"mlserver=={mlserver.VERSION}",),
    "pythie": (f"pythie-serving=={pythie.VERSION}", "cloudpickle", "scikit-learn"),
    "seldon": (f"seldon-core=={seldon.VERSION}", "setuptools<81"),
}

#: What the interface has, and this server of it has not yet.
YOUNGER = ("inference.InferParameter.double_param", "inference.InferParameter.uint64_param")

TENSORFLOW = "pythie_serving.tensorflow_proto"


def run(environment: str, *arguments: str) -> Any:
    """Return what the neighbours' script prints in *environment*."""
    try:
        constraints = CONSTRAINTS / f"{environment}.txt"
        python = venv(environment, NEEDS[environment], constraints=constraints)
    except Missing as missing:
        unavailable(f"{environment}: {missing}")
    script = Path(proto_neighbours.__file__)
    ran = subprocess.run(
        [str(python), str(script), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert 0 == ran.returncode, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("environment", "modules"),
    [
        ("kserve", ["kserve"]),
        ("pythie", [f"{TENSORFLOW}.tensorflow_serving.apis.predict_pb2"]),
        pytest.param("mlserver", ["mlserver.grpc.dataplane_pb2"], marks=pytest.mark.heavy),
        pytest.param("mlserver", ["tritonclient.grpc"], marks=pytest.mark.heavy),
    ],
    ids=["kserve", "pythie", "mlserver", "tritonclient"],
)
def test_one_process_with_a_neighbour(environment: str, modules: list[str]) -> None:
    """Whatever registered messages of the same names before, and with its protobuf and numpy."""
    found = run(environment, "ask", str(ROOT), sysconfig.get_path("purelib"), *modules)

    version = found.pop("protobuf")
    assert tuple(map(int, version.split(".")[:2])) >= (4, 25)
    assert {protocol: [[1.5, 2.5]] for protocol in ("seldon", "oip", "tensorflow")} == found


@pytest.mark.parametrize(
    ("environment", "modules", "expected", "count"),
    [
        ("seldon", ["seldon_core.proto.prediction_pb2"], "seldon.protos.SeldonMessage", 40),
        ("kserve", ["kserve.protocol.grpc.grpc_predict_v2_pb2"], "inference.ModelInferRequest", 40),
        (
            "pythie",
            [
                f"{TENSORFLOW}.tensorflow_serving.apis.predict_pb2",
                f"{TENSORFLOW}.tensorflow_serving.apis.model_pb2",
                f"{TENSORFLOW}.tensorflow_serving.apis.status_pb2",
                f"{TENSORFLOW}.tensorflow_serving.apis.get_model_metadata_pb2",
                f"{TENSORFLOW}.tensorflow_serving.apis.get_model_status_pb2",
                f"{TENSORFLOW}.tensorflow.core.protobuf.meta_graph_pb2",
                f"{TENSORFLOW}.tensorflow.core.framework.tensor_pb2",
                f"{TENSORFLOW}.tensorflow.core.framework.tensor_shape_pb2",
            ],
            "tensorflow.TensorProto",
            40,
        ),
    ],
    ids=["seldon", "kserve", "pythie"],
)
def test_our_fields_are_theirs(
    environment: str, modules: list[str], expected: str, count: int
) -> None:
    """Each field of ours has the number, the type and the oneof of the server's own."""
    theirs = run(environment, "fields", *modules)

    assert expected in theirs
    compared = 0
    for name, fields in theirs.items():
        try:
            ours = message(name).DESCRIPTOR
        except KeyError:
            continue  # what the bridge does not speak
        for field in ours.fields:
            kind = field.message_type.full_name if field.message_type else ""
            oneof = field.containing_oneof.name if field.containing_oneof else ""
            if field.name not in fields:
                assert f"{name}.{field.name}" in YOUNGER
                continue
            assert fields[field.name] == [field.number, field.type, kind, oneof], (name, field.name)
            compared += 1
    assert compared >= count
