"""What a Kafka broker of the tests is told: a folder to run from, and the addresses it takes.

written() ──▶ server.properties, server.pem, ca.pem, client.pem, client.key, data/ (later)
"""

from __future__ import annotations

import random
import shutil
import socket
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

USER, PASSWORD = "alice", "correct-horse"

#: What the broker and its log are told in every run.
NODE = Path(__file__).parent / "kafka_node"

#: What Maven fetches: the same for the demo, so that one finds what the other fetched.
POM = Path(__file__).parents[2] / "examples" / "kafka" / "pom.xml"

_LISTENERS = {
    "PLAIN": "PLAINTEXT",
    "SASL": "SASL_PLAINTEXT",
    "TLS": "SSL",
    "MTLS": "SSL",
    "SASLTLS": "SASL_SSL",
    "CONTROLLER": "PLAINTEXT",
}

_LOGINS = {
    "plain": f'plain.PlainLoginModule required user_{USER}="{PASSWORD}"',
    "scram-sha-256": "scram.ScramLoginModule required",
    "scram-sha-512": "scram.ScramLoginModule required",
}

#: Below the ports that systems hand out by themselves: while a broker is down no other
#: connection, not even its own clients' next attempt, can take its port away.
_PORTS = range(20000, 32000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secured:
    """The addresses that ask who is there, and what to show them (all files are PEM).

    *sasl* and *sasl_tls* take PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512; *mtls* wants
    *certificate* and *key*; whatever speaks TLS shows a certificate of *ca*.
    """

    sasl: str
    tls: str
    mtls: str
    sasl_tls: str
    ca: Path
    certificate: Path
    key: Path
    user: str = USER
    password: str = PASSWORD


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A folder that a broker can run from, and the addresses it will listen on."""

    folder: Path
    ports: tuple[int, ...]
    bootstrap: str
    secured: Secured

    @property
    def properties(self) -> str:
        """The file that Kafka's own commands want to be told."""
        return str(self.folder / "server.properties")

    @property
    def format(self) -> tuple[str, ...]:
        """The command of Kafka's that makes the folder's data ready, with its user."""
        users = (f"SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512))
        scram = (word for user in users for word in ("--add-scram", user))
        cluster = ("-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", self.properties)
        return ("kafka.tools.StorageTool", "format", "--ignore-formatted", *cluster, *scram)


def written(folder: Path, *, listen: str = "127.0.0.1") -> Settings:
    """Write into *folder* what a broker needs that listens on *listen*; ports are free ones."""
    folder.mkdir(parents=True)
    shutil.copy(NODE / "log4j2.properties", folder)
    _write_certificates(folder)
    ports = dict(zip(_LISTENERS, free_ports(len(_LISTENERS)), strict=True))
    reached = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    lines = {
        "listeners": ",".join(f"{name}://{listen}:{port}" for name, port in ports.items()),
        "advertised.listeners": ",".join(
            f"{name}://{address}" for name, address in reached.items() if name != "CONTROLLER"
        ),
        "listener.security.protocol.map": ",".join(
            f"{name}:{protocol}" for name, protocol in _LISTENERS.items()
        ),
        "controller.quorum.voters": f"1@{reached['CONTROLLER']}",
        "log.dirs": folder / "data",
        "ssl.keystore.location": folder / "server.pem",
        "ssl.truststore.location": folder / "ca.pem",
    } | {
        f"listener.name.{name}.{mechanism}.sasl.jaas.config": (
            f"org.apache.kafka.common.security.{login};"
        )
        for name in ("sasl", "sasltls")
        for mechanism, login in _LOGINS.items()
    }
    fixed = (NODE / "server.properties").read_text()
    told = "\n".join(f"{name}={value}" for name, value in lines.items())
    (folder / "server.properties").write_text(f"{fixed}\n{told}\n")
    return Settings(
        folder=folder,
        ports=tuple(ports.values()),
        bootstrap=reached["PLAIN"],
        secured=Secured(
            sasl=reached["SASL"],
            tls=reached["TLS"],
            mtls=reached["MTLS"],
            sasl_tls=reached["SASLTLS"],
            ca=folder / "ca.pem",
            certificate=folder / "client.pem",
            key=folder / "client.key",
        ),
    )


def _write_certificates(folder: Path) -> None:
    """Write an authority, and what the broker and one client show of it."""
    import trustme
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    client = authority.issue_cert("client.test", common_name="client")
    client.cert_chain_pems[0].write_to_path(str(folder / "client.pem"))
    client.private_key_pem.write_to_path(str(folder / "client.key"))
    broker = authority.issue_cert("127.0.0.1", "localhost", common_name="broker")
    # Java reads private keys as PKCS #8 alone.
    key = load_pem_private_key(broker.private_key_pem.bytes(), None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (folder / "server.pem").write_bytes(key + broker.cert_chain_pems[0].bytes())


def free_ports(count: int) -> list[int]:
    """Return *count* ports of 127.0.0.1 that were free just now."""
    with ExitStack() as held:
        ports: list[int] = []
        for port in random.sample(_PORTS, len(_PORTS)):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            ports.append(port)
            if len(ports) == count:
                return ports
    raise RuntimeError(f"no {count} free ports in {_PORTS}")
