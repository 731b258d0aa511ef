"""`bridge demo kafka`: from topic to topic, and a poison to the dead letter and back.

iris-requests ──▶ bridge ──Seldon──▶ iris model
                    ├──▶ iris-responses
                    └──▶ iris-dead-letter ──`bridge dead replay`──▶ iris-requests
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.cli.demo_steps import STEP_SECONDS, follow, ledger, printed, run_bridge, step
from bridge.cli.demo_topics import create, read

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.cli.demo_cluster import Cluster
    from bridge.cli.processes import Processes
    from bridge.core.event import Event, Record

REQUESTS, RESPONSES, DEAD_LETTER = "iris-requests", "iris-responses", "iris-dead-letter"

#: The topics, and how many partitions each has.
TOPICS: Final = {REQUESTS: 3, RESPONSES: 3, DEAD_LETTER: 1}

#: What is sent: id, key, and four lengths of a flower. The poison has one that nobody measured.
FLOWERS: Final = (
    ("1", "meadow", "5.1, 3.5, 1.4, 0.2"),
    ("2", "garden", "6.3, 3.3, 6.0, 2.5"),
    ("3", "meadow", "7.0, 3.2, 4.7, 1.4"),
)
POISON: Final = ("4", "meadow", "5.1, 3.5, 1.4, null")
BEHIND: Final = ("5", "meadow", "4.9, 3.0, 1.4, 0.2")


def kafka(console: Console, processes: Processes, root: Path, *, keep: bool) -> None:
    """Show it; with *keep*, leave it serving until somebody stops it."""
    from bridge.cli.demo_cluster import start
    from bridge.cli.process import run_loop
    from bridge.cli.processes import free_port

    started = time.monotonic()
    example = root / "examples" / "kafka"
    file = example / "local.yaml"
    console.print("[bold]A topic in, a topic out, and what becomes of a poison[/]\n")
    cluster = start(console, processes, example / "pom.xml", first_port=9092 if keep else 0)
    with step(console, f"topics {', '.join(TOPICS)}"):
        run_loop(create(cluster, TOPICS))
    model, admin = free_port(), free_port()
    environ = {
        "KAFKA_BROKER": cluster.bootstrap,
        "IDEMPOTENT": str(cluster.idempotent).lower(),
        "MODEL_URL": f"http://127.0.0.1:{model}",
        "ADMIN_PORT": str(admin),
    }
    _start_model(processes, f"{root / 'examples' / 'iris' / 'Iris.py'}:Iris", model)
    processes.start("bridge", ["run", str(file)], port=admin, environ=environ)
    with step(console, f"model on http://127.0.0.1:{model}"):
        processes["model"].wait_until_ready(STEP_SECONDS)
    bridge = processes["bridge"]
    with step(console, "bridge in the group iris-bridge", meanwhile="bridge: joining its group"):
        bridge.wait_until_ready(STEP_SECONDS)
        bridge.wait_until(
            lambda: "partitions assigned" in bridge.log.read_text("utf-8", "replace"), STEP_SECONDS
        )

    _topic_to_topic(console, cluster)
    _poison(console, processes, cluster, root, environ)
    with step(console, "the bridge's ledger, from /metrics: every line adds up"):
        counted = ledger(admin)
    console.print("\n".join(f"  {line}" for line in counted), style="dim")
    console.print(f"\ndone in {time.monotonic() - started:.1f} s; logs went to {processes.folder}")
    command = Path(sys.executable).parent / "bridge"
    if keep:
        _keep(console, processes, example, environ, command)
    console.print("\n[bold]next[/]")
    for typed, shows in (
        ("make demo DEMO=kafka KEEP=1", "leave it serving: events of your own, and their fate"),
        (f"{command} check {example / 'bridge.yaml'}", "the file to begin with"),
        (f"{command} dead --help", "dead letters: list, show, put back"),
    ):
        print(f"  {typed}\n      {shows}")


def _topic_to_topic(console: Console, cluster: Cluster) -> None:
    from bridge.cli.process import run_loop

    with step(console, f"{len(FLOWERS)} requests to {REQUESTS}"):
        run_loop(_send(cluster, FLOWERS))
    with step(console, f"their responses in {RESPONSES}, each with its request's key:"):
        answered = run_loop(read(cluster, RESPONSES, len(FLOWERS)))
    _show(console, answered)


def _poison(
    console: Console,
    processes: Processes,
    cluster: Cluster,
    root: Path,
    environ: Mapping[str, str],
) -> None:
    """Show a request that the model refuses, where it goes, and how it comes back."""
    from bridge.cli.process import run_loop

    folder = root / "examples" / "kafka"
    file, port = str(folder / "local.yaml"), processes["model"].port
    answered = len(FLOWERS) + 1
    with step(console, f"a poison, {{{POISON[2]}}}, and one more request of its key behind it"):
        run_loop(_send(cluster, (POISON, BEHIND)))
    with step(console, "the one behind it is answered, the poison is a dead letter:"):
        behind = run_loop(read(cluster, RESPONSES, answered))[-1:]
        run_loop(read(cluster, DEAD_LETTER, 1))
    _show(console, behind)
    letter = run_bridge(environ, "dead", "show", file, "0/0")
    printed(console, "bridge dead show examples/kafka/local.yaml 0/0", letter)
    processes.stop("model")
    _start_model(processes, f"{folder / 'IrisWithGaps.py'}:IrisWithGaps", port)
    with step(console, "the model's next version, which takes a null, on the same port"):
        processes["model"].wait_until_ready(STEP_SECONDS)
    # Tansu cannot say where a group is that has committed nothing yet.
    replay = ["dead", "replay", "--yes", *([] if cluster.idempotent else ["--from-start"])]
    with step(console, f"the dead letter put back to {REQUESTS}:"):
        replayed = run_bridge(environ, *replay, file)
    printed(console, f"bridge {' '.join(replay)} examples/kafka/local.yaml", replayed)
    with step(console, "and its response:"):
        *_, last = run_loop(read(cluster, RESPONSES, answered + 1))
    console.print()
    print(_displayed(last))


def _keep(
    console: Console,
    processes: Processes,
    example: Path,
    environ: Mapping[str, str],
    command: Path,
) -> None:
    """Open a door for events over HTTP, print responses as they come, until somebody stops it."""
    from bridge.cli.processes import free_port

    door, admin = free_port(8080), free_port()
    doors = {**environ, "DOOR_PORT": str(door), "DOOR_ADMIN_PORT": str(admin)}
    processes.start("doors", ["run", str(example / "doors.yaml")], port=admin, environ=doors)
    opened = processes["doors"]
    with step(console, f"a door into {REQUESTS}: http://127.0.0.1:{door}"):
        opened.wait_until_ready(STEP_SECONDS)
    variables = " ".join(f"{name}={value}" for name, value in environ.items())
    console.print("\n[bold]serving until Ctrl-C;[/] to type elsewhere:\n")
    print(
        f"export {variables}\n"
        f"{command} send http://127.0.0.1:{door} --type {_type()} "
        '--data \'{"data": {"ndarray": [[5.1, 3.5, 1.4, 0.2]]}}\'\n'
        f"{command} dead list {example / 'local.yaml'}\n"
        f"curl -s http://127.0.0.1:{environ['ADMIN_PORT']}/metrics"
    )
    console.print("\nwhat is in iris-responses, and what comes to it from here on:\n")
    follow(opened.output, processes)


def _start_model(processes: Processes, model: str, port: int) -> None:
    command = ["component", model, "--host", "127.0.0.1", "--port", str(port)]
    processes.start("model", command, port=port)


async def _send(cluster: Cluster, flowers: Sequence[tuple[str, str, str]]) -> None:
    """Return when the topic of requests has *flowers*, in their order."""
    from bridge.sinks.kafka import KafkaSink, KafkaSinkOptions

    options = KafkaSinkOptions(
        bootstrap_servers=cluster.bootstrap, topic=REQUESTS, idempotent=cluster.idempotent
    )
    async with KafkaSink(options) as sink:
        for flower in flowers:
            await sink.send(_request(*flower))


def _request(identity: str, key: str, lengths: str) -> Event:
    from bridge.core.event import Event

    attributes = {
        "specversion": "1.0",
        "id": identity,
        "source": "/demo",
        "type": _type(),
        "datacontenttype": "application/json",
        "partitionkey": key,
    }
    return Event(attributes, f'{{"data": {{"ndarray": [[{lengths}]]}}}}'.encode())


def _type() -> str:
    return "seldon.simple-iris-deployment.request"


def _show(console: Console, records: Sequence[Record]) -> None:
    """Print key, request and answer of each response."""
    import orjson

    from bridge.codecs.kafka import decode

    for record in records:
        event = decode(record.headers, record.value)
        (row,) = orjson.loads(event.data or b"{}")["data"]["ndarray"]
        shown = "  ".join(f"{probability:.3f}" for probability in row)
        key = (record.key or b"").decode()
        console.print(f"  key {key}  id {event.id[:8]}…  {event.type}  [{shown}]", markup=False)


def _displayed(record: Record) -> str:
    from bridge.codecs.kafka import decode
    from bridge.sinks.log import display

    return display(decode(record.headers, record.value))
