import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.pipeline import DialectOptions, ResponseOptions
from bridge.config.template import compile_template, constant, placeholders
from bridge.core.errors import ConfigError, EventError

EVENT = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0", "partitionkey": "k"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("seldon.{name}.response", "seldon.iris.response"),
        ("seldon.{name}.{namespace}.response", "seldon.iris.models.response"),
        ("{type}.answered", "t.answered"),
        ("{source}/{id}/{id}", "/s/1/1"),
        ("{name}:{extension.partitionkey}", "iris:k"),
        ("{{name}}", "{name}"),
        ("{{{name}}}", "{iris}"),
    ],
)
def test_templates_are_filled(text, expected):
    """Name and namespace, attributes, extensions; doubled braces are plain."""
    assert expected == compile_template(text, name="iris", namespace="models")(EVENT)


def test_what_was_filled_in_is_not_looked_into():
    """Braces in an attribute, or in the name, stay what they are."""
    template = compile_template("{name}-{id}", name="{id}", namespace=None)

    assert template({"id": "{name}"}) == "{id}-{name}"


@given(st.text())
def test_any_text_is_itself_with_its_braces_doubled(text):
    """Every text can be said by a template."""
    doubled = text.replace("{", "{{").replace("}", "}}")

    assert text == compile_template(doubled, name="iris", namespace=None)({})


def test_a_template_without_attributes_is_a_constant():
    """What does not depend on the event is known at start, and is the same object each time."""
    template = compile_template("seldon.{name}.response", name="iris", namespace=None)

    assert template({}) is template(EVENT)
    assert constant("seldon.{name}.response", name="iris", namespace=None) == "seldon.iris.response"
    assert constant("{type}", name="iris", namespace=None) is None


def test_placeholders_are_named_once():
    """Each name in order, once."""
    assert placeholders("{name}{id}{name}{{x}}") == ("name", "id")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{nmae}", "unknown placeholder {nmae}; did you mean 'name'?"),
        ("{}", "unknown placeholder {}"),
        ("{partitionkey}", "unknown placeholder {partitionkey}"),
        ("{extension.}", "placeholder {extension.}: an attribute's name is of a-z and 0-9"),
        ("{extension.A}", "placeholder {extension.A}: an attribute's name is of a-z and 0-9"),
        ("{name", "'{' without its partner"),
        ("name}", "'}' without its partner"),
        ("{a{name}}", "'{' without its partner"),
    ],
)
def test_what_is_no_template_is_refused(text, expected):
    """Names that nobody knows, and single braces, are refused before any event comes."""
    with pytest.raises(ConfigError) as caught:
        compile_template(text, name="iris", namespace=None)
    with pytest.raises(ValueError):
        ResponseOptions(type=text)

    assert str(caught.value).startswith(expected)


def test_a_namespace_is_needed_where_it_is_named():
    """A template with a namespace is refused where there is none."""
    with pytest.raises(ConfigError, match="set the environment variable NAMESPACE"):
        compile_template("{namespace}", name="iris", namespace=None)


def test_an_event_that_lacks_an_attribute_is_refused():
    """The error names the attribute and the template."""
    template = compile_template("{subject}.x", name="iris", namespace=None)

    with pytest.raises(EventError) as caught:
        template(EVENT)

    expected = "attribute 'subject' is missing: the response's '{subject}.x' needs it"
    assert expected == str(caught.value)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("seldon.iris.response", "seldon.iris")),
        ({"preset": "seldon_namespaced"}, ("seldon.iris.models.response", "seldon.iris")),
        ({"type": "mine"}, ("mine", "seldon.iris")),
        ({"source": "/mine/{name}"}, ("seldon.iris.response", "/mine/iris")),
    ],
)
def test_presets_are_the_published_forms(options, expected):
    """Type and source follow Seldon's published forms, each replaced by what the file says."""
    response = ResponseOptions(**options)

    templates = (response.type_template(), response.source_template())
    found = [compile_template(text, name="iris", namespace="models")({}) for text in templates]
    assert expected == tuple(found)


@pytest.mark.parametrize("text", ["", "a\nb"])
def test_a_response_is_called_something(text):
    """Empty text and control characters are no type of an event."""
    with pytest.raises(ValueError):
        ResponseOptions(type=text)


def test_filters_are_given_on_as_a_trigger_spells_them():
    """What the file says is what the filter's compiler gets."""
    raw = {"not": {"any": [{"exact": {"type": "a"}}, {"suffix": {"type": "b"}}]}}

    assert raw == DialectOptions.model_validate(raw).raw()
