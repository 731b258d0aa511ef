"""Each planted bug turns named tests red: so those tests can fail, and hold their promise.

A patch beside this file begins with what it plants and with the tests that must notice:

    # acknowledge before the model answers
    # red: tests/integration/test_x.py::test_y
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.kafka import ADDRESS, Kafka

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATCHES = sorted(HERE.glob("*.patch"))

#: How the names of patches begin whose tests share a Kafka.
WITH_KAFKA = ("kafka_", "mnist_")

#: Longest run of one patch's tests: a bug may make one hang, and that is a failure of this test.
SECONDS = 120

#: Longest run of all the named tests.
UNHARMED_SECONDS = 400

#: A test that asks which package the tests of a copy are about, theirs and their processes'.
WHICH = """
import subprocess, sys
from pathlib import Path
import bridge
from tests.services import bridge as services

def test_which():
    tree = Path(__file__).parents[1]
    assert Path(bridge.__file__).parents[1] == tree
    command = [sys.executable, "-c", "import bridge; print(bridge.__file__)"]
    told = subprocess.run(command, cwd=services._ROOT, capture_output=True, text=True).stdout
    assert Path(told.strip()).parents[1] == tree
"""


def named(patch: Path) -> list[str]:
    """Return the tests that *patch* says must go red."""
    lines = patch.read_text().splitlines()
    return [line.removeprefix("# red: ") for line in lines if line.startswith("# red: ")]


def copied(tree: Path) -> Path:
    """Return *tree*, now a copy of the project that a bug can be planted in."""
    ignore = shutil.ignore_patterns("__pycache__", "node_modules")
    for folder in ("bridge", "tests", "examples", "deploy", "bench"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=ignore)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / file, tree / file)
    return tree


def run(
    tree: Path, tests: list[str], kafka: Kafka | None = None, *, seconds: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """Run *tests* of *tree* on its own package, not on the installed one.

    Those with a Kafka share *kafka*, which costs a start for each patch otherwise.
    """
    inherited = {name: value for name, value in os.environ.items() if "COV" not in name}
    environ = {**inherited, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    if kafka is not None:
        environ[ADDRESS] = kafka.bootstrap
    command = [sys.executable, "-m", "pytest", "-q", "-rf", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *tests],
        cwd=tree,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds,
    )


def failed(done: subprocess.CompletedProcess[str], tests: list[str]) -> list[str]:
    """Return those of *tests* that failed, one of their parameters at least."""
    names = re.findall(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    return [
        test for test in tests if any(name == test or name.startswith(f"{test}[") for name in names)
    ]


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Return how all the named tests end in a copy without any bug."""
    tree = copied(tmp_path_factory.mktemp("unharmed"))
    (tree / "tests" / "test_which.py").write_text(WHICH)
    tests = dict.fromkeys(test for patch in PATCHES for test in named(patch))
    return run(tree, ["tests/test_which.py", *tests], seconds=UNHARMED_SECONDS)


def test_the_bugs_that_were_promised_are_planted() -> None:
    """A patch that is lost must not be missed in silence."""
    planted = {patch.stem for patch in PATCHES}

    assert {"no_filter", "no_reply", "no_percent_decoding", "acknowledge_early"} <= planted
    assert {
        "kafka_commit_early",
        "kafka_commit_beyond_gap",
        "kafka_drop_on_revoke",
        "kafka_key_reordered",
        "kafka_letter_swallowed",
        "kafka_outage_is_poison",
    } <= planted
    assert {
        "mnist_commit_before_copy",
        "mnist_copy_unpinned",
        "mnist_first_bucket",
    } <= planted


def test_without_a_bug_every_named_test_is_green(
    unharmed: subprocess.CompletedProcess[str],
) -> None:
    """And all of it is about the copy: its package, not the installed one."""
    assert unharmed.returncode == 0, unharmed.stdout[-3000:]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_planted_bug_turns_its_tests_red(
    patch: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Every test that the patch names fails with it."""
    tests = named(patch)
    kafka = request.getfixturevalue("kafka") if patch.stem.startswith(WITH_KAFKA) else None
    tree = copied(tmp_path)
    # A temporary folder may lie in a repository: git would then apply nothing, in silence.
    environ = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tree.parent)}
    subprocess.run(["git", "apply", str(patch)], cwd=tree, env=environ, check=True)

    done = run(tree, tests, kafka)

    assert tests
    assert tests == failed(done, tests), done.stdout[-3000:] + done.stderr[-1000:]
    assert done.returncode == 1  # tests failed, and nothing else went wrong
