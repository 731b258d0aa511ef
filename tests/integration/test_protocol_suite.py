"""The golden suite: protocol × transport × server, on real servers, and the page made from it.

Each cell of the tables of docs/protocols.md is tried again and must be as the page says it:
the page cannot tell what this run did not see.
"""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
import yaml

from bridge import app
from tests.protocol_cells import Column
from tests.protocol_rows import BINARY, ROWS, Row, answered, expected, payload
from tests.protocol_rows import request as asking
from tests.protocol_table import FAILED, PAGE, TABLES, cells, name, said
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


def test_the_page_has_a_cell_for_everything_and_nothing_else() -> None:
    """A row or a column that is new, renamed or gone is told of by the page as well."""
    everything = {(name(row), one.title) for row in ROWS for one in chain(*TABLES.values())}

    assert everything == set(cells(PAGE.read_text()))
    assert FAILED not in cells(PAGE.read_text()).values()


#: The page's examples: what each is called in its first line, and the model that it has.
EXAMPLES = {
    called: yaml.safe_load(text)["model"]
    for called, text in re.findall(r"```yaml\n# ([^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
}

#: The server that an example is tried on, and the form of its payload.
ON = {
    "seldon, REST": ("seldon", "seldon"),
    "seldon, gRPC": ("seldon", "seldon"),
    "tensorflow, REST": ("tensorflow_standin", "tensorflow"),
    "tensorflow, gRPC": ("pythie", "tensorflow"),
    "kserve, REST": ("kserve", "kserve"),
    "oip, REST": ("kserve", "oip"),
    "oip, REST, binary": ("kserve", "oip"),
    "oip, gRPC": ("kserve", "oip"),
    "oip, gRPC, asked in Seldon's JSON": ("kserve", "seldon"),
}

#: Tried by `test_published_tensorflow.py`: its path is not the stand-in's.
ELSEWHERE = {"tensorflow, REST, at a path of its own"}


def test_every_protocol_has_an_example() -> None:
    """Each way to ask that the tables have is shown, and each example is tried."""
    shown = {(one["protocol"], one["type"], one.get("binary", False)) for one in EXAMPLES.values()}
    rows = {
        (row.protocol, "grpc" if row.is_grpc else "rest", row.transport == BINARY) for row in ROWS
    }

    assert rows == shown
    assert EXAMPLES.keys() == ON.keys() | ELSEWHERE


@pytest.mark.parametrize("called", ON)
async def test_every_example_works(
    request: pytest.FixtureRequest, tmp_path: Path, called: str
) -> None:
    """As it stands on the page, but for where the server is."""
    fixture, form = ON[called]
    server: Server = request.getfixturevalue(fixture)
    model = dict(EXAMPLES[called])
    model |= {"target": server.grpc_target} if model["type"] == "grpc" else {"url": server.rest_url}
    row = next(row for row in ROWS if (row.server, row.protocol) == (fixture, model["protocol"]))
    pipeline = {"source": {"type": "http"}, "model": model, "response": {"type": "x"}}
    file = tmp_path / "bridge.yaml"
    file.write_text(yaml.safe_dump({"pipelines": {"iris": pipeline}}))

    loaded = app.load(file, {})
    async with loaded.lines["iris"].pipeline.model as component:
        answer = await component.predict(asking(payload(row, form)))

    assert (expected(row) == answered(form, answer)).all()
