import re
import textwrap
from typing import Annotated

import pytest
from pydantic import Field, SecretStr, model_validator

from bridge.config.file import load
from bridge.config.options import HttpClientOptions, Options, RetryOptions, Seconds
from bridge.config.pipeline import FileOptions
from bridge.config.problems import MAX_PROBLEMS, Problem, Problems, did_you_mean, dotted
from bridge.config.validate import parse
from bridge.core.errors import ConfigError
from tests.fakes_config import OracleOptions

SECRET = "hunter2"


class SampleOptions(Options):
    """An option of every type."""

    number: int = 1
    """A whole number."""
    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """A number."""
    wait_seconds: Seconds = 1.0
    """Seconds."""
    text: str = "x"
    """Text."""
    flag: bool = False
    """Yes or no."""
    names: list[str] = Field(default_factory=list)
    """Names."""
    numbers: dict[str, int] = Field(default_factory=dict)
    """Numbers by name."""
    retry: RetryOptions = RetryOptions()
    """A section."""
    several: Annotated[list[int], Field(min_length=1, max_length=2)] = [1]  # noqa: RUF012
    """One or two."""


class LoginOptions(Options):
    """A section with a rule of its own."""

    user: str = ""
    """Who."""
    password: SecretStr = SecretStr("")
    """The secret."""
    old: list[SecretStr] = Field(default_factory=list)
    """Former secrets."""

    @model_validator(mode="before")
    @classmethod
    def _talks_too_much(cls, raw: object) -> object:
        if isinstance(raw, dict) and raw.get("user") == "leak":
            raise ValueError(f"expected another user, found {raw}")
        return raw


@pytest.fixture
def document(tmp_path):
    """Write a file and load it."""

    def write(text, environ=None):
        path = tmp_path / "iris.yaml"
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return load(path, environ or {})

    return write


def refused(document, options, path=()):
    """Return the lines of the error that parsing raises, without the file's folder."""
    with pytest.raises(ConfigError) as caught:
        parse(document, path, options)
    return re.sub(r"\S*/iris\.yaml", "iris.yaml", str(caught.value)).splitlines()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("number: '8080'", {"number": 8080}),
        ("number: ${PORT}", {"number": 8080}),
        ("number: ${NONE:-1}", {"number": -1}),
        ("number: 8.0", {"number": 8}),
        ("share: 1", {"share": 1.0}),
        ("share: '0.25'", {"share": 0.25}),
        ("wait_seconds: 1e-3", {"wait_seconds": 0.001}),
        ("flag: 'true'", {"flag": True}),
        ("flag: ${FLAG}", {"flag": False}),
        ("flag: on", {"flag": True}),
        ("text: 8080", {"text": "8080"}),
        ("text: 1.10", {"text": "1.10"}),
        ("text: 1_000", {"text": "1_000"}),
        ("text: 0777", {"text": "0777"}),
        ("text: 2026-01-31", {"text": "2026-01-31"}),
        ("names: [a, 5, 1.0]", {"names": ["a", "5", "1.0"]}),
        ("numbers: {a: '5', b: 6}", {"numbers": {"a": 5, "b": 6}}),
        ("retry: {attempts: '3'}", {"retry": RetryOptions(attempts=3)}),
    ],
)
def test_values_become_what_the_option_is(document, text, expected):
    """Text becomes the option's type; a number where text is expected is its own text."""
    loaded = document(text, {"PORT": "8080", "FLAG": "no"})

    assert SampleOptions(**expected) == parse(loaded, (), SampleOptions)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("number: x", "number: expected whole number; found 'x'"),
        ("number: ''", "number: expected whole number; found empty text"),
        ("number: 1.5", "number: expected whole number; found 1.5"),
        ("number: on", "number: expected whole number; found on"),
        ("number:", "number: expected whole number; found nothing"),
        ("number: [1]", "number: expected whole number; found a list of 1"),
        ("number: {a: 1}", "number: expected whole number; found a section"),
        ("share: 1.1", "share: expected number, at least 0, at most 1; found 1.1"),
        ("share: yes", "share: expected number, at least 0, at most 1; found yes"),
        ("wait_seconds: 0", "wait_seconds: expected number, more than 0; found 0"),
        ("wait_seconds: '-1'", "wait_seconds: expected number, more than 0; found '-1'"),
        ("wait_seconds: inf", "wait_seconds: expected number, more than 0; found 'inf'"),
        ("wait_seconds: 5s", "wait_seconds: expected number, more than 0; found '5s'"),
        (
            "text: no",
            "text: expected text; found no, which YAML reads as false: put it in quotes",
        ),
        (
            "names: [a, On]",
            "names[1]: expected text; found On, which YAML reads as true: put it in quotes",
        ),
        ("text: ~", "text: expected text; found nothing"),
        ("text: {a: b}", "text: expected text; found a section"),
        ("flag: perhaps", "flag: expected true or false; found 'perhaps'"),
        ("flag: 2", "flag: expected true or false; found 2"),
        ("names: a", "names: expected list, each text; found 'a'"),
        (
            "numbers: [1]",
            "numbers: expected section of names, each whole number; found a list of 1",
        ),
        ("numbers: {a: x}", "numbers.a: expected whole number; found 'x'"),
        ("retry: 3", "retry: expected section; found 3"),
        ("retry:", "retry: expected section; found nothing"),
        ("retry: {attempts: 0}", "retry.attempts: expected whole number, at least 1; found 0"),
        (
            "several: []",
            "several: expected list, each whole number, at least 1 item, at most 2 items; "
            "found a list of 0",
        ),
        (
            "numbr: 1",
            "numbr: unknown option; did you mean 'number'? (known: flag, names, number, numbers, "
            "retry, several, share, text, wait_seconds)",
        ),
        (
            "retry: {zzz: 1}",
            "retry.zzz: unknown option (known: attempts, initial_seconds, max_seconds)",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_plain_words(document, text, expected):
    """What was expected, what was found, where; nothing of the validator's own language."""
    assert [f"iris.yaml:1: {expected}"] == refused(document(text), SampleOptions)


def test_what_a_validator_says_in_its_own_words_is_kept(document):
    """An error of a kind that is not known here is passed on, with what was found."""

    class CountedOptions(Options):
        """Has a rule with an error of its own kind."""

        share: Annotated[float, Field(multiple_of=0.5)] = 0.5
        """In halves."""

    expected = "iris.yaml:1: share: expected a multiple of 0.5; found 0.7"
    assert [expected] == refused(document("share: 0.7"), CountedOptions)


def test_a_missing_option_is_on_the_line_of_its_section(document):
    """A required option that is not there names itself, its type and its meaning."""
    loaded = document("a:\n  b:\n    proxy_url: x\n")

    expected = (
        "iris.yaml:2: a.b.url: missing, expected text: "
        "Base URL of the far end, `http://` or `https://`."
    )
    assert [expected] == refused(loaded, HttpClientOptions, ("a", "b"))


def test_everything_wrong_is_said_in_the_order_of_the_file(document):
    """All problems come at once, whatever kind they are."""
    loaded = document(
        """\
        text: no
        retry:
          attemts: 3
          attempts: 0
        number: x
        """
    )

    lines = refused(loaded, SampleOptions)

    assert [int(line.split(":")[1]) for line in lines] == [1, 3, 4, 5]


def test_a_value_without_its_variable_is_one_problem(tmp_path):
    """What is already known to be wrong is not complained of again as a wrong type."""
    path = tmp_path / "iris.yaml"
    path.write_text("number: ${NONE}\n")
    problems = Problems()
    loaded = load(path, {}, problems)

    parsed = parse(loaded, (), SampleOptions, problems)

    assert parsed is None
    assert [problem.path for problem in problems] == [("number",)]


def test_a_collector_gathers_several_sections(document):
    """With a collector nothing is raised until somebody asks."""
    loaded = document("a: {number: x}\nb: {number: 1}\nc: {number: y}\n")
    problems = Problems()

    parsed = [parse(loaded, (name,), SampleOptions, problems) for name in "abc"]

    assert [None, SampleOptions(number=1), None] == parsed
    with pytest.raises(ConfigError) as caught:
        problems.check()
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (f"{{url: 'http://m', token: {SECRET}}}", OracleOptions),
        (f"{{url: 'http://m', token: [{SECRET}]}}", OracleOptions),
        (f"{{url: 'http://m', headers: {{a: [{SECRET}]}}}}", OracleOptions),
        (f"{{url: 'http://m', headers: {SECRET}}}", OracleOptions),
        (f"{{url: 'http://m', tokn: {SECRET}}}", OracleOptions),
        (f"{{url: 'ftp://user:{SECRET}@m'}}", OracleOptions),
        ("{url: 'ftp://m', token: '${TOKEN}'}", OracleOptions),
        (f"{{user: leak, password: {SECRET}, old: [{SECRET}]}}", LoginOptions),
        (f"{{user: [], password: {SECRET}}}", LoginOptions),
        ("{password: on}", LoginOptions),
    ],
)
def test_no_error_shows_a_secret(document, text, options):
    """Not in the echo of a value, not in what a validator says, not in the chain of errors."""
    loaded = document(f"a: {text}\n", {"TOKEN": f"long enough {SECRET}"})

    with pytest.raises(ConfigError) as caught:
        parse(loaded, ("a",), options)

    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error)
        assert SECRET not in repr(error)
        error = error.__cause__ or error.__context__


def test_a_secret_of_the_wrong_type_is_not_echoed(document):
    """A password that YAML reads as a truth value is refused without being shown."""
    expected = ["iris.yaml:1: password: expected text (secret); found a secret that is not shown"]

    assert expected == refused(document("password: on"), LoginOptions)


def test_parsing_changes_nothing_in_the_document(document):
    """What one class reads as text, another may still read as a number."""
    loaded = document("text: 5\nnumber: 5\n")

    parse(loaded, (), SampleOptions)

    assert loaded.tree == {"text": 5, "number": 5}


def test_no_repr_shows_a_secret(document):
    """Options that hold secrets, passwords in URLs and raw sections hide them."""
    loaded = document(
        f"""\
        pipelines:
          iris:
            source: {{type: http, password: {SECRET}}}
            model: {{type: rest, token: {SECRET}}}
            sinks: [{{type: http, token: {SECRET}}}]
            dead_letter: {{token: {SECRET}}}
            transformer: {{token: {SECRET}}}
        """
    )
    shown = [
        loaded,
        parse(loaded, (), FileOptions),
        OracleOptions(url=f"http://user:{SECRET}@host", token=f"long enough {SECRET}"),
        OracleOptions(url="http://host", headers={"a": SECRET}),
    ]

    for value in shown:
        assert SECRET not in repr(value)
        assert SECRET not in str(value)


def test_pydantic_itself_shows_no_input():
    """Options built in code do not echo what was given either."""
    with pytest.raises(ValueError) as caught:
        LoginOptions(user=5, password=[SECRET])  # type: ignore[arg-type]  # that is the test

    assert SECRET not in str(caught.value)


def test_a_file_with_everything_wrong_is_cut():
    """Beyond a number of problems the rest is only counted."""
    problems = Problems()
    for line in range(MAX_PROBLEMS + 5):
        problems.add(Problem("iris.yaml", line, (), "x"))

    with pytest.raises(ConfigError) as caught:
        problems.check()

    assert len(str(caught.value).splitlines()) == MAX_PROBLEMS + 1
    assert str(caught.value).endswith("… and 5 more problems")


def test_a_problem_is_told_once():
    """The same thing said twice is one line."""
    first, second = Problems(), Problems()
    for problems in (first, first, second):
        problems.add(Problem("iris.yaml", 1, ("a",), "x"))

    first.extend(second)

    assert [str(problem) for problem in first] == ["iris.yaml:1: a: x"]


def test_no_problem_is_no_error():
    """An empty collector raises nothing."""
    problems = Problems()

    problems.check()

    assert len(problems) == 0


def test_paths_are_written_as_people_do():
    """Names with dots, positions in brackets."""
    assert dotted(("pipelines", "iris", "sinks", 0, "topic")) == "pipelines.iris.sinks[0].topic"


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("urll", ["url", "name"], "; did you mean 'url'? (known: url, name)"),
        ("zzz", ["url", "name"], " (known: url, name)"),
        ("zzz", [], ""),
    ],
)
def test_the_nearest_name(name, known, expected):
    """A name near a known one is guessed; all known ones are shown."""
    assert expected == did_you_mean(name, known)
