"""What the manifests say of each other, of the image and of the bridge fits together.

A schema cannot know that a Service selects no pod, that a probe asks a port nobody listens
on, or that the grace period ends before the drain does.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import app
from bridge.app import presets
from bridge.broker import durations, triggers
from bridge.broker.retries import backoff_seconds
from bridge.codecs import json as json_format
from bridge.config.pipeline import FileOptions, PipelineOptions
from bridge.sources.http import HttpSource
from tests.kustomizations import Stack, collected
from tests.manifests import ROOT, read

KNATIVE = ROOT / "deploy" / "knative"
PIPELINE_FILE = KNATIVE / "base" / "config" / "bridge.yaml"

#: What an operator applies; the model is one of its own, and Seldon may be in its place.
ROOTS = ("deployment", "serving", "sink-binding")

#: How long Knative Serving's proxy drains before our process is told (serving v0.50.0,
#: pkg/queue/sharedmain: drainSleepDuration).
QUEUE_PROXY_SECONDS = 30

#: The process itself, with room to breathe: docs/deploying.md, "Sizing".
PROCESS_MIB = 200

MIB = 1024 * 1024


STACKS = {name: collected(KNATIVE / name) for name in (*ROOTS, "iris-model")}
DEPLOYMENT, SERVICE, KNATIVE_SERVICE = (
    "apps/v1 Deployment",
    "v1 Service",
    "serving.knative.dev/v1 Service",
)
TRIGGER = "eventing.knative.dev/v1 Trigger"

every_stack = pytest.mark.parametrize("stack", STACKS.values(), ids=list(STACKS))
bridge_stacks = pytest.mark.parametrize("stack", [STACKS[name] for name in ROOTS], ids=ROOTS)


def pods(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and pod template of everything that runs."""
    for manifest in stack.of(DEPLOYMENT, KNATIVE_SERVICE):
        yield manifest.name, manifest.document["spec"]["template"]


def containers(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and container of everything that runs; each pod has one."""
    for name, template in pods(stack):
        (container,) = template["spec"]["containers"]
        yield name, container


def ports(container: Mapping[str, Any]) -> dict[str, int]:
    """Return the container's ports by name."""
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def listened_on(container: Mapping[str, Any]) -> tuple[int, int]:
    """Return the port of events and the admin port, by the command that the container runs."""
    command, *arguments = container["args"]
    if command == "run":
        file = app.load(PIPELINE_FILE, {"MODEL_URL": "http://model"})
        (line,) = file.lines.values()
        assert line is not None
        return HttpSource.Options().port, FileOptions.model_fields["admin"].default.port
    given = dict(itertools.pairwise(arguments))
    return int(given["--port"]), int(given["--admin-port"])


def lifecycle(container: Mapping[str, Any]) -> tuple[float, float]:
    """Return shutdown delay and drain of the command that the container runs, in seconds."""
    default = FileOptions.model_fields["lifecycle"].default
    if container["args"][0] == "run":
        own = yaml.safe_load(PIPELINE_FILE.read_text()).get("lifecycle", {})
    else:
        display = presets.display(host="0.0.0.0", port=0, admin_port=0, json=False)
        component = presets.component("a:B", host="0.0.0.0", port=0, admin_port=0, threads=1)
        assert display["lifecycle"] == component["lifecycle"]
        own = display["lifecycle"]
    return (
        own.get("shutdown_delay_seconds", default.shutdown_delay_seconds),
        own.get("drain_seconds", default.drain_seconds),
    )


def mib(quantity: str) -> float:
    """Return a quantity of memory in MiB."""
    number, unit = re.fullmatch(r"([0-9.]+)(Mi|Gi)", quantity).groups()
    return float(number) * {"Mi": 1, "Gi": 1024}[unit]


def selected(stack: Stack, selector: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the pod templates that have all labels of *selector*."""
    return [
        template
        for _, template in pods(stack)
        if selector.items() <= template["metadata"]["labels"].items()
    ]


@every_stack
def test_every_selector_finds_its_pods(stack: Stack) -> None:
    """Deployments find their own pods, Services and budgets exactly one kind of pod."""
    for manifest in stack.manifests:
        spec = manifest.document.get("spec", {})
        if " ".join(manifest.kind) == SERVICE:
            selector = spec["selector"]
        elif manifest.kind in (("apps/v1", "Deployment"), ("policy/v1", "PodDisruptionBudget")):
            selector = spec["selector"]["matchLabels"]
        else:
            continue
        (template,) = selected(stack, selector)

        if manifest.kind == ("apps/v1", "Deployment"):
            assert template == spec["template"]
            for spread in template["spec"].get("topologySpreadConstraints", ()):
                assert spread["labelSelector"]["matchLabels"] == selector


@every_stack
def test_every_service_leads_to_the_port_of_events(stack: Stack) -> None:
    """`targetPort` is a container port by name, and that is where the command takes events."""
    for service in stack.of(SERVICE):
        (template,) = selected(stack, service.document["spec"]["selector"])
        (container,) = template["spec"]["containers"]
        (port,) = service.document["spec"]["ports"]

        assert port["port"] == 80
        assert ports(container)[port["targetPort"]] == listened_on(container)[0]


@every_stack
def test_every_probe_asks_a_port_that_the_command_listens_on(stack: Stack) -> None:
    """Readiness and start ask /readyz, liveness /healthz, where something answers."""
    for name, container in containers(stack):
        listening = listened_on(container)
        for probe, path in (
            ("startupProbe", "/readyz"),
            ("readinessProbe", "/readyz"),
            ("livenessProbe", "/healthz"),
        ):
            get = container[probe]["httpGet"]
            port = ports(container).get(get["port"], get["port"])

            assert (name, path) == (name, get["path"])
            assert port in listening
        assert set(ports(container).values()) <= set(listening)


@every_stack
def test_prometheus_is_told_where_the_metrics_are(stack: Stack) -> None:
    """The annotations name the admin port, which serves /metrics."""
    for _, template in pods(stack):
        (container,) = template["spec"]["containers"]
        annotations = template["metadata"]["annotations"]

        assert annotations["prometheus.io/scrape"] == "true"
        assert annotations["prometheus.io/path"] == "/metrics"
        assert int(annotations["prometheus.io/port"]) == listened_on(container)[1]


@every_stack
def test_the_grace_period_outlasts_the_drain(stack: Stack) -> None:
    """SIGKILL never comes before the bridge itself would give up."""
    for manifest in stack.of(DEPLOYMENT, KNATIVE_SERVICE):
        pod = manifest.document["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        delay, drain = lifecycle(container)
        before = (
            container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        )
        if " ".join(manifest.kind) == KNATIVE_SERVICE:
            # Knative makes the revision's timeout the pod's grace period.
            grace, before = pod["timeoutSeconds"], QUEUE_PROXY_SECONDS
        else:
            grace = pod["terminationGracePeriodSeconds"]

        assert before + delay + drain < grace
        assert before + delay >= 5  # nobody is sent here any more when it stops to listen


@every_stack
def test_every_container_is_locked_up(stack: Stack) -> None:
    """No root, nothing to write, no privileges, no token of the cluster; and it has limits."""
    for _, template in pods(stack):
        pod = template["spec"]
        (container,) = pod["containers"]

        assert container["securityContext"] == {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert pod["automountServiceAccountToken"] is False
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        assert set(container["resources"]["limits"]) == {"cpu", "memory"}


@bridge_stacks
def test_the_memory_limit_is_what_senders_can_make_it_hold(stack: Stack) -> None:
    """Nobody who sends events can have the bridge killed for memory."""
    options = HttpSource.Options()
    for manifest in stack.of(DEPLOYMENT, KNATIVE_SERVICE):
        if manifest.name != "iris-bridge":
            continue
        pod = manifest.document["spec"]["template"]["spec"]
        at_once = min(options.max_in_flight, pod.get("containerConcurrency") or 10**9)
        held = at_once * options.max_body_bytes + options.max_receiving_bytes

        assert held / MIB + PROCESS_MIB <= mib(
            pod["containers"][0]["resources"]["limits"]["memory"]
        )


@bridge_stacks
def test_the_pipeline_file_is_the_example(stack: Stack) -> None:
    """What runs in the cluster is what the README shows."""
    example = (ROOT / "examples" / "iris" / "bridge.yaml").read_text()

    assert stack.generated["iris-bridge-file"] == {"bridge.yaml": example}


@bridge_stacks
def test_the_file_in_the_pod_is_fit_to_run(stack: Stack) -> None:
    """`bridge check` has nothing to say of it with the environment of the manifest."""
    environ = environment(stack)

    loaded = app.load(PIPELINE_FILE, environ)

    assert list(loaded.lines) == ["simple-iris-deployment"]
    assert list(loaded.warnings) == []


def environment(stack: Stack) -> dict[str, str]:
    """Return what the bridge's container finds in its environment."""
    (container,) = [found for name, found in containers(stack) if name == "iris-bridge"]
    environ: dict[str, str] = {}
    for source in container["envFrom"]:
        environ |= stack.generated[source["configMapRef"]["name"]]
    for variable in container.get("env", ()):
        environ[variable["name"]] = variable.get("value", "default")
    if stack.of("sources.knative.dev/v1 SinkBinding"):
        environ["K_SINK"] = (
            "http://broker-ingress.knative-eventing.svc.cluster.local/default/default"
        )
    return environ


@bridge_stacks
def test_every_variable_is_one_that_somebody_reads(stack: Stack) -> None:
    """A misspelt variable would silently be the default."""
    read_by_the_file = set(re.findall(r"\$\{(\w+)", PIPELINE_FILE.read_text()))

    assert set(environment(stack)) - {"NAMESPACE", "K_SINK"} == read_by_the_file


@bridge_stacks
def test_the_file_is_mounted_where_the_command_reads_it(stack: Stack) -> None:
    """`bridge run` names a file of the ConfigMap at its mount."""
    for name, template in pods(stack):
        (container,) = template["spec"]["containers"]
        if name != "iris-bridge":
            continue
        (mount,) = container["volumeMounts"]
        (volume,) = template["spec"]["volumes"]
        command, file = container["args"]

        assert (command, mount["name"]) == ("run", volume["name"])
        assert str(Path(file).parent) == mount["mountPath"]
        assert Path(file).name in stack.generated[volume["configMap"]["name"]]


@bridge_stacks
def test_every_reference_leads_to_an_object_of_the_stack(stack: Stack) -> None:
    """Subscribers, dead letter sinks, sinks, subjects, brokers, accounts: all are there."""
    there = {(*manifest.kind, manifest.name) for manifest in stack.manifests}
    wanted = []

    def look(value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if key in ("ref", "subject"):
                    wanted.append((item["apiVersion"], item["kind"], item["name"]))
                if key == "serviceAccountName":
                    wanted.append(("v1", "ServiceAccount", item))
                if key == "broker":
                    wanted.append(("eventing.knative.dev/v1", "Broker", item))
                look(item)
        if isinstance(value, list):
            for item in value:
                look(item)

    for manifest in stack.manifests:
        look(manifest.document)
    for patch in stack.patches:  # the one there is: of which group the subscriber is
        (operation,) = yaml.safe_load(patch["patch"])
        place = ("v1", "Service", "iris-bridge")
        assert operation["path"] == "/spec/subscriber/ref/apiVersion"
        wanted[wanted.index(place)] = (operation["value"], *place[1:])

    assert len(wanted) >= 5
    assert set(wanted) - there == set()


def test_the_model_is_where_the_bridge_asks_for_it() -> None:
    """MODEL_URL names the Service of iris-model, on the port it serves."""
    (url,) = {STACKS[name].generated["iris-bridge-environment"]["MODEL_URL"] for name in ROOTS}
    (service,) = STACKS["iris-model"].of(SERVICE)

    assert url == f"http://{service.name}"
    assert service.document["spec"]["ports"][0]["port"] == 80


@every_stack
def test_every_image_is_named_in_one_place(stack: Stack) -> None:
    """Containers have a stand-in that deploy/knative/image puts the image in for, and no tag."""
    (component,) = read(KNATIVE / "image" / "kustomization.yaml")
    targets = {image["name"] for image in component.document["images"]}

    used = {container["image"] for _, container in containers(stack)}

    assert used <= targets == set(stack.images)
    texts = {file: file.read_text() for file in KNATIVE.rglob("*.yaml")}
    assert [f.parent.name for f, text in texts.items() if "dev.local/" in text] == ["image"]


def test_no_file_is_left_out() -> None:
    """Every YAML file of deploy/knative is part of a kustomization."""
    in_use = {file.resolve() for stack in STACKS.values() for file in stack.files}

    assert {file.resolve() for file in KNATIVE.rglob("*.yaml")} - in_use == set()


@pytest.fixture(scope="module")
def declared() -> triggers.Declared:
    """What the local broker reads of them."""
    names = ("iris-bridge", "event-display", "dead-letter-display")
    resolve = {f"Service/{name}": f"http://{name}/" for name in names}
    return triggers.read(sorted((KNATIVE / "base").glob("*.yaml")), resolve)


def test_the_request_goes_to_the_bridge_and_its_response_to_the_display(
    declared: triggers.Declared,
) -> None:
    """The triggers' filters and the pipeline's say the same."""
    request = json_format.decode((ROOT / "examples" / "iris" / "event.json").read_bytes())
    response = request.replace(
        type="seldon.simple-iris-deployment.response", source="seldon.simple-iris-deployment"
    )
    model, display = (
        next(trigger for trigger in declared.triggers if trigger.name == name)
        for name in ("seldon-eventing-sklearn-trigger", "event-display")
    )
    (pipeline,) = yaml.safe_load(PIPELINE_FILE.read_text())["pipelines"].values()

    assert [model.accepts(event) for event in (request, response)] == [True, False]
    assert [display.accepts(event) for event in (request, response)] == [False, True]
    assert pipeline["filter"]["attributes"] == {"type": request.type}


def test_an_outage_is_outlasted(declared: triggers.Declared) -> None:
    """The bridge's trigger tries for minutes, waits longer than it, and has a dead letter."""
    (trigger,) = [found for found in declared.triggers if "iris-bridge" in found.subscriber_url]
    delivery = trigger.delivery
    pauses = sum(backoff_seconds(delivery, attempt) for attempt in range(delivery.retry))
    deadline = PipelineOptions.model_fields["deadline_seconds"].default

    assert pauses == pytest.approx(255)
    assert delivery.timeout_seconds is not None
    assert delivery.timeout_seconds > deadline
    assert delivery.dead_letter_url == "http://dead-letter-display/"
    assert durations.seconds("PT1S") == delivery.backoff_delay_seconds


def test_knative_waits_longer_than_the_bridge() -> None:
    """The Knative Service cuts no request that the bridge would still answer."""
    pod = STACKS["serving"].named(KNATIVE_SERVICE, "iris-bridge")["spec"]["template"]["spec"]
    deadline = PipelineOptions.model_fields["deadline_seconds"].default

    assert pod["timeoutSeconds"] > deadline
    assert pod["containerConcurrency"] <= HttpSource.Options().max_in_flight
