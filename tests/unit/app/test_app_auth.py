"""Who may send, as the file says it: no pipeline stays open by mistake, and no token is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.app import App, load
from bridge.core.errors import ConfigError

CANARY = "canary-3b8d-of-the-tests"

PIPELINE = """
  {name}:
    source: {{type: {type}, port: {port}, {more}}}
    filter: {{attributes: {{type: {name}.request}}}}
    model: {{type: rest, protocol: seldon, url: "http://model:9000"}}
    response: {{type: {name}.response, source: {name}}}
"""


def pipeline(name: str, more: str = "", *, type: str = "http", port: int = 8080) -> str:
    """Return a pipeline whose source says *more*."""
    return PIPELINE.format(name=name, type=type, port=port, more=more)


def built(folder: Path, *pipelines: str, **environ: str) -> App:
    """Return the application of a file with *pipelines*."""
    file = folder / "bridge.yaml"
    file.write_text("pipelines:" + "".join(pipelines))
    return load(file, environ)


def test_pipelines_of_one_port_have_one_door(tmp_path: Path) -> None:
    """One that says nothing of tokens beside one that asks for them is a mistake, not a hole."""
    with pytest.raises(ConfigError, match=r"pipelines\.two\.source\.auth: differs") as caught:
        built(tmp_path, pipeline("one", f"auth: {{tokens: [{CANARY}]}}"), pipeline("two"))

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("type", ["http", "seldon"])
@pytest.mark.parametrize(
    ("auth", "told"),
    [
        ("tokens: [short-canary]", "auth.tokens: a token: expected 16 to 4096 printable"),
        ('tokens: ["${EMPTY}"]', "auth.tokens: a token: expected 16 to 4096 printable"),
        ("tokens: []", "auth: expected either tokens (or token_files) or oidc"),
        ("token_files: [/no/where]", "auth: token_files '/no/where': No such file or directory"),
        (
            "oidc: {issuer: 'https://i', audience: a, algorithms: [HS256]}",
            "auth.oidc.algorithms[0]: expected 'RS256' or",
        ),
        ("oidc: {issuer: 'https://i'}", "auth.oidc.audience: missing"),
        ("oidc: {issuer: i, audience: a}", "auth: oidc: url 'i/.well-known/openid-configuration'"),
        (
            "oidc: {issuer: 'https://i', audience: a, tls: {ca_file: /no/where}}",
            "auth: oidc: tls: ca_file '/no/where': No such file or directory",
        ),
        (
            "oidc: {issuer: 'https://i', audience: a, token_file: /no/where}",
            "auth: oidc: token_file '/no/where': No such file or directory",
        ),
        (
            "oidc: {issuer: 'https://i', audience: a, jwks_file: /no/where}",
            "auth: oidc: jwks_file '/no/where': No such file or directory",
        ),
    ],
)
def test_a_door_that_cannot_work_is_told_before_the_start(
    tmp_path: Path, type: str, auth: str, told: str
) -> None:
    """Where, what, and what was expected; never what the secret was."""
    with pytest.raises(ConfigError) as caught:
        built(tmp_path, pipeline("one", f"auth: {{{auth}}}", type=type), EMPTY="")

    assert told in str(caught.value)
    assert "canary" not in str(caught.value)


def test_only_a_source_with_an_issuer_is_pinged(tmp_path: Path) -> None:
    """Each of its pipelines shows it; a source without a far end shows nothing."""
    oidc = "auth: {oidc: {issuer: 'https://issuer.example', audience: a}}"

    app = built(
        tmp_path,
        pipeline("one", oidc),
        pipeline("two", oidc),
        pipeline("three", port=8083),
        pipeline("four", oidc, type="seldon", port=8082),
    )

    pinged = [pipeline for pipeline, part in app.pings._components if part == "source"]
    assert ["four", "one", "two"] == sorted(pinged)


def test_the_application_shows_no_token(tmp_path: Path) -> None:
    """Whoever prints it, for an error report or by accident."""
    app = built(tmp_path, pipeline("one", 'auth: {tokens: ["${TOKEN}"]}'), TOKEN=CANARY)

    assert CANARY not in f"{app!r} {[vars(source) for source, _ in app.sources]}"
