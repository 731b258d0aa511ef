"""Each planted bug turns named tests red: so those tests can fail, and hold their promise.

A patch beside this file begins with what it plants and with the tests that must notice:

    # acknowledge before the model answers
    # red: tests/integration/test_x.py::test_y
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATCHES = sorted(HERE.glob("*.patch"))


def named(patch: Path) -> list[str]:
    """Return the tests that *patch* says must go red."""
    lines = patch.read_text().splitlines()
    return [line.removeprefix("# red: ") for line in lines if line.startswith("# red: ")]


def run(tree: Path, tests: list[str]) -> subprocess.CompletedProcess[str]:
    """Run *tests* against the package in *tree*, not the installed one."""
    environ = {**os.environ, "PYTHONPATH": str(tree), "COVERAGE_PROCESS_START": ""}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--no-cov"]
    return subprocess.run(
        [*command, *tests], cwd=tree, env=environ, capture_output=True, text=True, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the project that a bug can be planted in."""
    ignore = shutil.ignore_patterns("__pycache__")
    for folder in ("bridge", "tests", "examples", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignore)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def test_the_bugs_that_were_promised_are_planted():
    """A patch that is lost must not be missed in silence."""
    planted = {patch.stem for patch in PATCHES}

    assert {"no_filter", "no_reply", "no_percent_decoding", "acknowledge_early"} <= planted


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_bug_turns_its_tests_red(patch: Path, tree: Path):
    """Green without the bug, every named test red with it."""
    tests = named(patch)

    before = run(tree, tests)
    assert before.returncode == 0, before.stdout[-3000:]
    subprocess.run(["git", "apply", "--unsafe-paths", str(patch)], cwd=tree, check=True)
    after = {test: run(tree, [test]) for test in tests}

    assert tests
    assert dict.fromkeys(tests, 1) == {test: done.returncode for test, done in after.items()}, (
        "\n".join(done.stdout[-1500:] for done in after.values())
    )
