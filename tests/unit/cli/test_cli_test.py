"""`bridge test`: the tests of a configuration, and why a pipeline takes an event."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

EXAMPLES = Path(__file__).parents[3] / "examples"

CONFIG = """\
pipelines:
  small:
    source: {type: http, path: /small}
    filter: {attributes: {type: small.request}}
    transformer: {type: "steps:Steps"}
    model: {type: rest, url: "${URL}"}
    response: {type: small.response, source: small}
    dead_letter: {type: log}
  other:
    source: {type: http}
    filters: [{prefix: {source: /other}}]
    transformer: {type: "steps:Steps"}
    response: {type: other.response, source: other}
    sinks: [{type: log}, {type: http, url: "http://sink"}]
    reply: always
  late:
    source: {type: http}
    transformer: {type: "steps:Steps"}
    response: {type: late.response, source: late}
"""

STEPS = """\
print("imported")


class Steps:
    def preprocess(self, payload, ctx):
        print("asked")
        if payload.json() == "boom":
            raise ValueError("a boom")
        return payload.json()
"""

TESTS = """\
environ: {URL: "http://model"}
tests:
  - name: an event comes back
    event: {attributes: {type: small.request}, data: {a: 1}, path: /small}
    model: {answers: [{data: {b: 2}}]}
    expect: {reply: {data: {b: 2}}}
  - name: an event goes to the sinks
    event: {attributes: {type: x, source: /other}, data: {a: 1}}
    expect:
      reply: {}
      published:
        data:
          a: 1
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A configuration with its tests, and a class that prints."""
    for name in ("PORT", "K_SINK", "K_CE_OVERRIDES", "K_CA_CERTS", "NAMESPACE", "URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("steps.py").write_text(STEPS)
    Path("bridge.yaml").write_text(CONFIG)
    Path("bridge_test.yaml").write_text(TESTS)
    return Path("bridge.yaml")


def lines(out):
    """Return what was printed, but for what the user's class says."""
    return [line for line in out.splitlines() if line not in ("imported", "asked")]


PASSED = [
    "passed  bridge_test.yaml:3: an event comes back",
    "passed  bridge_test.yaml:7: an event goes to the sinks",
    "2 tests: 2 passed",
]


@pytest.mark.parametrize("named", ["bridge.yaml", "bridge_test.yaml", "."])
def test_each_test_is_one_line(bridge, file, named):
    """By the configuration, by the tests themselves, by the folder around them."""
    ended = bridge("test", named)

    assert (0, "") == (ended.status, ended.err)
    assert PASSED == lines(ended.out)


def test_a_failure_shows_what_was_expected_and_where(bridge, file):
    """Status 1; file and line of the very value, then both values below each other."""
    Path("bridge_test.yaml").write_text(TESTS.replace("a: 1\n", "a: [é]\n").replace("2}}}", "3}}}"))

    ended = bridge("test", file)

    assert (1, "") == (ended.status, ended.err)
    assert [
        "failed  bridge_test.yaml:3: an event comes back",
        "        bridge_test.yaml:6: expect.reply.data.b",
        "          expected 3",
        "          actual   2",
        "failed  bridge_test.yaml:7: an event goes to the sinks",
        "        bridge_test.yaml:13: expect.published.data.a",
        '          expected ["é"]',
        "          actual   1",
        "2 tests: 2 failed",
    ] == lines(ended.out)


def test_a_refusal_nobody_expected_names_the_users_line(bridge, file):
    """Without a word in the log: the failure says it all."""
    text = TESTS.replace("source: /other}, data: {a: 1}", "source: /other}, data: boom")
    Path("bridge_test.yaml").write_text(text)

    ended = bridge("test", file, "--filter", "sinks")

    assert (1, "") == (ended.status, ended.err)
    assert [
        "failed  bridge_test.yaml:7: an event goes to the sinks",
        "        bridge_test.yaml:9: expect",
        "          expected a reply and an event published",
        "          actual   refused for good (transform): Steps.preprocess: ValueError('a boom')",
        f'          at       {file.resolve().parent}/steps.py:8: raise ValueError("a boom")',
        "1 test: 1 failed",
    ] == lines(ended.out)


def test_a_program_gets_json(bridge, file):
    """One document, whatever the classes print."""
    Path("bridge_test.yaml").write_text(TESTS.replace("2}}}", "3}}}"))

    ended = bridge("test", file, "--output", "json")

    told = json.loads(ended.out)
    assert (1, [1, 1, 0]) == (ended.status, [told[one] for one in ("passed", "failed", "broken")])
    assert {
        "file": "bridge_test.yaml",
        "line": 3,
        "name": "an event comes back",
        "status": "failed",
        "failures": [
            {
                "line": 6,
                "where": "expect.reply.data.b",
                "expected": "3",
                "actual": "2",
                "raised_at": None,
            }
        ],
        "problems": [],
    } == told["tests"][0]


def test_tests_are_chosen_by_their_name(bridge, file):
    """Every test with the text in it."""
    ended = bridge("test", file, "--filter", "comes")

    assert [PASSED[0], "1 test: 1 passed"] == lines(ended.out)


def test_a_name_that_no_test_has_is_told_the_nearest(bridge, file):
    """Or nothing would be tested, and all would be well."""
    ended = bridge("test", file, "--filter", "an event came back")

    assert 2 == ended.status
    assert ended.err.startswith(
        "no test with 'an event came back' in its name; did you mean 'an event comes back'? "
    )


def test_a_test_file_that_is_wrong_runs_nothing(bridge, file):
    """Status 2, and every mistake of every file of the folder."""
    Path("bridge_test.yaml").write_text(TESTS.replace("expect:", "expects:"))
    Path("more").mkdir()
    Path("more/bridge_test.yaml").write_text("tests: []\n")

    ended = bridge("test", ".")

    assert (2, "") == (ended.status, ended.out)
    assert ["bridge_test.yaml:3", "bridge_test.yaml:6", "bridge_test.yaml:7"] == [
        ":".join(line.split(":")[:2]) for line in ended.err.splitlines()[:3]
    ]
    assert "more/bridge_test.yaml:1: tests: " in ended.err


def test_a_test_file_that_is_wrong_is_json_too(bridge, file):
    """As `bridge check` prints it."""
    Path("bridge_test.yaml").write_text("tests: 1\n")

    ended = bridge("test", file, "--output", "json")

    told = json.loads(ended.out)
    assert (2, "bridge.yaml") == (ended.status, told["file"])
    assert ["bridge_test.yaml:1: tests: expected list"] == [
        problem[:40] for problem in told["problems"]
    ]


def test_a_configuration_that_cannot_work_breaks_its_tests(bridge, file):
    """Status 2; each problem once, however many tests it breaks."""
    Path("bridge_test.yaml").write_text(TESTS.replace("URL:", "URI:"))

    ended = bridge("test", file)

    assert (2, "") == (ended.status, ended.err)
    assert [
        "broken  bridge_test.yaml:3: an event comes back",
        "        bridge.yaml:6: pipelines.small.model.url: environment variable URL is not set; "
        "set it, or write ${URL:default}",
        "broken  bridge_test.yaml:7: an event goes to the sinks",
        "2 tests: 2 broken",
    ] == lines(ended.out)


def test_a_variable_of_the_process_does_not_count(bridge, file, monkeypatch):
    """A test is the same everywhere."""
    monkeypatch.setenv("URL", "http://elsewhere")
    Path("bridge_test.yaml").write_text(TESTS.replace("URL:", "URI:"))

    ended = bridge("test", file)

    assert 2 == ended.status


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("gone.yaml", "gone.yaml: cannot be read: No such file or directory\n"),
        ("gone_test.yaml", "gone_test.yaml: cannot be read: No such file or directory\n"),
        ("alone.yaml", "alone_test.yaml: is not there: expected the tests of alone.yaml\n"),
        (
            "empty",
            "empty: no tests below it: expected files such as bridge_test.yaml\n",
        ),
    ],
)
def test_nothing_to_test_is_a_mistake(bridge, file, named, told):
    """Status 2, with the name of what was looked for."""
    Path("alone.yaml").write_text(CONFIG)
    Path("empty/.hidden").mkdir(parents=True)
    Path("empty/.hidden/bridge_test.yaml").write_text(TESTS)

    ended = bridge("test", named)

    assert (2, told) == (ended.status, ended.err)


def event(**attributes):
    """Write an event and return its file."""
    known = {"specversion": "1.0", "id": "1", "source": "/s", "type": "x"}
    Path("event.json").write_text(json.dumps({**known, **attributes}))
    return "event.json"


@pytest.fixture
def url(monkeypatch):
    """To explain, the process's variables count, as with `bridge run`."""
    monkeypatch.setenv("URL", "http://model")


def test_the_pipeline_that_takes_an_event_is_explained(bridge, file, url):
    """And why not the others, and where everything goes then."""
    ended = bridge("test", file, "--explain", event(type="small.request"), "--path", "/small")

    assert (0, "") == (ended.status, ended.err)
    assert [
        "takes it  small: filter.attributes.type: is 'small.request', as written",
        "          event ─▶ transformer steps:Steps ─▶ model rest ─▶ the reply",
        "          refused for good ─▶ dead letter (log)",
        "not       other: filters[0].prefix.source: is '/s', expected '/other' at its start",
        "not       late: pipeline 'small' before it takes the event",
    ] == lines(ended.out)


def test_a_path_and_sinks_are_explained(bridge, file, url):
    """By the test file's name too; the path is / by default."""
    ended = bridge("test", "bridge_test.yaml", "--explain", event(source="/other/1"))

    assert [
        "not       small: source.path: the event comes on '/', expected '/small'",
        "takes it  other: filters[0].prefix.source: is '/other/1', which starts with '/other'",
        "          event ─▶ transformer steps:Steps ─▶ sinks[0] (log) and sinks[1] (http) and "
        "the reply",
        "not       late: pipeline 'other' before it takes the event",
    ] == lines(ended.out)


def test_pipelines_of_other_ports_take_the_event_too(bridge, file, url):
    """Each listener decides for itself."""
    file.write_text(
        CONFIG.replace(
            "late:\n    source: {type: http}", "late:\n    source: {type: http, port: 9}"
        )
    )

    ended = bridge("test", file, "--explain", event(source="/other"))

    assert ["not", "takes", "takes"] == [
        line.split()[0] for line in lines(ended.out) if not line.startswith(" ")
    ]


def test_certificates_that_are_elsewhere_do_not_hinder_an_explanation(bridge, file, url):
    """They are where the bridge runs."""
    tls = "tls: {cert_file: gone.pem, key_file: gone.pem}"
    file.write_text(CONFIG.replace("{type: http, path: /small}", f"{{type: http, port: 9, {tls}}}"))

    ended = bridge("test", file, "--explain", event(type="small.request"))

    assert (0, "") == (ended.status, ended.err)
    assert "takes it  small: " in ended.out


def test_k_sink_is_explained(bridge, file, url, monkeypatch):
    """A response that nobody waits for goes there."""
    monkeypatch.setenv("K_SINK", "http://broker")

    ended = bridge("test", file, "--explain", event())

    assert "          event ─▶ transformer steps:Steps ─▶ K_SINK" == lines(ended.out)[-1]


def test_an_event_that_nobody_takes_is_status_1(bridge, file, url):
    """As JSON: every pipeline, and why not."""
    file.write_text(CONFIG.partition("  late:")[0])

    ended = bridge("test", file, "--explain", event(), "--output", "json")

    told = json.loads(ended.out)
    assert (1, [False, False]) == (ended.status, [one["takes"] for one in told["pipelines"]])
    assert "source.path: the event comes on '/', expected '/small'" == told["pipelines"][0]["why"]


def test_more_than_one_event_is_not_explained(bridge, file, url):
    """Which one would be meant?"""
    path = Path(event())
    path.write_text(f"[{path.read_text()}, {path.read_text()}]")

    ended = bridge("test", file, "--explain", path)

    assert (2, "event.json: 2 events: expected one\n") == (ended.status, ended.err)


@pytest.mark.parametrize("tests", sorted(EXAMPLES.rglob("*_test.yaml")), ids=str)
def test_every_examples_tests_pass(bridge, tests):
    """Without a variable set, without a model."""
    ended = bridge("test", tests)

    assert (0, "") == (ended.status, ended.err)


def test_every_example_has_tests():
    """Each folder with a configuration: an example without is half of one."""
    folders = {path.parent for path in EXAMPLES.rglob("bridge.yaml")}

    assert folders
    assert [] == [folder for folder in folders if not (folder / "bridge_test.yaml").exists()]


def test_the_schema_of_tests_fits_what_is_read(bridge):
    """An editor finds no fault with the example, and finds a typing error."""
    schema = json.loads(bridge("schema", "--tests").out)
    tests = yaml.safe_load((EXAMPLES / "iris/bridge_test.yaml").read_text())

    jsonschema.validate(tests, schema)

    tests["tests"][0]["expects"] = tests["tests"][0].pop("expect")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tests, schema)
