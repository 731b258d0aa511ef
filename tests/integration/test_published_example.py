"""The published Knative example, each request and response of it, on real processes.

curl ─▶ bridge broker ─▶ bridge run ─▶ the iris model
           ▲   └▶ bridge display           │
           └────── typed response ─────────┘

The model is `bridge component`, and then the original: Seldon's own microservice.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.process import Process, answers, free_port

ROOT = Path(__file__).parents[2]

#: The two published requests, header for header; they share their id and differ in source.
FIRST = {
    "Ce-Id": "536808d3-88be-4077-9d7a-a3f162705f79",
    "Ce-specversion": "0.3",
    "Ce-Type": "seldon.simple-iris-deployment.request",
    "Ce-Source": "seldon.examples.streaming.curl",
    "Content-Type": "application/json",
}
SECOND = {**FIRST, "Ce-Source": "dev.knative.samples/helloworldsource"}
DATA = '{"data": { "ndarray": [[1,2,3,4]]}}'

#: The Triggers as published, their three apiVersions and subscribers by `ref` included.
TRIGGERS = """\
apiVersion: eventing.knative.dev/v1beta1
kind: Trigger
metadata:
  name: seldon-eventing-sklearn-trigger
spec:
  broker: default
  filter:
    attributes:
      type: seldon.simple-iris-deployment.request
  subscriber:
    ref:
      apiVersion: machinelearning.seldon.io/v1
      kind: SeldonDeployment
      name: simple-iris-deployment
---
apiVersion: eventing.knative.dev/v1alpha1
kind: Trigger
metadata:
  name: event-display
spec:
  broker: default
  filter:
    attributes:
      type: seldon.simple-iris-deployment.response
      source: seldon.simple-iris-deployment
  subscriber:
    ref:
      apiVersion: v1
      kind: Service
      name: event-display
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """The example, running."""

    broker: int
    bridge: int
    display: Path
    original: bool

    def post(self, headers: dict[str, str], data: str = DATA, port: int | None = None):
        """Post to the broker, or to *port*; return status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.broker, timeout=30)
        connection.request("POST", "/", data.encode(), headers)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def displayed(self, count: int) -> list[str]:
        """Return the first *count* events that the event display printed, once they are whole."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            events = self.display.read_text().split("☁️")[1:]
            if len(events) >= count and events[count - 1].rstrip().endswith("}"):
                return events[:count]
            time.sleep(0.02)
        raise AssertionError(f"{count} events expected, displayed: {self.display.read_text()}")


@pytest.fixture(scope="module", params=["component", "original"])
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Example]:
    """The processes, started as a person would."""
    original = request.param == "original"
    folder = tmp_path_factory.mktemp("published")
    broker, bridge, model, display, admin = (free_port() for _ in range(5))
    (folder / "triggers.yaml").write_text(TRIGGERS)
    commands = {
        "model": ["component", "examples/iris/Iris.py:Iris", "--port", str(model)],
        "display": ["display", "--port", str(display)],
        "bridge": ["run", "examples/iris/local.yaml"],
        "broker": [
            *("broker", str(folder / "triggers.yaml"), "--port", str(broker), "--resolve"),
            f"SeldonDeployment/simple-iris-deployment=http://127.0.0.1:{bridge}/api/v1.0/predictions",
            *("--resolve", f"Service/event-display=http://127.0.0.1:{display}"),
        ],
    }
    ports = {"model": model, "display": display, "bridge": bridge, "broker": broker}
    url = f"http://127.0.0.1:{model}"
    if original:
        url = request.getfixturevalue("seldon_iris").url
        del commands["model"], ports["model"]
    environ = {"MODEL_URL": url, "PYTHONUNBUFFERED": "1"}
    running: list[Process] = []
    try:
        for name, command in commands.items():
            own = {"PORT": str(bridge), "ADMIN_PORT": str(admin)} if name == "bridge" else {}
            process = Process(
                [sys.executable, "-m", "bridge", *command],
                output=folder / f"{name}.log",
                folder=ROOT,
                environment={**environ, **own},
            )
            process.__enter__()
            running.append(process)
        for process, port in zip(running, ports.values(), strict=True):
            path = "healthz" if port == broker else "readyz"
            process.wait_until(
                lambda port=port, path=path: answers(f"http://127.0.0.1:{port}/{path}"), seconds=60
            )
        yield Example(
            broker=broker, bridge=bridge, display=folder / "display.log", original=original
        )
    finally:
        for process in reversed(running):
            process.__exit__(None, None, None)


def test_the_published_requests_end_as_the_published_response(example: Example):
    """202 from the broker, and the display prints what the reference prints."""
    before = len(example.display.read_text().split("☁️")[1:])

    statuses = [example.post(FIRST)[0], example.post(SECOND)[0]]
    first, second = example.displayed(before + 2)[before:]

    assert statuses == [202, 202]
    for event in (first, second):
        lines = event.splitlines()
        assert "  specversion: 0.3" in lines
        assert "  type: seldon.simple-iris-deployment.response" in lines
        assert "  source: seldon.simple-iris-deployment" in lines
        assert "  datacontenttype: application/json" in lines
        assert "  path: /api/v1.0/predictions" in lines
        assert re.search(r"\n  id: [0-9a-f-]{36}\n", event)
        assert re.search(r"\n  time: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z\n", event)
        assert re.search(r"\n  knativearrivaltime: \d{4}-", event)
        data = json.loads(event.partition("Data,")[2])
        assert data["data"]["names"] == ["t:0", "t:1", "t:2"]
        (row,) = data["data"]["ndarray"]
        assert row == pytest.approx([0.0341, 0.0061, 0.9598], abs=1e-4)
        assert example.original or data["meta"] == {}
    assert re.search("  id: .*", first).group() != re.search("  id: .*", second).group()


def test_the_same_event_again_has_the_same_response_id(example: Example):
    """A redelivery is answered with the same response."""
    before = len(example.display.read_text().split("☁️")[1:])

    example.post(FIRST)
    example.post(FIRST)
    events = example.displayed(before + 2)[before:]

    ids = [re.search("  id: .*", event).group() for event in events]
    assert ids[0] == ids[1]
    assert "536808d3" not in ids[0]


def test_the_bridge_itself_replies_with_the_response(example: Example):
    """The subscriber's side: 200 and the response event as headers, as the executor's."""
    status, headers, body = example.post(FIRST, port=example.bridge)

    headers = {name.lower(): value for name, value in headers.items()}
    assert status == 200
    assert headers["ce-specversion"] == "0.3"
    assert headers["ce-type"] == "seldon.simple-iris-deployment.response"
    assert headers["ce-source"] == "seldon.simple-iris-deployment"
    assert headers["content-type"] == "application/json"
    assert set(json.loads(body)) == {"data", "meta"}


def test_an_event_of_another_type_reaches_nobody(example: Example):
    """The Trigger's filter and the pipeline's own."""
    before = example.display.read_text()

    other = {**FIRST, "Ce-Type": "something.else"}
    through_broker, _, _ = example.post(other)
    direct, _, body = example.post(other, port=example.bridge)
    example.post(FIRST)

    assert through_broker == direct == 202
    assert body == b""
    assert len(example.displayed(before.count("☁️") + 1)) == before.count("☁️") + 1


def test_curl_as_published_works_too(example: Example):
    """The command of the reference, word for word but for the address."""
    headers = [part for name, value in FIRST.items() for part in ("-H", f"{name}: {value}")]

    done = subprocess.run(
        ["curl", "-sv", f"http://127.0.0.1:{example.broker}", *headers, "-d", DATA],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "HTTP/1.1 202" in done.stderr


@pytest.mark.parametrize("missing", ["Ce-Id", "Ce-specversion", "Ce-Type", "Ce-Source"])
def test_a_broken_event_is_refused_by_broker_and_bridge(example: Example, missing: str):
    """400 from either, saying what is missing."""
    broken = {name: value for name, value in FIRST.items() if name != missing}

    for port in (example.broker, example.bridge):
        status, _, body = example.post(broken, port=port)

        assert status == 400
        assert missing.removeprefix("Ce-").lower() in body.decode().lower()


def test_a_payload_the_model_cannot_take_is_its_verdict(example: Example):
    """422 with the model's own words; a Trigger does not send it again."""
    status, headers, body = example.post(
        FIRST, '{"data": {"ndarray": [[1,2]]}}', port=example.bridge
    )

    assert status == 422
    assert headers["kne-bridgereason"] == "rejected"
    assert b"features" in body
