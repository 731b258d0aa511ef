"""A secret in every place for secrets, and every output searched for it.

options, files, addresses ──▶ bridge ──▶ far ends, who are shown them
╳   repr, errors, log at debug, /metrics, check, answers
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.config.options import HttpClientOptions
from bridge.models.rest import RestModelOptions
from bridge.sinks.http import HttpSinkOptions
from tests.fakes_delivery import PREDICTION, sending
from tests.fakes_http import Proxy
from tests.fakes_tls import Authority, trusted
from tests.services.bridge import READY_SECONDS, iris
from tests.services.process import Process, answers, free_port
from tests.services.receiver import Answer, Receiver, receiving

ROOT = Path(__file__).parents[2]
CANARY = "canary-4711"
#: As Basic credentials show it.
BASIC = b64encode(f"me:{CANARY}".encode()).decode()


def leaks(text: str) -> list[str]:
    """Return the lines of *text* that hold the secret, in any form."""
    return [line for line in text.splitlines() if CANARY in line or BASIC in line]


def in_file(folder: Path, content: str = CANARY) -> str:
    (folder / "secret").write_text(content)
    return str(folder / "secret")


def at(url: str, userinfo: str, rest: str = "") -> str:
    """Return *url* with *userinfo* before its host, and *rest* behind it."""
    return url.replace("://", f"://{userinfo}@").rstrip("/") + rest


def secretive(folder: Path, far: str, proxy: str) -> list[dict[str, Any]]:
    """Return options of a client at *far*, a secret in each; every kind of place once."""
    file = in_file(folder)
    return [
        {"url": at(far, f"me:{CANARY}", f"/?key={CANARY}")},
        {"url": at(far, "me"), "password_file": file},
        {"url": far, "token": CANARY, "headers": {"X-Key": CANARY}},
        {"url": far, "token_file": file, "header_files": {"X-Key": file}},
        {"url": far, "headers": {"Authorization": f"Bearer {CANARY}"}},
        {"url": far, "token": CANARY, "proxy_url": at(proxy, f"me:{CANARY}")},
        {"url": far, "token": CANARY, "proxy_url": at(proxy, "me"), "proxy_password_file": file},
    ]


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    """Of options, whole or a part, and of their fields."""
    for given in secretive(tmp_path, "http://far", "http://proxy"):
        for cls in (HttpClientOptions, RestModelOptions, HttpSinkOptions):
            options = cls.model_validate(given)

            assert [] == leaks(f"{options!r} {options!s} {options.headers!r} {options.token!r}")


def shown(receiver: Receiver) -> list[str]:
    return [
        value
        for one in receiver.received
        for name, value in one.headers.items()
        if name in ("authorization", "x-key")
    ]


async def test_no_running_bridge_shows_a_secret(tmp_path: Path) -> None:
    """Far ends that take, refuse, redirect, fail and are gone: no log line, page or answer."""
    refusals = [Answer(status=status) for status in (401, 302, 500)]
    outputs = []
    async with (
        Proxy() as proxy,
        receiving(PREDICTION, *refusals, PREDICTION) as model,
        receiving(Answer(), Answer(), *refusals) as far,
    ):
        clients = secretive(tmp_path, far.url.rstrip("/"), proxy.url)
        asking = secretive(tmp_path, model.url.rstrip("/"), proxy.url)
        gone = {"url": at("http://127.0.0.1:1", f"me:{CANARY}", f"/?{CANARY}")}
        pipelines = {
            f"p{number}": iris(
                model.url,
                source={"type": "http", "host": "127.0.0.1", "path": f"/{number}"},
                model={"type": "rest", "retry": {"attempts": 2}, **asked},
                sinks=[{"type": "http", **client}],
            )
            for number, (asked, client) in enumerate(
                [*zip(asking, clients, strict=True), (gone, gone), (asking[0], gone)]
            )
        }
        with debugging(pipelines, tmp_path) as (url, admin_url, log):
            async with sending(url) as sender:
                for _ in range(4):
                    for number in range(len(pipelines)):
                        answered = await sender.post(b'{"data":{}}', str(number))
                        outputs.append(f"{answered.status} {answered.headers} {answered.text}")
                for page in ("metrics", "readyz", "healthz", ""):
                    got = await sender.get(f"{admin_url}{page}")
                    outputs.append(f"{got.headers} {got.text}")
        outputs.append(log.read_text())

    assert [] == leaks("\n".join(outputs))
    assert [] == [value for end in (far, model) for value in shown(end) if not leaks(value)]
    assert min(len(shown(far)), len(shown(model))) > len(clients)
    assert {"202", "422", "503"} <= {output[:3] for output in outputs}
    assert '"level": "debug"' in outputs[-1]


@contextmanager
def debugging(pipelines: dict[str, Any], folder: Path) -> Iterator[tuple[str, str, Path]]:
    """Run *pipelines* with everything in the log; yield the address, the pages and the log."""
    port, admin_port = free_port(), free_port()
    for pipeline in pipelines.values():
        pipeline["source"]["port"] = port
    file = {
        "admin": {"host": "127.0.0.1", "port": admin_port},
        "lifecycle": {"shutdown_delay_seconds": 0},
        "log": {"level": "debug"},
        "pipelines": pipelines,
    }
    (folder / "bridge.yaml").write_text(yaml.safe_dump(file))
    command = [sys.executable, "-m", "bridge", "run", str(folder / "bridge.yaml")]
    with Process(command, output=folder / "log", environment={"PORT": ""}) as process:
        url, admin_url = f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{admin_port}/"
        process.wait_until(lambda: answers(f"{admin_url}readyz"), seconds=READY_SECONDS)
        yield url, admin_url, folder / "log"


@pytest.mark.parametrize("output", ["text", "json"])
async def test_no_check_shows_a_secret(tmp_path: Path, output: str) -> None:
    """Of a file that is right, with what its models would be sent; answered or not."""
    ours = Authority()
    pair = ours.issue(tmp_path)
    tls = {"ca_file": trusted(tmp_path / "ca.pem", ours), **pair}
    key = Path(pair["key_file"]).read_text().splitlines()[1]
    clients = secretive(tmp_path, "https://127.0.0.1:1", "http://127.0.0.1:1")
    pipelines = {
        f"p{number}": {
            "source": {"type": "http", "path": f"/{number}"},
            "model": {"type": "rest", **client, "tls": tls},
            "response": {"type": "t", "source": "s"},
            "sinks": [{"type": "http", **client, "tls": tls}],
        }
        for number, client in enumerate(clients)
    }
    (tmp_path / "bridge.yaml").write_text(yaml.safe_dump({"pipelines": pipelines}))
    environ = {"K_SINK": f"https://me:{CANARY}@127.0.0.1:1/"}

    for more in ([], ["--connect"]):
        status, said = bridge_says(
            "check", str(tmp_path / "bridge.yaml"), "--output", output, *more, environ=environ
        )

        assert (1 if more else 0) == status, said
        assert [] == leaks(said)
        assert key not in said
        assert ("***" in said) == bool(more)


#: What is wrong with a section that has a secret in it; FILE holds the secret and a second line.
WRONG: list[dict[str, Any]] = [
    {"token": f"{CANARY}\nx"},
    {"token": [CANARY]},
    {"token": {"a": CANARY}},
    {"token_file": "FILE"},
    {"token": CANARY, "token_file": "FILE"},
    {"headers": {"X-Key": f"{CANARY}\nx"}},
    {"headers": {"X-Key": [CANARY]}},
    {"headers": CANARY},
    {"header_files": {"X-Key": "FILE"}},
    {"url": f"http://me:{CANARY}@far:port/"},
    {"url": f"ftp://me:{CANARY}@far/?{CANARY}"},
    {"url": f"http://me:{CANARY}@far/#{CANARY}"},
    {"url": f"http://me:x/{CANARY}@far/"},
    {"url": f"http://me:{CANARY}/x@far/"},
    {"url": f"http://me:x?{CANARY}@far:port/"},
    {"url": f"http://me:{CANARY}?x@far:port/"},
    {"url": f"http://me:{CANARY}#x@far/"},
    {"url": f"http://far:port/?key=x@{CANARY}"},
    {"url": "http://me@far/", "password_file": "FILE"},
    {"url": f"http://me:{CANARY}@far/", "password_file": "FILE"},
    {"proxy_url": f"https://me:{CANARY}@proxy"},
    {"proxy_url": f"http://me:{CANARY}@proxy:port"},
    {"proxy_url": "http://me@proxy", "proxy_password_file": "FILE"},
    {"url": "https://far", "tls": {"cert_file": "FILE", "key_file": "FILE"}},
    {"url": "https://far", "tls": {"ca_file": "FILE"}},
    {"url": "https://far", "tls": {"ca_certs": CANARY}},
]


def test_no_refusal_of_a_file_shows_a_secret(tmp_path: Path) -> None:
    """Each mistake beside a secret, in models, sinks and dead letters, told all at once."""
    file = in_file(tmp_path, f"{CANARY}\nand more\n")
    pipelines = {}
    for number, wrong in enumerate(WRONG):
        options = json.loads(json.dumps({"url": "http://far", **wrong}).replace("FILE", file))
        pipelines[f"p{number}"] = {
            "source": {"type": "http", "path": f"/{number}"},
            "model": {"type": "rest", **options},
            "response": {"type": "t", "source": "s"},
            "sinks": [{"type": "http", **options}],
            "dead_letter": {"type": "http", **options},
        }
    (tmp_path / "bridge.yaml").write_text(yaml.safe_dump({"pipelines": pipelines}))
    environ = {"K_SINK": f"ftp://me:{CANARY}@far"}

    for command in (["check"], ["check", "--output", "json"], ["run"]):
        status, said = bridge_says(*command, str(tmp_path / "bridge.yaml"), environ=environ)

        assert 2 == status
        assert [] == leaks(said)
        assert [] == [
            name
            for name in pipelines
            for part in ("model", "sinks[0]", "dead_letter")
            if f"pipelines.{name}.{part}" not in said
        ]


def bridge_says(*arguments: str, environ: dict[str, str]) -> tuple[int, str]:
    """Return the exit status of `bridge` with *arguments*, and all it printed."""
    ended = subprocess.run(
        [sys.executable, "-m", "bridge", *arguments],
        cwd=ROOT,
        env={"PATH": "", "COLUMNS": "1000", **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr
