"""The commands that serve, as real processes on free ports, and `bridge send` to all of them.

send ─▶ bridge run ─▶ bridge component (iris)
send ─▶ bridge broker ─▶ bridge display
"""

import json
import os
import re
import signal
import socket
import threading
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes_cli import SECONDS, Serving, bridge, serving

ROOT = Path(__file__).parents[2]
IRIS = ROOT / "examples" / "iris"

TRIGGER = """\
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: display}
spec:
  broker: default
  filter: {attributes: {type: shown}}
  subscriber: {ref: {apiVersion: v1, kind: Service, name: event-display}}
"""

#: Answers once the other end of the pipe `gate` beside it is opened and closed.
SLOW = """\
from pathlib import Path

class Slow:
    def predict(self, X, names):
        Path(__file__).with_name("gate").read_bytes()
        return X
"""


@dataclass(frozen=True)
class Flow:
    """What runs, and where."""

    component: Serving
    pipeline: Serving
    display: Serving
    broker: Serving


@pytest.fixture(scope="module")
def flow(tmp_path_factory):
    """Component, bridge, display and broker, each on a port that was free."""
    folder = tmp_path_factory.mktemp("flow")
    (folder / "trigger.yaml").write_text(TRIGGER)
    here = ("--host", "127.0.0.1", "--port", "0")
    with (
        serving(folder / "component.log", "component", f"{IRIS / 'Iris.py'}:Iris", *here) as model,
        serving(folder / "display.log", "display", *here) as display,
        serving(
            folder / "bridge.log",
            *("run", IRIS / "local.yaml"),
            environment={"MODEL_URL": model.url, "PORT": "0", "ADMIN_PORT": "0"},
        ) as pipeline,
        serving(
            folder / "broker.log",
            *("broker", folder / "trigger.yaml", *here),
            *("--resolve", f"Service/event-display={display.url}"),
        ) as broker,
    ):
        yield Flow(model, pipeline, display, broker)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--mode", "structured"),
        ("--specversion", "1.0"),
        ("--specversion", "1.0", "--mode", "structured"),
    ],
    ids=["binary 0.3", "structured 0.3", "binary", "structured"],
)
def test_an_event_is_sent_and_its_reply_shown(flow, options):
    """Whatever the form, the reply is the typed response, in the version of the request."""
    ended = bridge("send", flow.pipeline.url, "--file", IRIS / "event.json", "--wait", *options)

    version = "1.0" if "--specversion" in options else "0.3"
    assert (0, "") == (ended.status, ended.err)
    assert ended.out.startswith("200\n☁️  cloudevents.Event\n")
    assert f"  specversion: {version}\n" in ended.out
    assert "  type: seldon.simple-iris-deployment.response\n" in ended.out
    assert "  source: seldon.simple-iris-deployment\n" in ended.out


def test_a_batch_is_sent_in_one_request_and_answered_with_one(flow):
    """`--mode batch --wait` asks for a batch, as a pipeline that replies demands."""
    one = (IRIS / "event.json").read_text()
    two = one.replace("536808d3", "636808d3")

    ended = bridge(
        *("send", flow.pipeline.url, "--file", "-", "--mode", "batch", "--wait"),
        *("--output", "json"),
        stdin=f"[{one}, {two}]".encode(),
    )

    (line,) = ended.out.splitlines()
    told = json.loads(line)
    assert (0, 200, True) == (ended.status, told["status"], told["accepted"])
    assert ["seldon.simple-iris-deployment.response"] * 2 == [r["type"] for r in told["replies"]]
    assert told["replies"][0]["id"] != told["replies"][1]["id"]
    assert 3 == len(told["replies"][0]["data"]["data"]["ndarray"][0])


def test_events_from_stdin_are_answered_line_by_line(flow):
    """One event a line in, one JSON line an answer out; a refusal makes the status 1."""
    one = json.dumps(json.loads((IRIS / "event.json").read_text()))
    bad = one.replace("[[1, 2, 3, 4]]", "[[1, 2]]")

    ended = bridge(
        "send", flow.pipeline.url, "--file", "-", "--output", "json", stdin=f"{one}\n{bad}".encode()
    )

    good, refused = map(json.loads, ended.out.splitlines())
    assert 1 == ended.status
    assert (200, True, "") == (good["status"], good["accepted"], good["said"])
    assert (422, False) == (refused["status"], refused["accepted"])
    assert "features" in refused["said"]


def test_a_single_event_is_made_of_options(flow, tmp_path):
    """Data from a file; the refusal is shown as the bridge said it."""
    (tmp_path / "data.json").write_text('{"data": {"ndarray": [[1, 2, 3, 4]]}}')

    ended = bridge(
        *("send", flow.pipeline.url, "--data", f"@{tmp_path}/data.json", "--wait"),
        *("--type", "seldon.simple-iris-deployment.request", "--extension", "team=a"),
    )
    data = bridge(
        *("send", flow.pipeline.url, "--data", "no json", "--id", "1"),
        *("--type", "seldon.simple-iris-deployment.request"),
    )

    assert (0, True) == (ended.status, ended.out.startswith("200\n"))
    assert (1, True) == (data.status, data.out.startswith("4"))
    assert "JSON" in data.out


def test_what_is_sent_to_the_broker_is_shown_by_the_display(flow):
    """Broker, trigger, display: what was sent is what is printed."""
    ended = bridge(
        *("send", flow.broker.url, "--type", "shown", "--id", "77", "--source", "me"),
        *("--data", "[red]no markup[/red] :bomb:", "--content-type", "text/plain"),
    )

    shown = flow.display.displayed("  [red]no markup[/red] :bomb:")
    assert (0, "202\n") == (ended.status, ended.out)
    assert shown.startswith("☁️  cloudevents.Event\nContext Attributes,\n")
    assert "\n  type: shown\n  source: me\n  id: 77\n" in shown


def test_waiting_where_nothing_is_replied_is_a_failure(flow):
    """A broker only accepts: status 1, and why."""
    ended = bridge("send", flow.broker.url, "--type", "ignored", "--wait")

    assert (1, "202 accepted, but nothing was replied\n") == (ended.status, ended.out)


def test_only_who_waits_gets_the_reply_where_the_platform_names_a_sink(flow, tmp_path):
    """`--wait` asks for a reply (`Prefer: reply`); without it the response goes to K_SINK."""
    environment = {
        "MODEL_URL": flow.component.url,
        "K_SINK": flow.display.url,
        "PORT": "0",
        "ADMIN_PORT": "0",
    }
    with serving(
        tmp_path / "run.log", "run", IRIS / "local.yaml", environment=environment
    ) as running:
        waited = bridge("send", running.url, "--file", IRIS / "event.json", "--wait")
        given = bridge("send", running.url, "--file", IRIS / "event.json", "--specversion", "1.0")

    assert (0, "200") == (waited.status, waited.out.splitlines()[0])
    assert (0, "202\n") == (given.status, given.out)
    shown = flow.display.displayed("  }")
    assert "\n  specversion: 1.0\n  type: seldon.simple-iris-deployment.response\n" in shown


def test_check_asks_the_far_ends_and_shows_the_request(flow):
    """`--connect`: the model answers, and the exact request is shown."""
    environment = {"MODEL_URL": flow.component.url}

    ended = bridge("check", IRIS / "bridge.yaml", "--connect", environment=environment)

    assert (0, "") == (ended.status, ended.err)
    assert "answers    simple-iris-deployment.model\n" in ended.out
    assert "  POST /api/v1.0/predictions HTTP/1.1\n" in ended.out
    assert f"  host: 127.0.0.1:{flow.component.port}\n" in ended.out


def test_check_says_which_far_end_does_not_answer():
    """Status 1: the file is right. The request is shown all the same."""
    environment = {"MODEL_URL": "http://127.0.0.1:1"}

    ended = bridge(
        *("check", IRIS / "bridge.yaml", "--connect", "--output", "json"), environment=environment
    )

    told = json.loads(ended.out)
    assert 1 == ended.status
    assert "Connection refused" in told["answers"]["simple-iris-deployment.model"]
    assert told["requests"]["simple-iris-deployment"].startswith("POST /api/v1.0/predictions")


def test_try_asks_the_real_model(flow):
    """The six-line file and its event, through the model that runs."""
    environment = {"MODEL_URL": flow.component.url}

    ended = bridge("try", IRIS / "bridge.yaml", IRIS / "event.json", environment=environment)

    assert (0, "") == (ended.status, ended.err)
    assert "── model → application/json" in ended.out
    assert "  type: seldon.simple-iris-deployment.response\n" in ended.out


def test_the_platform_sends_no_answer_of_a_preset_elsewhere(tmp_path):
    """K_SINK is injected into every pod of a Knative source; a display still prints."""
    nowhere = {"K_SINK": "http://127.0.0.1:1", "K_CE_OVERRIDES": '{"extensions":{"x":"y"}}'}
    with serving(
        tmp_path / "display.log", "display", "--port", "0", environment=nowhere
    ) as display:
        ended = bridge("send", display.url, "--id", "1", "--data", '"here"')

        shown = display.displayed('  "here"')

    assert (0, "202\n") == (ended.status, ended.out)
    assert "x: y" not in shown


def test_a_port_that_is_given_wins_over_that_of_the_platform(tmp_path):
    """PORT is only the default."""
    with serving(
        tmp_path / "given.log", "display", "--port", "0", environment={"PORT": "1"}
    ) as given:
        assert given.port > 1024

    with serving(tmp_path / "platform.log", "display", environment={"PORT": "0"}) as platform:
        assert 8080 != platform.port > 1024


def test_a_display_for_programs_prints_an_event_a_line(tmp_path):
    """CloudEvents JSON."""
    with serving(tmp_path / "display.log", "display", "--port", "0", "--output", "json") as display:
        bridge("send", display.url, "--id", "1", "--type", "t", "--data", '{"a":\n 1}')

        line = display.process.stdout.readline()

    assert ("1", "t", {"a": 1}) == tuple(json.loads(line)[name] for name in ("id", "type", "data"))


def test_a_display_that_nobody_reads_ends(tmp_path):
    """`bridge display | head`: status 0, without a word about a broken pipe."""
    with serving(tmp_path / "display.log", "display", "--port", "0") as display:
        display.process.stdout.close()

        display.wait_for("stopped")
        status = display.process.interrupt(0)

    assert 0 == status
    assert "roken" not in display.log


@pytest.fixture(scope="module")
def taken():
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize(
    ("argv", "who"),
    [
        (("display", "--port"), "source http"),
        (("display", "--port", "0", "--admin-port"), "admin"),
        (
            ("component", f"{IRIS / 'Iris.py'}:Iris", "--host", "127.0.0.1", "--port"),
            "source seldon",
        ),
        (
            ("broker", "trigger.yaml", "--resolve", "Service/event-display=http://x", "--port"),
            "broker",
        ),
    ],
    ids=["display", "admin", "component", "broker"],
)
def test_a_port_that_is_taken_is_said_in_one_line(taken, tmp_path, argv, who):
    """Status 2, as every mistake of configuration; the last line says which port and why."""
    (tmp_path / "trigger.yaml").write_text(TRIGGER)

    ended = bridge(*argv, taken, folder=tmp_path)

    last = ended.err.splitlines()[-1]
    assert (2, "") == (ended.status, ended.out)
    assert f"{who}: cannot listen on 127.0.0.1:{taken}: address already in use" == last
    assert "Traceback" not in ended.err


def test_run_says_a_taken_port_as_well(taken, tmp_path):
    """Of the file, or of PORT."""
    (tmp_path / "bridge.yaml").write_text(
        "pipelines:\n  a: {source: {type: http, host: 127.0.0.1}, sinks: [{type: log}]}\n"
        "admin: {port: 0}\n"
    )

    ended = bridge("run", tmp_path / "bridge.yaml", environment={"PORT": str(taken)})

    assert 2 == ended.status
    assert f"127.0.0.1:{taken}: address already in use" in ended.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("component", "nope:Nope"), "component: type 'nope:Nope': no module 'nope' in "),
        (("component", f"{IRIS / 'Iris.py'}:Irish"), "has no class 'Irish'; did you mean 'Iris'?"),
        (("broker", "trigger.yaml"), "trigger.yaml"),
        (("broker", "trigger.yaml", "--resolve", "x"), "--resolve x: expected Kind/name=URL"),
        (("broker", "nope.yaml"), "nope.yaml"),
    ],
)
def test_a_command_that_cannot_serve_says_why(tmp_path, argv, said):
    """Status 2, one line, no traceback."""
    (tmp_path / "trigger.yaml").write_text(TRIGGER)

    ended = bridge(*argv, "--port", "0", folder=tmp_path)

    assert (2, "", 1) == (ended.status, ended.out, len(ended.err.splitlines()))
    assert said in ended.err


def test_a_source_that_crashes_ends_the_process(tmp_path):
    """Status 1, so that Kubernetes starts it anew; the last line says why."""
    (tmp_path / "crash.py").write_text(
        "from bridge import Unavailable\nfrom bridge.config.options import Options\n\n"
        "class BoxOptions(Options):\n    type: str\n\n"
        "class Box:\n    Options = BoxOptions\n"
        "    def __init__(self, options): pass\n"
        "    async def __aenter__(self): return self\n"
        "    async def __aexit__(self, *exc): pass\n"
        "    async def ping(self): pass\n"
        "    async def run(self, handle, stop): raise Unavailable('the box is gone')\n"
    )
    (tmp_path / "bridge.yaml").write_text(
        "pipelines:\n  a: {source: {type: 'crash:Box'}, sinks: [{type: log}]}\nadmin: {port: 0}\n"
    )

    ended = bridge("run", tmp_path / "bridge.yaml")

    assert (1, "the box is gone") == (ended.status, ended.err.splitlines()[-1])
    assert "Traceback" not in ended.err


class Asking:
    """A request to a slow component, in a thread; *status* once it is answered, or None."""

    def __init__(self, url: str) -> None:
        self.status: int | None = None
        self._url = url
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()

    def wait(self) -> int | None:
        """Return the status of the answer, None where there was none."""
        self._thread.join(SECONDS)
        assert not self._thread.is_alive()
        return self.status

    def _ask(self) -> None:
        data = b'{"data": {"ndarray": [[1]]}}'
        request = urllib.request.Request(f"{self._url}/predict", data, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                self.status = answer.status
        except OSError:
            pass


@pytest.fixture
def slow(tmp_path):
    """A component whose class waits for the pipe `gate`, and that pipe."""
    (tmp_path / "slow.py").write_text(SLOW)
    os.mkfifo(tmp_path / "gate")
    with serving(
        tmp_path / "slow.log",
        *("component", "slow.py:Slow", "--host", "127.0.0.1", "--port", "0"),
        folder=tmp_path,
    ) as running:
        yield running, tmp_path / "gate"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_a_request_under_way_be_answered(slow, number):
    """Drained: the caller gets its answer, and the status is 0."""
    running, gate = slow
    asking = Asking(running.url)
    with gate.open("wb"):  # opens once the class reads: the request is under way
        os.kill(running.process.pid, number)
        running.wait_for("draining")

    assert 200 == asking.wait()
    assert 0 == running.process.interrupt(0)
    assert re.search(r"stopped +drained=True", running.log)


def test_a_second_signal_cuts_the_drain_short(slow):
    """It ends at once with status 1, and says that not all was settled."""
    running, gate = slow
    asking = Asking(running.url)
    with gate.open("wb"):
        os.kill(running.process.pid, signal.SIGTERM)
        running.wait_for("draining")

        status = running.process.interrupt(signal.SIGTERM)

    assert 1 == status
    assert 200 != asking.wait()
    assert re.search(r"stopped +drained=False", running.log)
    assert "Traceback" not in running.log
