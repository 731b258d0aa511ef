"""`bridge demo mnist` on real parts: what it shows, and that nothing of it stays behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bridge.cli.demo_mnist import COUNT
from bridge.cli.fetched import Missing, cache_root, jars, java
from bridge.cli.minio_binary import minio
from tests.services.fixtures import unavailable
from tests.services.kafka_settings import POM


@pytest.fixture(scope="module", autouse=True)
def _real_kafka() -> None:
    """What a real Kafka runs on is here, as for the tests' own."""
    try:
        java()
        jars("kafka", POM)
    except Missing as missing:
        unavailable(f"kafka: {missing}")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Mark every process of the demo, so that one left behind can be found."""
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1", "COLUMNS": "100"}


def left_behind(folder: Path) -> list[int]:
    """Return the processes that still run with *folder* as their TMPDIR."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(folder):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def wait_until(true: Callable[[], object], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def check_what_was_shown(shown: str) -> None:
    """Raise AssertionError unless *shown* has all that a demo is to show, whatever its store."""
    assert "✗" not in shown
    drawn = re.findall(r"\b\d{3}-\d\.\w+\b", shown)
    assert len(set(drawn)) == COUNT
    assert len(re.findall(r"\bdigit-\d\b", shown)) == COUNT
    assert re.search(r"[▀▄█]{2}", shown)
    right = re.search(rf"^  (\d+) of {COUNT} as they were drawn", shown, re.MULTILINE)
    assert right is not None
    assert int(right[1]) >= 16
    assert "  type: org.kubeflow.mnist.classified\n  source: bridge.mnist\n" in shown
    assert "mnist/notes.png: no image in one of PNG" in shown
    assert "a stand-in for TensorFlow Serving" in shown
    assert f"{COUNT} published" in shown
    assert "1 dead_lettered" in shown
    sheet = re.search(r"^  all of them on one sheet: (.*)$", shown, re.MULTILINE)
    assert sheet is not None
    with Image.open(sheet[1]) as page:
        assert min(page.size) > 400


def test_images_come_to_the_buckets_of_their_digits_and_so_does_ones_own(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Real Kafka, real MinIO and its own notifications; what `--keep` prints can be typed.

    Neither a process nor the data of broker and store is left.
    """
    try:
        minio(build=True)
    except Missing as missing:
        unavailable(f"minio: {missing}")
    out = tmp_path / "out"
    with out.open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "bridge", "demo", "mnist", "--keep"],
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "from here on" in out.read_text() or demo.poll() is not None)
        typed = re.search(r"^.*fput_object.*$", out.read_text(), re.MULTILINE)
        assert typed is not None, out.read_text()
        put = subprocess.run(
            ["bash", "-c", typed[0]], capture_output=True, text=True, timeout=60, check=False
        )
        wait_until(lambda: "\nmine.png" in out.read_text())
        os.killpg(demo.pid, signal.SIGINT)
        status = demo.wait(60)
    finally:
        demo.kill()
        demo.wait()

    shown, _, after = out.read_text().partition("from here on")
    assert put.returncode == 0, put.stderr
    check_what_was_shown(shown)
    assert "Apache Kafka" in shown
    assert "MinIO on http://127.0.0.1:" in shown
    assert "bucket made; added: s3:ObjectCreated:Put" in shown
    assert "digit-7" in after
    assert (status, "stopped" in after) == (0, True)
    assert left_behind(tmp_path) == []
    assert [*tmp_path.rglob("kafka-data"), *tmp_path.rglob("minio-data")] == []


def test_without_minio_the_bucket_is_listed(environ: dict[str, str], tmp_path: Path) -> None:
    """A cache without one, and none on the path: moto's server, and the same pictures."""
    cache = tmp_path / "cache" / "inference-bridge"
    cache.mkdir(parents=True)
    for found in cache_root().glob("kafka-*"):
        if found.is_dir():
            (cache / found.name).symlink_to(found)
    folders = os.environ["PATH"].split(os.pathsep)
    path = [folder for folder in folders if not (Path(folder) / "minio").exists()]

    done = subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "mnist"],
        env={
            **environ,
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "PATH": os.pathsep.join(path),
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    check_what_was_shown(done.stdout)
    assert "moto's S3 server" in done.stdout
    assert "MinIO on" not in done.stdout
    assert left_behind(tmp_path) == []
