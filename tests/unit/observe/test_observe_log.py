import io
import json
import logging
import subprocess
import sys

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bridge.observe.log import HIDDEN, MAX_TEXT, configure, redact

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """Leave structlog and the standard library as they were found."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def stream():
    return io.StringIO()


def shown(**facts):
    return redact(None, "info", facts)


def test_a_json_line_is_one_object_with_the_event_first(stream):
    """JSON: one line, the words under `event`, each fact under its own key."""
    configure("info", "json", stream)

    structlog.get_logger().warning("model unavailable", pipeline="iris", attempt=2)

    (line,) = stream.getvalue().splitlines()
    facts = json.loads(line)
    assert facts.pop("timestamp").endswith("Z")
    expected = {
        "event": "model unavailable",
        "pipeline": "iris",
        "attempt": 2,
        "level": "warning",
    }
    assert expected == facts
    assert line.startswith('{"event"')


def test_a_console_line_is_for_a_person(stream):
    """Console: one line, readable, without colours where nobody sees them."""
    configure("info", "console", stream)

    structlog.get_logger().info("ready", pipeline="iris")

    (line,) = stream.getvalue().splitlines()
    assert "ready" in line
    assert "pipeline=iris" in line
    assert "\x1b" not in line


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_lower_levels_are_not_written(stream, level, expected, format):
    """Nothing below the level is written, the level itself is."""
    configure(level, format, stream)
    log = structlog.get_logger()

    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)(f"a line at {name}")

    assert expected == [
        line.split("a line at ")[1].split()[0].split('"')[0]
        for line in stream.getvalue().splitlines()
    ]


@pytest.mark.parametrize("format", ["json", "console"])
def test_libraries_come_out_the_same_way(stream, format):
    """The standard library's logging is on the same stream, from warnings up."""
    configure("info", format, stream)

    logging.getLogger("aiohttp.access").info("GET / 200")
    logging.getLogger("aiohttp.server").warning("odd %s", "request")

    (line,) = stream.getvalue().splitlines()
    assert "odd request" in line
    assert "aiohttp.server" in line


def test_configuring_again_replaces(stream):
    """After a second call every line is written once, to the second stream."""
    first = io.StringIO()
    configure("info", "json", first)
    structlog.get_logger().info("first")

    configure("info", "json", stream)
    structlog.get_logger().info("second")
    logging.getLogger("library").warning("third")

    assert [json.loads(line)["event"] for line in first.getvalue().splitlines()] == ["first"]
    events = [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
    assert events == ["second", "third"]


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(stream, format):
    """An exception is written with its lines, but without what the variables held."""
    configure("info", format, stream)
    local = SECRET[::-1]

    try:
        raise ValueError("broken at http://user:hunter2@host/ with \x1b[31m")
    except ValueError:
        structlog.get_logger().exception("failed")

    text = stream.getvalue()
    assert "ValueError" in text
    assert "test_observe_log.py" in text
    assert local not in text
    assert SECRET not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "facts",
    [
        {"password": SECRET},
        {"token": SECRET},
        {"API_KEY": SECRET},
        {"sasl_password": SECRET.encode()},
        {"options": {"Authorization": f"Bearer {SECRET}"}},
        {"headers": [(b"authorization", SECRET.encode()), (b"accept", b"*/*")]},
        {"headers": ((b"Cookie", SECRET.encode()),)},
        {"options": {"deep": [{"client_secret": [SECRET]}]}},
        {"anything": SecretStr(SECRET)},
        {"anything": [SecretStr(SECRET)]},
        {"url": f"https://user:{SECRET}@host/path"},
        {"error": ValueError(f"no answer from https://user:{SECRET}@host/")},
    ],
)
@pytest.mark.parametrize("format", ["json", "console"])
def test_secrets_are_hidden(stream, facts, format):
    """A secret under a telling name, in a header, a SecretStr or a URL is never written."""
    configure("info", format, stream)

    structlog.get_logger().info("something", **facts)

    assert SECRET not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


def test_what_is_no_secret_is_kept():
    """Plain facts come out as they went in."""
    facts = {"event": "x", "n": 1, "f": 0.5, "none": None, "yes": True, "l": ["a", {"b": 2}]}

    assert facts == shown(**facts)


@pytest.mark.parametrize("format", ["json", "console"])
def test_what_an_event_holds_cannot_forge_a_line(stream, format):
    """Line ends and terminal escapes inside values are written as escapes."""
    configure("info", format, stream)

    structlog.get_logger().info("odd\nevent", id="1\n{}\r\x1b[2J\u2028")

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


class Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "value",
    [Hostile(), {1, 2}, {(1, 2): b"\xff"}, float("nan"), 10**400, "\ud800", object, b"x" * 9999],
)
def test_logging_never_fails(stream, value):
    """Whatever is given as a value comes out as some text of limited length."""
    configure("info", "json", stream)

    structlog.get_logger().info("odd", value=value)

    (line,) = stream.getvalue().splitlines()
    assert "value" in json.loads(line)
    assert len(line) < 2 * MAX_TEXT


def test_a_value_that_holds_itself_is_cut(stream):
    """Depth and length are bounded."""
    configure("info", "json", stream)
    loop: list[object] = list(range(1000))
    loop[0] = loop

    structlog.get_logger().info("odd", value=loop)

    assert len(stream.getvalue()) < 10 * MAX_TEXT


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_any_value_is_one_line_of_json(value):
    """Any value makes exactly one line that is JSON."""
    stream = io.StringIO()
    configure("info", "json", stream)

    structlog.get_logger().info("any", value=value)

    assert stream.getvalue().endswith("\n")
    assert len(stream.getvalue().splitlines()) == 1
    assert json.loads(stream.getvalue())["event"] == "any"


def test_importing_changes_nothing():
    """The module may be imported without any logging being configured."""
    program = (
        "import logging, structlog; before = structlog.get_config().copy()\n"
        "import bridge.observe.log\n"
        "assert structlog.get_config() == before and not structlog.is_configured()\n"
        "assert not logging.getLogger().handlers\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
