import re
import sys

import pytest

from bridge.config.file import load
from bridge.config.kinds import choose, import_class, kind_of
from bridge.config.options import Options, RetryOptions
from bridge.config.pipeline import StepOptions
from bridge.core.errors import ConfigError
from tests.fakes_config import MODELS, SINKS, Oracle, OracleOptions, Shelf


@pytest.fixture
def document(tmp_path, monkeypatch):
    """Write a file whose `a` is a section, beside modules of a user."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(section, **modules):
        for name, text in modules.items():
            (tmp_path / f"{name}.py").write_text(text)
            monkeypatch.delitem(sys.modules, name, raising=False)
        path = tmp_path / "iris.yaml"
        path.write_text(f"a: {section}\n")
        return load(path, {})

    return write


def test_a_kind_is_imported_when_a_file_names_it(document):
    """The class comes out of the room's table; other kinds of it stay unimported."""
    found = kind_of(document("{type: oracle}"), ("a",), MODELS, "models")

    assert Oracle is found
    assert "bridge_not_installed" not in sys.modules


def test_options_and_what_stands_around_them(document):
    """A section is its kind's own options and those that any kind may have."""
    loaded = document("{type: shelf, topic: x, timeout_seconds: 5, retry: {attempts: 2}}")

    chosen = choose(loaded, ("a",), SINKS, "sinks", around=StepOptions)

    assert ("shelf", Shelf) == (chosen.kind, chosen.cls)
    assert Shelf.Options(topic="x") == chosen.options
    assert StepOptions(timeout_seconds=5, retry=RetryOptions(attempts=2)) == chosen.around


def test_a_kind_keeps_its_own_option(document):
    """Where kind and surroundings have an option of the same name, the kind has it."""
    loaded = document("{type: oracle, url: 'http://m', timeout_seconds: 5}")

    chosen = choose(loaded, ("a",), MODELS, "models", around=StepOptions)

    assert OracleOptions(url="http://m", timeout_seconds=5) == chosen.options
    assert StepOptions() == chosen.around


def test_a_user_s_class_is_found_beside_the_file(document):
    """`module:Class` is looked for in the folder of the file, with the modules it imports."""
    loaded = document(
        "{type: 'my_sink_here:Sink', colour: red}",
        my_colours_here="NAMES = ('red',)\n",
        my_sink_here=(
            "from bridge.config.options import Options\n"
            "import my_colours_here\n"
            "class SinkOptions(Options):\n"
            "    colour: str\n"
            "class Sink:\n"
            "    Options = SinkOptions\n"
        ),
    )

    chosen = choose(loaded, ("a",), SINKS, "sinks", around=Options)

    assert (chosen.cls.__name__, chosen.options.colour) == ("Sink", "red")


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        (
            "{type: shelv}",
            "a.type: 'shelv' is none of sinks; did you mean 'shelf'? (known: gone, shelf)",
        ),
        ("{type: 5}", "a.type: expected the name of one of sinks (known: gone, shelf)"),
        ("{topic: x}", "a: 'type' is missing: which of sinks? (known: gone, shelf)"),
        ("[x]", "a: expected a section with 'type' (known: gone, shelf)"),
        (
            "{type: gone}",
            "a.type: 'bridge_not_installed.sink:Gone' cannot be imported: "
            "No module named 'bridge_not_installed'",
        ),
        (
            "{type: 'mine_a:Sink'}",
            "a.type: type 'mine_a:Sink': mine_a.py has no class 'Sink'; did you mean 'Sinks'?",
        ),
        (
            "{type: 'mine_a:'}",
            "a.type: type 'mine_a:' is no class: expected 'module:Class' or 'path/file.py:Class'",
        ),
        (
            "{type: ':Sink'}",
            "a.type: type ':Sink' is no class: expected 'module:Class' or 'path/file.py:Class'",
        ),
        (
            "{type: 'mine_a:a.b'}",
            "a.type: type 'mine_a:a.b' is no class: "
            "expected 'module:Class' or 'path/file.py:Class'",
        ),
        (
            "{type: 'mine_b:Sink'}",
            "a.type: type 'mine_b:Sink': mine_b.py:1: ZeroDivisionError: division by zero",
        ),
        (
            "{type: 'mine_c:Sink'}",
            "a.type: type 'mine_c:Sink': mine_c.py:1: ValueError: two lines",
        ),
        (
            "{type: 'mine_a:Sinks'}",
            "a.type: class 'Sinks' has no Options: expected a class made from Options",
        ),
    ],
)
def test_a_kind_that_cannot_be(document, section, expected):
    """What is wrong with `type` is said with the known kinds and the nearest."""
    loaded = document(
        section,
        mine_a="class Sinks: pass\n",
        mine_b="1 / 0\n",
        mine_c="raise ValueError('two\\nlines')\n",
    )

    with pytest.raises(ConfigError) as caught:
        choose(loaded, ("a",), SINKS, "sinks", around=StepOptions)

    assert f"iris.yaml:1: {expected}" == re.sub(r"\S*/(iris|mine)", r"\1", str(caught.value))


def test_wrong_options_of_kind_and_surroundings_come_together(document):
    """Both parts of a section are checked before anything is said."""
    loaded = document("{type: shelf, topic: [], retry: {attempts: 0}}")

    with pytest.raises(ConfigError) as caught:
        choose(loaded, ("a",), SINKS, "sinks", around=StepOptions)

    assert len(str(caught.value).splitlines()) == 2


def test_importing_a_class_says_what_it_found():
    """A target is a module and a class."""
    assert OracleOptions is import_class("tests.fakes_config:OracleOptions")
