"""docs/operations.md can be typed: its blocks are run as they stand, and show what it shows.

```sh   a block to type; all of them share one shell, in their order
```text what the block before it prints: these lines among others, in this order; … is anything
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.process import Process, free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "operations.md"

#: It takes half a minute; a machine under load takes longer.
SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Block:
    """What to type, and the lines it must print."""

    typed: str
    shown: tuple[str, ...]


def blocks(page: str) -> list[Block]:
    """Return the blocks of *page*, each with what is shown of its output."""
    found: list[Block] = []
    for kind, text in re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "sh":
            found.append(Block(text, ()))
        else:
            assert kind == "text", f"a block of {kind}: expected sh or text"
            assert found, "output before anything was typed"
            assert not found[-1].shown, "two outputs of one block"
            found[-1] = Block(found[-1].typed, tuple(text.splitlines()))
    return found


def missing(shown: tuple[str, ...], printed: str) -> str | None:
    """Return the first line of *shown* that *printed* does not have, in this order."""
    rest = iter(printed.splitlines())
    for line in shown:
        pattern = ".*".join(map(re.escape, line.split("…")))
        if not any(re.fullmatch(pattern, one) for one in rest):
            return line
    return None


def ports(typed: str) -> Mapping[str, str]:
    """Return a free port for each that the walk lets its reader choose."""
    return {name: str(free_port()) for name in re.findall(r"(\w+_PORT)=\$\{\1:-\d+\}", typed)}


def script(walk: list[Block], folder: Path) -> str:
    """Return a script that types *walk* into one shell; each block prints into a file of its own.

    It stops at the first command that fails.
    """
    lines = ["set -eu"]
    for number, block in enumerate(walk):
        (folder / f"{number}.sh").write_text(block.typed)
        lines.append(f". {folder}/{number}.sh > {folder}/{number}.out 2>&1")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("shown", "printed", "expected"),
    [
        (("a", "c"), "a\nb\nc\n", None),
        (("c", "a"), "a\nb\nc\n", "a"),
        (("up 1.0",), "up 0.0\n", "up 1.0"),
        (("up …",), "up 17.0\n", None),
        (("up 1.0",), "up 110\n", "up 1.0"),
    ],
)
def test_what_is_not_printed_is_found(
    shown: tuple[str, ...], printed: str, expected: str | None
) -> None:
    """The walk can fail: another number, or another order, is told."""
    assert expected == missing(shown, printed)


def test_the_walk_shows_what_it_says(tmp_path: Path) -> None:
    """Rollout, drain, model outage, poison and overload: each command, each line it prints."""
    walk = blocks(PAGE.read_text())
    environment = {
        **ports(walk[0].typed),
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "TMPDIR": str(tmp_path),
        "PORT": "",
        "K_SINK": "",
    }
    command = ["bash", "-c", script(walk, tmp_path)]

    with Process(
        command, output=tmp_path / "walk.log", folder=ROOT, environment=environment
    ) as shell:
        ended = shell.ended(SECONDS)

    printed = [
        file.read_text() if (file := tmp_path / f"{number}.out").exists() else "(not reached)"
        for number in range(len(walk))
    ]
    report = "\n".join(f"$ {block.typed}{text}" for block, text in zip(walk, printed, strict=True))
    lines = [missing(block.shown, text) for block, text in zip(walk, printed, strict=True)]
    assert ended == 0, f"{report}\n{shell.tail()}"
    assert len(walk) >= 10
    assert [None] * len(walk) == lines, report
