"""Why an event passes a filter, or why not, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.core.errors import ConfigError
from bridge.core.event import Event
from bridge.core.explain import explain_attributes, explain_filters
from bridge.core.filters import compile_attributes, compile_filters

EVENT = Event.of(id="1", source="/shop/berlin", type="order.paid", ext="")

NAMES = st.sampled_from(["id", "source", "type", "ext", "subject"])
VALUES = st.sampled_from(["", "1", "a", "ab", "b", "ba"])


def dialects() -> st.SearchStrategy[dict[str, Any]]:
    """Return filters of any depth, small enough that they match now and then."""
    named = st.dictionaries(NAMES, VALUES.filter(bool), min_size=1, max_size=2)
    compared = st.sampled_from(["exact", "prefix", "suffix"])
    return st.recursive(
        st.builds(lambda dialect, names: {dialect: names}, compared, named),
        lambda inner: st.one_of(
            inner.map(lambda entry: {"not": entry}),
            st.lists(inner, min_size=1, max_size=3).map(lambda entries: {"all": entries}),
            st.lists(inner, min_size=1, max_size=3).map(lambda entries: {"any": entries}),
        ),
        max_leaves=6,
    )


def events() -> st.SearchStrategy[Event]:
    """Return events whose attributes are few, empty ones and missing ones among them."""
    return st.dictionaries(NAMES, VALUES).map(lambda some: Event({"specversion": "1.0", **some}))


@given(st.lists(dialects(), max_size=3), events())
def test_filters_are_explained_as_they_decide(filters: list[dict[str, Any]], event: Event) -> None:
    """Accepted is said exactly where the compiled predicate accepts, and there is always a why."""
    verdict = explain_filters(filters, event)

    assert compile_filters(filters)(event) == verdict.accepted
    assert verdict.why


@given(st.dictionaries(NAMES, VALUES, max_size=3), events())
def test_attributes_are_explained_as_they_decide(wanted: dict[str, str], event: Event) -> None:
    """As with filters; an empty value is any, of an attribute that is there."""
    verdict = explain_attributes(wanted, event)

    assert compile_attributes(wanted)(event) == verdict.accepted
    assert verdict.why


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({}, "every event is taken"),
        ({"type": "order.paid"}, "filter.attributes.type: is 'order.paid', as written"),
        ({"type": ""}, "filter.attributes.type: is 'order.paid', and any value will do"),
        (
            {"id": "1", "type": "order.sent"},
            "filter.attributes.type: is 'order.paid', expected 'order.sent'",
        ),
        ({"subject": "x"}, "filter.attributes.subject: is missing, expected 'x'"),
        ({"subject": ""}, "filter.attributes.subject: is missing, expected any value"),
        ({"ext": ""}, "filter.attributes.ext: is empty, expected any value"),
    ],
)
def test_attributes_in_words(attributes: Mapping[str, str], why: str) -> None:
    """The first attribute that fails, what it is, what was expected."""
    assert why == explain_attributes(attributes, EVENT).why


@pytest.mark.parametrize(
    ("filters", "why"),
    [
        (
            [{"exact": {"id": "1"}}, {"prefix": {"source": "/market"}}],
            "filters[1].prefix.source: is '/shop/berlin', expected '/market' at its start",
        ),
        (
            [{"suffix": {"type": ".sent"}}],
            "filters[0].suffix.type: is 'order.paid', expected '.sent' at its end",
        ),
        (
            [{"exact": {"id": "1"}}, {"not": {"prefix": {"source": "/shop"}}}],
            "filters[1].not.prefix.source: is '/shop/berlin', which starts with '/shop': "
            "expected otherwise",
        ),
        (
            [{"any": [{"exact": {"id": "2"}}, {"all": [{"exact": {"subject": "x"}}]}]}],
            "filters[0].any: none fits: filters[0].any[0].exact.id: is '1', expected '2'; "
            "filters[0].any[1].all[0].exact.subject: is missing, expected 'x'",
        ),
        (
            [{"not": {"not": {"suffix": {"type": "sent"}}}}],
            "filters[0].not.not.suffix.type: is 'order.paid', expected 'sent' at its end",
        ),
        (
            [{"not": {"prefix": {"subject": "x"}}}],
            "filters[0].not.prefix.subject: is missing, which does not start with 'x'",
        ),
        (
            [{"any": [{"exact": {"id": "2"}}, {"suffix": {"type": "paid"}}]}],
            "filters[0].any[1].suffix.type: is 'order.paid', which ends with 'paid'",
        ),
    ],
)
def test_filters_in_words(filters: list[dict[str, Any]], why: str) -> None:
    """The path of the first filter that fails, however deep; of those that pass, each."""
    assert why == explain_filters(filters, EVENT).why


def test_a_dialect_that_nobody_knows_is_no_verdict() -> None:
    """Such a filter does not compile either."""
    with pytest.raises(ConfigError) as caught:
        explain_filters([{"glob": {}}], EVENT)

    assert "filters[0].glob: is an unknown dialect" == str(caught.value)
