"""The tables of docs/protocols.md, made of what every server was seen to do.

    python -m tests.protocol_table     runs every cell on every server, writes the page anew

`tests/integration/test_protocol_suite.py` holds the page to what it sees.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.protocol_cells import FAULTS, THROUGH, Column
from tests.protocol_rows import ROWS, Row
from tests.services.cache import Missing
from tests.services.model_servers.server import Server

PAGE: Final = Path(__file__).parents[1] / "docs" / "protocols.md"

#: What stands in a cell where the bridge did not keep its promise.
FAILED: Final = "FAILED"

#: The tables by the name that their markers have.
TABLES: Final[Mapping[str, tuple[Column, ...]]] = {"through": THROUGH, "faults": FAULTS}


def said(row: Row, column: Column) -> str | None:
    """Return what the page says of *row* and *column*, None where it says nothing."""
    return cells(PAGE.read_text()).get((name(row), column.title))


@cache
def cells(text: str) -> Mapping[tuple[str, str], str]:
    """Return every cell of the tables of *text* by row and column."""
    found = {}
    for table in TABLES:
        begin, end = between(text, table)
        lines = [
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text[begin:end].splitlines()
        ]
        for row, *told in lines[2:]:
            pairs = zip(lines[0][1:], told, strict=True)
            found.update({(row, title): cell for title, cell in pairs})
    return found


def name(row: Row) -> str:
    """Return what the tables call *row*."""
    return f"{row.title}, `{row.protocol}`, {row.transport}"


def between(text: str, table: str) -> tuple[int, int]:
    """Return where in *text* the lines of *table* begin and end; raise ValueError if not there."""
    begin, end = f"<!-- seen: {table} -->\n", f"<!-- end: {table} -->\n"
    return text.index(begin) + len(begin), text.index(end)


def written(seen: Mapping[tuple[str, str], str], columns: tuple[Column, ...]) -> str:
    """Return the table of *columns*, a line for each row, as they were *seen* by both names."""
    head = ["server", *(column.title for column in columns)]
    lines = [head, ["---"] * len(head)]
    lines += [
        [name(row), *(seen.get((name(row), one.title), FAILED) for one in columns)] for row in ROWS
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Write the page anew; return how many cells could not be told."""
    text = PAGE.read_text()
    seen = dict(cells(text))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for kind in dict.fromkeys(row.server for row in ROWS):
            module = import_module(f"tests.services.model_servers.{kind}")
            try:
                server = stack.enter_context(module.running(output=folder / f"{kind}.log"))
            except Missing as missing:
                print(f"{kind}: {missing}: its rows stay as they are", file=sys.stderr)
                continue
            for row in ROWS:
                if row.server == kind:
                    print(row.id, flush=True)
                    seen |= asyncio.run(_seen(row, server))
    for table, columns in TABLES.items():
        begin, end = between(text, table)
        text = text[:begin] + written(seen, columns) + text[end:]
    PAGE.write_text(text)
    return sum(cell == FAILED for cell in seen.values())


async def _seen(row: Row, server: Server) -> dict[tuple[str, str], str]:
    """Return what *row* was seen to do, printing where the bridge did not keep its promise."""
    seen = {}
    for columns in TABLES.values():
        for column in columns:
            try:
                seen[name(row), column.title] = await column.see(row, server)
            except Exception as error:
                print(f"{row.id}: {column.title}: {error!r}", file=sys.stderr)
                seen[name(row), column.title] = FAILED
    return seen


if __name__ == "__main__":
    sys.exit(min(main(), 1))
