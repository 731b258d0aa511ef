"""Where a request's token is found, and what a sender without a good one is told."""

from __future__ import annotations

import pytest

from bridge.sources.bearer import (
    MAX_PARAMETERS,
    Denied,
    bearer,
    forbidden,
    invalid,
    kept_private,
    missing,
    without_token,
)
from bridge.transports.http import HttpRequest, HttpResponse

TOKEN = "canary-9d1f.token~of_the-tests"


def request(*authorization: str, query: str = "") -> HttpRequest:
    """Return a delivery with these headers and this query."""
    headers = tuple((b"authorization", value.encode()) for value in authorization)
    target = f"/e?{query}" if query else "/e"
    return HttpRequest("POST", target, "/e", query, (*headers, (b"ce-id", b"1")), b"{}", b"gzip")


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_a_token_in_the_header_is_found(scheme: str) -> None:
    """The scheme is compared in any case (RFC 9110, 11.1)."""
    found = bearer(request(f"{scheme} {TOKEN}"))

    assert (TOKEN.encode(), False) == (found.token, found.by_query)


@pytest.mark.parametrize(
    "query",
    [f"access_token={TOKEN}", f"a=1&access_token={TOKEN}&b=", f"access%5Ftoken={TOKEN}&a"],
)
def test_a_token_in_the_query_is_found(query: str) -> None:
    """A webhook target supports both ways (webhook specification, 3)."""
    found = bearer(request(query=query))

    assert (TOKEN.encode(), True) == (found.token, found.by_query)


@pytest.mark.parametrize(
    "asked",
    [
        request(),
        request(query="token=1"),
        request("Basic dTpw"),
        request("Bearer"),
        request("Bearer "),
        request("Bearer two words"),
        request("Bearertoken"),
    ],
)
def test_without_a_token_there_is_a_challenge_and_no_error_code(asked: HttpRequest) -> None:
    """RFC 6750, 3.1: a request without any token is not told what was wrong with it."""
    with pytest.raises(Denied) as caught:
        bearer(asked)

    assert (401, "unauthorized") == (caught.value.status, caught.value.reason)
    assert (b"www-authenticate", b'Bearer realm="events"') == caught.value.challenge


@pytest.mark.parametrize(
    "asked",
    [
        request(f"Bearer {TOKEN}", f"Bearer {TOKEN}"),
        request(f"Bearer {TOKEN}", "Basic dTpw"),
        request(f"Bearer {TOKEN}", query=f"access_token={TOKEN}"),
        request(query=f"access_token={TOKEN}&access_token={TOKEN}"),
        request(query="&".join(["a=1"] * (MAX_PARAMETERS + 1))),
    ],
)
def test_more_than_one_token_is_a_bad_request(asked: HttpRequest) -> None:
    """RFC 6750, 3.1: more than one method, or a parameter twice, is `invalid_request`."""
    with pytest.raises(Denied) as caught:
        bearer(asked)

    assert caught.value.status == 400
    assert b'error="invalid_request"' in caught.value.challenge[1]
    assert TOKEN not in f"{caught.value} {caught.value.cause}"


def test_what_a_sender_is_told_does_not_say_which_check_failed() -> None:
    """Whoever guesses learns nothing; the log is told the cause."""
    told = [invalid("exp: expired 3 s ago"), invalid("signature")]

    assert 1 == len({(one.status, str(one), one.challenge) for one in told})
    assert ["exp: expired 3 s ago", "signature"] == [one.cause for one in told]
    assert b'error="invalid_token"' in told[0].challenge[1]


def test_a_good_token_of_somebody_else_is_forbidden() -> None:
    """403, and the code that says that another token may do."""
    told = forbidden("subject 'a' is not in subjects")

    assert (403, "forbidden") == (told.status, told.reason)
    assert b'error="insufficient_scope"' in told.challenge[1]


def test_the_token_goes_no_further() -> None:
    """Whatever handles the event sees neither header nor query parameter; the rest stays."""
    asked = request(f"Bearer {TOKEN}", query=f"a=1%202&access_token={TOKEN}&access%5Ftoken=x&b")

    seen = without_token(asked)

    assert ((b"ce-id", b"1"),) == seen.headers
    assert "a=1%202&b" == seen.query
    assert "/e?a=1%202&b" == seen.target
    assert (b"{}", "POST", "/e", b"gzip") == (seen.body, seen.method, seen.path, seen.coding)


def test_an_answer_to_a_token_in_the_url_is_private() -> None:
    """Webhook specification, 3.2: success carries `Cache-Control: private`; a refusal need not."""
    good, bad = (kept_private(HttpResponse(status, (), b"")) for status in (202, 422))

    assert ((b"cache-control", b"private"),) == good.headers
    assert () == bad.headers


def test_a_token_is_never_shown() -> None:
    """Neither the value nor the refusals hold it, however they are printed."""
    found = bearer(request(f"Bearer {TOKEN}"))

    assert TOKEN not in f"{found} {found!r} {missing()!r}"
