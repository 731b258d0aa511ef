"""What `bridge new` writes works as its README says, outside the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes_cli import bridge, serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which `bridge new mine` was typed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    ended = bridge("new", "mine", folder=folder)
    assert (0, "") == (ended.status, ended.err)
    return folder


def test_the_file_passes_check(folder):
    """Without a change."""
    ended = bridge("check", "mine/bridge.yaml", folder=folder)

    assert (0, "mine/bridge.yaml: no mistakes in 1 pipeline: mine\n") == (ended.status, ended.out)


def test_its_tests_of_the_configuration_pass(folder):
    """`bridge test`, the model itself included, without a change."""
    ended = bridge("test", "mine/bridge.yaml", folder=folder)

    assert (0, "") == (ended.status, ended.err)
    assert "3 tests: 3 passed" == ended.out.splitlines()[-1]


def test_the_event_goes_through_every_stage(folder):
    """Transformer, model, transformer, response."""
    ended = bridge("try", "mine/bridge.yaml", "mine/event.json", folder=folder)

    assert (0, "") == (ended.status, ended.err)
    assert ["event", "preprocess", "model", "postprocess", "response event"] == re.findall(
        r"(?m)^── (\w+(?: event)?)", ended.out
    )
    assert '{"rows":1,"predictions":[[2.0,4.0,6.0,8.0]]}' in ended.out


def test_the_pipeline_runs_and_answers(folder, tmp_path):
    """`bridge run`, then `bridge send --wait`; PORT stands in for the 8080 of the README."""
    file = folder / "local.yaml"
    text = (folder / "mine" / "bridge.yaml").read_text()
    file = folder / "mine" / "local.yaml"
    file.write_text(f"{text}admin: {{port: 0}}\nlog: {{format: console}}\n")
    with serving(
        tmp_path / "run.log", "run", "mine/local.yaml", folder=folder, environment={"PORT": "0"}
    ) as running:
        ended = bridge("send", running.url, "--file", "mine/event.json", "--wait", folder=folder)

    assert (0, "") == (ended.status, ended.err)
    assert "200\n" in ended.out
    assert "  type: mine.response\n" in ended.out
    assert '"rows": 1' in ended.out


def test_its_own_test_passes(folder):
    """`python -m pytest` in the folder, as the test says."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"],
        cwd=folder / "mine",
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == ended.returncode, ended.stdout + ended.stderr
    assert "1 passed" in ended.stdout


def test_the_readme_names_files_that_are_there(folder):
    """And commands that are."""
    readme = (folder / "mine" / "README.md").read_text()

    assert {"check", "test", "try", "run", "send"} == set(re.findall(r"(?m)^bridge (\w+)", readme))
    for file in re.findall(r"mine/[\w.]+", readme):
        assert (folder / Path(file)).is_file()
