"""A test file to cases: what is read, and what each mistake in it is told."""

from __future__ import annotations

import base64
from pathlib import Path
from textwrap import dedent

import pytest

from bridge.app import cases
from bridge.app.cases import Case, load_cases
from bridge.config.cases import nanoseconds
from bridge.core.errors import ConfigError, Rejected, Unavailable
from bridge.core.payload import Body

GOOD = """\
tests:
  - name: works
    event: {attributes: {type: a}}
    expect: {filtered: true}
"""


def written(folder: Path, text: str) -> Path:
    """Write *text* as a test file and return its path."""
    (folder / "bridge_test.yaml").write_text(dedent(text))
    return folder / "bridge_test.yaml"


def one(folder: Path, text: str) -> Case:
    """Return the only test of a file."""
    (case,) = load_cases(written(folder, text), {})
    return case


def problems(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    """Return what is wrong with a test file, without its folder."""
    path = written(folder, text)
    with pytest.raises(ConfigError) as caught:
        load_cases(path, environ or {})
    return [line.removeprefix(f"{folder}/") for line in str(caught.value).splitlines()]


def test_an_event_has_what_it_does_not_say(tmp_path: Path) -> None:
    """A type is enough; data brings its media type along."""
    case = one(
        tmp_path,
        """
        tests:
          - name: works
            event: {attributes: {type: a}, data: {rows: [1, 2.50, yes, null]}}
            expect: {filtered: true}
        """,
    )

    assert {
        "specversion": "1.0",
        "id": "1",
        "source": "bridge.test",
        "type": "a",
        "datacontenttype": "application/json",
    } == case.event.attributes
    assert b'{"rows":[1,2.5,true,null]}' == case.event.data
    assert (3, tmp_path / "bridge.yaml") == (case.line, case.config)


def test_an_event_of_a_file_is_changed_where_the_test_says(tmp_path: Path) -> None:
    """Attributes are replaced, taken away and added; data stays the file's bytes unless given."""
    (tmp_path / "event.json").write_text(
        '{"specversion": "0.3", "id": "7", "source": "s", "type": "a", "subject": "x",'
        ' "data": {"a":  1.50}}'
    )

    case = one(
        tmp_path,
        """
        tests:
          - name: works
            event:
              file: event.json
              attributes: {id: 8, subject: null, team: b}
              headers: {Seldon-Puid: abc}
              wants_reply: true
            expect: {filtered: true}
        """,
    )

    assert {"specversion": "0.3", "id": "8", "source": "s", "type": "a", "team": "b"} == {
        name: text for name, text in case.event.attributes.items() if name != "datacontenttype"
    }
    assert b'{"a":  1.50}' == case.event.data
    assert b"abc" == case.event.origin.header(b"seldon-puid")
    assert case.event.origin.wants_reply


def test_answers_in_every_form(tmp_path: Path) -> None:
    """JSON, text, base64, files, refusals and outages, each with the media type it has."""
    (tmp_path / "answer.json").write_text("{ }")
    (tmp_path / "answer.bin").write_bytes(b"\xff")

    case = one(
        tmp_path,
        f"""
        tests:
          - name: works
            event: {{attributes: {{type: a}}}}
            model:
              answers:
                - data: null
                - text: hello
                - {{text: "{{}}", content_type: application/json}}
                - base64: {base64.b64encode(bytes([255, 0])).decode()}
                - data_file: answer.json
                - data_file: answer.bin
                - refuses: no
                - unavailable: away
            expect: {{filtered: true}}
        """.replace("refuses: no", "refuses: never"),
    )

    assert case.answers is not None
    assert (
        Body(b"null"),
        Body(b"hello", "text/plain; charset=utf-8"),
        Body(b"{}"),
        Body(b"\xff\x00", None),
        Body(b"{ }"),
        Body(b"\xff", None),
    ) == case.answers[:6]
    assert [(Rejected, "never"), (Unavailable, "away")] == [
        (type(answer), str(answer)) for answer in case.answers[6:]
    ]


def test_a_tests_variables_stand_above_the_files(tmp_path: Path) -> None:
    """`${VAR}` of the process is in the test file only where it is written there."""
    text = """
    environ: {URL: http://model, TOKEN: "${SECRET}", PORT: 8080}
    tests:
      - name: works
        environ: {URL: http://other}
        event: {attributes: {type: a}}
        expect: {filtered: true}
    """

    (case,) = load_cases(written(tmp_path, text), {"SECRET": "s3cret", "OTHER": "x"})

    assert {"URL": "http://other", "TOKEN": "s3cret", "PORT": "8080"} == case.environ


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "tests:",
            "test:",
            [
                "bridge_test.yaml:1: tests: missing, expected list, each section, at least 1 item: "
                "The tests, each run by itself.",
                "bridge_test.yaml:1: test: unknown option; did you mean 'tests'? "
                "(known: environ, tests)",
            ],
        ),
        (
            "expect:",
            "expects:",
            [
                "bridge_test.yaml:2: tests[0].expect: missing, expected section: "
                "What is to come of the event.",
                "bridge_test.yaml:4: tests[0].expects: unknown option; did you mean 'expect'? "
                "(known: environ, event, expect, model, name, pipeline, time)",
            ],
        ),
        (
            "filtered: true",
            "filtered: true, repyl: {}",
            [
                "bridge_test.yaml:4: tests[0].expect.repyl: unknown option; did you mean 'reply'? "
                "(known: dead_letter, filtered, published, refused, reply, taken_by)"
            ],
        ),
        (
            "filtered: true",
            "filtered: false",
            [
                "bridge_test.yaml:4: tests[0].expect: expects nothing: expected at least one of "
                "reply, published, filtered, dead_letter, refused, taken_by"
            ],
        ),
        (
            "filtered: true",
            "refused: {reason: transfrom}",
            [
                "bridge_test.yaml:4: tests[0].expect.refused.reason: no reason 'transfrom'; "
                "did you mean 'transform'? (known: deadline, decode, doubtful, event, format, "
                "overloaded, rejected, transform, unavailable)"
            ],
        ),
        (
            "filtered: true",
            "reply: {data: 1, text: a}",
            [
                "bridge_test.yaml:4: tests[0].expect.reply: has data and text: expected one of "
                "data, text, base64, data_file, contains"
            ],
        ),
        (
            "filtered: true",
            "reply: {base64: a*b}",
            [
                "bridge_test.yaml:4: tests[0].expect.reply.base64: expected base64: "
                "Only base64 data is allowed"
            ],
        ),
        (
            "filtered: true",
            "reply: {data_file: gone.json}",
            [
                "bridge_test.yaml:4: tests[0].expect.reply.data_file: gone.json: cannot be read: "
                "No such file or directory"
            ],
        ),
        (
            "filtered: true",
            "reply: {data_file: bad.json}",
            [
                "bridge_test.yaml:4: tests[0].expect.reply.data_file: bad.json: is no JSON: "
                "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
            ],
        ),
        (
            "filtered: true",
            "reply: {tolerance: -1}",
            [
                "bridge_test.yaml:4: tests[0].expect.reply.tolerance: expected number, at least 0; "
                "found -1"
            ],
        ),
        (
            "{type: a}",
            "{Type: a}",
            [
                "bridge_test.yaml:3: tests[0].event.attributes: attribute 'type' is missing: "
                "expected a CloudEvent"
            ],
        ),
        (
            "{type: a}",
            "{type: a, time: today}",
            [
                "bridge_test.yaml:3: tests[0].event.attributes: attribute 'time' is 'today': "
                "expected RFC 3339 with an offset, as 2026-01-31T12:00:00Z"
            ],
        ),
        (
            "{attributes: {type: a}}",
            "{file: gone.json}",
            [
                "bridge_test.yaml:3: tests[0].event.file: gone.json: cannot be read: "
                "No such file or directory"
            ],
        ),
        (
            "{attributes: {type: a}}",
            "{attributes: {type: a}, data: 100000000000000000000}",
            [
                "bridge_test.yaml:3: tests[0].event.data: has no form in JSON: "
                "Integer exceeds 64-bit range"
            ],
        ),
        (
            "    expect",
            "    time: noon\n    expect",
            [
                "bridge_test.yaml:4: tests[0].time: is 'noon': "
                "expected a time as 2020-01-01T00:00:00Z"
            ],
        ),
        (
            "    expect",
            "    model: {answers: [{}]}\n    expect",
            [
                "bridge_test.yaml:4: tests[0].model.answers[0]: says nothing: expected one of "
                "data, text, base64, data_file, refuses, unavailable"
            ],
        ),
        (
            "    expect",
            "    model: {answers: {data: 1}}\n    expect",
            [
                "bridge_test.yaml:4: tests[0].model.answers: expected list, each section; "
                "found a section"
            ],
        ),
        (
            "    expect",
            '    environ: {A: "${GONE}"}\n    expect',
            [
                "bridge_test.yaml:4: tests[0].environ.A: environment variable GONE is not set; "
                "set it, or write ${GONE:default}"
            ],
        ),
        (
            "tests:\n",
            "tests:\n  - {name: works, event: {attributes: {type: a}}, expect: {taken_by: a}}\n",
            [
                "bridge_test.yaml:3: tests[1].name: a test of this name is on line 2: "
                "expected another name"
            ],
        ),
    ],
)
def test_each_mistake_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, told: list[str]
) -> None:
    """File and line, where in it, what is wrong, what was expected or meant."""
    (tmp_path / "bad.json").write_text("{bad")

    assert told == problems(tmp_path, GOOD.replace(old, new))


def test_an_event_file_that_is_none_says_why(tmp_path: Path) -> None:
    """The codec's own words, behind the file's name."""
    (tmp_path / "event.json").write_text('{"specversion": "1.0", "id": "1", "type": "a"}')

    (told,) = problems(tmp_path, GOOD.replace("{attributes: {type: a}}", "{file: event.json}"))

    assert told.startswith("bridge_test.yaml:3: tests[0].event.file: event.json: ")
    assert "'source'" in told


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "- name: works\n"])
def test_a_file_without_its_section_is_told_which(tmp_path: Path, text: str) -> None:
    """A test file has `tests`, and is no configuration."""
    (told,) = problems(tmp_path, text)

    assert "'tests" in told
    assert "pipelines" not in told


def test_mistakes_of_all_tests_are_told_at_once(tmp_path: Path) -> None:
    """In the order of the file."""
    told = problems(
        tmp_path,
        """\
        tests:
          - name: one
            event: {file: gone.json}
            expect: {reply: {data_file: lost.json}}
          - name: two
            event: {attributes: {type: a}}
            model: {asked: [{data_file: away.json}]}
            expect: {filtered: true}
        """,
    )

    assert ["3", "4", "7"] == [line.split(":")[1] for line in told]


def test_a_value_of_the_environment_is_in_no_text(tmp_path: Path) -> None:
    """It may be a secret."""
    text = GOOD.replace("    expect", '    environ: {A: ["${SECRET}"]}\n    expect')

    (told,) = problems(tmp_path, text, {"SECRET": "s3cret"})

    assert "bridge_test.yaml:4: tests[0].environ.A: " in told
    assert "s3cret" not in told


def test_a_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that names the wrong file says so."""
    monkeypatch.setattr(cases, "MAX_DATA_BYTES", 3)
    (tmp_path / "event.json").write_text("four")

    (told,) = problems(tmp_path, GOOD.replace("{attributes: {type: a}}", "{file: event.json}"))

    assert "bridge_test.yaml:3: tests[0].event.file: event.json: larger than 3 bytes" == told


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t01:00:01.5+01:00", 1_500_000_000),
        ("2020-03-19T02:54:48.5930361939z", 1_584_586_488_593_036_193),
        ("1969-12-31T23:59:59.9Z", -100_000_000),
    ],
)
def test_a_time_in_nanoseconds(time: str, expected: int) -> None:
    """Offsets, digits beyond nanoseconds, times before 1970."""
    assert expected == nanoseconds(time)


@pytest.mark.parametrize("time", ["", "2020", "2020-02-30T00:00:00Z", "0000-01-01T00:00:00Z"])
def test_what_is_no_time_is_a_value_error(time: str) -> None:
    """Years that Python does not know included."""
    with pytest.raises(ValueError):
        nanoseconds(time)
