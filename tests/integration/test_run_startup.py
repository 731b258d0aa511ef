"""What `bridge run` says before it serves: all that is wrong in one go, and what is only late."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes_cli import bridge, serving
from tests.services.process import free_port


def _taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


taken = pytest.fixture(_taken, name="taken")
also_taken = pytest.fixture(_taken, name="also_taken")


def test_everything_that_is_wrong_is_told_at_once(
    tmp_path: Path, taken: int, also_taken: int
) -> None:
    """Taken ports, a missing secret, a bad certificate, a typing error: status 2, a line each."""
    (tmp_path / "server.pem").write_text("no certificate")
    file = tmp_path / "bridge.yaml"
    file.write_text(
        f"""\
admin: {{host: 127.0.0.1, port: {also_taken}}}
pipelines:
  one:
    source: {{type: http, host: 127.0.0.1, port: {taken}}}
    modle: {{}}
    sinks: [{{type: http, url: "http://x/", headers: {{Authorization: "${{TOKEN}}"}}}}]
  two:
    source:
      {{type: http, host: 127.0.0.1, port: 0,
       tls: {{cert_file: server.pem, key_file: server.pem}}}}
    model: {{type: rest, url: "ftp://x/"}}
    dead_letter: {{type: "elsewhere:Sink"}}
"""
    )

    ended = bridge("run", file, folder=tmp_path, environment={"PORT": "eighty"})

    told = [line.replace(f"{file}:", "") for line in ended.err.splitlines()]
    in_use = "address already in use"
    expected = [
        "environment variable PORT: expected a port number, found 'eighty'",
        f"1: admin.port: cannot listen on 127.0.0.1:{also_taken}: {in_use}",
        f"4: pipelines.one.source.port: cannot listen on 127.0.0.1:{taken}: {in_use}",
        "5: pipelines.one.modle: unknown option; did you mean 'model'?",
        "6: pipelines.one.sinks[0].headers.Authorization: environment variable TOKEN is not set",
        "8: pipelines.two.source: tls: cert_file 'server.pem'",
        "11: pipelines.two.model: url 'ftp://x/'",
        "12: pipelines.two.dead_letter.type: ",
    ]
    assert (2, "") == (ended.status, ended.out)
    assert expected == [line[: len(start)] for line, start in zip(told, expected, strict=True)]


def test_taken_ports_bad_certificates_and_bad_urls_are_told_together(
    tmp_path: Path, taken: int
) -> None:
    """Also where every option is well formed, and only the machine is not as it says."""
    (tmp_path / "server.pem").write_text("no certificate")
    file = tmp_path / "bridge.yaml"
    file.write_text(
        f"""\
admin: {{host: 127.0.0.1, port: {free_port()}}}
pipelines:
  one:
    source: {{type: http, host: 127.0.0.1, port: {taken}}}
    model: {{type: rest, url: "ftp://x/"}}
  two:
    source:
      {{type: http, host: 127.0.0.1, port: {free_port()},
       tls: {{cert_file: {tmp_path}/server.pem, key_file: {tmp_path}/server.pem}}}}
    model: {{type: rest, url: "http://x/"}}
"""
    )

    ended = bridge("run", file)

    places = [line.split("bridge.yaml:")[1].split(": ")[1] for line in ended.err.splitlines()]
    assert 2 == ended.status
    assert [
        "pipelines.one.source.port",
        "pipelines.one.model",
        "pipelines.two.source",
    ] == places


@pytest.mark.parametrize("where", ["source", "admin"])
def test_a_taken_port_is_told_with_its_line(tmp_path: Path, taken: int, where: str) -> None:
    """Whoever took it, the option that names it is named."""
    ports = {"source": free_port(), "admin": free_port(), where: taken}
    file = tmp_path / "bridge.yaml"
    file.write_text(
        f"""\
pipelines:
  one:
    source: {{type: http, host: 127.0.0.1, port: {ports["source"]}}}
    model: {{type: rest, url: "http://x/"}}
admin: {{host: 127.0.0.1, port: {ports["admin"]}}}
"""
    )

    ended = bridge("run", file)

    line, path = (3, "pipelines.one.source.port") if where == "source" else (5, "admin.port")
    text = f"{file}:{line}: {path}: cannot listen on 127.0.0.1:{taken}: address already in use\n"
    assert (2, text) == (ended.status, ended.err)


def test_checking_a_file_needs_no_free_port(tmp_path: Path, taken: int) -> None:
    """`bridge check` looks at a file beside the process that runs it."""
    file = tmp_path / "bridge.yaml"
    file.write_text(
        f"""\
pipelines:
  one:
    source: {{type: http, host: 127.0.0.1, port: {taken}}}
    model: {{type: rest, url: "http://x/"}}
"""
    )

    ended = bridge("check", file)

    assert 0 == ended.status, ended.err


def test_a_far_end_that_does_not_answer_yet_is_a_warning(tmp_path: Path) -> None:
    """The bridge is ready, says who does not answer, and goes on."""
    model = f"http://127.0.0.1:{free_port()}"
    file = tmp_path / "bridge.yaml"
    file.write_text(
        f"""\
pipelines:
  one:
    source: {{type: http, host: 127.0.0.1, port: 0}}
    model: {{type: rest, url: "{model}"}}
admin: {{host: 127.0.0.1, port: 0}}
lifecycle: {{shutdown_delay_seconds: 0}}
log: {{format: console}}
"""
    )

    with serving(tmp_path / "log", "run", file) as running:
        running.wait_for("far end does not answer")

        with urllib.request.urlopen(f"{running.url}/readyz") as answer:
            assert 200 == answer.status
        assert model in running.log
        assert "warning" in running.log
