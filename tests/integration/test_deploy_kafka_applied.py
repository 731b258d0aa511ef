"""What `kubectl apply -k` sends for deploy/kafka, as kustomize's own library makes it."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.manifests import ROOT, Manifest, parsed, validate
from tests.services.cache import Missing
from tests.services.fixtures import unavailable
from tests.services.toolchain import go_build

KAFKA = ROOT / "deploy" / "kafka"


def applied(root: str) -> list[dict[str, Any]]:
    """Return the objects of the kustomization *root*."""
    try:
        program = go_build(ROOT / "tests" / "services" / "knative_admission")
    except Missing as missing:
        unavailable(f"knative_admission: {missing}")
    done = subprocess.run(
        [str(program), str(KAFKA / root)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return parsed(done.stdout)


@pytest.mark.parametrize(
    ("root", "kinds"),
    [
        ("base", {"Deployment", "PodDisruptionBudget", "ServiceAccount", "ConfigMap"}),
        (
            "keda",
            {
                *("Deployment", "PodDisruptionBudget", "ServiceAccount", "ConfigMap"),
                *("ScaledObject", "TriggerAuthentication"),
            },
        ),
        ("strimzi", {"KafkaTopic", "KafkaUser"}),
    ],
)
def test_what_is_applied_is_valid_and_whole(root: str, kinds: set[str]) -> None:
    """Every kind is there; the pod has its ConfigMaps by their content, and a real image."""
    objects = applied(root)

    for index, document in enumerate(objects):
        validate(Manifest(file=KAFKA / root / "kustomization.yaml", index=index, document=document))
    assert {found["kind"] for found in objects} == kinds
    configs = {found["metadata"]["name"] for found in objects if found["kind"] == "ConfigMap"}
    for deployment in (found for found in objects if found["kind"] == "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        (source,) = container["envFrom"]

        assert container["image"].startswith("dev.local/inference-bridge:")
        assert {source["configMapRef"]["name"], pod["volumes"][0]["configMap"]["name"]} == configs


def test_the_digit_pipeline_behind_knative_is_valid_and_whole() -> None:
    """Every kind is there, and file and transformer are found by their content."""
    objects = applied("knative")

    for index, document in enumerate(objects):
        file = KAFKA / "knative" / "kustomization.yaml"
        validate(Manifest(file=file, index=index, document=document))
    assert {found["kind"] for found in objects} == {
        *("Deployment", "Service", "ServiceAccount", "ConfigMap", "KafkaSource", "KafkaSink"),
    }
    configs = {found["metadata"]["name"] for found in objects if found["kind"] == "ConfigMap"}
    (deployment,) = [found for found in objects if found["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (source,) = container["envFrom"]
    named = {source["configMapRef"]["name"]}
    for volume in pod["volumes"]:
        named |= {
            one["configMap"]["name"] for one in volume.get("projected", {}).get("sources", ())
        }
    assert container["image"] == "inference-bridge-mnist:1"
    assert named == configs
    assert len(configs) == 3
