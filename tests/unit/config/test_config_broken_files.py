"""Broken files as people write them: the whole text of what they are told."""

import re

import jsonschema
import pytest
import yaml

from bridge.config.file import load
from bridge.config.kinds import choose
from bridge.config.options import Options
from bridge.config.pipeline import FileOptions, StepOptions
from bridge.config.problems import Problems
from bridge.config.reference import schema
from bridge.config.validate import parse
from bridge.core.errors import ConfigError
from tests.fakes_config import KINDS, MODELS, SINKS, SOURCES

GOOD = """\
pipelines:
  iris:
    source: {type: inbox, port: "${PORT:8080}"}
    filter: {attributes: {type: seldon.iris.request}}
    filters:
      - prefix: {source: /seldon}
      - not: {any: [{exact: {subject: a}}, {suffix: {subject: b}}]}
    transformer: {type: "tests.fakes_config:Bare", options: {anything: 1}}
    model:
      type: oracle
      url: ${URL}
      token: long enough a secret
      retry: {attempts: 3}
    response: {preset: seldon_namespaced, name: iris-deployment, extensions: {team: a}}
    reply: always
    sinks:
      - {type: shelf, topic: answers, timeout_seconds: 5}
    dead_letter: {type: shelf, topic: letters}
    deadline_seconds: 10
  six-lines:
    source: {type: inbox}
    model: {type: oracle, url: "http://model"}
    response: {type: "seldon.{name}.response", source: "seldon.{name}"}
admin: {host: 127.0.0.1, port: 0}
lifecycle: {shutdown_delay_seconds: 0, drain_seconds: 2.5}
log: {level: debug, format: console}
"""

ORACLE = (
    "connect_timeout_seconds, connections, header_files, headers, idle_seconds, "
    "max_response_bytes, name, password_file, protocol, proxy_password_file, proxy_url, retry, "
    "timeout_seconds, tls, token, token_file, type, url"
)
PIPELINE = (
    "claim_check, dead_letter, deadline_seconds, expired, filter, filters, model, reply, "
    "response, sinks, source, transformer"
)

#: What is broken, the file, what is said of it; whether a schema can see it too.
BROKEN = {
    "a typing error in an option": (
        GOOD.replace("retry: {attempts: 3}", "tiemout_seconds: 3"),
        f"13: pipelines.iris.model.tiemout_seconds: unknown option; did you mean "
        f"'timeout_seconds'? (known: {ORACLE})",
    ),
    "a typing error in a section": (
        GOOD.replace("    deadline_seconds", "    dedline_seconds"),
        f"19: pipelines.iris.dedline_seconds: unknown option; did you mean "
        f"'deadline_seconds'? (known: {PIPELINE})",
    ),
    "a typing error at the top": (
        GOOD.replace("lifecycle:", "lifecicle:"),
        "25: lifecicle: unknown option; did you mean 'lifecycle'? "
        "(known: admin, lifecycle, log, notifications, pipelines)",
    ),
    "a kind that nobody knows": (
        GOOD.replace("type: oracle\n", "type: orakle\n"),
        "10: pipelines.iris.model.type: 'orakle' is none of models; did you mean 'oracle'? "
        "(known: lost, oracle)",
    ),
    "a section without its kind": (
        GOOD.replace("{type: shelf, topic: letters}", "{topic: letters}"),
        "18: pipelines.iris.dead_letter: 'type' is missing: which of sinks? (known: gone, shelf)",
    ),
    "a kind without its section": (
        GOOD.replace("dead_letter: {type: shelf, topic: letters}", "dead_letter: shelf"),
        "18: pipelines.iris.dead_letter: expected section; found 'shelf'",
    ),
    "a required option left out": (
        GOOD.replace("topic: answers, ", ""),
        "17: pipelines.iris.sinks[0].topic: missing, expected text, at least 1 character: "
        "Where on the shelf.",
    ),
    "a number out of its range": (
        GOOD.replace("admin: {host: 127.0.0.1, port: 0}", "admin: {port: 80800}"),
        "24: admin.port: expected whole number, at least 0, at most 65535; found 80800",
    ),
    "a unit in a value": (
        GOOD.replace("deadline_seconds: 10", "deadline_seconds: 10s"),
        "19: pipelines.iris.deadline_seconds: expected number, more than 0; found '10s'",
    ),
    "a choice that is none": (
        GOOD.replace("reply: always", "reply: allways"),
        "15: pipelines.iris.reply: expected 'when_no_sinks' or 'always'; found 'allways'; "
        "did you mean 'always'?",
    ),
    "a word that YAML reads as a truth value": (
        GOOD.replace("team: a", "team: no"),
        "14: pipelines.iris.response.extensions.team: expected text; found no, which YAML reads "
        "as false: put it in quotes",
    ),
    "a list where there is one": (
        GOOD.replace("source: {type: inbox}", "source: [{type: inbox}]"),
        "21: pipelines.six-lines.source: expected section; found a list of 1",
    ),
    "one where there is a list": (
        GOOD.replace("      - {type: shelf, topic: a", "      {type: shelf, topic: a"),
        "16: pipelines.iris.sinks: expected list, each section; found a section",
    ),
    "a name that is no name": (
        GOOD.replace("  six-lines:", "  Six_Lines:"),
        "20: pipelines.Six_Lines: not a name: expected up to 63 of a-z, 0-9 and '-', none of '-' "
        "at an end",
    ),
    "no pipelines": (
        "log: {level: info}\n",
        "1: pipelines: missing, expected section of names, each section, at least 1 item: "
        "The pipelines by name.",
    ),
    "none of the pipelines": (
        "pipelines: {}\n",
        "1: pipelines: expected section of names, each section, at least 1 item; found a section",
    ),
    "two filters in one": (
        GOOD.replace("- prefix: {source: /seldon}", "- {prefix: {a: b}, suffix: {a: c}}"),
        "6: pipelines.iris.filters[0]: expected exactly one of exact, prefix, suffix, all, any, "
        "not in each filter",
    ),
}

#: What a schema cannot see.
BROKEN_BEYOND_SCHEMA = {
    "an option twice": (
        GOOD.replace("    reply: always\n", "    reply: always\n    reply: always\n"),
        "16: pipelines.iris.reply: there twice: first on line 15",
    ),
    "a variable that is not set": (
        GOOD.replace("${URL}", "${MODEL_URL}"),
        "11: pipelines.iris.model.url: environment variable MODEL_URL is not set; set it, or "
        "write ${MODEL_URL:default}",
    ),
    "a variable that does not fit": (
        GOOD.replace("deadline_seconds: 10", "deadline_seconds: ${URL}"),
        "19: pipelines.iris.deadline_seconds: expected number, more than 0; found 'http://model'",
    ),
    "a URL that is none": (
        GOOD.replace('"http://model"', "model"),
        "22: pipelines.six-lines.model.url: expected a URL, http:// or https://, found model",
    ),
    "a placeholder that nobody knows": (
        GOOD.replace("{name}.response", "{nmae}.response"),
        "23: pipelines.six-lines.response.type: unknown placeholder {nmae}; did you mean 'name'? "
        "(known: name, namespace, datacontenttype, dataschema, id, schemaurl, source, "
        "specversion, subject, time, type, extension.<name>)",
    ),
    "an extension that is an attribute": (
        GOOD.replace("team: a", "subject: a"),
        "14: pipelines.iris.response.extensions: 'subject' is an attribute of the specification: "
        "expected an extension",
    ),
    "an extension that cannot be": (
        GOOD.replace("team: a", "my-team: a"),
        "14: pipelines.iris.response.extensions: attribute name 'my-team' is invalid: expected "
        "a-z and 0-9, not 'data'",
    ),
    "a kind that is not installed": (
        GOOD.replace("{type: shelf, topic: letters}", "{type: gone}"),
        "18: pipelines.iris.dead_letter.type: 'bridge_not_installed.sink:Gone' cannot be "
        "imported: No module named 'bridge_not_installed'",
    ),
}


def read(path):
    """Read a file as the composition root does: the file, then each section's kind."""
    problems = Problems()
    document = load(path, {"URL": "http://model"}, problems)
    parse(document, (), FileOptions, problems)
    pipelines = document.tree.get("pipelines", {})
    for name, sections in pipelines.items():
        steps = [(("source",), SOURCES, "sources", Options), (("model",), MODELS, "models", None)]
        steps += [(("dead_letter",), SINKS, "sinks", None), (("sinks", 0), SINKS, "sinks", None)]
        for path_below, types, room, around in steps:
            where = ("pipelines", name, *path_below)
            try:
                present = isinstance(document.at(where), dict)
            except (LookupError, TypeError):
                continue
            if present and sections:
                choose(
                    document, where, types, room, around=around or StepOptions, problems=problems
                )
    problems.check()


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "iris.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_the_good_file_is_good(write):
    """What the broken ones are made of is read without a complaint, and fits the schema."""
    read(write(GOOD))

    jsonschema.validate(yaml.safe_load(GOOD), schema(KINDS))


@pytest.mark.parametrize("what", [*BROKEN, *BROKEN_BEYOND_SCHEMA])
def test_a_broken_file_is_told_with_line_cause_and_nearest_name(write, what):
    """The one thing that is wrong is one line: file, line, path, cause, nearest name."""
    text, expected = {**BROKEN, **BROKEN_BEYOND_SCHEMA}[what]
    assert text != GOOD

    with pytest.raises(ConfigError) as caught:
        read(write(text))

    said = re.sub(r"\S*/iris\.yaml", "iris.yaml", str(caught.value))
    assert f"iris.yaml:{expected}" == said


@pytest.mark.parametrize("what", BROKEN)
def test_the_schema_refuses_broken_files_too(what):
    """An editor that knows the schema shows the mistake while it is typed."""
    text, _ = BROKEN[what]

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema(KINDS))


def test_everything_at_once(write):
    """A file with several mistakes is told all of them, in its own order."""
    text = GOOD.replace("reply: always", "reply: allways").replace("type: oracle\n", "type: o\n")
    text = text.replace("lifecycle:", "lifecicle:").replace("${URL}", "${MODEL_URL}")

    with pytest.raises(ConfigError) as caught:
        read(write(text))

    lines = str(caught.value).splitlines()
    assert [int(line.split(":")[1]) for line in lines] == [10, 11, 15, 25]
