"""What docs/authentication.md shows can be configured, and the tests it names exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.sources.http import HttpSourceOptions
from bridge.sources.webhook import granted
from bridge.transports.http import HttpRequest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "authentication.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
]
SOURCES = [block["source"] for block in BLOCKS if "source" in block]
NAMED = re.findall(r"^- `(tests/\S+)`$", TEXT, re.MULTILINE)


def options(source: dict[str, Any]) -> HttpSourceOptions:
    """Return what a shown section says."""
    return HttpSourceOptions.model_validate(
        {name: value for name, value in source.items() if name != "type"}
    )


@pytest.mark.parametrize("source", SOURCES, ids=range(len(SOURCES)))
def test_each_section_shown_is_one(source: dict[str, Any]) -> None:
    """Whoever copies it is told of no mistake."""
    said = options(source)

    assert source["type"] == "http"
    assert (said.auth is None) != (said.webhook is None)


def test_the_trigger_and_the_bridge_mean_the_same_audience() -> None:
    """What the Trigger names is what the bridge expects, in the namespace whose senders may."""
    (trigger,) = [block for block in BLOCKS if block.get("kind") == "Trigger"]
    oidc = [said.auth.oidc for said in map(options, SOURCES) if said.auth and said.auth.oidc]
    (found,) = [one for one in oidc if one.jwks_url is not None]

    assert found.audience == trigger["spec"]["subscriber"]["audience"]
    assert [f"system:serviceaccount:{trigger['metadata']['namespace']}:*"] == found.subjects


def test_the_handshake_shown_permits_the_sender_shown() -> None:
    """The origin in the file is one that is granted."""
    (webhook,) = [said.webhook for said in map(options, SOURCES) if said.webhook]
    headers = ((b"webhook-request-origin", webhook.allowed_origins[0].encode()),)

    assert granted(webhook, HttpRequest("OPTIONS", "/", "/", "", headers, b""))


def test_every_section_names_its_tests() -> None:
    """A promise without a test that holds it is only a wish."""
    sections = TEXT.split("\n## ")[1:]

    assert [] == [section.splitlines()[0] for section in sections if "Held by:" not in section]


@pytest.mark.parametrize("test", NAMED)
def test_a_test_that_is_named_exists(test: str) -> None:
    """A renamed test would leave its promise behind."""
    file, _, name = test.partition("::")

    assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
