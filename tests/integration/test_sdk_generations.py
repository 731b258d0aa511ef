"""The cloudevents SDK of the other generation, 1.x, in an environment of its own.

1.x and 2.x cannot share one. The same script runs in both and prints what it saw: our core,
which needs nothing but orjson, is imported from this checkout.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.services.cache import Missing
from tests.services.fixtures import unavailable
from tests.services.toolchain import venv

ROOT = Path(__file__).parents[2]

SCRIPT = r"""
import json, sys
from datetime import datetime, timezone

from bridge.core.errors import DecodeError
from bridge.core.event import Event

TIME = "2018-04-05T17:31:00.123456789Z"
seen = {}


def note(name, event):
    data = None if event.data is None else event.data.decode("latin-1")
    seen[name] = {"attributes": dict(event.attributes), "data": data}


def back(name, **given):
    event = Event.of(id="1", source="/", type="t", **given)
    made = event.to_cloudevent()
    seen[name + " type"] = f"{type(made).__module__}.{type(made).__qualname__}"
    note(name, Event.from_cloudevent(made))


back("whole", time=TIME, subject="é", ext="x", datacontenttype="a/b", data=b"\x00\xff")
back("bare")
back("old", specversion="0.3", schemaurl="x", data=b"")

try:
    from cloudevents.core.v1.event import CloudEvent
except ImportError:
    from cloudevents.http import CloudEvent
made = {"specversion": "1.0", "id": "1", "source": "/", "type": "t", "ext": 5, "flag": True}
made["time"] = datetime(2026, 1, 31, tzinfo=timezone.utc)
note("object", Event.from_cloudevent(CloudEvent(dict(made), {"a": [1.5, None]})))
note("string", Event.from_cloudevent(CloudEvent(dict(made), "x")))
note("text", Event.from_cloudevent(CloudEvent({**made, "datacontenttype": "text/plain"}, "é")))
try:
    Event.from_cloudevent(CloudEvent({**made, "ext": 1.5}, None))
except DecodeError as error:
    seen["refused"] = str(error)

if "pydantic" in sys.argv:
    from cloudevents.pydantic import CloudEvent as Pydantic

    note("pydantic", Event.from_cloudevent(Pydantic(**made, data=b"x")))
    from cloudevents.http import from_http, to_binary

    read = from_http({"ce-" + k: str(v) for k, v in made.items() if k != "time"}, b"\x00\xff")
    note("from_http", Event.from_cloudevent(read).replace(time=None))
    headers, body = to_binary(Event.of(id="1", source="/", type="t", data=b"\xff").to_cloudevent())
    seen["to_binary"] = [headers, body.decode("latin-1")]
seen["modules"] = sorted(m for m in ("aiohttp", "numpy", "structlog") if m in sys.modules)
print(json.dumps(seen))
"""


def run(python: Path, *arguments: str) -> Any:
    """Return what the script saw in the environment of *python*."""
    done = subprocess.run(
        [python, "-c", SCRIPT, *arguments],
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return orjson.loads(done.stdout)


@pytest.fixture(scope="module")
def first_generation() -> Any:
    """Return what the script saw beside SDK 1.13.0."""
    packages = (
        "cloudevents==1.13.0",
        f"orjson=={version('orjson')}",
        f"pydantic=={version('pydantic')}",
    )
    try:
        python = venv("sdk1", packages)
    except Missing as missing:
        unavailable(f"cloudevents 1.x: {missing}")
    return run(python, "pydantic")


@pytest.fixture(scope="module")
def second_generation() -> Any:
    """Return what the script saw beside the SDK that is installed here."""
    return run(Path(sys.executable))


WHOLE = {
    "specversion": "1.0",
    "id": "1",
    "source": "/",
    "type": "t",
    "subject": "é",
    "ext": "x",
    "datacontenttype": "a/b",
}


def test_first_generation_keeps_everything(first_generation: Any) -> None:
    """SDK 1.x: every attribute and byte, a time to its last digit, no time where none was."""
    seen = first_generation

    assert seen["whole type"] == "cloudevents.http.event.CloudEvent"
    whole = {**WHOLE, "time": "2018-04-05T17:31:00.123456789Z"}
    assert seen["whole"] == {"attributes": whole, "data": "\x00\xff"}
    bare = {"specversion": "1.0", "id": "1", "source": "/", "type": "t"}
    assert seen["bare"] == {"attributes": bare, "data": None}
    old = {**bare, "specversion": "0.3", "schemaurl": "x"}
    assert seen["old"] == {"attributes": old, "data": ""}


def test_second_generation_keeps_all_but_nanoseconds(second_generation: Any) -> None:
    """SDK 2.x: every attribute and byte, a time to the microsecond."""
    seen = second_generation

    assert seen["whole type"] == "cloudevents.core.v1.event.CloudEvent"
    assert seen["old type"] == "cloudevents.core.v03.event.CloudEvent"
    whole = {**WHOLE, "time": "2018-04-05T17:31:00.123456Z"}
    assert seen["whole"] == {"attributes": whole, "data": "\x00\xff"}


def test_both_generations_are_read_alike(first_generation: Any, second_generation: Any) -> None:
    """What a user builds with either SDK is the same event to us."""
    shared = ("bare", "old", "object", "string", "text", "refused", "modules")

    for name in shared:
        assert first_generation[name] == second_generation[name], name

    made = first_generation["object"]
    assert made["data"] == '{"a":[1.5,null]}'
    assert made["attributes"]["datacontenttype"] == "application/json"
    assert made["attributes"]["time"] == "2026-01-31T00:00:00Z"
    assert (made["attributes"]["ext"], made["attributes"]["flag"]) == ("5", "true")
    assert first_generation["string"]["data"] == '"x"'
    assert first_generation["text"]["data"] == "é".encode().decode("latin-1")
    assert first_generation["refused"].startswith("attribute 'ext' is 1.5: expected")
    assert first_generation["modules"] == []


def test_first_generations_own_codec(first_generation: Any) -> None:
    """SDK 1.x reads and writes HTTP around our event, its pydantic form included."""
    attributes = first_generation["pydantic"]["attributes"]
    assert (attributes["specversion"], attributes["time"]) == ("1.0", "2026-01-31T00:00:00+00:00")
    assert first_generation["pydantic"]["data"] == "x"
    assert first_generation["from_http"]["data"] == "\x00\xff"
    assert first_generation["from_http"]["attributes"]["ext"] == "5"
    headers, body = first_generation["to_binary"]
    assert ({**headers, "ce-id": "1"}, body) == (headers, "\xff")
