"""`bridge check --connect` asks a Kafka source's brokers too."""

from __future__ import annotations

from pathlib import Path

from tests.fakes_cli import bridge
from tests.services.process import free_port


def test_a_cluster_that_does_not_answer_is_named(tmp_path: Path) -> None:
    """Beside the other far ends; status 1, and no listener is opened for it."""
    file = tmp_path / "bridge.yaml"
    address = f"127.0.0.1:{free_port()}"
    file.write_text(
        f"""\
pipelines:
  k:
    source: {{type: kafka, bootstrap_servers: "{address}", topics: [in], group_id: g}}
    sinks: [{{type: log}}]
    dead_letter: {{type: log}}
"""
    )

    ended = bridge("check", file, "--connect")

    assert 1 == ended.status
    assert f"k.source: kafka {address}: " in ended.out
    assert "k.dead_letter" in ended.out
