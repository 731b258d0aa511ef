"""Would a cluster admit what `kubectl apply -k` sends it? Kustomize and Knative's own code say.

    deploy/knative/<root> ─▶ kustomize's library ─▶ what is applied ─▶ Knative's validation

The program is built from tests/services/knative_admission: the types, defaults and validation
that run in the webhooks of Knative Eventing and Serving v0.50.0, and kustomize v5.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.manifests import ROOT, Manifest, blocks, parsed, validate
from tests.services.cache import Missing
from tests.services.fixtures import unavailable
from tests.services.toolchain import go_build

KNATIVE = ROOT / "deploy" / "knative"
ROOTS = ("deployment", "serving", "sink-binding", "iris-model")
SERVING = "serving.knative.dev/v1"


@pytest.fixture(scope="module")
def program() -> Path:
    """The program, built once."""
    try:
        return go_build(ROOT / "tests" / "services" / "knative_admission")
    except Missing as missing:
        unavailable(f"knative_admission: {missing}")


def admitted(program: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return what the program says of the kustomization in *folder*."""
    return subprocess.run(
        [str(program), str(folder)], capture_output=True, text=True, check=False, timeout=60
    )


def applied(program: Path, folder: Path) -> list[dict[str, Any]]:
    """Return the objects that `kubectl apply -k` would send; the program admits all of them."""
    done = admitted(program, folder)
    assert (done.returncode, done.stderr) == (0, "")
    return parsed(done.stdout)


def one(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return the object of *kind* whose name begins with *name*."""
    (found,) = [
        found
        for found in objects
        if f"{found['apiVersion']} {found['kind']}" == kind
        and found["metadata"]["name"].startswith(name)
    ]
    return found


@pytest.mark.parametrize("root", ROOTS)
def test_knative_admits_what_is_applied(program: Path, root: str) -> None:
    """Kustomize builds it, Knative admits it, and our own schemas say the same."""
    objects = applied(program, KNATIVE / root)

    for index, document in enumerate(objects):
        validate(
            Manifest(file=KNATIVE / root / "kustomization.yaml", index=index, document=document)
        )
    assert len(objects) > 1


@pytest.mark.parametrize(
    ("root", "kind"), [("deployment", "apps/v1 Deployment"), ("serving", f"{SERVING} Service")]
)
def test_a_changed_pipeline_file_is_a_rollout(
    program: Path, tmp_path: Path, root: str, kind: str
) -> None:
    """The pod names the ConfigMaps by their content, in a Knative Service too."""
    shutil.copytree(KNATIVE, tmp_path / "knative")
    before = applied(program, tmp_path / "knative" / root)
    file = tmp_path / "knative" / "base" / "config" / "bridge.yaml"
    file.write_text(file.read_text() + "log: {level: debug}\n")
    after = applied(program, tmp_path / "knative" / root)

    names = []
    for objects in (before, after):
        pod = one(objects, kind, "iris-bridge")["spec"]["template"]["spec"]
        config = one(objects, "v1 ConfigMap", "iris-bridge-file")
        environ = one(objects, "v1 ConfigMap", "iris-bridge-environment")
        (source,) = pod["containers"][0]["envFrom"]
        names.append(pod["volumes"][0]["configMap"]["name"])

        assert names[-1] == config["metadata"]["name"]
        assert source["configMapRef"]["name"] == environ["metadata"]["name"]
    assert names[0] != names[1]


@pytest.mark.parametrize("root", ROOTS)
def test_one_change_names_another_image_everywhere(
    program: Path, tmp_path: Path, root: str
) -> None:
    """The image is what deploy/knative/image says, in every container."""
    shutil.copytree(KNATIVE, tmp_path / "knative")
    file = tmp_path / "knative" / "image" / "kustomization.yaml"
    file.write_text(file.read_text().replace('newTag: "1"', 'newTag: "2"'))

    images = {
        container["image"]
        for found in applied(program, tmp_path / "knative" / root)
        if "template" in found.get("spec", {})
        for container in found["spec"]["template"]["spec"]["containers"]
    }

    assert images
    assert images <= {"dev.local/inference-bridge:2", "dev.local/inference-bridge-component:2"}


def test_the_trigger_waits_for_the_knative_service(program: Path) -> None:
    """With `serving`, the subscriber is the Knative Service itself; the name is the same."""
    trigger = "eventing.knative.dev/v1 Trigger"
    subscribers = {
        root: one(applied(program, KNATIVE / root), trigger, "seldon-eventing")["spec"][
            "subscriber"
        ]["ref"]
        for root in ("deployment", "serving")
    }

    assert subscribers == {
        "deployment": {"apiVersion": "v1", "kind": "Service", "name": "iris-bridge"},
        "serving": {"apiVersion": SERVING, "kind": "Service", "name": "iris-bridge"},
    }


@pytest.mark.parametrize(
    ("file", "wrong", "says"),
    [
        ("serving/bridge.yaml", ("containerConcurrency", "containerConcurency"), "unknown field"),
        ("serving/bridge.yaml", ("port: 8080", "port: admin"), "must match container port"),
        ("base/iris-trigger.yaml", ("exponential", "exponental"), "backoffPolicy"),
        ("base/iris-trigger.yaml", ("PT1S", "PT1X"), "backoffDelay"),
        ("sink-binding/sink-binding.yaml", ("kind: Broker", "kidn: Broker"), "unknown field"),
    ],
)
def test_knative_refuses_what_our_schemas_refuse(
    program: Path, tmp_path: Path, file: str, wrong: tuple[str, str], says: str
) -> None:
    """The check can fail, and for the same mistakes."""
    shutil.copytree(KNATIVE, tmp_path / "knative")
    broken = tmp_path / "knative" / file
    broken.write_text(broken.read_text().replace(*wrong))
    root = "serving" if file.startswith("serving") else "sink-binding"

    done = admitted(program, tmp_path / "knative" / root)

    assert done.returncode == 1
    assert says in done.stderr


def test_the_overlay_of_the_docs_is_admitted(program: Path, tmp_path: Path) -> None:
    """docs/deploying.md's own overlay is built: its image, its file, its secrets, its port."""
    shutil.copytree(KNATIVE, tmp_path / "deploy" / "knative")
    (tmp_path / "my-bridge").mkdir()
    page = (ROOT / "docs" / "deploying.md").read_text()
    for block in blocks(page, "yaml"):
        if named := re.match(r"# (my-bridge/\S+)\n", block):
            (tmp_path / named[1]).write_text(block)

    objects = applied(program, tmp_path / "my-bridge")

    for index, document in enumerate(objects):
        validate(Manifest(file=tmp_path / "built.yaml", index=index, document=document))
    pod = one(objects, "apps/v1 Deployment", "iris-bridge")["spec"]["template"]["spec"]
    config = one(objects, "v1 ConfigMap", "iris-bridge-file")
    environ = one(objects, "v1 ConfigMap", "iris-bridge-environment")
    trigger = one(objects, "eventing.knative.dev/v1 Trigger", "seldon-eventing")
    ports = one(objects, "v1 Service", "iris-bridge")["spec"]["ports"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.com/inference-bridge:1.4"
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    assert "oidc" in config["data"]["bridge.yaml"]
    assert "simple-iris-predictor" in environ["data"]["MODEL_URL"]
    assert trigger["spec"]["subscriber"]["uri"].startswith("https://iris-bridge.")
    assert trigger["spec"]["delivery"]["retry"] == 8
    assert sorted(port["port"] for port in ports) == [80, 443]
