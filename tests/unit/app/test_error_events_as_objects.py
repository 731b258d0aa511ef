"""Error events and sinks of objects: what could never take one is refused at start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.app import load
from bridge.core.errors import ConfigError

STORE = {"url": "http://store:9000"}
COPY = {"content": "copy", "copy": {"bucket": "mnist"}}


def built(folder: Path, sink: dict[str, Any], **response: str) -> None:
    sinks = [{"type": "objects", "store": STORE, "bucket": "digits", **sink}]
    source = {"type": "http", "port": 0}
    pipeline = {"source": source, "sinks": sinks, "response": response}
    file = folder / "bridge.yaml"
    file.write_text(yaml.safe_dump({"pipelines": {"digits": pipeline}}))
    load(file, {})


@pytest.mark.parametrize(
    ("sink", "needed"),
    [
        (COPY, "an object to copy"),
        ({"bucket": "digit-{data.digit}"}, "the response's data"),
        ({"key": "{data.name}"}, "the response's data"),
    ],
)
def test_a_sink_that_no_error_event_could_go_to_is_refused(
    tmp_path: Path, sink: dict[str, Any], needed: str
) -> None:
    """Each refused event would be held for ever: its error event is refused as well."""
    with pytest.raises(ConfigError, match=rf"sinks\[0\]: response\.error_type: .*{needed}"):
        built(tmp_path, sink, error_type="digits.failed")


@pytest.mark.parametrize("sink", [{}, {"content": "event", "key": "{type}/{id}"}])
def test_one_that_takes_any_event_takes_error_events(tmp_path: Path, sink: dict[str, Any]) -> None:
    """Names that every event has are enough."""
    built(tmp_path, sink, error_type="digits.failed")


@pytest.mark.parametrize("sink", [COPY, {"bucket": "digit-{data.digit}"}])
def test_without_error_events_any_sink_will_do(tmp_path: Path, sink: dict[str, Any]) -> None:
    """What is refused is told to its sender, or goes to the dead letter."""
    built(tmp_path, sink)
