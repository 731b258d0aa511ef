"""Requests and answers as values, their heads as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.transports.http import HttpRequest, HttpResponse, retry_after_seconds
from bridge.transports.http.names import CHECKED, MAX_NAMES
from bridge.transports.http.request_reader import RequestReader
from bridge.transports.http.writing import CLOSE, check_headers, request_head, response_head

DATE = (b"date", b"Sat, 21 Nov 2026 10:00:00 GMT")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        (((b"retry-after", b"0"),), 0.0),
        (((b"retry-after", b"120"),), 120.0),
        (((b"retry-after", b"-1"),), None),
        (((b"retry-after", b"1.5"),), None),
        (((b"retry-after", b"soon"),), None),
        (((b"retry-after", b""),), None),
        (((b"retry-after", b"9" * 400),), None),
        (((b"retry-after", b"Sat, 21 Nov 2026 10:00:30 GMT"), DATE), 30.0),
        (((b"retry-after", b"Sat, 21 Nov 2026 09:00:00 GMT"), DATE), 0.0),
        (((b"retry-after", b"Sat, 21 Nov 2026 10:00:30 GMT"),), None),
        (((b"retry-after", b"Sat, 21 Nov 2026 10:00:30 GMT"), (b"date", b"x")), None),
        (((b"retry-after", b"Sat, 21 Nov 2026 10:00:30"), DATE), None),
    ],
)
def test_when_to_try_again(headers: tuple[tuple[bytes, bytes], ...], seconds: float | None) -> None:
    """Seconds, or a date beside the answer's own; anything else says nothing."""
    assert retry_after_seconds(HttpResponse(503, headers, b"")) == seconds


def test_neither_shows_what_may_be_secret() -> None:
    """Headers, query and body stay out of logs and tracebacks."""
    headers = ((b"authorization", b"secret"),)

    request = HttpRequest("POST", "/p?secret", "/p", "secret", headers, b"secret")
    response = HttpResponse(200, headers, b"secret")

    assert (repr(request), repr(response)) == (
        "<HttpRequest POST /p 6 bytes>",
        "<HttpResponse 200 6 bytes>",
    )


def test_the_head_of_an_answer() -> None:
    """Status line, the author's headers in order, then what the connection adds."""
    headers = ((b"x", b"1"), (b"X", b"\xc3\xa9"))

    head = response_head(HttpResponse(201, headers, b"abc"), b"date: d\r\n", CLOSE)

    assert head == (
        b"HTTP/1.1 201 Created\r\nx: 1\r\nX: \xc3\xa9\r\ncontent-length: 3\r\ndate: d\r\n"
        b"connection: close\r\n\r\n"
    )


def test_a_date_of_the_authors_own_stands() -> None:
    """There is never a second one."""
    head = response_head(HttpResponse(200, (DATE,), b""), b"date: d\r\n", b"")

    assert head.count(b"date: ") == 1
    assert DATE[1] in head


@pytest.mark.parametrize("status", [-1, 0, 100, 101, 199, 600, 1000])
def test_an_answer_has_a_final_status(status: int) -> None:
    """ValueError for anything else."""
    with pytest.raises(ValueError, match=r"status .+ expected a final one"):
        response_head(HttpResponse(status, (), b""), b"", b"")


def test_a_status_without_a_name_is_sent() -> None:
    """Statuses that nobody registered have an empty reason."""
    assert response_head(HttpResponse(499, (), b""), b"", b"").startswith(b"HTTP/1.1 499 \r\n")


def test_the_error_names_the_header_and_not_its_value() -> None:
    """The value may be a secret."""
    with pytest.raises(ValueError, match="header 'authorization'") as caught:
        request_head(b"", ((b"x", b"1"), (b"authorization", b"secret\n")), 0)

    assert "secret" not in str(caught.value)


def test_checked_names_are_bounded() -> None:
    """Whoever invents names fills nothing without end."""
    for number in range(3 * MAX_NAMES):
        check_headers(((b"name-%d" % number, b""),))

    assert len(CHECKED) <= MAX_NAMES


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=12)), max_size=4))
def test_whatever_is_written_is_read_back_or_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """No name and no value changes how the head is read: the same headers, or ValueError."""
    try:
        head = request_head(b"POST / HTTP/1.1\r\nhost: x\r\n", headers, 0)
    except ValueError:
        head = b""

    if head:
        request = RequestReader(10_000, 0).take(head)
        assert request is not None
        expected = [(name.lower(), value.strip(b" \t")) for name, value in headers]
        assert list(request.headers) == [(b"host", b"x"), *expected, (b"content-length", b"0")]
