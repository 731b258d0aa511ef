"""Where a process will listen: what is taken, and what two listeners cannot have both."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bridge.app.addresses import clash, taken
from bridge.config.file import load
from bridge.config.platform import Platform
from bridge.config.problems import Problems


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (("127.0.0.1", 80), ("127.0.0.1", 80), True),
        (("127.0.0.1", 80), ("0.0.0.0", 80), True),
        (("::", 80), ("127.0.0.1", 80), True),
        (("127.0.0.1", 80), ("127.0.0.1", 81), False),
        (("127.0.0.1", 80), ("127.0.0.2", 80), False),
        (("127.0.0.1", 0), ("127.0.0.1", 0), False),
    ],
)
def test_two_listeners_clash_on_one_port_of_hosts_that_overlap(one, other, expected):
    """Port 0 is another one each time."""
    assert expected == clash(one, other)
    assert expected == clash(other, one)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def found(tmp_path: Path, text: str, platform: Platform | None = None) -> list[str]:
    file = tmp_path / "bridge.yaml"
    file.write_text(text)
    problems = Problems()
    taken(load(file, {}), platform or Platform(), problems)
    return [f"{problem.path[-2]}.{problem.path[-1]}" for problem in problems]


def test_the_port_that_the_platform_gives_is_tried(tmp_path, port):
    """PORT stands in for a port that the file does not name."""
    text = "pipelines: {one: {source: {type: http, host: 127.0.0.1}}}\nadmin: {port: 0}\n"

    assert ["source.port"] == found(tmp_path, text, Platform(port=port))


def test_a_shared_listener_is_told_once(tmp_path, port):
    """Pipelines on one port have one listener."""
    source = f"source: {{type: http, host: 127.0.0.1, port: {port}}}"
    text = f"pipelines: {{one: {{{source}}}, two: {{{source}}}}}\nadmin: {{port: 0}}\n"

    assert ["source.port"] == found(tmp_path, text)


@pytest.mark.parametrize(
    "text",
    [
        "pipelines: none\nadmin: {port: 0}\n",
        "pipelines: {one: two}\nadmin: {port: 0}\n",
        "pipelines: {one: {source: three}}\nadmin: {port: 0}\n",
        "pipelines: {one: {source: {type: carrier-pigeon}}}\nadmin: {port: 0}\n",
        "pipelines: {one: {source: {type: http, port: eighty}}}\nadmin: {port: 0}\n",
        "admin: {port: 0}\n",
    ],
)
def test_what_cannot_be_read_is_left_to_whoever_tells_of_it(tmp_path, text):
    """Only addresses are looked for here."""
    assert [] == found(tmp_path, text)


def test_a_host_that_nobody_knows_is_told(tmp_path):
    """A name that resolves to nothing cannot be listened on."""
    text = "pipelines: {}\nadmin: {host: nowhere.invalid, port: 1234}\n"

    assert ["admin.port"] == found(tmp_path, text)
