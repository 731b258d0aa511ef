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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from bridge.cli.processes import Processes

#: The demos there are.
NAMES = ("iris",)

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

#: How long one step of the demo may take before it is called failed.
STEP_SECONDS = 60.0


def demo(
    name: Annotated[str, typer.Argument(help="Which demo: iris.")] = "iris",
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it serving on port 8080 until Ctrl-C.")
    ] = False,
) -> None:
    """Show an event go through a broker, the bridge and a model, and a typed response come out."""
    from rich.console import Console
    from rich.markup import escape

    from bridge.cli.processes import Processes
    from bridge.config.problems import did_you_mean
    from bridge.core.errors import ConfigError

    if name not in NAMES:
        raise ConfigError(f"no demo '{name}'{did_you_mean(name, NAMES)}")
    root = Path(__file__).resolve().parents[2]
    if not (root / "examples" / "iris").is_dir():
        raise ConfigError(f"{root}: has no examples/iris: the demo runs from a checkout")
    console = Console(highlight=False, soft_wrap=True)
    try:
        with Processes() as processes:
            _iris(console, processes, root, keep=keep)
    except KeyboardInterrupt:
        console.print("\nstopped")
    except DemoError as error:
        console.print(f"[red]failed:[/] {escape(str(error))}")
        sys.exit(1)


class DemoError(Exception):
    """A step did not do what it promises; the text says which, and what was seen."""


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
        with _step(console, f"{process.name} on http://127.0.0.1:{process.port}"):
            process.wait_until_ready(STEP_SECONDS)

    shown = processes["event display"]
    with _step(console, "the published request sent to the broker: 202"):
        _expect(202, *_post(broker, "/", REQUEST_HEADERS, REQUEST_DATA))
    with _step(console, "its response printed by the event display:"):
        first = _displayed(shown.output, 0)
    console.print()
    print(first)
    with _step(console, "the same event again: the same response id"):
        _expect(202, *_post(broker, "/", REQUEST_HEADERS, REQUEST_DATA))
        again = _displayed(shown.output, 1)
        if _id(first) != _id(again):
            raise DemoError(f"the response ids differ: {_id(first)} and {_id(again)}")
    console.print(f"  {_id(again)}", style="dim")
    broken = {name: value for name, value in REQUEST_HEADERS.items() if name != "Ce-Type"}
    with _step(console, "a broken event (no Ce-Type) sent to the bridge: 400"):
        said = _expect(400, *_post(bridge, PREDICTIONS, broken, REQUEST_DATA))
    console.print(f"  {escape(said)}", style="dim")
    with _step(console, "the bridge's ledger, from /metrics: every line adds up"):
        ledger = _ledger(admin)
    console.print("\n".join(f"  {line}" for line in ledger), style="dim")
    console.print(f"\ndone in {time.monotonic() - started:.1f} s; logs went to {processes.folder}")
    command = Path(sys.executable).parent / "bridge"
    if keep:
        console.print(
            "\n[bold]serving until Ctrl-C;[/] the published request, to type elsewhere:\n"
        )
        print(curl(broker))
        console.print("\nwhat the event display prints from here on:\n")
        _follow(shown.output, processes)
    console.print("\n[bold]next[/]")
    for typed, shows in (
        ("make demo KEEP=1", "leave it serving; the published curl works against it"),
        (f"{command} new mine", "a pipeline of your own, model included"),
        (f"{command} try mine/bridge.yaml mine/event.json", "one event through it, stage by stage"),
        (f"{command} --help", "everything else"),
    ):
        print(f"  {typed}\n      {shows}")


@contextmanager
def _step(console: Console, text: str) -> Iterator[None]:
    """Print *text* with how it went and how long it took."""
    started = time.monotonic()
    try:
        yield
    except BaseException:
        console.print(f"[red]✗[/] {text}")
        raise
    console.print(f"[green]✓[/] {text} [dim]({time.monotonic() - started:.2f} s)[/]")


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


def _ledger(admin_port: int) -> list[str]:
    """Return the ledger's lines as the metrics have them; raise if one does not add up."""
    from prometheus_client.parser import text_string_to_metric_families

    connection = http.client.HTTPConnection("127.0.0.1", admin_port, timeout=STEP_SECONDS)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    counted = {
        (sample.name, sample.labels.get("outcome")): int(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(("bridge_deliveries_", "bridge_events_", "bridge_in_flight"))
    }
    return [
        _line(
            counted, "bridge_deliveries_total", "bridge_deliveries_taken_total", "bridge_in_flight"
        ),
        _line(
            counted,
            "bridge_events_total",
            "bridge_events_accepted_total",
            "bridge_events_in_flight",
        ),
    ]


def _line(counted: dict[tuple[str, str | None], int], ended: str, taken: str, open_: str) -> str:
    """Return one line of the ledger as people read it; raise DemoError if it does not add up."""
    outcomes = {outcome: n for (name, outcome), n in counted.items() if name == ended}
    left, right = counted[taken, None], sum(outcomes.values()) + counted[open_, None]
    if left != right:
        raise DemoError(f"{taken} is {left}, but what became of them adds up to {right}")
    parts = [f"{n} {outcome}" for outcome, n in outcomes.items()] + [f"{counted[open_, None]} open"]
    kind = "deliveries" if "deliveries" in taken else "events"
    return f"{kind}: {left} = {' + '.join(parts)}"


def curl(port: int) -> str:
    """Return the published command, to type against *port*."""
    headers = " \\\n".join(f'    -H "{name}: {value}"' for name, value in REQUEST_HEADERS.items())
    return f"curl -v http://127.0.0.1:{port} \\\n{headers} \\\n    -d '{REQUEST_DATA}'"


def _follow(output: Callable[[], str], processes: Processes) -> None:
    """Print what the event display prints, until somebody stops it or something ends."""
    seen = len(output())
    while not processes.ended():
        text = output()
        if len(text) > seen:
            print(text[seen:], end="", flush=True)
            seen = len(text)
        time.sleep(0.05)
    raise DemoError(f"{', '.join(processes.ended())} ended by itself: see {processes.folder}")
