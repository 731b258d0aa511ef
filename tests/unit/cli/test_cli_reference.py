"""`bridge options` and `bridge schema`: what a file may say, for people and for programs."""

import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[3] / "docs"


def test_without_a_kind_every_kind_is_listed_with_its_sentence(bridge):
    """The list starts with the file itself, then room by room."""
    ended = bridge("options")

    lines = ended.out.splitlines()
    assert 0 == ended.status
    assert re.fullmatch(r"file +The whole file\.", lines[0])
    assert re.fullmatch(r"sources\.http +Events over HTTP, .+\.", lines[1])
    assert "transformers.module:Class" == lines[-1].split()[0]


def test_a_kind_that_two_rooms_have_is_shown_for_both(bridge):
    """`http` is a source and a sink; each is shown under its full name."""
    ended = bridge("options", "http")

    assert 0 == ended.status
    assert ["sources.http", "sinks.http"] == re.findall(r"(?m)^(\S+)$", ended.out)
    assert "  max_in_flight  whole number, at least 1, default 256\n" in ended.out
    assert "      Requests under way at most; one more is answered 429.\n" in ended.out


def test_a_full_name_is_one_kind(bridge):
    """What stands around every sink (`retry`) is shown with its own options."""
    ended = bridge("options", "sinks.http")

    assert ["sinks.http"] == re.findall(r"(?m)^(\S+)$", ended.out)
    assert "  url  text, must be given\n" in ended.out
    assert "  retry.attempts  whole number" in ended.out
    assert 1 == ended.out.count("  timeout_seconds  ")


def test_the_file_is_a_kind_too(bridge):
    """Everything but the components."""
    ended = bridge("options", "file")

    assert "  lifecycle.drain_seconds  number, at least 0, default 20\n" in ended.out


@pytest.mark.parametrize(
    ("kind", "meant"), [("htpp", "http"), ("sinks.htp", "sinks.http"), ("lokal", "local")]
)
def test_an_unknown_kind_is_told_the_nearest(bridge, kind, meant):
    """A mistake of the command line: status 2, one line, the known kinds."""
    ended = bridge("options", kind)

    assert (2, "") == (ended.status, ended.out)
    assert ended.err.startswith(f"no kind '{kind}'; did you mean '{meant}'? (known: ")
    assert 1 == len(ended.err.splitlines())


def test_a_program_gets_the_options_as_json(bridge):
    """By full name; no default where the option must be given."""
    ended = bridge("options", "rest", "--output", "json")

    told = json.loads(ended.out)
    by_name = {option["name"]: option for option in told["models.rest"]}
    assert ["models.rest"] == list(told)
    assert {
        "name": "url",
        "type": "text",
        "required": True,
        "default": None,
        "sentence": "Base URL of the far end, `http://` or `https://`.",
    } == by_name["url"]
    assert (False, "seldon") == (by_name["protocol"]["required"], by_name["protocol"]["default"])


def test_a_program_gets_the_kinds_as_json(bridge):
    """The full names."""
    ended = bridge("options", "--output", "json")

    assert ["file", "sources.http"] == json.loads(ended.out)[:2]


def test_the_whole_page_is_the_one_in_docs(bridge):
    """What is redirected into the file is the file."""
    ended = bridge("options", "--all")

    assert (0, "") == (ended.status, ended.err)
    assert (DOCS / "options.md").read_text() == ended.out


def test_the_whole_page_takes_nothing_else(bridge):
    """Half of a page would overwrite all of it."""
    ended = bridge("options", "http", "--all")

    assert 2 == ended.status
    assert "options --all: prints Markdown and takes nothing else\n" == ended.err


def test_the_schema_is_json_and_says_what_it_is(bridge):
    """For an editor: the draft, the title, every section."""
    ended = bridge("schema")

    schema = json.loads(ended.out)
    assert 0 == ended.status
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]
    assert {"pipelines", "admin", "lifecycle", "log"} <= schema["properties"].keys()
