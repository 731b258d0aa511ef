"""`bridge demo`: the published Knative example, on real processes and real sockets.

you ──event──▶ broker ──Trigger──▶ bridge ──Seldon──▶ iris model
                 ▲                   │
                 └──typed response───┘
                 └──Trigger──▶ event display
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bridge.cli.demo_steps import STEP_SECONDS, DemoError, follow, ledger, step

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.cli.processes import Processes

#: The demos there are.
NAMES = ("iris", "kafka", "mnist")

#: The published request, header by header.
REQUEST_HEADERS = {
    "Ce-Id": "536808d3-88be-4077-9d7a-a3f162705f79",
    "Ce-specversion": "0.3",
    "Ce-Type": "seldon.simple-iris-deployment.request",
    "Ce-Source": "seldon.examples.streaming.curl",
    "Content-Type": "application/json",
}
REQUEST_DATA = '{"data": { "ndarray": [[1,2,3,4]]}}'

#: Where the published Trigger's subscriber is reached; it becomes the extension `path`.
PREDICTIONS = "/api/v1.0/predictions"


def demo(
    name: Annotated[str, typer.Argument(help="Which demo: iris, kafka, mnist.")] = "iris",
    keep: Annotated[bool, typer.Option("--keep", help="Leave it serving until Ctrl-C.")] = False,
) -> None:
    """Show an event go through a broker, the bridge and a model, and a typed response come out.

    `kafka`: from topic to topic, with a poison that goes to the dead letter and back.
    `mnist`: images into a bucket of MinIO, and on into the buckets of their digits.
    """
    from rich.console import Console
    from rich.markup import escape

    from bridge.cli.demo_kafka import kafka
    from bridge.cli.demo_mnist import mnist
    from bridge.cli.processes import Processes
    from bridge.config.problems import did_you_mean
    from bridge.core.errors import ConfigError

    if name not in NAMES:
        raise ConfigError(f"no demo '{name}'{did_you_mean(name, NAMES)}")
    root = Path(__file__).resolve().parents[2]
    if not (root / "examples" / name).is_dir():
        raise ConfigError(f"{root}: has no examples/{name}: the demo runs from a checkout")
    console = Console(highlight=False, soft_wrap=True)
    try:
        with Processes() as processes:
            shows = {"iris": _iris, "kafka": kafka, "mnist": mnist}[name]
            shows(console, processes, root, keep=keep)
    except KeyboardInterrupt:
        console.print("\nstopped")
    except DemoError as error:
        console.print(f"[red]failed:[/] {escape(str(error))}")
        sys.exit(1)


def _iris(console: Console, processes: Processes, root: Path, *, keep: bool) -> None:
    from rich.markup import escape

    from bridge.cli.processes import free_port

    started = time.monotonic()
    broker, bridge, admin, model, display = (
        free_port(8080) if keep else free_port(),
        *(free_port() for _ in range(4)),
    )
    iris = root / "examples" / "iris"
    knative = root / "deploy" / "knative" / "base"
    console.print("[bold]The published Knative example: an event in, a typed response out[/]\n")
    processes.start(
        "model",
        ["component", f"{iris / 'Iris.py'}:Iris", "--host", "127.0.0.1", "--port", str(model)],
        port=model,
    )
    processes.start("event display", ["display", "--port", str(display)], port=display)
    processes.start(
        "bridge",
        ["run", str(iris / "local.yaml")],
        port=bridge,
        environ={
            "MODEL_URL": f"http://127.0.0.1:{model}",
            "PORT": str(bridge),
            "ADMIN_PORT": str(admin),
        },
    )
    processes.start(
        "broker",
        [
            "broker",
            str(knative / "broker.yaml"),
            str(knative / "iris-trigger.yaml"),
            str(knative / "event-display-trigger.yaml"),
            "--resolve",
            f"Service/iris-bridge=http://127.0.0.1:{bridge}{PREDICTIONS}",
            "--resolve",
            f"Service/event-display=http://127.0.0.1:{display}",
            "--resolve",
            f"Service/dead-letter-display=http://127.0.0.1:{display}",
            "--port",
            str(broker),
        ],
        port=broker,
    )
    for process in processes:
        with step(console, f"{process.name} on http://127.0.0.1:{process.port}"):
            process.wait_until_ready(STEP_SECONDS)

    shown = processes["event display"]
    with step(console, "the published request sent to the broker: 202"):
        _expect(202, *_post(broker, "/", REQUEST_HEADERS, REQUEST_DATA))
    with step(console, "its response printed by the event display:"):
        first = _displayed(shown.output, 0)
    console.print()
    print(first)
    with step(console, "the same event again: the same response id"):
        _expect(202, *_post(broker, "/", REQUEST_HEADERS, REQUEST_DATA))
        again = _displayed(shown.output, 1)
        if _id(first) != _id(again):
            raise DemoError(f"the response ids differ: {_id(first)} and {_id(again)}")
    console.print(f"  {_id(again)}", style="dim")
    broken = {name: value for name, value in REQUEST_HEADERS.items() if name != "Ce-Type"}
    with step(console, "a broken event (no Ce-Type) sent to the bridge: 400"):
        said = _expect(400, *_post(bridge, PREDICTIONS, broken, REQUEST_DATA))
    console.print(f"  {escape(said)}", style="dim")
    with step(console, "the bridge's ledger, from /metrics: every line adds up"):
        counted = ledger(admin)
    console.print("\n".join(f"  {line}" for line in counted), style="dim")
    console.print(f"\ndone in {time.monotonic() - started:.1f} s; logs went to {processes.folder}")
    command = Path(sys.executable).parent / "bridge"
    if keep:
        console.print(
            "\n[bold]serving until Ctrl-C;[/] the published request, to type elsewhere:\n"
        )
        print(curl(broker))
        console.print("\nwhat the event display prints from here on:\n")
        follow(shown.output, processes)
    console.print("\n[bold]next[/]")
    for typed, shows in (
        ("make demo KEEP=1", "leave it serving; the published curl works against it"),
        (f"{command} new mine", "a pipeline of your own, model included"),
        (f"{command} try mine/bridge.yaml mine/event.json", "one event through it, stage by stage"),
        (f"{command} --help", "everything else"),
    ):
        print(f"  {typed}\n      {shows}")


def _post(port: int, path: str, headers: dict[str, str], data: str) -> tuple[int, str]:
    """Post with the standard library's client: not our own on both ends."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STEP_SECONDS)
    try:
        connection.request("POST", path, data.encode(), headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode("utf-8", "replace")
    finally:
        connection.close()


def _expect(status: int, found: int, said: str) -> str:
    if found != status:
        raise DemoError(f"expected {status}, was answered {found} {said}")
    return said


def _displayed(output: Callable[[], str], index: int) -> str:
    """Return the event display's event number *index*, once it is printed whole."""
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline:
        events = output().split("☁️")[1:]
        if len(events) > index and events[index].rstrip().endswith("}"):
            return "☁️" + events[index].rstrip() + "\n"
        time.sleep(0.01)
    raise DemoError(f"the event display printed nothing within {STEP_SECONDS:g} s")


def _id(displayed: str) -> str:
    """Return the id in what the event display printed."""
    line = next(line for line in displayed.splitlines() if line.startswith("  id: "))
    return line.removeprefix("  id: ")


def curl(port: int) -> str:
    """Return the published command, to type against *port*."""
    headers = " \\\n".join(f'    -H "{name}: {value}"' for name, value in REQUEST_HEADERS.items())
    return f"curl -v http://127.0.0.1:{port} \\\n{headers} \\\n    -d '{REQUEST_DATA}'"
