"""Trigger filters, as Knative and the CloudEvents Subscriptions API have them."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError
from bridge.core.event import Event
from bridge.core.filters import compile_attributes, compile_filters

EVENT = Event.of(
    id="1",
    source="https://github.com/cloudevents/spec/pull",
    type="com.github.push",
    subject="https://github.com/cloudevents/spec",
    ext="",
)


@pytest.mark.parametrize(
    ("attributes", "matches"),
    [
        ({}, True),
        ({"type": "com.github.push"}, True),
        ({"type": "com.github.push", "subject": "https://github.com/cloudevents/spec"}, True),
        ({"type": "com.github.push", "subject": "other"}, False),
        ({"type": "Com.Github.Push"}, False),
        ({"type": "com.github"}, False),
        ({"other": "x"}, False),
        ({"type": "", "source": ""}, True),
        ({"type": "", "id": "1"}, True),
        ({"other": ""}, False),
        ({"ext": ""}, False),
    ],
)
def test_attributes(attributes: dict[str, str], matches: bool) -> None:
    """All must be equal; an empty value stands for any, of an attribute that is there."""
    assert matches == compile_attributes(attributes)(EVENT)


@pytest.mark.parametrize(
    ("filters", "matches"),
    [
        ([], True),
        ([{"exact": {"type": "com.github.push"}}], True),
        ([{"exact": {"type": "com.github.push", "id": "2"}}], False),
        ([{"exact": {"missing": "x"}}], False),
        ([{"prefix": {"type": "com.github.", "subject": "https://github.com/cloudevents"}}], True),
        ([{"prefix": {"type": "com.github.", "subject": "http://"}}], False),
        ([{"prefix": {"missing": "x"}}], False),
        ([{"suffix": {"type": ".push", "source": "/pull"}}], True),
        ([{"suffix": {"type": ".pull"}}], False),
        ([{"suffix": {"missing": "x"}}], False),
        ([{"exact": {"id": "1"}}, {"prefix": {"type": "com."}}], True),
        ([{"exact": {"id": "1"}}, {"prefix": {"type": "org."}}], False),
        ([{"all": [{"exact": {"id": "1"}}, {"suffix": {"type": "push"}}]}], True),
        ([{"all": [{"exact": {"id": "1"}}, {"suffix": {"type": "pull"}}]}], False),
        ([{"any": [{"exact": {"id": "2"}}, {"suffix": {"type": "push"}}]}], True),
        ([{"any": [{"exact": {"id": "2"}}, {"suffix": {"type": "pull"}}]}], False),
        ([{"not": {"exact": {"type": "com.github.push"}}}], False),
        ([{"not": {"exact": {"missing": "x"}}}], True),
        ([{"not": {"any": [{"not": {"exact": {"id": "1"}}}, {"exact": {"id": "2"}}]}}], True),
    ],
)
def test_dialects(filters: list[dict[str, Any]], matches: bool) -> None:
    """subscriptions/spec.md, Filter Dialects; all entries must pass."""
    assert matches == compile_filters(filters)(EVENT)


ONE = "expected one of exact, prefix, suffix, all, any, not"


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"exact": {}}, "filters: is {'exact': {}}: expected a list of filters"),
        ("exact", "filters: is 'exact': expected a list of filters"),
        ([{}], f"filters[0]: has none: {ONE}"),
        (["exact"], f"filters[0]: is 'exact': {ONE}"),
        ([{"exact": {"a": "b"}, "any": []}], f"filters[0]: has exact, any: {ONE}"),
        ([{"exact": {"a": "b"}}, {"glob": {}}], f"filters[1].glob: is an unknown dialect: {ONE}"),
        (
            [{"cesql": "source = 'x'"}],
            f"filters[0].cesql: CloudEvents SQL is not supported: {ONE}",
        ),
        (
            [{"exact": {}}],
            "filters[0].exact: is empty: expected at least one attribute and its value",
        ),
        (
            [{"suffix": {"type": ""}}],
            "filters[0].suffix.type: is empty: expected a value to compare with",
        ),
        (
            [{"prefix": {"type": 5}}],
            "filters[0].prefix.type: is 5: expected a string, in quotes",
        ),
        ([{"all": []}], "filters[0].all: is empty: expected at least one filter"),
        ([{"any": None}], "filters[0].any: is None: expected a list of filters"),
        ([{"exact": None}], "filters[0].exact: is None: expected attributes and their values"),
        (
            [{"exact": {"id": "1"}}, {"not": {"exact": {"Type": "x"}}}],
            "filters[1].not.exact: attribute name 'Type' is invalid: "
            "expected a-z and 0-9, not 'data'",
        ),
        (
            [{"all": [{"exact": {"id": "1"}}, {"not": {"any": [{"suffix": {}}]}}]}],
            "filters[0].all[1].not.any[0].suffix: is empty: "
            "expected at least one attribute and its value",
        ),
    ],
)
def test_wrong_filters_are_located(filters: Any, words: str) -> None:
    """The error begins with the path of what is wrong, however deep."""
    with pytest.raises(ConfigError) as caught:
        compile_filters(filters)

    assert words == str(caught.value)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        (
            {"Type": "x"},
            "filter.attributes: attribute name 'Type' is invalid: expected a-z and 0-9, not 'data'",
        ),
        ({"type": True}, "filter.attributes.type: is True: expected a string, in quotes"),
        (["type"], "filter.attributes: is ['type']: expected attributes and their values"),
    ],
)
def test_wrong_attributes_are_located(attributes: Any, words: str) -> None:
    """As for filters."""
    with pytest.raises(ConfigError) as caught:
        compile_attributes(attributes)

    assert words == str(caught.value)


def test_a_filter_is_compiled_once() -> None:
    """What was given may change afterwards; the filter does not."""
    attributes = {"type": "com.github.push"}
    accepts = compile_attributes(attributes)

    attributes["type"] = "other"

    assert accepts(EVENT)
