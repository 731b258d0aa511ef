import re
import string
import textwrap
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.file import MAX_DEPTH, MAX_FILE_BYTES, load
from bridge.config.problems import Problems
from bridge.config.tree import MAX_VALUES
from bridge.config.variables import interpolate
from bridge.core.errors import ConfigError

ENVIRON = {"URL": "http://model", "EMPTY": "", "EVIL": "x\ny: 1\n${URL} $$", "ÜMLAUT": "no"}


@pytest.fixture
def file(tmp_path):
    """Write a file and read it back under the name that a user would give."""

    def write(text, environ=ENVIRON, problems=None):
        path = tmp_path / "iris.yaml"
        data = text if isinstance(text, bytes) else textwrap.dedent(text).encode()
        path.write_bytes(data)
        return load(path, environ, problems)

    return write


def refused(file, text, **how):
    """Return what is said of a file that is refused, its folder left out."""
    with pytest.raises(ConfigError) as caught:
        file(text, **how)
    return re.sub(r"\S*/iris\.yaml", "iris.yaml", str(caught.value))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${URL}", "http://model"),
        ("${URL}/v1", "http://model/v1"),
        ("a${URL}b${URL}c", "ahttp://modelbhttp://modelc"),
        ("${URL:http://other}", "http://model"),
        ("${NONE:http://other:80}", "http://other:80"),
        ("${NONE:}", ""),
        ("${EMPTY}", ""),
        ("${EMPTY:default}", ""),
        ("${NONE:a$$b}", "a$b"),
        ("$$", "$"),
        ("$${URL}", "${URL}"),
        ("$$${URL}", "$http://model"),
        ("$URL", "$URL"),
        ("5$", "5$"),
        ("{URL}", "{URL}"),
        ("${EVIL}", "x\ny: 1\n${URL} $$"),
        ("${NONE:two\nlines}", "two\nlines"),
    ],
)
def test_variables_are_put_in(text, expected):
    """`${VAR}`, `${VAR:default}` and `$$` are replaced, once; everything else is itself."""
    assert expected == interpolate(text, ENVIRON)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NONE}", "variable NONE is not set; set it, or write ${NONE:default}"),
        ("${", "'${' without its '}'"),
        ("${URL", "'${' without its '}'"),
        ("${}", "'${' without a variable's name"),
        ("${1X}", "'${' without a variable's name"),
        ("${A-B}", "'${' without a variable's name"),
        ("${ÜMLAUT}", "'${' without a variable's name"),
        ("${NONE:${URL}}", "'${' inside '${'"),
        ("${${URL}}", "'${' inside '${'"),
    ],
)
def test_variables_that_cannot_be_put_in(text, expected):
    """What cannot be replaced says why, and shows no value."""
    with pytest.raises(ValueError) as caught:
        interpolate(text, ENVIRON)

    assert expected in str(caught.value)
    assert "http" not in str(caught.value)


@given(st.dictionaries(st.from_regex(r"[A-Z_]{1,6}", fullmatch=True), st.text(), max_size=4))
def test_a_value_is_never_looked_into(environ):
    """Whatever a variable holds comes out as it is, and adds nothing to the tree."""
    text = "".join(f"${{{name}}}" for name in environ)

    assert "".join(environ.values()) == interpolate(text, environ)


def test_a_variable_cannot_add_to_the_tree(file):
    """Variables are put in after the YAML was read: their value is one text."""
    document = file("a: ${EVIL}\nb: '${EVIL}'\nc: [ '${EVIL}' ]\n")

    value = ENVIRON["EVIL"]
    assert {"a": value, "b": value, "c": [value]} == document.tree


def test_variables_are_only_in_values(file):
    """Keys and comments are left alone, numbers have none."""
    document = file("'${URL}': 1  # ${NONE}\n")

    assert document.tree == {"${URL}": 1}


def test_a_missing_variable_names_itself_the_path_and_the_line(file):
    """A variable without value or default is found with where it is needed."""
    text = "pipelines:\n  iris:\n    sinks:\n      - url: ${NONE}\n"

    expected = (
        "iris.yaml:4: pipelines.iris.sinks[0].url: environment variable NONE is not set; "
        "set it, or write ${NONE:default}"
    )
    assert expected == refused(file, text)


def test_every_value_knows_its_line(file):
    """Lines are those of keys, and of items in lists."""
    document = file(
        """\
        # a comment

        a: 1
        b:
          - c: x
            d: |
              text
          - {e: 1,
             f: 2}
        """
    )

    lines = {
        (): 1,
        ("a",): 3,
        ("b",): 4,
        ("b", 0): 5,
        ("b", 0, "c"): 5,
        ("b", 0, "d"): 6,
        ("b", 1): 8,
        ("b", 1, "e"): 8,
        ("b", 1, "f"): 9,
    }
    assert lines == {path: document.line_of(path) for path in lines}
    assert document.line_of(("b", 0, "d", "not", 0, "there")) == 6
    assert document.line_of(("z",)) == 1
    assert document.at(("b", 0, "d")) == "text\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8080", 8080),
        ("-5", -5),
        ("1_000", 1000),
        ("0", 0),
        ("0.5", 0.5),
        ("1.5e+3", 1500.0),
        ("yes", True),
        ("off", False),
        ("true", True),
        ("~", None),
        ("", None),
        ("'8080'", "8080"),
        ("0777", "0777"),
        ("0x10", "0x10"),
        ("12:30", "12:30"),
        ("12:30.5", "12:30.5"),
        (".inf", ".inf"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("=", "="),
        ("1.2.3", "1.2.3"),
        ("!!str 5", "5"),
    ],
)
def test_scalars_are_what_people_mean(file, text, expected):
    """Decimal numbers, truth values and nothing are themselves; YAML's surprises stay text."""
    value = file(f"a: {text}\n").tree["a"]

    assert (expected, type(expected)) == (value, type(value))


def test_what_stands_in_the_file_is_remembered(file):
    """Numbers and truth values keep their own text, for options that want text."""
    document = file("a: 1.10\nb: no\nc: ~\nd: 0777\ne: x\n")

    assert document.texts == {("a",): "1.10", ("b",): "no", ("c",): "~"}


def test_anchors_and_aliases_are_written_out(file):
    """An alias is a copy, so that nothing is shared between sections."""
    document = file("a: &x {url: '${URL}', n: [1]}\nb: *x\n")

    assert document.tree["a"] == document.tree["b"] == {"url": "http://model", "n": [1]}
    assert document.tree["a"] is not document.tree["b"]
    assert document.tree["a"]["n"] is not document.tree["b"]["n"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "iris.yaml:1: the file is empty: expected a section 'pipelines'"),
        (b"# only a comment\n", "iris.yaml:1: the file is empty: expected a section 'pipelines'"),
        (b"a: b\nc: \xff\n", "iris.yaml:2:4: byte 0xff is not UTF-8"),
        ("a: 1\n".encode("utf-16"), "iris.yaml:1:1: byte 0xff is not UTF-8"),
        (b"a: b\nc: \x00\n", "iris.yaml:2:4: character U+0000 is not allowed in YAML"),
        (b"a:\n\tb: 1\n", "iris.yaml:2:1: not YAML: a tab: indent with spaces"),
        (b"a:\n  \tb: 1\n", "iris.yaml:2:3: not YAML: a tab: indent with spaces"),
        (b"a: [1, 2\n", "iris.yaml:2:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        (b"a: 'x\n", "iris.yaml:2:1: not YAML: found unexpected end of stream"),
        (
            b"a: b: c\n",
            "iris.yaml:1:5: not YAML: mapping values are not allowed here; indent it as its "
            "section, or put quotes around a value with ': '",
        ),
        (
            b"a:\n    b: 1\n   c: 2\n",
            "iris.yaml:3:4: not YAML: its indentation is that of no line above: align it with "
            "its section",
        ),
        (
            b"a: {type: {name}.response}\n",
            "iris.yaml:1:17: not YAML: expected ',' or '}', but got '<scalar>'; put quotes around "
            "a value with { }",
        ),
        (b"a: *x\n", "iris.yaml:1:4: not YAML: found undefined alias 'x'"),
        (
            b"a: 1\n---\nb: 2\n",
            "iris.yaml:2:1: not YAML: a second document: expected one in a file",
        ),
        (
            b"a: {url: ${URL}}\n",
            "iris.yaml:1:11: not YAML: expected ',' or '}', but got '{'; "
            "inside { } or [ ], put quotes around a value with ${ }",
        ),
        (
            b"- a\n",
            "iris.yaml:1: expected sections such as 'pipelines:' at the top of the file, "
            "found a list",
        ),
        (
            b"just text\n",
            "iris.yaml:1: expected sections such as 'pipelines:' at the top of the file, "
            "found a single value",
        ),
        (b"a: 1\nb:\n  a: 2\n  a: 3\n", "iris.yaml:4: b.a: there twice: first on line 3"),
        (
            b"a:\n  8080: x\n",
            "iris.yaml:2: a: the key '8080' is a number to YAML: put it in quotes",
        ),
        (b"on: x\n", "iris.yaml:1: the key 'on' is a truth value to YAML: put it in quotes"),
        (b"a:\n  ~: x\n", "iris.yaml:2: a: the key '~' is nothing to YAML: put it in quotes"),
        (b"? [a]\n: x\n", "iris.yaml:1: a list as a key: expected text"),
        (b"? {a: b}\n: x\n", "iris.yaml:1: a section as a key: expected text"),
        (
            b"a: &x {n: 1}\nb:\n  <<: *x\n",
            "iris.yaml:3: b: '<<' is not supported: alias a whole section, or write it out",
        ),
        (
            b"a: !!python/name:os.system x\n",
            "iris.yaml:1: a: the tag '!!python/name:os.system' is not supported",
        ),
        (b"a: !!binary aGk=\n", "iris.yaml:1: a: the tag '!!binary' is not supported"),
        (b"a: !mine {b: 1}\n", "iris.yaml:1: a: the tag '!mine' is not supported"),
        (b"a: " + b"9" * 5000, "iris.yaml:1: a: not a number that can be read"),
        (b"a: &x [*x]\n", "iris.yaml:1: a[0]: an alias that holds itself"),
    ],
)
def test_files_that_cannot_be_read(file, text, expected):
    """Each is refused with its line, the column where YAML itself is broken, and the cause."""
    assert expected == refused(file, text)


def test_everything_wrong_is_said_at_once(file):
    """All problems with values come in one error, one line each, in the order of the file."""
    text = "d: ${NONE}\na: 1\nb: ${URL\na: 2\nc: !x y\n"

    expected = [
        "iris.yaml:1: d: environment variable NONE is not set; set it, or write ${NONE:default}",
        "iris.yaml:3: b: '${' without its '}'; write '$$' for a plain '$'",
        "iris.yaml:4: a: there twice: first on line 2",
        "iris.yaml:5: c: the tag '!x' is not supported",
    ]
    assert expected == refused(file, text).splitlines()


def test_a_collector_gets_the_problems_instead(file):
    """With a collector nothing is raised: whoever reads on may find more."""
    problems = Problems()

    document = file("a: ${NONE}\nb: 1\n", problems=problems)

    assert [problem.path for problem in problems] == [("a",)]
    assert document.tree["b"] == 1


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_is_not_there(tmp_path, name):
    """A missing file, or a folder, is refused with its name."""
    path = tmp_path / name

    with pytest.raises(ConfigError, match="cannot be read: ") as caught:
        load(path, {})

    assert str(caught.value).startswith(str(path))


def test_a_file_that_is_too_large(file):
    """One byte beyond the limit is refused; the limit itself is read."""
    fits = b"a: 1\n#" + b"x" * (MAX_FILE_BYTES - 6)

    assert file(fits).tree == {"a": 1}
    assert f"larger than {MAX_FILE_BYTES} bytes" in refused(file, fits + b"x")


def test_aliases_cannot_name_billions(file):
    """The expansion of aliases is bounded."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]

    expected = f"iris.yaml:1: more than {MAX_VALUES} values, aliases written out"
    assert expected == refused(file, "\n".join(lines))


@pytest.mark.parametrize("levels", [MAX_DEPTH, 100_000])
def test_depth_is_bounded(file, levels):
    """A file of nothing but brackets is refused, however many."""
    text = "a: " + "[" * levels + "]" * levels

    expected = f"iris.yaml:1:{3 + MAX_DEPTH}: not YAML: more than {MAX_DEPTH} levels deep"
    assert expected == refused(file, text)


def test_a_document_shows_no_secret(file):
    """The repr of a document is its name: the tree holds what must not be seen."""
    document = file("password: hunter2\n")

    assert "hunter2" not in repr(document)
    assert "hunter2" not in f"{document}"


def test_a_syntax_error_shows_no_secret(file):
    """A broken line is not echoed."""
    assert "hunter2" not in refused(file, "password: hunter2: x\n")


KEYS = st.text(string.ascii_letters + string.digits + "_- .é", min_size=1, max_size=8)
TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="$\ufeff"))
TREES = st.dictionaries(
    KEYS,
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=15,
    ),
    min_size=1,
    max_size=5,
)


@given(TREES, st.booleans())
def test_any_tree_survives(tmp_path_factory, tree, flow):
    """What YAML writes of any tree is read back as it was, with a line for every value."""
    path: Path = tmp_path_factory.mktemp("tree") / "iris.yaml"
    path.write_text(
        yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True), encoding="utf-8"
    )

    document = load(path, {})

    assert tree == document.tree
    assert all(document.at(known) is not ... for known in document.lines)
    assert max(document.lines.values()) <= len(path.read_text(encoding="utf-8").splitlines())
