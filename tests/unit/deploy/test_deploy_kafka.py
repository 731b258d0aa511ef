"""What deploy/kafka says of Kafka, of KEDA and of the bridge fits together.

A schema cannot know that more pods than partitions have nothing to do, that a user may not
write where the file wants it to, or that records under way do not fit the memory.
"""

from __future__ import annotations

import copy
import itertools
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import app
from bridge.config.pipeline import FileOptions
from bridge.sinks.kafka import KafkaSinkOptions
from bridge.sources.kafka import LAST_COMMIT_SECONDS
from bridge.sources.kafka_options import KafkaSourceOptions
from tests.kustomizations import Stack, collected
from tests.manifests import ROOT, Manifest, ManifestError, read, validate

KAFKA = ROOT / "deploy" / "kafka"
FILE = KAFKA / "base" / "config" / "bridge.yaml"
EXAMPLE = ROOT / "examples" / "kafka" / "bridge.yaml"

#: What an operator applies, beside the topics and the user.
ROOTS = ("base", "keda")
STACKS = {name: collected(KAFKA / name) for name in ROOTS}
STRIMZI = collected(KAFKA / "strimzi")

DEPLOYMENT = "apps/v1 Deployment"
NAME = "iris-kafka-bridge"

#: The process itself, with room to breathe: docs/deploying.md, "Sizing".
PROCESS_MIB = 200
MIB = 1024 * 1024

bridge_stacks = pytest.mark.parametrize("stack", STACKS.values(), ids=list(STACKS))


def pod(stack: Stack) -> dict[str, Any]:
    """Return the bridge's pod."""
    template: dict[str, Any] = stack.named(DEPLOYMENT, NAME)["spec"]["template"]["spec"]
    return template


def container(stack: Stack) -> dict[str, Any]:
    """Return the bridge's container."""
    (found,) = pod(stack)["containers"]
    assert isinstance(found, dict)
    return found


def pipeline() -> dict[str, Any]:
    """Return the one pipeline of the file that is deployed."""
    (found,) = yaml.safe_load(FILE.read_text())["pipelines"].values()
    assert isinstance(found, dict)
    return found


def source() -> KafkaSourceOptions:
    """Return the options of the deployed source."""
    options = {name: value for name, value in pipeline()["source"].items() if name != "type"}
    return KafkaSourceOptions(**options)


def topic(name: str) -> dict[str, Any]:
    """Return what is said of the topic *name*."""
    spec: dict[str, Any] = STRIMZI.named("kafka.strimzi.io/v1 KafkaTopic", name)["spec"]
    return spec


def scaled() -> dict[str, Any]:
    """Return what KEDA is told."""
    spec: dict[str, Any] = STACKS["keda"].named("keda.sh/v1alpha1 ScaledObject", NAME)["spec"]
    return spec


def trigger() -> dict[str, str]:
    """Return what KEDA is told to look at."""
    (found,) = scaled()["triggers"]
    metadata: dict[str, str] = found["metadata"]
    return metadata


def environment(stack: Stack) -> dict[str, str]:
    """Return what the container finds in its environment."""
    environ: dict[str, str] = {}
    for entry in container(stack)["envFrom"]:
        environ |= stack.generated[entry["configMapRef"]["name"]]
    for variable in container(stack)["env"]:
        environ[variable["name"]] = variable.get("value", "default")
    return environ


def lifecycle() -> tuple[float, float]:
    """Return shutdown delay and drain of the deployed file, in seconds."""
    default = FileOptions.model_fields["lifecycle"].default
    own = yaml.safe_load(FILE.read_text())["lifecycle"]
    return own["shutdown_delay_seconds"], own.get("drain_seconds", default.drain_seconds)


def test_the_deployed_file_is_the_example_with_tls_and_a_password() -> None:
    """What runs in the cluster is what the demo and docs/scaling.md speak of."""

    def bare(section: Any) -> Any:
        if isinstance(section, list):
            return [bare(item) for item in section]
        if isinstance(section, dict):
            hidden = {"tls", "sasl", "max_record_bytes"}
            return {name: bare(item) for name, item in section.items() if name not in hidden}
        return re.sub(r":[^}]*}", "}", section) if isinstance(section, str) else section

    assert bare(yaml.safe_load(FILE.read_text())) == bare(yaml.safe_load(EXAMPLE.read_text()))
    for part in (pipeline()["source"], *pipeline()["sinks"], pipeline()["dead_letter"]):
        assert part["tls"] == {"ca_file": "/etc/kafka/ca/ca.crt"}
        assert part["sasl"]["password_file"] == "/etc/kafka/user/password"


@bridge_stacks
def test_every_variable_is_one_that_somebody_reads(stack: Stack) -> None:
    """A misspelt variable would silently be a default, or nothing."""
    wanted = set(re.findall(r"\$\{(\w+)", FILE.read_text()))

    assert set(environment(stack)) - {"NAMESPACE"} == wanted


def test_the_file_is_fit_to_run(tmp_path: Path) -> None:
    """`bridge check` has nothing to say of it, with the files of the Secrets beside it."""
    import trustme

    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    (tmp_path / "password").write_text("correct-horse")
    text = re.sub(r"/etc/kafka/(ca|user)", str(tmp_path), FILE.read_text())
    (tmp_path / "bridge.yaml").write_text(text)

    loaded = app.load(tmp_path / "bridge.yaml", environment(STACKS["base"]))

    assert (list(loaded.lines), list(loaded.warnings)) == (["simple-iris-deployment"], [])


@bridge_stacks
def test_every_file_is_mounted_where_the_bridge_reads_it(stack: Stack) -> None:
    """The pipeline file from its ConfigMap; certificate and password from Secrets, read-only."""
    mounts = {mount["name"]: mount for mount in container(stack)["volumeMounts"]}
    there = set()
    for volume in pod(stack)["volumes"]:
        names = (
            [item["path"] for item in volume["secret"]["items"]]
            if "secret" in volume
            else list(stack.generated[volume["configMap"]["name"]])
        )
        assert mounts[volume["name"]]["readOnly"] is True
        there |= {f"{mounts[volume['name']]['mountPath']}/{name}" for name in names}
    wanted = set(re.findall(r"/etc/kafka/[\w./]+", FILE.read_text()))

    assert container(stack)["args"][0] == "run"
    assert there == wanted | {container(stack)["args"][1]}


@bridge_stacks
def test_no_password_is_written_down(stack: Stack) -> None:
    """Passwords are in Secrets, which are none of these files."""
    kinds = {manifest.kind[1] for manifest in [*stack.manifests, *STRIMZI.manifests]}

    assert "Secret" not in kinds
    assert all(not re.search(r"password: \S*[a-z0-9]{8}", file.read_text()) for file in stack.files)


@bridge_stacks
def test_the_user_is_the_one_that_strimzi_makes(stack: Stack) -> None:
    """Its name, the Secret with its password, and the mechanism."""
    (user,) = STRIMZI.of("kafka.strimzi.io/v1 KafkaUser")
    secrets = {
        volume["secret"]["secretName"]: volume["secret"]["items"][0]["key"]
        for volume in pod(stack)["volumes"]
        if "secret" in volume
    }
    sasl = source().sasl

    assert environment(stack)["KAFKA_USERNAME"] == user.name
    assert secrets[user.name] == "password"
    assert sasl is not None
    assert user.document["spec"]["authentication"]["type"] == sasl.mechanism.lower()


def test_the_user_may_do_what_the_file_wants_and_no_more() -> None:
    """Read the source's topics as its group, write to the others: no wildcard, no other name."""
    (user,) = STRIMZI.of("kafka.strimzi.io/v1 KafkaUser")
    may = {
        (rule["resource"]["type"], rule["resource"]["name"]): set(rule["operations"])
        for rule in user.document["spec"]["authorization"]["acls"]
    }
    read, write = {"Describe", "Read"}, {"Describe", "Write"}
    sinks = [*pipeline()["sinks"], pipeline()["dead_letter"]]

    assert may == {
        **{("topic", name): read for name in source().topics},
        ("group", source().group_id): read,
        **{("topic", sink["topic"]): write for sink in sinks},
    }
    for rule in user.document["spec"]["authorization"]["acls"]:
        assert rule["resource"]["patternType"] == "literal"


def test_every_topic_is_made_and_nothing_else() -> None:
    """In the same cluster; what one broker's loss leaves can still be written."""
    topics = STRIMZI.of("kafka.strimzi.io/v1 KafkaTopic")
    sinks = [*pipeline()["sinks"], pipeline()["dead_letter"]]

    assert {manifest.name for manifest in topics} == {
        *source().topics,
        *(sink["topic"] for sink in sinks),
    }
    for manifest in STRIMZI.manifests:
        assert manifest.document["metadata"]["labels"]["strimzi.io/cluster"] == "kafka"
    for manifest in topics:
        spec = manifest.document["spec"]
        assert 1 < spec["config"]["min.insync.replicas"] < spec["replicas"]


def test_a_dead_letter_fits_its_topic() -> None:
    """The largest record that Kafka takes by default, and what is added; kept the longest."""
    letters = topic(pipeline()["dead_letter"]["topic"])["config"]
    limit = pipeline()["dead_letter"]["max_record_bytes"]

    assert limit == letters["max.message.bytes"]
    assert limit >= KafkaSinkOptions.model_fields["max_record_bytes"].default + 64 * 1024
    for name in source().topics:
        assert "max.message.bytes" not in topic(name)["config"]
        assert letters["retention.ms"] > topic(name)["config"]["retention.ms"]


def test_keda_looks_at_what_the_source_reads() -> None:
    """The same brokers, group, topic, place to begin and credentials; and the same Deployment."""
    told, (authentication,) = trigger(), STACKS["keda"].of("keda.sh/v1alpha1 TriggerAuthentication")
    target = scaled()["scaleTargetRef"]
    sasl = source().sasl
    spec = authentication.document["spec"]
    secrets = {
        entry["parameter"]: (entry["name"], entry["key"]) for entry in spec["secretTargetRef"]
    }
    mounted = {
        (volume["secret"]["secretName"], volume["secret"]["items"][0]["key"])
        for volume in pod(STACKS["keda"])["volumes"]
        if "secret" in volume
    }
    (variable,) = spec["env"]

    assert [told["topic"]] == source().topics
    assert (told["consumerGroup"], told["offsetResetPolicy"]) == (
        source().group_id,
        source().auto_offset_reset,
    )
    assert told["bootstrapServersFromEnv"] in environment(STACKS["keda"])
    assert sasl is not None
    assert told["sasl"] == sasl.mechanism.replace("-", "_").lower().replace(
        "scram_sha_", "scram_sha"
    )
    assert told["tls"] == "enable"
    assert (target["kind"], target["name"]) == ("Deployment", NAME)
    assert set(secrets) == {"password", "ca"}
    assert set(secrets.values()) == mounted
    assert variable["name"] in environment(STACKS["keda"])
    assert variable["containerName"] == container(STACKS["keda"])["name"]
    assert scaled()["triggers"][0]["authenticationRef"]["name"] == authentication.name


def test_no_pod_is_without_a_partition() -> None:
    """At most as many pods as partitions, each with as many as the others; and never none."""
    (name,) = source().topics
    partitions, most = topic(name)["partitions"], scaled()["maxReplicaCount"]

    assert partitions % most == 0
    assert 1 <= scaled()["minReplicaCount"] <= most
    assert trigger()["ensureEvenDistributionOfPartitions"] == "true"
    assert "replicas" not in STACKS["keda"].named(DEPLOYMENT, NAME)["spec"]


def test_what_is_under_way_is_no_reason_for_more_pods() -> None:
    """A pod that works on all it may is not behind: its window is far below the threshold."""
    assert int(trigger()["lagThreshold"]) >= 2 * source().max_in_flight


def test_pods_go_more_slowly_than_they_come() -> None:
    """Each change is a rebalance; one that comes and goes would be two for nothing."""
    behaviour = scaled()["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    up, down = behaviour["scaleUp"], behaviour["scaleDown"]

    assert down["stabilizationWindowSeconds"] > up["stabilizationWindowSeconds"]
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]
    assert up["policies"][0]["periodSeconds"] > source().rebalance_timeout_seconds


@bridge_stacks
def test_the_grace_period_outlasts_the_drain_and_the_last_commit(stack: Stack) -> None:
    """SIGKILL never comes before the bridge itself would give up. Nobody has to be waited for."""
    delay, drain = lifecycle()

    assert delay == 0
    assert not stack.of("v1 Service")
    assert drain + LAST_COMMIT_SECONDS < pod(stack)["terminationGracePeriodSeconds"]


@bridge_stacks
def test_the_memory_limit_is_what_the_options_can_make_it_hold(stack: Stack) -> None:
    """Records under way and their requests, and what is fetched ahead for all partitions."""
    number, unit = re.fullmatch(
        r"([0-9]+)(Mi|Gi)", container(stack)["resources"]["limits"]["memory"]
    ).groups()
    (name,) = source().topics
    fetched = 2 * topic(name)["partitions"] * source().max_fetch_bytes
    held = 2 * source().max_in_flight_bytes + fetched

    assert held / MIB + PROCESS_MIB <= int(number) * {"Mi": 1, "Gi": 1024}[unit]


@bridge_stacks
def test_the_container_is_locked_up_and_its_probes_ask_the_bridge_alone(stack: Stack) -> None:
    """No root, nothing to write, no token; probes and metrics on the admin port."""
    (port,) = container(stack)["ports"]
    admin = FileOptions.model_fields["admin"].default.port
    template = stack.named(DEPLOYMENT, NAME)["spec"]["template"]

    assert container(stack)["securityContext"] == {
        "runAsNonRoot": True,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert pod(stack)["automountServiceAccountToken"] is False
    assert pod(stack)["enableServiceLinks"] is False
    assert port == {"name": "admin", "containerPort": admin}
    for probe, path in (
        ("startupProbe", "/readyz"),
        ("readinessProbe", "/readyz"),
        ("livenessProbe", "/healthz"),
    ):
        assert container(stack)[probe]["httpGet"] == {"path": path, "port": "admin"}
    assert template["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(admin),
        "prometheus.io/path": "/metrics",
    }


@bridge_stacks
def test_every_selector_finds_its_pods(stack: Stack) -> None:
    """The Deployment and its budget mean the same pods, and the account is there."""
    spec = stack.named(DEPLOYMENT, NAME)["spec"]
    budget = stack.named("policy/v1 PodDisruptionBudget", NAME)["spec"]
    labels = spec["template"]["metadata"]["labels"]

    assert labels == spec["selector"]["matchLabels"] == budget["selector"]["matchLabels"]
    assert [
        spread["labelSelector"]["matchLabels"] for spread in pod(stack)["topologySpreadConstraints"]
    ] == [labels]
    assert stack.named("v1 ServiceAccount", pod(stack)["serviceAccountName"])


@bridge_stacks
def test_the_image_is_named_in_one_place(stack: Stack) -> None:
    """A stand-in that deploy/knative/image puts the image in for."""
    assert container(stack)["image"] in stack.images
    assert all("dev.local/" not in file.read_text() for file in KAFKA.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("file", "path", "value"),
    [
        ("keda/scaled-object.yaml", "spec.triggers.0.metadata.lagThreshold", 2000),
        ("keda/scaled-object.yaml", "spec.triggers.0.metadata.sasl", "scram-sha-512"),
        ("keda/scaled-object.yaml", "spec.triggers.0.type", "kafak"),
        ("keda/scaled-object.yaml", "spec.maxReplicaCount", "6"),
        ("keda/scaled-object.yaml", "spec.scaleTargetRef", {}),
        ("strimzi/topics.yaml", "spec.partitions", "12"),
        ("strimzi/topics.yaml", "spec.config", {"retention_ms": 1}),
        ("strimzi/topics.yaml", "metadata.labels", {}),
        ("strimzi/user.yaml", "spec.authorization.acls.0.operations", ["Raed"]),
        ("strimzi/user.yaml", "spec.authentication.type", "scram-sha-256"),
    ],
)
def test_a_wrong_value_is_caught(file: str, path: str, value: object) -> None:
    """Numbers as text and text as numbers, choices, and what has to be there."""
    manifest = read(KAFKA / file)[0]
    document = copy.deepcopy(manifest.document)
    *steps, last = (int(step) if step.isdecimal() else step for step in path.split("."))
    place: Any = document
    for step in steps:
        place = place[step]
    place[last] = value

    with pytest.raises(ManifestError):
        validate(Manifest(file=manifest.file, index=0, document=document))


def test_the_page_says_what_the_manifests_say() -> None:
    """The numbers of docs/scaling.md are those that are applied."""
    page = (ROOT / "docs" / "scaling.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| ([\w.]+) \|", page, re.MULTILINE))
    (name,) = source().topics

    assert rows["minReplicaCount"] == str(scaled()["minReplicaCount"])
    assert rows["maxReplicaCount"] == str(scaled()["maxReplicaCount"])
    for setting in ("lagThreshold", "version", "ensureEvenDistributionOfPartitions"):
        assert rows[setting] == trigger()[setting]
    assert f"never more than partitions ({topic(name)['partitions']})" in page
    assert f"`max_in_flight_bytes` ({source().max_in_flight_bytes // MIB} MiB)" in page
    (name,) = source().topics
    fetched = 2 * topic(name)["partitions"] * source().max_fetch_bytes
    held = (2 * source().max_in_flight_bytes + fetched) // MIB + PROCESS_MIB
    assert f"on one pod that is {held} MiB" in page


def test_no_file_is_left_out() -> None:
    """Every YAML file of deploy/kafka is part of a kustomization."""
    in_use = {
        file.resolve()
        for file in itertools.chain(
            *(stack.files for stack in (*STACKS.values(), STRIMZI, collected(KAFKA / "knative")))
        )
    }

    assert {file.resolve() for file in KAFKA.rglob("*.yaml")} - in_use == set()
