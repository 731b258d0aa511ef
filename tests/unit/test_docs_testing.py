"""What docs/testing.md shows is run, so that it stays true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bridge.config.cases import CasesOptions
from bridge.config.reference import table
from tests.fakes_cli import Ended, bridge

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()

EVENT = '{"specversion": "1.0", "id": "1", "source": "s", "type": "order.paid"}'


def blocks(heading: str, language: str = "") -> list[str]:
    """Return the blocks in *language* below *heading*."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example's files in a folder, an event among them."""
    for name, text in re.findall(
        r"^`(\S+)`:\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    ):
        (tmp_path / name).write_text(text)
    (tmp_path / "event.json").write_text(EVENT)
    return tmp_path


def run(folder: Path, *argv: str) -> Ended:
    """Run `bridge test` on the example."""
    environment = {"MODEL_URL": "http://model", "NO_COLOR": "1"}
    return bridge("test", "bridge.yaml", *argv, folder=folder, environment=environment)


def test_the_example_passes_as_shown(folder: Path) -> None:
    """Each test, to the letter."""
    ended = run(folder)

    assert (0, "", blocks("An example")[0]) == (ended.status, ended.err, ended.out)


def test_the_example_fails_as_shown(folder: Path) -> None:
    """With the change that the page names."""
    tests = folder / "bridge_test.yaml"
    tests.write_text(tests.read_text().replace("rating: 0.9", "rating: 0.8"))

    ended = run(folder, "--filter", "rated")

    assert (1, f"{blocks('An example')[1]}1 test: 1 failed\n") == (ended.status, ended.out)


@pytest.mark.parametrize(("place", "path", "status"), [(1, "/orders", 0), (2, "/", 1)])
def test_the_explanations_are_as_shown(folder: Path, place: int, path: str, status: int) -> None:
    """Of an event that is taken, and of one that is not."""
    shown = blocks("Which pipeline takes an event")[place]

    ended = run(folder, "--explain", "event.json", "--path", path)

    assert (status, "", shown) == (ended.status, ended.err, ended.out)


def test_the_options_are_those_of_the_classes() -> None:
    """The table is made from them: `bridge.config.reference.table`."""
    assert PAGE.endswith(f"\n## Options\n\n{table(CasesOptions)}\n")
