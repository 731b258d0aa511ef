"""Is a manifest what a cluster would take? Every key of it, without a cluster.

    *.yaml ─▶ documents ─▶ Kubernetes' kinds: its own schema, strict (kubernetes-validate)
                      └──▶ other kinds: tests/schemas, closed for unknown keys
                      └──▶ then names that no schema knows: labels, annotations, resources

A kind without a schema, and a file that is no manifest, is an error that says what to add. Nothing
passes because nobody looked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import kubernetes_validate
import yaml
from referencing import Registry, Resource

ROOT: Final = Path(__file__).parents[1]
SCHEMAS: Final = ROOT / "tests" / "schemas"

#: The oldest Kubernetes that the manifests are for.
KUBERNETES: Final = "1.31"

#: Kinds that Kubernetes does not bring: a line here, and a closed schema in tests/schemas.
OURS: Final = {
    ("eventing.knative.dev/v1", "Broker"): "broker.json",
    ("eventing.knative.dev/v1", "Trigger"): "trigger.json",
    ("serving.knative.dev/v1", "Service"): "knative-service.json",
    ("sources.knative.dev/v1", "SinkBinding"): "sink-binding.json",
    ("sources.knative.dev/v1", "KafkaSource"): "kafka-source.json",
    ("eventing.knative.dev/v1alpha1", "KafkaSink"): "kafka-sink.json",
    ("kafka.strimzi.io/v1", "KafkaTopic"): "kafka-topic.json",
    ("kafka.strimzi.io/v1", "KafkaUser"): "kafka-user.json",
    ("keda.sh/v1alpha1", "ScaledObject"): "scaled-object.json",
    ("keda.sh/v1alpha1", "TriggerAuthentication"): "trigger-authentication.json",
    ("kustomize.config.k8s.io/v1beta1", "Kustomization"): "kustomization.json",
    ("kustomize.config.k8s.io/v1alpha1", "Component"): "kustomization.json",
}

#: Files without a kind that are checked as well, by a key that only they have at the top.
KINDLESS: Final = {"nameReference": "kustomize-configuration.json"}

#: Files that are no manifest at all, by such a key; the tests of their own hold them.
#: `pipelines` is the bridge's file; `groups`, `rule_files` are Prometheus' rules and their tests.
FOREIGN: Final = ("pipelines", "groups", "rule_files")

#: Labels and annotations are free to Kubernetes, so a typing error in one is silent. Here it is
#: an unknown name: whoever uses a new one adds it.
LABELS: Final = frozenset(
    {
        "app.kubernetes.io/name",
        "kubernetes.io/metadata.name",
        "networking.knative.dev/visibility",
        "strimzi.io/cluster",
    }
)
ANNOTATIONS: Final = frozenset(
    {
        "autoscaling.knative.dev/max-scale",
        "autoscaling.knative.dev/min-scale",
        "autoscaling.knative.dev/target-utilization-percentage",
        "prometheus.io/path",
        "prometheus.io/port",
        "prometheus.io/scrape",
    }
)
#: The same for attributes that Triggers filter by: an extension of ours is added here.
ATTRIBUTES: Final = frozenset(
    {"datacontenttype", "dataschema", "id", "source", "specversion", "subject", "time", "type"}
)
RESOURCES: Final = frozenset({"cpu", "ephemeral-storage", "memory"})

#: Which names are known below a key, wherever it stands.
NAMES: Final = {
    "labels": LABELS,
    "matchLabels": LABELS,
    "annotations": ANNOTATIONS,
    "attributes": ATTRIBUTES,
    "requests": RESOURCES,
    "limits": RESOURCES,
}

#: A Kubernetes quantity, which its schema takes any text for.
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")

_DEFINITIONS = "https://kubernetes.io/api/_definitions.json"


class ManifestError(Exception):
    """A document that a cluster would not take; the text says file, object, path and cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One document of a file."""

    file: Path
    index: int
    document: dict[str, Any]

    def __str__(self) -> str:
        shown = self.file.relative_to(ROOT) if self.file.is_relative_to(ROOT) else self.file
        return f"{shown}#{self.index}"

    @property
    def kind(self) -> tuple[str, str]:
        """Its apiVersion and kind, empty where it has none."""
        return str(self.document.get("apiVersion", "")), str(self.document.get("kind", ""))

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.document.get("metadata", {}).get("name", ""))


def below(folder: Path) -> list[Manifest]:
    """Return every document of every YAML file below *folder* that `validate` can judge.

    Raise ManifestError for one that is neither a manifest nor known to be something else.
    """
    files = sorted(path for end in ("yaml", "yml") for path in folder.rglob(f"*.{end}"))
    return [manifest for file in files for manifest in read(file)]


def read(file: Path) -> list[Manifest]:
    """Return the documents of *file* that `validate` can judge; raise ManifestError."""
    return list(_manifests(file, file.read_text(encoding="utf-8")))


def shown(page: Path) -> list[Manifest]:
    """Return the manifests and patches in the YAML blocks of *page*, numbered by their block."""
    return [
        Manifest(file=page, index=number, document=document)
        for number, block in enumerate(blocks(page.read_text(encoding="utf-8"), "yaml"))
        for document in parsed(block, page.name)
        if "apiVersion" in document or "kind" in document
    ]


def blocks(page: str, language: str) -> list[str]:
    """Return the fenced blocks in *language* of a page of Markdown."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def parsed(text: str, where: str = "the text") -> list[dict[str, Any]]:
    """Return the documents of *text*, empty ones left out.

    Raise ManifestError if it is no YAML, gives a key twice, or holds anything but mappings.
    """
    try:
        documents = [found for found in yaml.load_all(text, Loader=_Loader) if found is not None]
    except yaml.YAMLError as error:
        raise ManifestError(f"{where}: {error}") from error
    for found in documents:
        if not isinstance(found, dict):
            raise ManifestError(f"{where}: expected a mapping, found {type(found).__name__}")
    return documents


def validate(manifest: Manifest, *, partial: bool = False) -> None:
    """Return if a cluster, or kustomize, would take *manifest*; raise ManifestError otherwise.

    *partial*: it is a patch, so what is missing is no error.
    """
    found = [
        error
        for error in validator(manifest).iter_errors(manifest.document)
        if not (partial and _only_missing(error))
    ]
    if found:
        worst = jsonschema.exceptions.best_match(found)
        place = ".".join(map(str, worst.absolute_path)) or "at the top"
        raise ManifestError(f"{_title(manifest)}: {place}: {worst.message[:300]}")
    for path, problem in _names(manifest.document):
        raise ManifestError(f"{_title(manifest)}: {'.'.join(path)}: {problem}")


def validator(manifest: Manifest) -> jsonschema.Draft202012Validator:
    """Return what judges *manifest*, made once; raise ManifestError for a kind without a schema."""
    kind = manifest.kind
    if not any(kind):
        for key, schema in KINDLESS.items():
            if key in manifest.document:
                return _validator(schema)
    if kind in OURS:
        return _validator(OURS[kind])
    try:
        return _kubernetes(*kind)
    except (FileNotFoundError, kubernetes_validate.SchemaNotFoundError) as error:
        raise ManifestError(
            f"{manifest}: no schema for kind {kind[1]!r} of {kind[0]!r}: a typing error, or a "
            "kind to add to tests/schemas and to OURS in tests/manifests.py"
        ) from error


def _manifests(file: Path, text: str) -> Iterator[Manifest]:
    for index, document in enumerate(parsed(text, str(file))):
        manifest = Manifest(file=file, index=index, document=document)
        if any(key in document for key in ("apiVersion", "kind", *KINDLESS)):
            yield manifest
        elif not any(key in document for key in FOREIGN):
            raise ManifestError(
                f"{manifest}: neither a manifest (no apiVersion, no kind) nor a file that "
                "tests/manifests.py knows (KINDLESS, FOREIGN)"
            )


def _title(manifest: Manifest) -> str:
    return f"{manifest}: {manifest.kind[1] or 'file'} {manifest.name}".rstrip()


def _only_missing(error: jsonschema.ValidationError) -> bool:
    """Whether *error* says no more than that something required is not there."""
    if error.validator in ("anyOf", "oneOf"):
        return all(map(_only_missing, error.context or ()))
    return error.validator == "required"


def _names(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where a name or a quantity stands that nobody knows, and what is wrong with it."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _names(item, (*path, str(index)))
    if not isinstance(value, dict):
        return
    known = names_below(path, value)
    for key, item in value.items():
        if known is not None and key not in known:
            yield (*path, key), f"unknown name, expected one of {', '.join(sorted(known))}"
        if known is RESOURCES and not _QUANTITY.fullmatch(str(item)):
            yield (*path, key), f"{item!r} is no quantity, expected one such as 250m or 128Mi"
        yield from _names(item, (*path, key))


def names_below(path: tuple[str, ...], value: Mapping[str, Any]) -> frozenset[str] | None:
    """Return the names that may stand in the mapping *value* at *path*, None for any."""
    if not path or not all(isinstance(item, str | int | float) for item in value.values()):
        return None
    if path[-1] == "selector":  # a Service's; a Deployment's has mappings in it
        return LABELS
    return NAMES.get(path[-1])


@cache
def _validator(schema: str) -> jsonschema.Draft202012Validator:
    resources = [json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))]
    wanted = json.loads((SCHEMAS / schema).read_text())
    jsonschema.Draft202012Validator.check_schema(wanted)
    registry = _definitions().with_resources(
        (resource["$id"], Resource.from_contents(resource)) for resource in resources
    )
    return jsonschema.Draft202012Validator(wanted, registry=registry)


@cache
def _kubernetes(api_version: str, kind: str) -> jsonschema.Draft202012Validator:
    """Return what `kubernetes_validate.validate(strict=True)` makes anew for every call."""
    # "networking.k8s.io/v1" is "networking-v1" in the names of its files.
    group = re.sub(r"^([^./]*)(?:\.[^/]*)?/", r"\1-", api_version)
    schema = _bundled(f"{kind.lower()}-{group}")
    return jsonschema.Draft202012Validator(schema, registry=_definitions())


@cache
def _definitions() -> Registry[Any]:
    registry: Registry[Any] = Registry()
    return registry.with_resource(_DEFINITIONS, Resource.from_contents(_bundled("_definitions")))


def _bundled(name: str) -> Any:
    version = [
        version
        for version in kubernetes_validate.utils.all_versions()
        if kubernetes_validate.utils.major_minor(version) == KUBERNETES
    ][-1]
    path = f"kubernetes-json-schema/v{version}-local-strict/{name}.json"
    return kubernetes_validate.utils.schema_contents(path, KUBERNETES)


class _Loader(yaml.SafeLoader):
    """Safe, and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
