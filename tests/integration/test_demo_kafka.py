"""`bridge demo kafka` on a real Kafka: what it shows, and that nothing of it stays behind."""

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

from bridge.cli.demo_kafka import BEHIND, FLOWERS, POISON
from bridge.cli.fetched import Missing, jars, java
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
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}


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


def test_a_topic_in_a_topic_out_and_a_poison_and_its_way_back(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """Every step ticked, order kept, the poison shown with its cause and answered in the end.

    The ledger has one event more than was sent: the one that was put back. Neither a process
    nor the broker's data is left.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "kafka"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert ("✗" in shown, shown.count("✓")) == (False, 13)
    assert "Apache Kafka" in shown
    answered = re.findall(r"^  key (\w+)  id", shown, re.MULTILINE)
    assert sorted(answered) == sorted(key for _, key, _ in (*FLOWERS, BEHIND))
    assert "Input X contains NaN" in shown
    assert "came from:   iris-requests/" in shown
    assert "1 put back, 0 left" in shown
    assert "☁️  cloudevents.Event\nContext Attributes,\n  specversion: 1.0\n" in shown
    assert "  partitionkey: meadow\n" in shown
    assert "5 published" in shown
    assert "1 dead_lettered" in shown
    assert left_behind(tmp_path) == []
    assert list(tmp_path.rglob("kafka-data")) == []


def test_left_serving_an_event_of_ones_own_comes_out(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """`--keep` prints what to type; what it sends shows up; Ctrl-C ends it all."""
    out = tmp_path / "out"
    with out.open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "bridge", "demo", "kafka", "--keep"],
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "from here on" in out.read_text() or demo.poll() is not None)
        typed = re.search(r"^export .*\n(.*bridge send .*)$", out.read_text(), re.MULTILINE)
        assert typed is not None, out.read_text()
        sent = subprocess.run(
            ["bash", "-c", typed[0]], capture_output=True, text=True, timeout=60, check=False
        )
        shown = 1 + len(FLOWERS) + len((POISON, BEHIND))  # once by the demo, then the whole topic
        wait_until(lambda: out.read_text().count("☁️") == shown + 1)
        os.killpg(demo.pid, signal.SIGINT)
        status = demo.wait(60)
    finally:
        demo.kill()
        demo.wait()

    assert sent.returncode == 0, sent.stderr
    assert status == 0
    assert "stopped" in out.read_text()
    assert left_behind(tmp_path) == []
