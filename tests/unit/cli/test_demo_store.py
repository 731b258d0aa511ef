"""Which object store a demo finds, and what it says where there is none."""

from __future__ import annotations

import importlib.util
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bridge.cli import demo_store
from bridge.cli.demo_cluster import Cluster
from bridge.cli.demo_steps import DemoError
from bridge.cli.processes import Processes

CLUSTER = Cluster(bootstrap="127.0.0.1:9", idempotent=True)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder in which commands are looked for; a cache of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Processes]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Processes() as found:
        yield found


def test_with_neither_minio_nor_moto_it_says_what_to_install(
    path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways are named."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    with pytest.raises(DemoError) as caught:
        demo_store.start(Console(file=io.StringIO()), processes, CLUSTER, "mnist")

    assert str(caught.value) == (
        "no minio command, and none is to be built, and no stand-in from pip either: expected "
        "a minio command, or pip install -e '.[demo-mnist]' in this checkout"
    )


def test_without_minio_the_stand_in_is_named_as_one(path: Path, processes: Processes) -> None:
    """It serves, it notifies nobody, and it is said how to have a real one."""
    said = io.StringIO()

    store = demo_store.start(Console(file=said, width=300), processes, CLUSTER, "mnist")
    store.client().make_bucket(bucket_name="mnist")

    assert store.notifies is False
    assert store.client().bucket_exists(bucket_name="mnist")
    assert "moto's S3 server, which tells nobody" in said.getvalue()
    assert demo_store.BUILD in said.getvalue()


def test_a_minio_command_is_taken_and_told_of_kafka(path: Path, processes: Processes) -> None:
    """Bound to this machine, with a password of its own, its target the demo's topic."""
    written = path.parent / "told"
    program = path / "minio"
    program.write_text(
        f"#!{sys.executable}\n"
        "import os, socket, sys, time\n"
        f"open({str(written)!r}, 'w').write(repr((sys.argv[1:], dict(os.environ))))\n"
        "host, port = sys.argv[4].split(':')\n"
        "server = socket.create_server((host, int(port)))\n"
        "time.sleep(60)\n"
    )
    program.chmod(0o755)

    store = demo_store.start(Console(file=io.StringIO()), processes, CLUSTER, "mnist")

    arguments, environ = eval(written.read_text())
    assert store.notifies is True
    assert arguments[:4] == ["server", "--quiet", "--address", store.url.removeprefix("http://")]
    assert store.url.startswith("http://127.0.0.1:")
    assert environ["MINIO_NOTIFY_KAFKA_BROKERS_PRIMARY"] == CLUSTER.bootstrap
    assert environ["MINIO_NOTIFY_KAFKA_TOPIC_PRIMARY"] == "mnist"
    assert environ["MINIO_ROOT_PASSWORD"] == store.secret_key
    assert len(store.secret_key) >= 24
