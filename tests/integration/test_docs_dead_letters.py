"""What docs/dead-letters.md shows is run on a real Kafka, and its table of headers is complete."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path

from bridge.codecs import letters
from tests.fakes_cli import bridge
from tests.fakes_letters import letter
from tests.services.kafka import Kafka, fresh

PAGE = (Path(__file__).parents[2] / "docs" / "dead-letters.md").read_text()


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks in *language* below *heading*."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [text for name, text in found if name == language]


def words(text: str) -> list[list[str]]:
    """Return the words of each line: a table is as wide as its topics are long."""
    return [line.split() for line in text.splitlines()]


def agrees(shown: str, printed: str) -> bool:
    """Whether *printed* is what is *shown*, where a line `…` stands for any."""
    pattern = r"\n".join(
        r"(?:.*\n)*?.*" if line.split() == ["…"] else r"\s+".join(map(re.escape, line.split()))
        for line in shown.strip().splitlines()
    )
    squeezed = "\n".join(" ".join(line) for line in words(printed))
    return re.fullmatch(pattern, squeezed.strip()) is not None


async def test_the_commands_print_what_is_shown(kafka: Kafka, tmp_path: Path) -> None:
    """In their order, with six letters of three errors there."""
    orders, dead = await kafka.create_topic(fresh("orders")), await kafka.create_topic(fresh("od"))
    await kafka.produce(dead, *(letter(number, orders) for number in range(6)))
    file = PAGE.split("```yaml\n")[1].split("```")[0]
    (tmp_path / "bridge.yaml").write_text(
        file.replace("topics: [orders]", f"topics: [{orders}]").replace("orders.dead", dead)
    )

    wrong = []
    for heading in ("List", "Show", "Put back"):
        printed = ""
        for command in blocks(heading, "sh")[0].splitlines():
            ended = await asyncio.to_thread(
                bridge,
                *shlex.split(command)[1:],
                folder=tmp_path,
                environment={"KAFKA_BROKER": kafka.bootstrap, "NO_COLOR": "1"},
            )
            assert (0, "") == (ended.status, ended.err), command
            printed += ended.out
        printed = printed.replace(dead, "orders.dead").replace(orders, "orders")
        if not agrees(blocks(heading, "text")[0], printed):
            wrong.append(printed)

    assert [] == wrong
    assert 2 == len(await kafka.read(orders))


def test_every_header_is_told() -> None:
    """The table has those that the codec writes, and no other."""
    section = PAGE.split("\n## What a letter is\n")[1].split("\n## ")[0]
    told = {
        name
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`([a-z-]+)`", row)
    }

    assert {
        value
        for name, value in vars(letters).items()
        if name.isupper() and isinstance(value, str) and value.startswith(letters.PREFIX)
    } - {letters.PREFIX} == told
