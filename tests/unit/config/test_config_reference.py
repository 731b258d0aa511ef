import json

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from bridge.config import options as common
from bridge.config.options import Options
from bridge.config.pipeline import FileOptions, StepOptions
from bridge.config.reference import Row, markdown, rows, schema, table
from tests.fakes_config import KINDS, InboxOptions, OracleOptions


def test_every_option_is_a_row():
    """Name, type in plain words, default, sentence; `type` is the kind itself and no option."""
    expected = [
        Row(
            name="port",
            type="whole number, at least 0, at most 65535",
            default="8080",
            sentence="Port to listen on.",
        ),
        Row(name="paths", type="list, each text", default="[]", sentence="Paths to take."),
        Row(
            name="ordered",
            type="true or false",
            default="false",
            sentence="Whether events come one by one.",
        ),
    ]
    assert expected == rows(InboxOptions)


def test_sections_are_rows_below_their_own():
    """Options of a section are shown as `section.option`; what must be given has no default."""
    found = {row.name: row for row in rows(OracleOptions)}

    assert found["url"].default == ""
    assert found["tls.ca_file"].default == "none"
    assert found["token"].type == "text (secret)"
    assert found["protocol"].type == "'seldon' or 'tensorflow'"


def test_lists_and_names_are_written_as_such():
    """A list of sections is `[]`, sections by name `<name>`; a section in itself comes once."""
    names = [row.name for row in rows(FileOptions)]

    assert "pipelines.<name>.filters[].exact" in names
    assert "pipelines.<name>.response.type" in names
    assert not [name for name in names if name.startswith("pipelines.<name>.filters[].all[")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "options",
    [
        FileOptions,
        StepOptions,
        *(
            value
            for value in vars(common).values()
            if isinstance(value, type) and issubclass(value, Options)
        ),
    ],
)
def test_every_option_has_its_sentence(options):
    """No option without documentation, each a sentence on one line."""
    for row in rows(options):
        assert row.sentence.endswith((".", "?")), row.name
        assert row.sentence[0].isupper() or row.sentence[0] == "`", row.name


def test_the_page_names_every_kind_and_option():
    """The Markdown page has a heading for each kind, and a line for each option."""
    page = markdown(KINDS)

    for room, kinds in KINDS.items():
        assert f"\n## {room.capitalize()}\n" in page
        for kind, options in kinds.items():
            assert f"\n### `{kind}`\n" in page
            assert table(options) in page
            for row in rows(options):
                assert f"| `{row.name}` |" in page
    assert "| `protocol` | `seldon` or `tensorflow` | `seldon` | What it speaks. |" in page
    assert "pydantic" not in page


def test_a_section_without_options_says_so():
    """An empty table would look like a mistake."""
    assert table(Options) == "It has no options."


def test_a_pipe_does_not_break_the_table():
    """Cells are escaped."""

    class Piped(Options):
        """Has a pipe."""

        a: str = "x|y"
        """Either | or."""

    assert "| `a` | text | `x\\|y` | Either \\| or. |" in table(Piped)


def test_the_schema_is_a_schema():
    """The schema is valid 2020-12, and plain JSON."""
    made = schema(KINDS)

    jsonschema.Draft202012Validator.check_schema(made)
    assert made == json.loads(json.dumps(made))


def test_the_schema_is_closed_and_documented():
    """Every section of ours refuses unknown names and says what it is."""

    def sections(node):
        if isinstance(node, dict):
            if "properties" in node:
                yield node
            for below in node.values():
                yield from sections(below)
        elif isinstance(node, list):
            for below in node:
                yield from sections(below)

    found = list(sections(schema(KINDS)))

    assert len(found) > 10
    for section in found:
        own_class = list(section["properties"]) == ["type"] and section["required"] == ["type"]
        assert own_class or section["additionalProperties"] is False
        assert section["description"]


def fits(text):
    jsonschema.validate(yaml.safe_load(text), schema(KINDS))


@pytest.mark.parametrize(
    "model",
    [
        "{type: oracle, url: x}",
        "{type: oracle, url: x, connections: '${N}', protocol: '${P:seldon}'}",
        "{type: oracle, url: x, retry: {attempts: '${N}'}, timeout_seconds: 1}",
        "{type: 'mine:Model', anything: [1]}",
        "{type: oracle, url: x, tls: {ca_file: a}}",
    ],
)
def test_the_schema_takes(model):
    """Kinds with their options and those around them, variables anywhere, users' classes."""
    fits(f"pipelines: {{iris: {{source: {{type: inbox}}, model: {model}}}}}")


@pytest.mark.parametrize(
    "model",
    [
        "{url: x}",
        "{type: orakle, url: x}",
        "{type: oracle}",
        "{type: oracle, url: x, other: 1}",
        "{type: oracle, url: x, connections: 0}",
        "{type: oracle, url: x, connections: many}",
        "{type: oracle, url: x, protocol: other}",
        "{type: oracle, url: x, retry: {attempts: 0}}",
        "{type: oracle, url: x, tls: {other: a}}",
        "oracle",
    ],
)
def test_the_schema_refuses(model):
    """What the file's reader refuses in a section, the schema refuses too."""
    with pytest.raises(jsonschema.ValidationError):
        fits(f"pipelines: {{iris: {{source: {{type: inbox}}, model: {model}}}}}")


def test_a_room_may_have_only_classes_of_users():
    """A kind with a colon stands for every user's class, with the options that these have."""
    made = schema({**KINDS, "transformers": {"module:Class": InboxOptions}})
    text = "pipelines: {iris: {source: {type: inbox}, transformer: {type: 'a:B', port: %s}}}"

    jsonschema.validate(yaml.safe_load(text % 1), made)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text % "one"), made)


def test_kinds_with_classes_of_one_name():
    """Two kinds may call their options classes the same."""

    def made(field):
        return type(
            "SameOptions",
            (Options,),
            {"__annotations__": {field: int}, "__doc__": "Same.", "__module__": field},
        )

    kinds = {"sources": {"one": made("a"), "two": made("b")}}

    variants = schema(kinds)["$defs"]["sources"]["oneOf"]
    assert [variant["required"] for variant in variants[:2]] == [["type", "a"], ["type", "b"]]
    assert all(issubclass(cls, BaseModel) for cls in kinds["sources"].values())
