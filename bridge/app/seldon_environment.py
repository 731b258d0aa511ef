"""The file that Seldon's executor never needed: its Kafka server, told by the environment.

    KAFKA_… , PREDICTOR_ID …  ─▶  kafka source ─▶ rest model ─▶ kafka sink
                                                     └ refused ─▶ dead letter topic

The names are those of `serverType: kafka` (SeldonIO/seldon-core 1.17.1, executor/api/kafka);
`KAFKA_DEAD_LETTER_TOPIC` alone is ours. What the bridge cannot do is refused, and what it does
otherwise is warned of: nothing that somebody set is passed over in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.app.presets import name_of
from bridge.core.errors import ConfigError
from bridge.core.event import shown

#: Concurrent predictions of the executor where KAFKA_WORKERS does not say.
WORKERS: Final = 4

#: How many records are under way for each of them: the next ones are there when one is free.
RECORDS_PER_WORKER: Final = 4

#: Seldon's security protocols, and whether they have TLS and SASL.
SECURITY: Final = {
    "PLAINTEXT": (False, False),
    "SSL": (True, False),
    "SASL_PLAINTEXT": (False, True),
    "SASL_SSL": (True, True),
}

MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeldonFile:
    """What `bridge run` would be given as a file, and what it is to warn of.

    *namespace*: where the deployment is, for the names of its events.
    """

    tree: Mapping[str, Any]
    namespace: str
    warnings: tuple[str, ...]


def seldon_kafka(
    environ: Mapping[str, str], *, model_url: str | None, admin_port: int
) -> SeldonFile:
    """Return the file that does what the executor's Kafka server does, at least once.

    *model_url* stands before MODEL_URL. Raise ConfigError with a line for each variable that
    is missing, makes no sense or asks for what there is not; values are only told where they
    are no secret.
    """
    return _Reader(environ).file(model_url, admin_port)


class _Reader:
    """Reads variable by variable, so that every problem is found."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._problems: list[str] = []
        self._warnings: list[str] = []

    def file(self, model_url: str | None, admin_port: int) -> SeldonFile:
        brokers = self._required("KAFKA_BROKER", "addresses of brokers, host:port")
        topic = self._required("KAFKA_INPUT_TOPIC", "the topic to read")
        output = self._required("KAFKA_OUTPUT_TOPIC", "the topic that responses go to")
        dead_letter = self._text("KAFKA_DEAD_LETTER_TOPIC") or f"{topic}-dead-letter"
        url = model_url or self._required("MODEL_URL", "the model's URL, or --model-url")
        deployment = self._required("SELDON_DEPLOYMENT_ID", "the deployment's name")
        predictor = self._required("PREDICTOR_ID", "the predictor's name")
        namespace = self._text("SELDON_DEPLOYMENT_NAMESPACE") or self._required(
            "NAMESPACE", "the deployment's namespace, or SELDON_DEPLOYMENT_NAMESPACE"
        )
        workers = self._number("KAFKA_WORKERS", WORKERS)
        self._what_is_done_otherwise()
        cluster = {"bootstrap_servers": brokers, **self._security()}
        if topic and topic in (output, dead_letter):
            name = "KAFKA_OUTPUT_TOPIC" if topic == output else "KAFKA_DEAD_LETTER_TOPIC"
            self._problems.append(f"{name}: {shown(topic)} is the input's topic: expected another")
        if self._problems:
            raise ConfigError("\n".join(self._problems))
        pipeline = {
            "source": {
                "type": "kafka",
                **cluster,
                "topics": [topic],
                "group_id": f"{predictor}.{deployment}.{namespace}",
                "decode": "seldon",
                "order": "key",
                "max_in_flight": workers * RECORDS_PER_WORKER,
            },
            "model": {"type": "rest", "protocol": "seldon", "url": url, "connections": workers},
            "response": {"preset": "seldon_namespaced", "name": deployment},
            "sinks": [{"type": "kafka", **cluster, "topic": output}],
            "dead_letter": {"type": "kafka", **cluster, "topic": dead_letter},
        }
        tree = {
            "pipelines": {name_of(deployment): pipeline},
            "admin": {"port": admin_port},
            # Nobody sends here, so there is nobody to wait for at the end.
            "lifecycle": {"shutdown_delay_seconds": 0},
        }
        return SeldonFile(tree=tree, namespace=namespace, warnings=tuple(self._warnings))

    def _what_is_done_otherwise(self) -> None:
        if self._flag("KAFKA_FULL_GRAPH"):
            self._problems.append(
                "KAFKA_FULL_GRAPH: a graph's inner edges over Kafka are not there: expected "
                "false, and MODEL_URL of what serves the graph"
            )
        if self._flag("KAFKA_AUTO_COMMIT"):
            self._warnings.append(
                "KAFKA_AUTO_COMMIT is ignored: a record is committed when its outcome exists"
            )

    def _security(self) -> dict[str, Any]:
        """Return the sections `tls` and `sasl`, those that the security protocol has."""
        protocol = (self._text("KAFKA_SECURITY_PROTOCOL") or "PLAINTEXT").upper()
        if protocol not in SECURITY:
            self._problems.append(
                f"KAFKA_SECURITY_PROTOCOL: expected one of {', '.join(SECURITY)}, "
                f"found {shown(protocol)}"
            )
            return {}
        has_tls, has_sasl = SECURITY[protocol]
        found: dict[str, Any] = {}
        if has_tls:
            found["tls"] = self._tls()
        else:
            self._unused("KAFKA_SSL_", protocol)
        if has_sasl:
            found["sasl"] = self._sasl()
        else:
            self._unused("KAFKA_SASL_", protocol)
        return found

    def _unused(self, prefix: str, protocol: str) -> None:
        names = sorted(name for name in self._environ if name.startswith(prefix))
        names = [name for name in names if self._text(name)]
        if names:
            self._warnings.append(
                f"{', '.join(names)}: ignored, as KAFKA_SECURITY_PROTOCOL is {protocol}"
            )

    def _tls(self) -> dict[str, Any]:
        for name in ("KAFKA_SSL_CLIENT_CERT", "KAFKA_SSL_CLIENT_KEY"):
            if self._text(name):
                self._problems.append(
                    f"{name}: nothing is written to disk here, so a certificate of our own "
                    f"has to be a file: expected {name}_FILE"
                )
        if self._text("KAFKA_SSL_CLIENT_KEY_PASS"):
            self._problems.append(
                "KAFKA_SSL_CLIENT_KEY_PASS: keys with a password are not read: expected "
                "KAFKA_SSL_CLIENT_KEY_FILE of a key without one, from a Secret"
            )
        certs, file = self._text("KAFKA_SSL_CA_CERT"), self._text("KAFKA_SSL_CA_CERT_FILE")
        if certs and file:
            self._problems.append(
                "KAFKA_SSL_CA_CERT and KAFKA_SSL_CA_CERT_FILE: expected only one of them"
            )
        cert = self._text("KAFKA_SSL_CLIENT_CERT_FILE")
        key = self._text("KAFKA_SSL_CLIENT_KEY_FILE")
        if key and not cert:
            self._problems.append(
                "KAFKA_SSL_CLIENT_CERT_FILE: not set: expected the certificate of "
                "KAFKA_SSL_CLIENT_KEY_FILE"
            )
        options = {"ca_certs": certs, "ca_file": file, "cert_file": cert, "key_file": key}
        return {name: value for name, value in options.items() if value is not None}

    def _sasl(self) -> dict[str, Any]:
        username = self._required("KAFKA_SASL_USERNAME", "the name to present")
        self._required("KAFKA_SASL_PASSWORD", "the password of KAFKA_SASL_USERNAME")
        password = self._environ.get("KAFKA_SASL_PASSWORD", "")  # blanks may be part of it
        mechanism = self._required("KAFKA_SASL_MECHANISM", f"one of {', '.join(MECHANISMS)}")
        if mechanism and mechanism.upper() not in MECHANISMS:
            self._problems.append(
                f"KAFKA_SASL_MECHANISM: expected one of {', '.join(MECHANISMS)}, "
                f"found {shown(mechanism)}"
            )
        return {"mechanism": mechanism.upper(), "username": username, "password": password}

    def _text(self, name: str) -> str | None:
        """Return what the variable *name* says; an empty one is as good as none, as in Go."""
        return self._environ.get(name, "").strip() or None

    def _required(self, name: str, what: str) -> str:
        text = self._text(name)
        if text is None:
            self._problems.append(f"{name}: not set: expected {what}")
        return text or ""

    def _number(self, name: str, default: int) -> int:
        text = self._text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and 0 < len(text) <= 6 and int(text) > 0):
            self._problems.append(f"{name}: expected a whole number above 0, found {shown(text)}")
            return default
        return int(text)

    def _flag(self, name: str) -> bool:
        """Return a truth value as Go's strconv.ParseBool reads it, which the executor asks."""
        text = self._text(name)
        if text is None:
            return False
        if text not in _TRUE + _FALSE:
            self._problems.append(f"{name}: expected true or false, found {shown(text)}")
        return text in _TRUE


_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")
