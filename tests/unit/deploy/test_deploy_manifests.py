"""Every manifest below deploy/ is what a cluster would take, and a typing error in any is caught.

Not a sample of them: each key of each document is misspelt, one after the other.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.manifests import (
    ANNOTATIONS,
    LABELS,
    OURS,
    ROOT,
    SCHEMAS,
    Manifest,
    ManifestError,
    below,
    names_below,
    parsed,
    read,
    shown,
    validate,
)

DEPLOY = ROOT / "deploy"
MANIFESTS = below(DEPLOY)

#: Mappings whose keys are names that their writer makes up, so that none can be wrong.
#: (Labels, annotations, attributes and resources are no such: tests/manifests.py knows the names.)
MADE_UP = {
    "data": "file names of a ConfigMap or Secret",
    "stringData": "file names of a Secret",
    "extensions": "CloudEvents extensions that a SinkBinding adds",
}

Path_ = tuple[str | int, ...]


def keys(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every key in *value* that is not made up."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from keys(item, (*path, index))
    if isinstance(value, dict):
        for key, item in value.items():
            if not (path and path[-1] in MADE_UP):
                yield (*path, key)
            yield from keys(item, (*path, key))


def misspelt(document: dict[str, Any], path: Path_, key: str) -> dict[str, Any]:
    """Return *document* with the last key of *path* written as *key*."""
    changed = copy.deepcopy(document)
    place: Any = changed
    for step in path[:-1]:
        place = place[step]
    for name in list(place):  # the order stays as it was
        place[key if name == path[-1] else name] = place.pop(name)
    return changed


EVERY_KEY = [
    pytest.param(manifest, path, id=f"{manifest}:{'.'.join(map(str, path))}")
    for manifest in MANIFESTS
    for path in keys(manifest.document)
]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=str)
def test_every_manifest_is_valid(manifest: Manifest) -> None:
    """A cluster, or kustomize, would take it: nothing unknown, missing or of the wrong type."""
    validate(manifest)


@pytest.mark.parametrize(
    "manifest",
    [manifest for manifest in MANIFESTS if manifest.kind not in OURS and manifest.kind[0]],
    ids=str,
)
def test_kubernetes_validate_says_the_same(manifest: Manifest) -> None:
    """The library's own strict check, against the newest Kubernetes it knows, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kubernetes_validate.validate(
            manifest.document, kubernetes_validate.latest_version(), strict=True
        )


@pytest.mark.parametrize(("manifest", "path"), EVERY_KEY)
def test_a_misspelt_key_is_caught(manifest: Manifest, path: Path_) -> None:
    """A letter too many, one too few, or the wrong case: whichever key of whichever manifest."""
    key = str(path[-1])

    for wrong in (key + key[-1], key[:-1] or "x", key[0].swapcase() + key[1:]):
        document = misspelt(manifest.document, path, wrong)
        with pytest.raises(ManifestError):
            validate(Manifest(file=manifest.file, index=manifest.index, document=document))


def test_the_keys_that_are_misspelt_are_all_there_are() -> None:
    """No file is passed over: hundreds of keys, and each YAML file of deploy/knative is there."""
    files = {manifest.file for manifest in MANIFESTS}
    pipeline_file = DEPLOY / "knative" / "base" / "config" / "bridge.yaml"

    assert set((DEPLOY / "knative").rglob("*.yaml")) - files == {pipeline_file}
    assert len(EVERY_KEY) > 500


def of(file: str, index: int = 0) -> Manifest:
    """Return document *index* of *file* below deploy/knative."""
    return read(DEPLOY / "knative" / file)[index]


def changed(manifest: Manifest, path: str, value: Any) -> Manifest:
    """Return *manifest* with *value* at the dotted *path*."""
    document = copy.deepcopy(manifest.document)
    *steps, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    place: Any = document
    for step in steps:
        place = place[step]
    place[last] = value
    return Manifest(file=manifest.file, index=manifest.index, document=document)


POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
WRONG = [
    ("deployment/bridge.yaml", 0, f"{CONTAINER}.ports.0.containerPort", "eighty"),
    ("deployment/bridge.yaml", 0, f"{CONTAINER}.readinessProbe.periodSeconds", "2s"),
    ("deployment/bridge.yaml", 0, f"{CONTAINER}.securityContext.runAsNonRoot", "yes"),
    ("deployment/bridge.yaml", 0, f"{CONTAINER}.resources.limits.memory", "12Gx"),
    ("deployment/bridge.yaml", 0, f"{CONTAINER}.args", "run"),
    ("deployment/bridge.yaml", 0, f"{POD}.terminationGracePeriodSeconds", "30"),
    ("deployment/bridge.yaml", 0, "spec.replicas", "two"),
    ("deployment/bridge.yaml", 0, "apiVersion", "apps/v2"),
    ("deployment/bridge.yaml", 0, "kind", "Deploymnt"),
    ("deployment/bridge.yaml", 1, "spec.ports.0.port", "eighty"),
    ("base/iris-trigger.yaml", 0, "spec.delivery.backoffPolicy", "exponental"),
    ("base/iris-trigger.yaml", 0, "spec.delivery.backoffDelay", "PT0.2X"),
    ("base/iris-trigger.yaml", 0, "spec.delivery.backoffDelay", "1s"),
    ("base/iris-trigger.yaml", 0, "spec.delivery.retry", "eight"),
    ("base/iris-trigger.yaml", 0, "spec.delivery.retry", -1),
    ("base/iris-trigger.yaml", 0, "spec.filter.attributes.type", 1),
    ("base/iris-trigger.yaml", 0, "spec.subscriber", {}),
    ("serving/bridge.yaml", 0, "spec.template.spec.containerConcurrency", "64"),
    ("serving/bridge.yaml", 0, "spec.template.spec.timeoutSeconds", "60s"),
    ("serving/bridge.yaml", 0, f"{CONTAINER}.ports.0.name", "http"),
    ("serving/bridge.yaml", 0, f"{CONTAINER}.env", [{"name": "PORT", "value": "8080"}]),
    ("serving/bridge.yaml", 0, f"{CONTAINER}.lifecycle", {"preStop": {"sleep": {"seconds": 5}}}),
    ("serving/bridge.yaml", 0, f"{CONTAINER}.resources.limits.cpu", "one"),
    ("sink-binding/sink-binding.yaml", 0, "spec.sink.ref.kind", ""),
    ("deployment/kustomization.yaml", 0, "resources", "bridge.yaml"),
    ("base/kustomization.yaml", 0, "configMapGenerator.1.literals.0", "MODEL_URL"),
]


@pytest.mark.parametrize(("file", "index", "path", "value"), WRONG)
def test_a_wrong_value_is_caught(file: str, index: int, path: str, value: object) -> None:
    """Types, choices, durations and quantities; the error says the file and, where, the path."""
    with pytest.raises(ManifestError) as caught:
        validate(changed(of(file, index), path, value))

    assert file in str(caught.value)


def test_an_error_says_file_object_path_and_cause() -> None:
    """Whoever reads the red test knows what to type."""
    broken = changed(of("base/iris-trigger.yaml"), "spec.delivery.backoffPolicy", "exponental")

    with pytest.raises(ManifestError) as caught:
        validate(broken)

    assert str(caught.value) == (
        "deploy/knative/base/iris-trigger.yaml#0: Trigger seldon-eventing-sklearn-trigger: "
        "spec.delivery.backoffPolicy: 'exponental' is not one of ['linear', 'exponential']"
    )


def test_a_kind_without_a_schema_says_what_to_add(tmp_path: Path) -> None:
    """A new kind never passes unseen."""
    file = tmp_path / "new.yaml"
    file.write_text("apiVersion: example.com/v1\nkind: Novelty\nmetadata: {name: x}\n")
    (manifest,) = below(tmp_path)

    with pytest.raises(ManifestError, match=r"OURS in tests/manifests\.py"):
        validate(manifest)


def test_a_file_that_is_no_manifest_says_what_to_add(tmp_path: Path) -> None:
    """Neither does a file nobody knows."""
    (tmp_path / "values.yml").write_text("replicas: 2\n")

    with pytest.raises(ManifestError, match="KINDLESS"):
        below(tmp_path)


def test_a_key_given_twice_is_caught() -> None:
    """YAML itself would take the last one in silence."""
    with pytest.raises(ManifestError, match="given twice"):
        parsed("metadata: {name: a}\nmetadata: {name: b}\n")


def test_a_patch_may_leave_out_but_not_misspell() -> None:
    """`partial` is for patches: required fields may be missing, unknown ones may not be there."""
    container = {"name": "bridge", "envFrom": [{"secretRef": {"name": "x"}}]}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "iris-bridge"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    manifest = Manifest(file=ROOT / "x.yaml", index=0, document=patch)

    validate(manifest, partial=True)
    container["envfrom"] = container.pop("envFrom")
    with pytest.raises(ManifestError, match="envfrom"):
        validate(manifest, partial=True)


def test_every_known_name_is_in_use() -> None:
    """A label or annotation that no manifest has any more, nor a page, is known no more."""
    used: set[str] = set()

    def collect(value: Any, path: tuple[str, ...] = ()) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if isinstance(value, dict) and names_below(path, value) is not None:
                used.add(key)
            if isinstance(item, dict | list):
                collect(item, (*path, str(key)))

    pages = [manifest for page in (ROOT / "docs").glob("*.md") for manifest in shown(page)]
    for manifest in [*MANIFESTS, *pages]:
        collect(manifest.document)

    assert (LABELS | ANNOTATIONS) - used == set()


def test_every_schema_is_closed() -> None:
    """No object of ours takes an unknown key, but where its keys are names."""
    open_: list[str] = []

    def look(schema: Any, path: str) -> None:
        if isinstance(schema, dict):
            is_object = "properties" in schema and schema.get("type") == "object"
            if is_object and schema.get("additionalProperties") is not False:
                open_.append(path)
            for key, item in schema.items():
                look(item, f"{path}.{key}")
        elif isinstance(schema, list):
            for index, item in enumerate(schema):
                look(item, f"{path}.{index}")

    for file in SCHEMAS.glob("*.json"):
        look(parsed(file.read_text())[0], file.name)

    assert open_ == []
