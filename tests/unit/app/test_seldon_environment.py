"""Seldon's environment names: what each one becomes in the file that nobody has to write."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.app import seldon_environment
from bridge.app.seldon_environment import SeldonFile, seldon_kafka
from bridge.core.errors import ConfigError
from bridge.sources.kafka_options import KafkaSourceOptions

#: The least that has to be set.
LEAST = {
    "KAFKA_BROKER": "kafka:9092",
    "KAFKA_INPUT_TOPIC": "requests",
    "KAFKA_OUTPUT_TOPIC": "responses",
    "MODEL_URL": "http://model:9000",
    "SELDON_DEPLOYMENT_ID": "iris",
    "PREDICTOR_ID": "default",
    "SELDON_DEPLOYMENT_NAMESPACE": "flowers",
}

SASL = {
    "KAFKA_SASL_USERNAME": "alice",
    "KAFKA_SASL_PASSWORD": "correct-horse",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
}


def read(changed: Mapping[str, str] | None = None, **given: Any) -> SeldonFile:
    """Return the file of the least environment, *changed*."""
    return seldon_kafka(
        {**LEAST, **(changed or {})}, **{"model_url": None, "admin_port": 0, **given}
    )


def pipeline(changed: Mapping[str, str] | None = None, **given: Any) -> dict[str, Any]:
    """Return the one pipeline of that file."""
    (found,) = read(changed, **given).tree["pipelines"].values()
    return dict(found)


def refused(environ: Mapping[str, str]) -> list[str]:
    """Return what is said of *environ*, line by line."""
    with pytest.raises(ConfigError) as caught:
        seldon_kafka(environ, model_url=None, admin_port=0)
    return str(caught.value).splitlines()


def test_the_least_is_a_whole_pipeline() -> None:
    """Topic in, model, topic out, dead letter, in order for each key; no second spelling of it."""
    cluster = {"type": "kafka", "bootstrap_servers": "kafka:9092"}

    found = read(admin_port=8081)

    assert found.tree == {
        "pipelines": {
            "iris": {
                "source": {
                    **cluster,
                    "topics": ["requests"],
                    "group_id": "default.iris.flowers",
                    "decode": "seldon",
                    "order": "key",
                    "max_in_flight": 16,
                },
                "model": {
                    "type": "rest",
                    "protocol": "seldon",
                    "url": "http://model:9000",
                    "connections": 4,
                },
                "response": {"preset": "seldon_namespaced", "name": "iris"},
                "sinks": [{**cluster, "topic": "responses"}],
                "dead_letter": {**cluster, "topic": "requests-dead-letter"},
            }
        },
        "admin": {"port": 8081},
        "lifecycle": {"shutdown_delay_seconds": 0},
    }
    assert (found.namespace, found.warnings) == ("flowers", ())


def test_everything_missing_is_told_at_once() -> None:
    """Nobody mends an environment one variable at a time."""
    said = refused({})

    assert [line.partition(":")[0] for line in said] == [
        "KAFKA_BROKER",
        "KAFKA_INPUT_TOPIC",
        "KAFKA_OUTPUT_TOPIC",
        "MODEL_URL",
        "SELDON_DEPLOYMENT_ID",
        "PREDICTOR_ID",
        "NAMESPACE",
    ]


@pytest.mark.parametrize("name", LEAST)
def test_an_empty_variable_is_as_good_as_none(name: str) -> None:
    """As the executor's own os.Getenv has it."""
    (said,) = refused({**LEAST, name: " "})

    assert "not set" in said


def test_the_option_stands_before_model_url() -> None:
    """`--model-url` is what was typed last."""
    assert pipeline(model_url="http://other")["model"]["url"] == "http://other"


def test_the_namespace_may_be_knatives() -> None:
    """NAMESPACE is what other manifests of ours set; Seldon's own name goes before it."""
    environ = {name: text for name, text in LEAST.items() if "NAMESPACE" not in name}

    file = seldon_kafka({**environ, "NAMESPACE": "other"}, model_url=None, admin_port=0)

    assert file.namespace == "other"
    assert read({"NAMESPACE": "other"}).namespace == "flowers"


def test_workers_are_connections_to_the_model() -> None:
    """KAFKA_WORKERS is how many predictions run at once, and never more."""
    found = pipeline({"KAFKA_WORKERS": "10"})

    assert found["model"]["connections"] == 10
    assert found["source"]["max_in_flight"] == 40


@pytest.mark.parametrize("text", ["0", "-1", "four", "1.5", "9999999", "²"])
def test_a_number_of_workers_that_is_none_is_refused(text: str) -> None:
    """With what was found."""
    (said,) = refused({**LEAST, "KAFKA_WORKERS": text})

    assert said.startswith("KAFKA_WORKERS: expected a whole number above 0, found ")


def test_a_dead_letter_topic_of_ones_own() -> None:
    """The one name that Seldon has not: it dropped what failed."""
    assert pipeline({"KAFKA_DEAD_LETTER_TOPIC": "dead"})["dead_letter"]["topic"] == "dead"


@pytest.mark.parametrize("name", ["KAFKA_OUTPUT_TOPIC", "KAFKA_DEAD_LETTER_TOPIC"])
def test_a_topic_that_would_feed_itself_is_refused(name: str) -> None:
    """What is written to the input is read again, for ever."""
    (said,) = refused({**LEAST, name: "requests"})

    assert said == f"{name}: 'requests' is the input's topic: expected another"


@pytest.mark.parametrize("text", ["true", "1", "T"])
def test_auto_commit_is_ignored_and_said_so(text: str) -> None:
    """At least once, always: a commit before the outcome loses what is under way."""
    (warning,) = read({"KAFKA_AUTO_COMMIT": text}).warnings

    assert warning.startswith("KAFKA_AUTO_COMMIT is ignored: ")


def test_no_auto_commit_is_what_is_done_anyway() -> None:
    """Who asked for it gets it, without a word."""
    assert read({"KAFKA_AUTO_COMMIT": "false"}).warnings == ()


def test_a_full_graph_is_refused() -> None:
    """It would silently be another graph."""
    (said,) = refused({**LEAST, "KAFKA_FULL_GRAPH": "true"})

    assert said.startswith("KAFKA_FULL_GRAPH: a graph's inner edges over Kafka are not there")
    assert read({"KAFKA_FULL_GRAPH": "false"}).tree == read().tree


@pytest.mark.parametrize("name", ["KAFKA_FULL_GRAPH", "KAFKA_AUTO_COMMIT"])
def test_a_truth_value_that_is_none_is_refused(name: str) -> None:
    """Go's ParseBool takes no `yes`."""
    assert refused({**LEAST, name: "yes"}) == [f"{name}: expected true or false, found 'yes'"]


def test_a_security_protocol_nobody_knows_is_refused() -> None:
    """With those there are."""
    assert refused({**LEAST, "KAFKA_SECURITY_PROTOCOL": "tls"}) == [
        "KAFKA_SECURITY_PROTOCOL: expected one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL, "
        "found 'TLS'"
    ]


@pytest.mark.parametrize(
    ("environ", "tls"),
    [
        ({}, {}),
        ({"KAFKA_SSL_CA_CERT": "PEM"}, {"ca_certs": "PEM"}),
        ({"KAFKA_SSL_CA_CERT_FILE": "/ca.pem"}, {"ca_file": "/ca.pem"}),
        (
            {"KAFKA_SSL_CLIENT_CERT_FILE": "/c.pem", "KAFKA_SSL_CLIENT_KEY_FILE": "/k.pem"},
            {"cert_file": "/c.pem", "key_file": "/k.pem"},
        ),
    ],
)
def test_certificates_of_all_three_connections(
    environ: dict[str, str], tls: dict[str, str]
) -> None:
    """Source, sink and dead letter; an authority without a certificate of our own counts too."""
    found = pipeline({"KAFKA_SECURITY_PROTOCOL": "ssl", **environ})

    assert [found[part]["tls"] for part in ("source", "dead_letter")] == [tls, tls]
    assert found["sinks"][0]["tls"] == tls
    assert "sasl" not in found["source"]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"KAFKA_SSL_CLIENT_CERT": "PEM"}, "expected KAFKA_SSL_CLIENT_CERT_FILE"),
        ({"KAFKA_SSL_CLIENT_KEY": "PEM"}, "expected KAFKA_SSL_CLIENT_KEY_FILE"),
        ({"KAFKA_SSL_CLIENT_KEY_PASS": "secret-word"}, "keys with a password are not read"),
        ({"KAFKA_SSL_CA_CERT": "PEM", "KAFKA_SSL_CA_CERT_FILE": "/ca"}, "only one of them"),
        ({"KAFKA_SSL_CLIENT_KEY_FILE": "/k"}, "KAFKA_SSL_CLIENT_CERT_FILE: not set"),
    ],
)
def test_what_tls_cannot_have_is_refused(environ: dict[str, str], said: str) -> None:
    """With what to set instead, and no secret in it."""
    (line,) = refused({**LEAST, "KAFKA_SECURITY_PROTOCOL": "SSL", **environ})

    assert said in line
    assert "secret-word" not in line


@pytest.mark.parametrize("protocol", ["SASL_SSL", "SASL_PLAINTEXT"])
def test_name_and_password_of_all_three_connections(protocol: str) -> None:
    """As Seldon's names have them; the password as it is, blanks included."""
    environ = {**SASL, "KAFKA_SECURITY_PROTOCOL": protocol, "KAFKA_SASL_PASSWORD": " horse "}
    sasl = {"mechanism": "SCRAM-SHA-512", "username": "alice", "password": " horse "}

    found = pipeline(environ)

    assert [found[part]["sasl"] for part in ("source", "dead_letter")] == [sasl, sasl]
    assert found["sinks"][0]["sasl"] == sasl
    assert ("tls" in found["source"]) is (protocol == "SASL_SSL")


@pytest.mark.parametrize("name", SASL)
def test_sasl_wants_all_three(name: str) -> None:
    """Librdkafka's default mechanism is Kerberos, which we have not: it has to be said."""
    environ = {**LEAST, **SASL, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", name: ""}

    (said,) = refused(environ)

    assert said.startswith(f"{name}: not set")


def test_a_mechanism_we_have_not_is_refused() -> None:
    """With those there are, and without the password."""
    environ = {**LEAST, **SASL, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}

    (said,) = refused({**environ, "KAFKA_SASL_MECHANISM": "GSSAPI"})

    assert said == (
        "KAFKA_SASL_MECHANISM: expected one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, found 'GSSAPI'"
    )


def test_what_a_plain_protocol_leaves_unused_is_warned_of() -> None:
    """Somebody thinks that the connection is safe."""
    found = read({**SASL, "KAFKA_SSL_CA_CERT_FILE": "/ca.pem"})

    assert found.warnings == (
        "KAFKA_SSL_CA_CERT_FILE: ignored, as KAFKA_SECURITY_PROTOCOL is PLAINTEXT",
        "KAFKA_SASL_MECHANISM, KAFKA_SASL_PASSWORD, KAFKA_SASL_USERNAME: ignored, as "
        "KAFKA_SECURITY_PROTOCOL is PLAINTEXT",
    )


def test_the_source_takes_what_it_is_told() -> None:
    """Each option is one that the source has, of the type it wants."""
    environ = {**SASL, "KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SSL_CA_CERT_FILE": "/ca"}
    options = pipeline(environ)["source"]
    options.pop("type")

    source = KafkaSourceOptions(**options)

    assert source.topics == ["requests"]
    assert source.sasl is not None
    assert "correct-horse" not in repr(source)


def test_the_page_has_every_variable_and_no_other() -> None:
    """docs/seldon-kafka.md names what is read, and what is read is named there."""
    page = (Path(__file__).parents[3] / "docs" / "seldon-kafka.md").read_text()
    name = r"\b(?:KAFKA|SELDON|PREDICTOR|MODEL)_[A-Z_]*[A-Z]\b"
    read_here = set(re.findall(name, inspect.getsource(seldon_environment)))

    assert set(re.findall(name, page)) == read_here
