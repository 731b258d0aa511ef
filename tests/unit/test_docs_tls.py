"""docs/tls-and-credentials.md: each example can be built, and what it says of options is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.app import load
from bridge.config.options import ClientTlsOptions, HttpClientOptions, ServerTlsOptions
from bridge.config.platform import OIDC_TOKEN_FILE, TRUST_BUNDLE_FOLDER
from bridge.transports.http.tls import WARN_SECONDS
from tests.fakes_tls import Authority, trusted

TEXT = (Path(__file__).parents[2] / "docs" / "tls-and-credentials.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)

#: The files that the examples name, as a cluster mounts them.
PATHS = re.findall(r"(?<![\w.])/(?:etc|var)/[\w./]+", "\n".join(EXAMPLES))


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """A folder with every file that the examples name."""
    ours = Authority()
    pair = ours.issue(tmp_path, "pair")
    for path in PATHS:
        file = tmp_path / path[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.name == "ca.crt":
            trusted(file, ours)
        elif file.name in ("tls.crt", "tls.key"):
            option = {"tls.crt": "cert_file", "tls.key": "key_file"}[file.name]
            file.write_bytes(Path(pair[option]).read_bytes())
        else:
            file.write_text("a-secret\n")
    return tmp_path


def test_there_are_examples() -> None:
    """Of serving, of asking, and of credentials."""
    assert 3 == len(EXAMPLES)
    assert 5 < len(PATHS)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_can_be_built(mounted: Path, number: int) -> None:
    """With the files where they are here: no option is misspelt, none contradicts another."""
    text = EXAMPLES[number]
    for path in set(PATHS):
        text = re.sub(rf"{path}(?![\w./])", str(mounted / path[1:]), text)
    (mounted / "bridge.yaml").write_text(text)

    app = load(mounted / "bridge.yaml", {})

    assert ["iris"] == list(app.lines)


def test_options_that_are_named_exist() -> None:
    """In tables and sentences."""
    known = {
        *HttpClientOptions.model_fields,
        *ClientTlsOptions.model_fields,
        *ServerTlsOptions.model_fields,
    }
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", TEXT))

    assert set() == named - known


def test_paths_and_times_are_those_of_the_code() -> None:
    """Where Knative mounts, and when a certificate is warned of."""
    assert f"`{OIDC_TOKEN_FILE}`" in TEXT
    assert f"`{TRUST_BUNDLE_FOLDER}`" in TEXT
    assert f"within {WARN_SECONDS // 86400} days" in TEXT
