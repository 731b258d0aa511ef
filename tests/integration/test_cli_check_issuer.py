"""`bridge check --connect` asks the issuer of the senders' tokens too."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.fakes_cli import bridge
from tests.fakes_issuer import issuing
from tests.services.process import free_port


def written(folder: Path, kind: str, issuer: str) -> Path:
    """Return a file with two pipelines whose senders need tokens of *issuer*."""
    file, port = folder / "bridge.yaml", free_port()
    auth = f"auth: {{oidc: {{issuer: '{issuer}', audience: bridge}}}}"
    other = f"{{type: http, host: 127.0.0.1, port: {port}, path: /other, {auth}}}"
    source = other.replace("/other", "/one") if kind == "http" else "{type: seldon, " + auth + "}"
    file.write_text(
        f"""\
pipelines:
  one: {{source: {source}, sinks: [{{type: log}}]}}
  other: {{source: {other}, sinks: [{{type: log}}]}}
"""
    )
    return file


@pytest.mark.parametrize("kind", ["http", "seldon"])
def test_an_issuer_that_does_not_answer_is_named(tmp_path: Path, kind: str) -> None:
    """Without it no sender is let in, so "no mistakes" alone would mislead: status 1."""
    issuer = f"http://127.0.0.1:{free_port()}"

    ended = bridge("check", written(tmp_path, kind, issuer), "--connect")

    assert 1 == ended.status
    assert f"one.source: {issuer}" in ended.out
    assert f"other.source: {issuer}" in ended.out


async def test_an_issuer_that_answers_is_named_as_well(tmp_path: Path) -> None:
    """And nothing is listened on for it: the port may be in use."""
    async with issuing() as issuer:
        file = written(tmp_path, "http", issuer.url)
        ended = await asyncio.to_thread(bridge, "check", file, "--connect")

    assert 0 == ended.status
    assert [True, True] == [f"answers    {name}.source" in ended.out for name in ("one", "other")]
