"""`bridge run --seldon-kafka-env`: what it refuses, before anything runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.cli.conftest import Ended

Bridge = Callable[..., Ended]


def test_everything_missing_is_told_with_status_2(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each variable on a line of its own, and no traceback."""
    for name in ("MODEL_URL", "NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAFKA_BROKER", "127.0.0.1:1")

    ended = bridge("run", "--seldon-kafka-env")

    assert ended.status == 2
    assert "KAFKA_INPUT_TOPIC: not set: expected the topic to read\n" in ended.err
    assert "PREDICTOR_ID: not set" in ended.err
    assert "KAFKA_BROKER" not in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    "arguments",
    [(), ("bridge.yaml", "--seldon-kafka-env"), ("bridge.yaml", "--model-url", "http://model")],
)
def test_a_file_or_the_environment_but_not_both(bridge: Bridge, arguments: tuple[str, ...]) -> None:
    """Nothing that was typed is passed over."""
    assert bridge("run", *arguments).status == 2
