"""What deploy/kafka/knative says of Knative, of Kafka and of the bridge fits together.

KafkaSource ─▶ Service ─▶ the bridge, with the transformer of examples/mnist beside its file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import app
from bridge.config.pipeline import FileOptions, PipelineOptions
from tests.fakes_usercode import nothing_loaded
from tests.kustomizations import collected
from tests.manifests import ROOT, Manifest, ManifestError, validate

FOLDER = ROOT / "deploy" / "kafka" / "knative"
FILE = FOLDER / "config" / "bridge.yaml"
EXAMPLE = ROOT / "examples" / "mnist"
STACK = collected(FOLDER)

DEPLOYMENT = "apps/v1 Deployment"
SOURCE = "sources.knative.dev/v1 KafkaSource"
SINK = "eventing.knative.dev/v1alpha1 KafkaSink"
NAME = "mnist-bridge"


def pipeline(file: Path) -> dict[str, Any]:
    """Return the one pipeline of *file*."""
    (found,) = yaml.safe_load(file.read_text())["pipelines"].values()
    assert isinstance(found, dict)
    return found


def pod() -> dict[str, Any]:
    """Return the bridge's pod."""
    found: dict[str, Any] = STACK.named(DEPLOYMENT, NAME)["spec"]["template"]["spec"]
    return found


def container() -> dict[str, Any]:
    """Return the bridge's container."""
    (found,) = pod()["containers"]
    assert isinstance(found, dict)
    return found


def mounted() -> dict[str, set[str]]:
    """Return the names of the files in each folder of the container."""
    found = {}
    for mount in container()["volumeMounts"]:
        (volume,) = [volume for volume in pod()["volumes"] if volume["name"] == mount["name"]]
        maps = [one["configMap"]["name"] for one in volume.get("projected", {}).get("sources", ())]
        secret = volume.get("secret", {}).get("items", ())
        assert mount["readOnly"] is True
        found[mount["mountPath"]] = {
            *(file for name in maps for file in STACK.generated[name]),
            *(item["path"] for item in secret),
        }
    return found


def test_the_deployed_pipeline_is_the_example_with_another_way_in() -> None:
    """Transformer, model, response, sinks and dead letter, but for addresses and secrets."""

    def bare(section: Any) -> Any:
        if isinstance(section, list):
            return [bare(item) for item in section]
        if isinstance(section, dict):
            hidden = ("tls", "sasl", "idempotent", "access_key", "secret_key")
            return {
                name: bare(item) for name, item in section.items() if not name.startswith(hidden)
            }
        return re.sub(r":[^}]*}", "}", section) if isinstance(section, str) else section

    deployed, example = bare(pipeline(FILE)), bare(pipeline(EXAMPLE / "bridge.yaml"))
    module, _, name = deployed["transformer"].pop("type").partition(":")

    assert (module, name) == ("ImageTransformer", "ImageTransformer")
    assert example["transformer"].pop("type").endswith(f":{name}")
    assert (deployed.pop("source")["type"], example.pop("source")["type"]) == ("http", "kafka")
    assert deployed == example


def test_listing_is_the_example_with_another_way_in() -> None:
    """The same for a store without notifications."""
    listing, example = pipeline(EXAMPLE / "listing.yaml"), pipeline(EXAMPLE / "bridge.yaml")

    source = listing.pop("source")
    del example["source"]

    assert source["listing"]["store"] == example["sinks"][0]["store"]
    assert source["buckets"] == [example["transformer"]["options"]["bucket"]]
    assert listing == example


def test_every_file_is_mounted_where_the_bridge_reads_it() -> None:
    """The pipeline's file with its transformer beside it; certificate, passwords and keys."""
    wanted = set(re.findall(r"/etc/(?:kafka|minio)/[\w./-]+", FILE.read_text()))
    there = {f"{folder}/{name}" for folder, names in mounted().items() for name in names}
    program = {f"/etc/bridge/{name}" for name in ("ImageTransformer.py", "digit_image.py")}

    assert container()["args"] == ["run", "/etc/bridge/bridge.yaml"]
    assert there == wanted | program | {"/etc/bridge/bridge.yaml"}


def test_every_module_of_the_transformer_is_there() -> None:
    """What it imports of its own folder is in the ConfigMap too."""
    there = {Path(name).stem for name in STACK.generated["mnist-transformer"]}
    own = {path.stem for path in EXAMPLE.glob("*.py")}
    imported = {
        name
        for text in STACK.generated["mnist-transformer"].values()
        for name in re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE)
    }

    assert imported & own <= there


def test_the_file_is_fit_to_run(tmp_path: Path) -> None:
    """`bridge check` has nothing to say of it, with the Secrets' files and the transformer."""
    import trustme

    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    for name in ("password", "access-key", "secret-key"):
        (tmp_path / name).write_text("correct-horse")
    for name, text in STACK.generated["mnist-transformer"].items():
        (tmp_path / name).write_text(text)
    text = re.sub(r"/etc/(kafka|minio)", str(tmp_path), FILE.read_text())
    (tmp_path / "bridge.yaml").write_text(text)

    with nothing_loaded():
        loaded = app.load(tmp_path / "bridge.yaml", STACK.generated["mnist-bridge-environment"])

    assert (list(loaded.lines), list(loaded.warnings)) == (["mnist"], [])


def test_every_variable_is_one_that_somebody_reads() -> None:
    """A misspelt one would be nothing."""
    wanted = set(re.findall(r"\$\{(\w+)", FILE.read_text()))

    assert set(STACK.generated["mnist-bridge-environment"]) == wanted


def test_what_knative_reads_is_what_minio_writes_and_it_posts_to_the_bridge() -> None:
    """The topic and the group of the example, the Service of the bridge, and its port."""
    spec = STACK.named(SOURCE, "mnist")["spec"]
    example = pipeline(EXAMPLE / "bridge.yaml")["source"]
    service = STACK.named("v1 Service", spec["sink"]["ref"]["name"])["spec"]
    pods = STACK.named(DEPLOYMENT, NAME)["spec"]["template"]["metadata"]["labels"]

    assert spec["topics"] == example["topics"]
    assert spec["consumerGroup"] == example["group_id"]
    assert spec["bootstrapServers"] == [STACK.generated["mnist-bridge-environment"]["KAFKA_BROKER"]]
    assert service["selector"] == pods
    assert (service["ports"][0]["targetPort"], container()["ports"][0]["name"]) == ("http", "http")


def test_what_cannot_be_delivered_is_kept() -> None:
    """Knative passes over an event whose tries are used up, unless it has a dead letter sink."""
    delivery = STACK.named(SOURCE, "mnist")["spec"]["delivery"]
    sink = STACK.named(SINK, delivery["deadLetterSink"]["ref"]["name"])["spec"]
    pauses = delivery["retry"] * (delivery["retry"] + 1) / 2 * 5

    assert sink["topic"] == pipeline(FILE)["dead_letter"]["topic"]
    assert (delivery["backoffPolicy"], delivery["backoffDelay"]) == ("linear", "PT5S")
    assert pauses >= 7 * 3600


def test_the_bridge_answers_before_knative_gives_up_on_it() -> None:
    """Otherwise an event would be sent again while the first is still under way."""
    timeout = STACK.named(SOURCE, "mnist")["spec"]["delivery"]["timeout"]
    deadline = PipelineOptions.model_fields["deadline_seconds"].default
    lifecycle = FileOptions.model_fields["lifecycle"].default

    assert int(timeout.removeprefix("PT").removesuffix("S")) > deadline
    assert pod()["terminationGracePeriodSeconds"] > (
        lifecycle.shutdown_delay_seconds + lifecycle.drain_seconds
    )


def test_the_image_can_read_images() -> None:
    """It is the one that a target of the Dockerfile makes with Pillow in it."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    extras = re.search(r"AS mnist-environment\n(?:.*\n)*?.*\[([\w,]+)\]", dockerfile)

    assert container()["image"] in STACK.images
    assert container()["image"] == "inference-bridge-mnist"
    assert extras is not None
    assert {"images", "kafka", "objects"} <= set(extras[1].split(","))


def test_no_password_is_written_down() -> None:
    """All are of Secrets that the page says how to make, and each key is one that is read."""
    text = "\n".join(file.read_text() for file in STACK.files)
    secrets = {volume["secret"]["secretName"] for volume in pod()["volumes"] if "secret" in volume}

    assert "kind: Secret" not in text
    assert secrets == {"mnist-kafka", "mnist-minio"}
    assert (
        STACK.named(SINK, "mnist-undelivered")["spec"]["auth"]["secret"]["ref"]["name"] in secrets
    )


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        (SOURCE, "mnist", "spec.topics", "mnist"),
        (SOURCE, "mnist", "spec.consumers", "3"),
        (SOURCE, "mnist", "spec.ordering", "orderd"),
        (SOURCE, "mnist", "spec.initialOffset", "beginning"),
        (SOURCE, "mnist", "spec.sink", {}),
        (SOURCE, "mnist", "spec.delivery.backoffDelay", "5s"),
        (SOURCE, "mnist", "spec.net.sasl.user", {"secretKeyRef": {"name": "mnist-kafka"}}),
        (SINK, "mnist-undelivered", "spec.contentMode", "batched"),
        (SINK, "mnist-undelivered", "spec.auth", {}),
        (SINK, "mnist-undelivered", "spec.bootstrapServers", []),
    ],
)
def test_a_wrong_value_is_caught(kind: str, name: str, path: str, value: object) -> None:
    """Text for a list, choices, durations, and what has to be there."""
    (manifest,) = [found for found in STACK.of(kind) if found.name == name]
    document = yaml.safe_load(yaml.safe_dump(manifest.document))
    *steps, last = path.split(".")
    place: Any = document
    for step in steps:
        place = place[step]
    place[last] = value

    with pytest.raises(ManifestError):
        validate(Manifest(file=manifest.file, index=manifest.index, document=document))
