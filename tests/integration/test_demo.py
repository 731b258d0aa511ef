"""`bridge demo`, as a stranger runs it: what it prints, and that nothing of it stays behind."""

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


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Mark every process of the demo, so that one left behind can be found."""
    return {**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"}


def left_behind(tmp_path: Path) -> list[int]:
    """Return the processes that still run with *tmp_path* as their TMPDIR."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("TMPDIR") == str(tmp_path):
                found.append(process.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_the_demo_shows_each_step_and_stops(environ: dict[str, str], tmp_path: Path):
    """Exit status 0, every step ticked, the event in the display's own format, nothing left."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "demo"],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 9
    assert "✗" not in done.stdout
    assert "☁️  cloudevents.Event\nContext Attributes,\n  specversion: 0.3\n" in done.stdout
    assert "  type: seldon.simple-iris-deployment.response\n" in done.stdout
    (shown,) = re.findall(r"^  id: (.*)$", done.stdout, re.MULTILINE)
    assert done.stdout.count(shown) == 2
    assert "'type' (header 'ce-type') is missing" in done.stdout
    assert "deliveries: 3 = 2 settled + 1 refused" in done.stdout
    assert "events: 2 = 2 replied" in done.stdout
    assert f"{Path(sys.executable).parent}/bridge new mine" in done.stdout
    assert left_behind(tmp_path) == []


def test_left_serving_the_published_curl_works_until_it_is_stopped(
    environ: dict[str, str], tmp_path: Path
):
    """`--keep` prints the command to type; what it prints then shows up; Ctrl-C ends it all."""
    out = tmp_path / "out"
    with out.open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "bridge", "demo", "--keep"],
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_until(lambda: "from here on" in out.read_text())
        command = re.search(r"^curl -v (?:.*\\\n)+.*$", out.read_text(), re.MULTILINE).group()

        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, check=True, timeout=30
        )
        wait_until(lambda: out.read_text().count("☁️") == 2)
        os.killpg(demo.pid, signal.SIGINT)
        status = demo.wait(30)
    finally:
        demo.kill()
        demo.wait()

    assert "202" in done.stderr
    assert status == 0
    assert "stopped" in out.read_text()
    assert left_behind(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_demo_leaves_nothing_behind(environ: dict[str, str], tmp_path: Path):
    """Not even SIGKILL leaves a broker on somebody's port."""
    out = tmp_path / "out"
    with out.open("wb") as file:
        demo = subprocess.Popen(
            [sys.executable, "-m", "bridge", "demo", "--keep"],
            env=environ,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    wait_until(lambda: "from here on" in out.read_text())
    running = len(left_behind(tmp_path))

    demo.kill()
    demo.wait()

    assert running == 5
    wait_until(lambda: left_behind(tmp_path) == [])


def test_a_demo_nobody_knows_is_named(environ: dict[str, str]):
    """Exit status 2 and the demos there are."""
    done = subprocess.run(
        [sys.executable, "-m", "bridge", "demo", "irsi"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "did you mean 'iris'?" in done.stderr
