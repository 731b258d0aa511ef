"""A process of a test: what it printed is kept, and nothing of it is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from tests.services.process import Process

_PARENT_OF_ONE = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
child.wait()
"""


def test_leaving_ends_the_whole_group(tmp_path: Path) -> None:
    """A worker that a server started is gone when the server is."""
    with Process(
        [sys.executable, "-c", _PARENT_OF_ONE], output=tmp_path / "output", pipes=True
    ) as process:
        child = psutil.Process(int(process.stdout.readline()))

    psutil.wait_procs([child], timeout=10)
    assert not child.is_running()


def test_an_early_end_shows_what_was_printed(tmp_path: Path) -> None:
    """A component that does not start says why in the error."""
    command = [sys.executable, "-c", "print('the port is taken'); raise SystemExit(3)"]

    with (
        pytest.raises(RuntimeError, match="ended with 3:\nthe port is taken"),
        Process(command, output=tmp_path / "output") as process,
    ):
        process.wait_until(lambda: False, seconds=20)


def test_a_slow_start_is_given_up(tmp_path: Path) -> None:
    """A component that never gets ready ends the wait, and is ended itself."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]

    with (
        pytest.raises(RuntimeError, match=r"was not ready in 0\.1 s"),
        Process(command, output=tmp_path / "output") as process,
    ):
        process.wait_until(lambda: False, seconds=0.1)
