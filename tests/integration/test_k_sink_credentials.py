"""K_SINK as a SinkBinding sets it up: its token, its trust bundles, read again when they change."""

from __future__ import annotations

import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bridge.app.lines import line
from bridge.app.parts import Parts
from bridge.config.file import load as load_document
from bridge.config.options import ServerTlsOptions
from bridge.config.pipeline import FileOptions
from bridge.config.platform import OIDC_TOKEN_FILE, TRUST_BUNDLE_FOLDER, Platform, platform
from bridge.config.problems import Problems
from bridge.config.validate import parse
from bridge.config.watched import LOOK_SECONDS
from bridge.core.errors import ConfigError, Unavailable
from bridge.core.event import Event
from bridge.core.ports import Handler
from bridge.observe.ledger import Ledger
from bridge.runtime.runner import Health
from bridge.transports.http import server_context
from tests.fakes import FakeClock
from tests.fakes_http import Held, serving
from tests.fakes_tls import Authority, replace
from tests.services.process import Process, tail

FORWARDER = "pipelines: {forward: {source: {type: http}}}\nadmin: {port: 0}\n"
EVENT = Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"})


@asynccontextmanager
async def forwarding(folder: Path, clock: FakeClock, around: Platform) -> AsyncIterator[Handler]:
    """Enter a pipeline that passes events on to the platform's sink."""
    (folder / "bridge.yaml").write_text(FORWARDER)
    problems = Problems()
    document = load_document(folder / "bridge.yaml", {}, problems)
    options = parse(document, (), FileOptions, problems)
    assert options is not None
    parts = Parts(
        document=document,
        platform=around,
        problems=problems,
        clock=clock,
        chance=random.Random(1),
        ledger=Ledger(),
        health=Health(),
    )
    built = line("forward", options.pipelines["forward"], parts)
    problems.check()
    assert built is not None
    async with built.components["k_sink"]:
        yield built.handle


async def test_the_sink_is_shown_the_mounted_token_of_the_moment(tmp_path: Path) -> None:
    """Tokens live an hour: each request has the one that is there, as `Authorization`."""
    token, clock, held = tmp_path / "token", FakeClock(), Held()
    held.go.set()
    replace(token, b"first.token\n")
    async with serving(held) as sink:
        around = Platform(
            sink_url=f"http://127.0.0.1:{sink.port}", audience="a/b/c/d", token_file=str(token)
        )
        async with forwarding(tmp_path, clock, around) as handle:
            await handle(EVENT)
            replace(token, b"second.token\n")
            clock.now += LOOK_SECONDS
            await handle(EVENT)

    sent = [request.header(b"authorization") for request in held.requests]
    assert [b"Bearer first.token", b"Bearer second.token"] == sent


async def test_a_sink_without_an_audience_is_shown_no_token(tmp_path: Path) -> None:
    """Who did not ask for it does not get it, though it is mounted."""
    token, held = tmp_path / "token", Held()
    held.go.set()
    replace(token, b"first.token\n")
    async with serving(held) as sink:
        around = Platform(sink_url=f"http://127.0.0.1:{sink.port}", token_file=str(token))
        async with forwarding(tmp_path, FakeClock(), around) as handle:
            await handle(EVENT)

    assert held.requests[0].header(b"authorization") is None


@pytest.mark.parametrize("where", ["bundle", "K_CA_CERTS"])
async def test_the_sink_is_verified_with_bundles_and_k_ca_certs(tmp_path: Path, where: str) -> None:
    """Each beside the other; files of a bundle may have any name, or hold no certificate."""
    known, other = Authority(), Authority()
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    (bundles / "notes").write_text("no certificate")
    in_bundle, given = (known, other) if where == "bundle" else (other, known)
    (bundles / "ca.crt").write_bytes(in_bundle.pem)
    tls = server_context(ServerTlsOptions.model_validate(known.issue(tmp_path)))
    held = Held()
    held.go.set()
    async with serving(held, tls=tls) as sink:
        around = Platform(
            sink_url=f"https://localhost:{sink.port}",
            ca_certs=given.pem.decode(),
            trust_folder=str(bundles),
        )
        async with forwarding(tmp_path, FakeClock(), around) as handle:
            await handle(EVENT)

    assert 1 == len(held.requests)


async def test_a_bundle_that_changes_counts_without_a_restart(tmp_path: Path) -> None:
    """A new authority of the cluster is trusted, and a removed one no more."""
    old, new, clock = Authority(), Authority(), FakeClock()
    bundles = tmp_path / "bundles"
    bundles.mkdir()
    replace(bundles / "ca.pem", old.pem)
    tls = server_context(ServerTlsOptions.model_validate(new.issue(tmp_path)))
    held = Held()
    held.go.set()
    async with serving(held, tls=tls) as sink:
        around = Platform(sink_url=f"https://localhost:{sink.port}", trust_folder=str(bundles))
        async with forwarding(tmp_path, clock, around) as handle:
            with pytest.raises(Unavailable, match="certificate verify failed"):
                await handle(EVENT)

            replace(bundles / "ca.pem", new.pem)
            clock.now += LOOK_SECONDS
            await handle(EVENT)

    assert 1 == len(held.requests)


async def test_a_missing_token_is_found_at_start(tmp_path: Path) -> None:
    """K_AUDIENCE promises a token; without it the sink would refuse every event."""
    around = Platform(sink_url="http://sink", audience="a/b/c/d", token_file=str(tmp_path / "none"))

    with pytest.raises(ConfigError, match=r"token_file '.*none': No such file"):
        async with forwarding(tmp_path, FakeClock(), around):
            pass


def test_the_paths_are_those_of_knative() -> None:
    """As SinkBinding mounts them; no variable of ours changes them."""
    found = platform({"K_AUDIENCE": "a/b/c/d"})

    assert ("a/b/c/d", "/oidc/token") == (found.audience, found.token_file)
    assert (OIDC_TOKEN_FILE, TRUST_BUNDLE_FOLDER) == ("/oidc/token", "/knative-custom-certs")


@pytest.mark.skipif(Path(OIDC_TOKEN_FILE).exists(), reason="a token is mounted here")
def test_the_process_itself_asks_for_the_token(tmp_path: Path) -> None:
    """`bridge run` with what a SinkBinding sets, but for the token: exit 2, and which file."""
    file = tmp_path / "bridge.yaml"
    file.write_text(FORWARDER)
    environment = {"K_SINK": "http://127.0.0.1:1/", "K_AUDIENCE": "a/b/c/d", "PORT": ""}
    command = [sys.executable, "-m", "bridge", "run", str(file)]
    with Process(command, output=tmp_path / "log", environment=environment) as process:
        status = process._running.wait(30)

    assert 2 == status
    assert f"token_file '{OIDC_TOKEN_FILE}'" in tail(tmp_path / "log")
