"""How the command starts: what it loads, how soon it answers, how it ends when nobody reads."""

import os
import subprocess
import sys
import time

import pytest

from tests.fakes_cli import COMMAND, SECONDS, bridge

#: What `bridge --help` has no need of.
HEAVY = (
    *("aiohttp", "aiokafka", "minio", "numpy", "grpc", "sklearn", "uvloop", "cloudevents"),
    *("httptools", "prometheus_client", "structlog", "yaml"),
)

LOADED = """
import sys
from bridge.cli import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    print("\\0" + " ".join(sys.modules))
    sys.exit(ended.code)
"""


@pytest.mark.parametrize("argument", ["--help", "version"])
def test_help_and_version_load_nothing_heavy(argument):
    """They answer at once, also where an extra is not installed."""
    ended = subprocess.run(
        [sys.executable, "-c", LOADED, argument], capture_output=True, text=True, check=True
    )

    text, _, modules = ended.stdout.rpartition("\0")
    assert text
    assert [] == [name for name in HEAVY if name in modules.split()]


@pytest.mark.parametrize("argument", ["--help", "version"])
def test_help_and_version_are_quick(argument):
    """0.2 s on an idle machine; the best of three tries leaves out what else runs on it."""
    took = []
    for _ in range(3):
        started = time.perf_counter()
        assert 0 == bridge(argument).status
        took.append(time.perf_counter() - started)

    assert min(took) < 1.5


@pytest.mark.parametrize(
    "command", ["run", "check", "try", "send", "display", "broker", "component", "demo", "new"]
)
def test_every_command_is_in_the_help(command):
    """And a sentence says what it does."""
    assert f"│ {command} " in bridge("--help").out


@pytest.mark.parametrize("command", [["options", "--all"], ["schema"], ["--help"], ["version"]])
def test_a_reader_that_goes_away_ends_it_without_a_word(command):
    """`bridge options --all | head -1`."""
    buffered = {**os.environ, "PYTHONUNBUFFERED": ""}  # as where a person types
    with subprocess.Popen(
        [*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()

        said = process.stderr.read()
        status = process.wait(SECONDS)

    assert (1, b"") == (status, said)


def test_an_unknown_command_is_a_mistake_of_the_command_line():
    """Status 2, and the nearest command."""
    ended = bridge("chekc")

    assert (2, "") == (ended.status, ended.out)
    assert "check" in ended.err
