"""The golden suite: protocol × transport × server, on real servers, and the page made from it.

Each cell of the tables of docs/protocols.md is tried again and must be as the page says it:
the page cannot tell what this run did not see.
"""

from __future__ import annotations

import pytest

from tests.protocol_cells import Column
from tests.protocol_rows import ROWS, Row
from tests.protocol_table import TABLES, said
from tests.services.model_servers.server import Server


@pytest.fixture
def server(request: pytest.FixtureRequest, row: Row) -> Server:
    """The server of the row."""
    found: Server = request.getfixturevalue(row.server)
    return found


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=row.id, marks=[pytest.mark.heavy] if row.is_heavy else [])
        for row in ROWS
    ],
)
@pytest.mark.parametrize(
    "column",
    [column for columns in TABLES.values() for column in columns],
    ids=lambda one: one.title,
)
async def test_the_page_says_what_is_seen(row: Row, server: Server, column: Column) -> None:
    """What works works to the last digit, faults are judged rightly, and the page tells it."""
    assert await column.see(row, server) == said(row, column), "make docs-protocols"
