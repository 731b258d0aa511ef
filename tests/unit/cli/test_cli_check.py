"""`bridge check`: broken files as people write them, and what they are told."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]

GOOD = """\
pipelines:
  iris:
    source: {type: http, port: 8080}
    filter: {attributes: {type: iris.request}}
    model: {type: rest, url: "http://model:9000"}
    response: {type: iris.response, source: iris}
admin: {port: 8081}
"""

SHARED = """\
  other:
    source: {type: http, port: 8080, max_in_flight: 1}
    model: {type: rest, url: "http://model:9000"}
"""

#: What is broken: the file, and the start of each line that is said of it.
BROKEN = {
    "an option misspelt": (
        GOOD.replace("port: 8080", "prot: 8080"),
        ["3: pipelines.iris.source.prot: unknown option; did you mean 'port'? (known: auth, "],
    ),
    "a kind misspelt": (
        GOOD.replace("type: http,", "type: htpp,"),
        [
            "3: pipelines.iris.source.type: 'htpp' is none of sources; did you mean 'http'? "
            "(known: http, "
        ],
    ),
    "a section misspelt": (
        GOOD.replace("response:", "respons:"),
        ["6: pipelines.iris.respons: unknown option; did you mean 'response'? (known: claim_"],
    ),
    "a choice misspelt": (
        GOOD.replace("{type: iris.response, source: iris}", "{preset: sledon}"),
        [
            "6: pipelines.iris.response.preset: expected 'seldon' or 'seldon_namespaced'; "
            "found 'sledon'; did you mean 'seldon'?"
        ],
    ),
    "a required option left out": (
        GOOD.replace(', url: "http://model:9000"', ""),
        ["5: pipelines.iris.model.url: missing, expected text: Base URL of the far end, "],
    ),
    "a number out of its range": (
        GOOD.replace("8081", "80810"),
        ["7: admin.port: expected whole number, at least 0, at most 65535; found 80810"],
    ),
    "a name that is none": (
        GOOD.replace("  iris:", "  Iris:"),
        ["2: pipelines.Iris: not a name: expected up to 63 of a-z, 0-9 and '-', none of '-'"],
    ),
    "several mistakes in several sections": (
        GOOD.replace("type: http,", "type: htpp,")
        .replace("url:", "ulr:")
        .replace("admin", "admni"),
        [
            "3: pipelines.iris.source.type: 'htpp' is none of sources; did you mean 'http'?",
            "5: pipelines.iris.model.url: missing",
            "5: pipelines.iris.model.ulr: unknown option; did you mean 'url'?",
            "7: admni: unknown option; did you mean 'admin'? (known: admin, ",
        ],
    ),
}

#: The same, where only a look at more than the form of the file tells.
BROKEN_INSIDE = {
    "a key twice": (
        GOOD.replace("    response:", "    model: {type: rest, url: http://b}\n    response:"),
        ["6: pipelines.iris.model: there twice: first on line 5"],
    ),
    "a variable that is not set": (
        GOOD.replace('"http://model:9000"', '"${BRIDGE_TEST_UNSET}"'),
        [
            "5: pipelines.iris.model.url: environment variable BRIDGE_TEST_UNSET is not set; "
            "set it, or write ${BRIDGE_TEST_UNSET:default}"
        ],
    ),
    "a tab": (
        GOOD.replace("    filter", "\tfilter"),
        ["4:1: not YAML: a tab: indent with spaces"],
    ),
    "an empty file": ("", ["1: the file is empty: expected a section 'pipelines'"]),
    "a list at the top": (
        "- iris\n",
        ["1: expected sections such as 'pipelines:' at the top of the file, found a list"],
    ),
    "a class that is not there": (
        GOOD.replace("    model:", '    transformer: {type: "nowhere:Scale"}\n    model:'),
        ["5: pipelines.iris.transformer: type 'nowhere:Scale': no module 'nowhere' in "],
    ),
    "a URL that is none, with a password": (
        GOOD.replace("http://model:9000", "http://me:hidden@model:nine"),
        ["5: pipelines.iris.model: url 'model:nine': Port could not be cast"],
    ),
    "a placeholder misspelt": (
        GOOD.replace("type: iris.response", 'type: "{nmae}.response"'),
        ["6: pipelines.iris.response.type: unknown placeholder {nmae}; did you mean 'name'?"],
    ),
    "a namespace that is not known": (
        GOOD.replace("{type: iris.response, source: iris}", "{preset: seldon_namespaced}"),
        [
            "6: pipelines.iris.response: 'seldon.{name}.{namespace}.response' needs a namespace: "
            "set the environment variable NAMESPACE"
        ],
    ),
    "a response that comes back as a request": (
        GOOD.replace("iris.response", "iris.request"),
        ["6: pipelines.iris.response: the response would be taken for a request: the pipeline's"],
    ),
    "nothing to do": (
        "pipelines:\n  idle:\n    source: {type: http}\n",
        ["2: pipelines.idle: nothing to do: expected a model, a transformer, sinks, or K_SINK"],
    ),
    "one port with two limits": (
        GOOD.replace("admin:", f"{SHARED}admin:"),
        [
            "8: pipelines.other.source.max_in_flight: differs from that of pipeline 'iris', which "
            "listens on the same port 8080: expected the same"
        ],
    ),
}


@pytest.fixture(autouse=True)
def no_platform(monkeypatch):
    """Nothing that Knative injects is in the environment."""
    for name in ("PORT", "K_SINK", "K_CE_OVERRIDES", "K_CA_CERTS", "NAMESPACE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def validator():
    """The JSON Schema that `bridge schema` prints."""
    from bridge.app.reference import json_schema

    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("broken", [*BROKEN, *BROKEN_INSIDE])
def test_a_broken_file_is_refused_with_every_mistake_and_its_line(
    bridge, tmp_path, broken, command
):
    """Each mistake is a line on standard error: file, line, where, what, the nearest name."""
    text, expected = {**BROKEN, **BROKEN_INSIDE}[broken]
    file = tmp_path / "bridge.yaml"
    file.write_text(text)

    ended = bridge(command, file)

    lines = ended.err.splitlines()
    assert (2, "") == (ended.status, ended.out)
    assert len(expected) == len(lines), ended.err
    for start, line in zip(expected, lines, strict=True):
        assert line.startswith(f"{file}:{start}")
    assert "hidden" not in ended.err


@pytest.mark.parametrize("broken", BROKEN)
def test_the_schema_refuses_what_it_can_see(validator, broken):
    """An editor underlines mistakes of form before anybody runs a check."""
    text, _ = BROKEN[broken]

    assert not validator.is_valid(yaml.safe_load(text))


@pytest.mark.parametrize("example", ["bridge.yaml", "local.yaml"])
def test_the_schema_accepts_the_example(validator, example):
    """The published example is valid, variables and all."""
    tree = yaml.safe_load((ROOT / "examples" / "iris" / example).read_text())

    assert [] == [error.message for error in validator.iter_errors(tree)]


def test_the_example_is_six_lines_and_passes(bridge):
    """The six-line file of the README works as it stands."""
    file = ROOT / "examples" / "iris" / "bridge.yaml"

    ended = bridge("check", file)

    assert 6 == len(file.read_text().splitlines())
    assert (0, "") == (ended.status, ended.err)
    assert f"{file}: no mistakes in 1 pipeline: simple-iris-deployment\n" == ended.out


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_not_there_is_said(bridge, tmp_path, command):
    """The wrong path is a mistake of the command line: status 2, one line."""
    ended = bridge(command, tmp_path / "nope.yaml")

    assert 2 == ended.status
    assert f"{tmp_path}/nope.yaml: cannot be read: No such file or directory\n" == ended.err


def test_a_program_gets_the_mistakes_as_json(bridge, tmp_path):
    """Standard output is one JSON document, whatever the file is like."""
    file = tmp_path / "bridge.yaml"
    file.write_text(GOOD.replace("port: 8080", "prot: 8080"))

    ended = bridge("check", file, "--output", "json")

    told = json.loads(ended.out)
    assert (2, "") == (ended.status, ended.err)
    assert str(file) == told["file"]
    assert 1 == len(told["problems"])
    assert told["problems"][0].startswith(f"{file}:3: pipelines.iris.source.prot: unknown option")


def test_a_program_gets_what_is_fine_as_json(bridge, tmp_path):
    """Pipelines stand in the order of the file."""
    file = tmp_path / "bridge.yaml"
    file.write_text(GOOD.replace("admin:", f"{SHARED}admin:").replace(", max_in_flight: 1", ""))

    ended = bridge("check", file, "--output", "json")

    assert 0 == ended.status
    assert {
        "file": str(file),
        "problems": [],
        "pipelines": ["iris", "other"],
        "warnings": [],
        "answers": {},
        "requests": {},
    } == json.loads(ended.out)


def test_a_pipeline_in_the_shade_of_another_is_warned_of(bridge, tmp_path):
    """Events go to the first pipeline that takes them, so a later one may get none."""
    file = tmp_path / "bridge.yaml"
    shadowed = GOOD.replace("admin:", f"{SHARED}admin:").replace(", max_in_flight: 1", "")
    file.write_text(shadowed.replace("    filter: {attributes: {type: iris.request}}\n", ""))

    ended = bridge("check", file)

    assert 0 == ended.status
    assert (
        "warning: pipeline 'other' never gets an event: 'iris' before it takes everything\n"
        in ended.out
    )


def test_markup_in_a_file_is_only_text(bridge, tmp_path):
    """A name with brackets, an emoji code or a control code reaches nobody's terminal."""
    name = "[red]:bomb:\x1b[2J.yaml"
    (tmp_path / name).write_text(GOOD)

    ended = bridge("check", tmp_path / name)

    assert 0 == ended.status
    assert "[red]:bomb:\\x1b[2J.yaml: no mistakes" in ended.out
