"""The HTTP sink before it meets a network; `tests/contract/test_sink_contract.py` has the rest."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridge.core.errors import ConfigError
from bridge.sinks.http import HttpSink, HttpSinkOptions


def sink(**options: object) -> HttpSink:
    return HttpSink(HttpSinkOptions.model_validate({"url": "http://broker/", **options}))


@pytest.mark.parametrize("url", ["broker", "ftp://broker/", "http://", "http://broker/#x", ""])
def test_an_address_that_cannot_work_is_found_when_the_sink_is_built(url: str) -> None:
    """Not at the first event, which would be held for ever."""
    with pytest.raises(ConfigError, match="url"):
        sink(url=url)


@pytest.mark.parametrize(
    ("name", "value"),
    [("Authorization", "Bearer x\r\nce-id: 2"), ("a b", "x"), ("content-length", "5"), ("", "x")],
)
def test_a_header_that_cannot_be_sent_is_found_when_the_sink_is_built(
    name: str, value: str
) -> None:
    """Every event would be answered 500 otherwise; the text names the header, not its value."""
    with pytest.raises(ConfigError, match="headers: ") as caught:
        sink(headers={name: value})

    assert "Bearer" not in str(caught.value)


def test_header_values_are_secrets() -> None:
    """They are in no `repr` of the options."""
    options = HttpSinkOptions.model_validate({"url": "http://b/", "headers": {"X": "hush"}})

    assert "hush" not in repr(options)


def test_a_form_that_nobody_knows_is_refused() -> None:
    """`content_mode` is one of three words."""
    with pytest.raises(ValidationError):
        sink(content_mode="batched")


@pytest.mark.parametrize("name", ["Content-Type", "ce-id"])
def test_a_header_that_is_the_events_own_is_refused(name: str) -> None:
    """It would stand beside the event's, and a receiver would have to choose."""
    with pytest.raises(ConfigError, match=f"'{name.lower()}' is the event's own"):
        sink(headers={name: "x"})
