"""The files of examples/kafka are fit to run, say the same, and pass their own tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.cli.conftest import Ended

KAFKA = Path(__file__).parents[3] / "examples" / "kafka"
Bridge = Callable[..., Ended]


@pytest.mark.parametrize("name", ["bridge", "local", "doors"])
def test_every_file_is_fit_to_run(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """`bridge check` has nothing to say of it."""
    monkeypatch.setenv("KAFKA_BROKER", "127.0.0.1:9092")
    monkeypatch.setenv("MODEL_URL", "http://127.0.0.1:9000")

    ended = bridge("check", KAFKA / f"{name}.yaml")

    assert (ended.status, "warning" in ended.out) == (0, False), ended.err


def test_the_example_passes_its_own_tests(bridge: Bridge) -> None:
    """What is published, filtered, dead-lettered and held."""
    ended = bridge("test", KAFKA / "bridge.yaml")

    assert ended.status == 0, ended.out
    assert "4 tests: 4 passed" in ended.out


def test_the_demo_runs_the_example() -> None:
    """local.yaml is bridge.yaml, but for addresses and for what the broker cannot."""

    def bare(section: Any) -> Any:
        if isinstance(section, dict):
            return {name: bare(item) for name, item in section.items() if name != "idempotent"}
        if isinstance(section, list):
            return [bare(item) for item in section]
        return re.sub(r":[^}]*}", "}", section) if isinstance(section, str) else section

    example, demo = (
        yaml.safe_load((KAFKA / f"{name}.yaml").read_text()) for name in ("bridge", "local")
    )

    assert bare(demo["pipelines"]) == bare(example["pipelines"])
    assert demo["lifecycle"] == example["lifecycle"]
