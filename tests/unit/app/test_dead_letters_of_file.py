"""Where a file has its dead letters, and which topics they may go back to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.app.dead_letters import dead_letters
from bridge.core.errors import ConfigError


def pipeline(
    topic: str | None, dead: str | None, *, source: str = "one:1", letters: str = "one:1"
) -> dict[str, Any]:
    """Return a pipeline from *topic* (None: over HTTP) with its dead letter in *dead*."""
    told: dict[str, Any] = {"source": {"type": "http"}, "sinks": [{"type": "log"}]}
    if topic is not None:
        told["source"] = {
            "type": "kafka",
            "bootstrap_servers": source,
            "topics": [topic],
            "group_id": "g",
        }
    if dead is not None:
        told["dead_letter"] = {
            "type": "kafka",
            "bootstrap_servers": letters,
            "topic": dead,
            "retry": {"attempts": 2},
        }
    return told


def file(folder: Path, **pipelines: dict[str, Any]) -> Path:
    """Write a file with *pipelines*."""
    path = folder / "bridge.yaml"
    path.write_text(yaml.safe_dump({"pipelines": pipelines}))
    return path


def test_the_only_topic_is_found(tmp_path: Path) -> None:
    """Pipelines may share it; all topics that the file reads there may be written to."""
    path = file(
        tmp_path,
        a=pipeline("in-a", "dead"),
        b=pipeline("in-b", "dead"),
        c=pipeline("in-c", None),
        d=pipeline("in-d", None, source="elsewhere:1"),
        e=pipeline(None, None),
    )

    found = dead_letters(path, {}, None)

    assert "dead" == found.topic
    assert {"in-a", "in-b", "in-c"} == found.origins
    assert found.options is found.origin
    assert found.idempotent


def test_letters_go_back_to_the_cluster_they_came_from(tmp_path: Path) -> None:
    """A dead letter in another cluster is read there, and put back where the source reads."""
    path = file(tmp_path, a=pipeline("in", "dead", source="events:1", letters="letters:1"))

    found = dead_letters(path, {}, "a")

    assert ("letters:1", "events:1") == (
        found.options.bootstrap_servers,
        found.origin.bootstrap_servers,
    )
    assert {"in"} == found.origins


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        (None, "2 topics of dead letters: expected --pipeline \\(a, b\\)"),
        ("c", "pipeline 'c' has not a dead_letter of type kafka"),
        ("aa", "no pipeline 'aa'"),
    ],
)
def test_which_one_is_asked_for(tmp_path: Path, named: str | None, problem: str) -> None:
    """Where there are several, or none, the error says what was expected."""
    path = file(tmp_path, a=pipeline("in", "one"), b=pipeline("in", "two"), c=pipeline(None, None))

    with pytest.raises(ConfigError, match=problem):
        dead_letters(path, {}, named)
    assert "two" == dead_letters(path, {}, "b").topic


def test_a_file_without_any_is_told(tmp_path: Path) -> None:
    """No pipeline has letters in Kafka: nothing to list."""
    with pytest.raises(ConfigError, match="no pipeline has a dead_letter of type kafka"):
        dead_letters(file(tmp_path, c=pipeline(None, None)), {}, None)


def test_what_is_wrong_with_the_section_is_told(tmp_path: Path) -> None:
    """The line and the option, as `bridge check` tells them."""
    wrong = pipeline("in", "dead")
    wrong["dead_letter"]["topik"] = "dead"

    with pytest.raises(ConfigError, match=r"bridge.yaml:\d+: .*topik: unknown option"):
        dead_letters(file(tmp_path, a=wrong), {}, None)
