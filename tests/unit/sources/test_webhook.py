"""The handshake's consent: whom it permits, how often, and when it says nothing."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from bridge.sources.webhook import WebhookOptions, granted
from bridge.transports.http import HttpRequest

ORIGIN, RATE = b"webhook-request-origin", b"webhook-request-rate"


def asked(*headers: tuple[bytes, bytes]) -> HttpRequest:
    """Return a validation request."""
    return HttpRequest("OPTIONS", "/", "/", "", headers, b"")


def options(*origins: str, rate: int | None = None) -> WebhookOptions:
    """Return what is permitted."""
    return WebhookOptions(allowed_origins=list(origins), allowed_rate=rate)


@pytest.mark.parametrize("origin", [b"a.example.com", b"A.Example.COM"])
def test_a_permitted_origin_is_named_as_it_asked(origin: bytes) -> None:
    """4.2.1: the value is the origin supplied; DNS names are compared in any case."""
    answer = dict(granted(options("b.example", "a.Example.com"), asked((ORIGIN, origin))))

    assert origin == answer[b"webhook-allowed-origin"]
    assert b"*" == answer[b"webhook-allowed-rate"]


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ((RATE, b"10"),),
        ((ORIGIN, b"evil.example"),),
        ((ORIGIN, b"sub.a.example"),),
        ((ORIGIN, b"a.example.evil.com"),),
        ((ORIGIN, b"a.example."),),
        ((ORIGIN, b"*"),),
        ((ORIGIN, b""),),
        ((ORIGIN, b"a.example"), (ORIGIN, b"a.example")),
        ((ORIGIN, b"a.example"), (RATE, b"1"), (RATE, b"2")),
        ((ORIGIN, b"a.example"), (RATE, b"0")),
        ((ORIGIN, b"a.example"), (RATE, b"-1")),
        ((ORIGIN, b"a.example"), (RATE, b"ten")),
        ((ORIGIN, b"a.example"), (RATE, b"9" * 5000)),
    ],
)
def test_everything_else_gets_no_consent(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """No headers is no permission: a name is whole or none, a rate a positive integer."""
    assert () == granted(options("a.example", rate=100), asked(*headers))


@pytest.mark.parametrize(
    ("rate", "allowed", "told"),
    [
        (b"120", None, b"*"),
        (None, None, b"*"),
        (b"120", 100, b"100"),
        (b"60", 100, b"60"),
        (None, 100, b"100"),
    ],
)
def test_the_rate_is_the_smaller_of_asked_and_allowed(
    rate: bytes | None, allowed: int | None, told: bytes
) -> None:
    """4.2.2: always there, a positive integer or an asterisk."""
    headers = [(ORIGIN, b"a.example")] + ([(RATE, rate)] if rate else [])

    answer = dict(granted(options("a.example", rate=allowed), asked(*headers)))

    assert told == answer[b"webhook-allowed-rate"]


def test_everybody_may_be_permitted() -> None:
    """`*` permits all origins, and says so."""
    answer = dict(granted(options("*"), asked((ORIGIN, b"who.ever"))))

    assert b"*" == answer[b"webhook-allowed-origin"]


@pytest.mark.parametrize("origin", ["", "a b", "https://a.example", "a.example/x", "*.example"])
def test_an_origin_that_could_never_match_is_a_mistake_of_the_file(origin: str) -> None:
    """Origins are DNS names: no URL, no pattern."""
    with pytest.raises(ValidationError):
        options(origin)
