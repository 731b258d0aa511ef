from __future__ import annotations

from pathlib import Path

import pytest

from bridge.broker.retries import Delivery
from bridge.broker.triggers import Declared, Trigger, read
from bridge.core.errors import ConfigError
from bridge.core.event import Event

#: The manifests of Seldon's published Knative example, verbatim.
REFERENCE = Path(__file__).with_name("reference")
SELDON_TRIGGER = REFERENCE / "seldon-knative-trigger.yaml"
DISPLAY_TRIGGER = REFERENCE / "event-display-trigger.yaml"
DISPLAY_DEPLOYMENT = REFERENCE / "event-display-deployment.yaml"

RESOLVE = {
    "SeldonDeployment/simple-iris-deployment": "http://127.0.0.1:9000/seldon/default/iris",
    "Service/event-display": "http://127.0.0.1:9001",
}

BARE = """\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata:
  name: bare
spec:
  subscriber:
    uri: http://127.0.0.1:9002/in?x=1
"""


@pytest.fixture
def write(tmp_path: Path) -> object:
    def write_file(text: str, name: str = "triggers.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


def declared(write, text: str, **resolve: str) -> Declared:
    return read([write(text)], {**RESOLVE, **resolve})


def trigger(write, text: str) -> Trigger:
    return declared(write, text).triggers[0]


def test_the_references_files_are_read_verbatim() -> None:
    """Both Triggers in their old versions; Deployment and Service beside them are passed over."""
    found = read([SELDON_TRIGGER, DISPLAY_DEPLOYMENT, DISPLAY_TRIGGER], RESOLVE)

    request = Event.of(id="1", source="any", type="seldon.simple-iris-deployment.request")
    response = request.replace(
        type="seldon.simple-iris-deployment.response", source="seldon.simple-iris-deployment"
    )
    assert found.brokers == ("default/default",)
    assert [(trigger.key, trigger.subscriber_url) for trigger in found.triggers] == [
        ("default/seldon-eventing-sklearn-trigger", "http://127.0.0.1:9000/seldon/default/iris"),
        ("default/event-display", "http://127.0.0.1:9001"),
    ]
    model, display = found.triggers
    assert [model.accepts(event) for event in (request, response)] == [True, False]
    assert [display.accepts(event) for event in (request, response)] == [False, True]
    assert not display.accepts(response.replace(source="somebody.else"))


@pytest.mark.parametrize("version", ["v1", "v1beta1", "v1alpha1"])
def test_three_versions_are_one_and_the_same(write, version: str) -> None:
    """The versions differ in no field that is read here."""
    text = SELDON_TRIGGER.read_text().replace("v1beta1", version)

    assert trigger(write, text).name == "seldon-eventing-sklearn-trigger"


def test_the_projects_own_manifests_are_read() -> None:
    """What `deploy/knative` gives a cluster, the local broker takes as well."""
    folder = Path(__file__).parents[3] / "deploy" / "knative" / "base"
    resolve = {
        "Service/iris-bridge": "http://127.0.0.1:1/",
        "Service/event-display": "http://127.0.0.1:2/",
        "Service/dead-letter-display": "http://127.0.0.1:3/",
    }

    found = read(sorted(folder.glob("*.yaml")), resolve)

    assert found.brokers == ("default/default",)
    assert {"http://127.0.0.1:1/", "http://127.0.0.1:2/"} == {
        trigger.subscriber_url for trigger in found.triggers
    }


def test_a_bare_trigger_takes_everything_and_delivers_once(write) -> None:
    """Broker and namespace have defaults, no filter means every event, no delivery no retry."""
    bare = trigger(write, BARE)

    assert (bare.key, bare.address) == ("default/bare", "default/default")
    assert bare.accepts(Event.of(id="1", source="s", type="anything"))
    assert Delivery() == bare.delivery


def test_filters_take_the_place_of_filter(write) -> None:
    """With both given the newer dialects count, as Knative does it."""
    text = BARE + (
        "  filter: {attributes: {type: other}}\n"
        "  filters:\n"
        "  - any:\n"
        "    - prefix: {type: seldon.}\n"
        "    - exact: {source: special}\n"
    )

    found = trigger(write, text)

    assert found.accepts(Event.of(id="1", source="s", type="seldon.x"))
    assert found.accepts(Event.of(id="1", source="special", type="x"))
    assert not found.accepts(Event.of(id="1", source="s", type="other"))


def test_delivery_settings_are_read(write) -> None:
    """Every setting of Knative's DeliverySpec."""
    text = BARE + (
        "  delivery:\n"
        "    retry: 5\n"
        "    backoffPolicy: exponential\n"
        "    backoffDelay: PT0.5S\n"
        "    timeout: PT10S\n"
        "    retryAfterMax: PT1M\n"
        "    format: json\n"
        "    deadLetterSink: {ref: {apiVersion: v1, kind: Service, name: event-display}}\n"
    )

    assert (
        Delivery(
            retry=5,
            backoff_policy="exponential",
            backoff_delay_seconds=0.5,
            timeout_seconds=10.0,
            retry_after_max_seconds=60.0,
            format="json",
            dead_letter_url="http://127.0.0.1:9001",
        )
        == trigger(write, text).delivery
    )


BROKER = """\
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata:
  name: default
  annotations: {eventing.knative.dev/broker.class: MTChannelBasedBroker}
spec:
  config: {apiVersion: v1, kind: ConfigMap, name: config-br-default-channel}
  delivery: {retry: 7, deadLetterSink: {uri: "http://127.0.0.1:9003/dead"}}
"""


def test_a_brokers_delivery_settings_are_the_triggers_defaults(write) -> None:
    """They count as a whole, and only for a trigger without settings of its own."""
    own = BARE.replace("name: bare", "name: own") + "  delivery: {retry: 1}\n"

    found = declared(write, f"{BARE}---\n{own}{BROKER}")

    assert [
        Delivery(retry=7, dead_letter_url="http://127.0.0.1:9003/dead"),
        Delivery(retry=1),
    ] == [trigger.delivery for trigger in found.triggers]


def test_a_broker_without_triggers_is_known(write) -> None:
    """Whoever declares it may send to it."""
    other = BROKER.replace("name: default\n", "name: other\n  namespace: ml\n", 1)

    assert declared(write, BARE + other).brokers == ("ml/other", "default/default")


@pytest.mark.parametrize(
    ("subscriber", "expected"),
    [
        ("{uri: 'http://h:1/a'}", "http://h:1/a"),
        (
            "{ref: {kind: Service, name: event-display}, uri: '/deeper?x=1'}",
            "http://127.0.0.1:9001/deeper?x=1",
        ),
        ("{ref: {kind: Service, name: event-display, namespace: ml}}", "http://ml/"),
    ],
)
def test_destinations_resolve_as_in_knative(write, subscriber: str, expected: str) -> None:
    """An absolute URI, a URI relative to a ref, a ref in another namespace."""
    text = BARE.replace(
        "subscriber:\n    uri: http://127.0.0.1:9002/in?x=1", f"subscriber: {subscriber}"
    )

    found = read([write(text)], {**RESOLVE, "Service/ml/event-display": "http://ml/"})

    assert expected == found.triggers[0].subscriber_url


def test_every_unresolved_ref_is_named_at_once(write) -> None:
    """One go tells all the flags that are missing, and the typing error in between."""
    text = "---".join(
        f"""
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {{name: {name}}}
spec:
  broker: default
  {subscriber}: {{ref: {{apiVersion: v1, kind: Service, name: {name}}}}}
"""
        for name, subscriber in (("a", "subscriber"), ("b", "subscriper"), ("c", "subscriber"))
    )

    with pytest.raises(ConfigError) as caught:
        read([write(text)], {})

    lines = str(caught.value).splitlines()
    assert [True, True, True] == [
        words in line
        for words, line in zip(
            ("--resolve Service/a=URL", "subscriper", "--resolve Service/c=URL"), lines, strict=True
        )
    ]


def test_an_unresolved_ref_names_the_flag_to_pass() -> None:
    """The error is the command line's next argument."""
    with pytest.raises(ConfigError) as caught:
        read([SELDON_TRIGGER], {})

    text = str(caught.value)
    assert text.startswith(f"{SELDON_TRIGGER}:12: spec.subscriber.ref: ")
    assert "pass --resolve SeldonDeployment/simple-iris-deployment=URL" in text


@pytest.mark.parametrize(
    ("wrong", "line", "said"),
    [
        (
            ("subscriber:", "subcriber:"),
            6,
            "spec.subcriber: unknown key, did you mean 'subscriber'?",
        ),
        (("spec:", "spce:"), 5, "spce: unknown key, did you mean 'spec'?"),
        (("kind: Trigger", "kind: Triger"), 2, "kind: unknown kind 'Triger'"),
        (("knative.dev/v1", "knative.dev/v2"), 1, "apiVersion: unknown version 'v2'"),
        (
            ("eventing.knative.dev", "eventing.knatve.dev"),
            1,
            "did you mean 'eventing.knative.dev'?",
        ),
        (("    uri:", "    url:"), 7, "spec.subscriber.url: unknown key, did you mean 'uri'?"),
        (("  name: bare", "  names: bare"), 3, "metadata: 'name' is missing"),
        (("name: bare", "name: Bare"), 4, "metadata.name: 'Bare': expected a-z"),
        (("http://127.0.0.1:9002/in?x=1", "127.0.0.1:9002"), 7, "expected an absolute URL"),
        (("http://127.0.0.1:9002/in?x=1", "http://h:x/"), 7, "no URL"),
        (
            ("http://127.0.0.1:9002/in?x=1", "http://u:secret@h/"),
            7,
            "a URL with a user or password",
        ),
        (("http://127.0.0.1:9002/in?x=1", "http://h/a b"), 7, "need percent-encoding"),
        (("http://127.0.0.1:9002/in?x=1", "http://h/é"), 7, "need percent-encoding"),
        (("http://127.0.0.1:9002/in?x=1", "ftp://h/"), 7, "expected an absolute URL"),
        (
            ("    uri: http://127.0.0.1:9002/in?x=1", "    audience: me"),
            7,
            "audience: not supported",
        ),
        (("    uri: http://127.0.0.1:9002/in?x=1", "    {}"), 6, "expected `ref` or `uri`"),
    ],
)
def test_a_typing_error_is_named_with_its_line(
    write, wrong: tuple[str, str], line: int, said: str
) -> None:
    """Nothing that was meant is silently left out."""
    path = write(BARE.replace(*wrong))

    with pytest.raises(ConfigError) as caught:
        read([path], {})

    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("more", "line", "said"),
    [
        ("  filter: {attribute: {type: x}}", 8, "spec.filter.attribute: unknown key"),
        (
            "  filter: {attributes: {type: 1}}",
            8,
            "spec.filter.attributes.type: expected a string, found '1' (int)",
        ),
        ("  filter: {attributes: {type: yes}}", 8, "expected a string, found 'yes' (bool)"),
        ("  filters: [{exakt: {type: x}}]", 8, "spec.filters"),
        ("  filters: {exact: {type: x}}", 8, "spec.filters: expected a list, found a mapping"),
        (
            "  delivery: {retries: 3}",
            8,
            "spec.delivery.retries: unknown key, did you mean 'retry'?",
        ),
        ("  delivery: {retry: -1}", 8, "spec.delivery.retry: expected a whole number from 0 up"),
        ("  delivery: {retry: '3'}", 8, "spec.delivery.retry: expected a whole number"),
        ("  delivery: {backoffPolicy: quadratic}", 8, "expected linear or exponential"),
        (
            "  delivery: {backoffDelay: 1s}",
            8,
            "spec.delivery.backoffDelay: '1s': expected an ISO 8601",
        ),
        ("  delivery: {timeout: PT0S}", 8, "spec.delivery.timeout: expected more than no time"),
        ("  delivery: {deadLetterSink: {uri: /relative}}", 8, "expected an absolute URL"),
        (
            "  delivery: {deadLetterSink: {ref: {kind: Service, name: x}, uri: 'http://h/'}}",
            8,
            "--resolve Service/x=URL",
        ),
        (
            "  delivery: {deadLetterSink: {ref: {kind: Service, name: event-display}, uri: 'http://h/'}}",
            8,
            "absolute beside a ref",
        ),
        ("  brokerRef: {name: x}", 8, "spec.brokerRef: not supported"),
        ("  subscriber: {uri: 'http://twice/'}", 8, "spec.subscriber: given twice"),
        ("  broker: 7", 8, "spec.broker: expected a string"),
        ("  broker: a/b", 8, "spec.broker: 'a/b': expected a-z"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(write, more: str, line: int, said: str) -> None:
    """Type, spelling and range of every setting are looked at before anything starts."""
    path = write(f"{BARE}{more}\n")

    with pytest.raises(ConfigError) as caught:
        read([path], RESOLVE)

    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no Trigger found"),
        (DISPLAY_DEPLOYMENT.read_text(), "no Trigger found"),
        (f"{BARE}---\n{BARE}", "Trigger default/bare is declared twice"),
        (f"{BARE}{BROKER}{BROKER}", "Broker default/default is declared twice"),
        ("a: [", "not YAML"),
        ("[]", "expected a mapping, found a list"),
        ("kind: Trigger", "'apiVersion' is missing"),
    ],
)
def test_files_that_make_no_sense_are_refused(write, text: str, said: str) -> None:
    """No trigger, one twice, or no manifest at all."""
    path = write(text)

    with pytest.raises(ConfigError, match=said) as caught:
        read([path], RESOLVE)

    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(ConfigError, match=r"absent\.yaml: cannot be read: No such file"):
        read([tmp_path / "absent.yaml"], {})
