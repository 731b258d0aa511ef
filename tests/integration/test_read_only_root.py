"""The bridge, a display and a component write no file: their containers' roots are read-only.

Every file that Python opens for writing is told by an audit hook in the process itself.
"""

from __future__ import annotations

import http.client
import subprocess
import sys
from pathlib import Path

import pytest

from tests.manifests import ROOT
from tests.services.process import Process, answers, free_port

#: Loaded by Python at start, from a folder on its path.
HOOK = """\
import os, sys

def told(event, arguments):
    written = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if written and arguments[0] != "/dev/null" or event in ("os.mkdir", "os.rename", "os.symlink"):
        os.write(2, f"WRITES {event} {arguments[0]}\\n".encode())

sys.addaudithook(told)
"""

COMMANDS = {
    "run": ["run", "examples/iris/local.yaml"],
    "display": ["display", "--port", "{port}"],
    "component": ["component", "examples/iris/Iris.py:Iris", "--port", "{port}"],
}
HEADERS = {
    "Ce-Id": "1",
    "Ce-Specversion": "1.0",
    "Ce-Type": "another.type",
    "Ce-Source": "here",
    "Content-Type": "application/json",
}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The hook, the image's settings, and no place that could be written to."""
    (tmp_path / "sitecustomize.py").write_text(HOOK)
    return {
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/nonexistent",
        "MODEL_URL": "http://127.0.0.1:9",
        "ADMIN_PORT": "0",
        "COVERAGE_PROCESS_START": "",
    }


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_written(command: str, environ: dict[str, str], tmp_path: Path) -> None:
    """From start to end, an event and SIGTERM included."""
    port = free_port()
    words = [word.format(port=port) for word in COMMANDS[command]]
    output = tmp_path / "log"

    with Process(
        [sys.executable, "-m", "bridge", *words],
        output=output,
        folder=ROOT,
        environment={**environ, "PORT": str(port)},
    ) as process:
        process.wait_until(lambda: answers(f"http://127.0.0.1:{port}/readyz"), seconds=60)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("POST", "/", b'{"data": {"ndarray": [[1, 2, 3, 4]]}}', HEADERS)
        connection.getresponse().read()
        connection.close()

    assert [line for line in output.read_text().splitlines() if "WRITES" in line] == []


def test_the_hook_tells_what_is_written(environ: dict[str, str], tmp_path: Path) -> None:
    """The test above can fail."""
    done = subprocess.run(
        [sys.executable, "-c", f"open({str(tmp_path / 'x')!r}, 'w').close()"],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )

    assert f"WRITES open {tmp_path / 'x'}" in done.stderr
