"""Answers with bytes of an object: the right ones, of the right content, or none."""

from __future__ import annotations

import pytest

from bridge.core.errors import Filtered, Rejected, Unavailable
from bridge.transports.http import HttpResponse
from bridge.transports.objects.parts import (
    MAX_VALUE,
    check_sendable,
    etag_of,
    part_of,
    pins,
    version_of,
)
from bridge.transports.objects.port import ObjectHead, ObjectRef

REF = ObjectRef(bucket="mnist", key="0.png")
ETAG = (b"etag", b'"7"')


def ranged(data: bytes, said: bytes, *headers: tuple[bytes, bytes]) -> HttpResponse:
    return HttpResponse(206, (ETAG, (b"content-range", said), *headers), data)


def test_a_part_of_an_object() -> None:
    """Its bytes, and all that is known of the whole."""
    answer = ranged(
        b"ab",
        b"bytes 0-1/324",
        (b"content-type", b"image/png"),
        (b"last-modified", b"Sat, 21 Nov 2026 07:02:22 GMT"),
        (b"x-amz-version-id", b"v1"),
        (b"x-amz-meta-ce-id", b"7"),
        (b"x-amz-meta-who", "ü".encode()),
        (b"x-amz-request-id", b"187A"),
    )

    part = part_of(answer, REF, 0, "w")

    assert b"ab" == part.data
    assert part.head == ObjectHead(
        ref=ObjectRef(bucket="mnist", key="0.png", version="v1", etag="7"),
        size=324,
        content_type="image/png",
        modified="2026-11-21T07:02:22Z",
        metadata={"ce-id": "7", "who": "ü"},
    )


def test_a_store_without_ranges_answers_with_all_of_it() -> None:
    """What was asked for is cut out."""
    answer = HttpResponse(200, (ETAG,), b"abcd")

    part = part_of(answer, REF, 1, "w")

    assert (b"bcd", 4, "") == (part.data, part.head.size, part.head.modified)


@pytest.mark.parametrize(
    ("said", "data"),
    [
        (b"", b"ab"),
        (b"bytes 0-1/*", b"ab"),
        (b"bytes 0-2/3", b"ab"),
        (b"bytes 1-2/3", b"ab"),
        (b"bytes 0-1/1", b"ab"),
        (b"bytes 0--1/9", b""),
        (b"bytes 0-0/9", b""),
        (b"chars 0-1/9", b"ab"),
        (b"bytes 0-1/99999999999999999999", b"ab"),
    ],
)
def test_bytes_that_do_not_add_up_are_no_part(said: bytes, data: bytes) -> None:
    """Otherwise a hole would be read as an object."""
    with pytest.raises(Unavailable, match=r"w: answered \d bytes as .*: expected those from 0"):
        part_of(ranged(data, said), REF, 0, "w")


def test_a_later_part_without_bytes_is_none() -> None:
    """Who asks for the rest would ask for ever."""
    for answer in (HttpResponse(200, (ETAG,), b"ab"), ranged(b"", b"bytes 2-1/9")):
        with pytest.raises(Unavailable):
            part_of(answer, REF, 2, "w")


def test_an_answer_without_an_etag_is_no_stores() -> None:
    """A captive portal says 200 to everything."""
    with pytest.raises(Unavailable, match="answered 200 without an ETag"):
        part_of(HttpResponse(200, (), b"<html>"), REF, 0, "w")


@pytest.mark.parametrize(
    ("asked", "version", "superseded"),
    [
        ({}, None, False),
        ({"etag": "7"}, None, False),
        ({"etag": "8"}, None, True),
        ({"version": "v1"}, b"v1", False),
        ({"version": "v1"}, b"v2", True),
        ({"version": "v1"}, None, True),
        ({"version": "null"}, None, False),
        ({"version": "null"}, b"null", False),
        ({"version": "null"}, b"v1", True),
    ],
)
def test_a_store_that_minds_no_pins_is_held_to_them(
    asked: dict[str, str], version: bytes | None, superseded: bool
) -> None:
    """Another content is never taken for the one that was told of."""
    ref = ObjectRef(bucket="mnist", key="0.png", **asked)
    headers = () if version is None else ((b"x-amz-version-id", version),)
    answer = ranged(b"ab", b"bytes 0-1/2", *headers)

    if superseded:
        with pytest.raises(Filtered) as caught:
            part_of(answer, ref, 0, "w")
        assert "superseded" == caught.value.reason
    else:
        assert b"ab" == part_of(answer, ref, 0, "w").data


def test_pins_go_with_the_request() -> None:
    """The version in the query, encoded; the etag in If-Match, quoted."""
    ref = ObjectRef(bucket="b", key="k", version="a+b/c=", etag="7-2")

    assert ("versionId=a%2Bb%2Fc%3D", {"if-match": '"7-2"'}) == pins(ref, "w")
    assert ("", {}) == pins(REF, "w")


@pytest.mark.parametrize(
    "asked",
    [
        {"version": ""},
        {"version": "\ud800"},
        {"version": "v" * (MAX_VALUE + 1)},
        {"etag": 'a", "b'},
        {"etag": "a\r\nx: y"},
        {"etag": ""},
        {"etag": "ü"},
    ],
)
def test_pins_that_are_none_are_refused(asked: dict[str, str]) -> None:
    """They come with events, and go into a request."""
    with pytest.raises(Rejected, match=r"^w: (etag|version)"):
        pins(ObjectRef(bucket="b", key="k", **asked), "w")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-amz-meta-a", "a\nb"),
        ("x-amz-meta-a", " a"),
        ("x-amz-meta-a", "ü"),
        ("x-amz-meta-a", "a\t"),
        ("x-amz-meta-A", "a"),
        ("x-amz-meta-a b", "a"),
        ("x-amz-meta-a:", "a"),
    ],
)
def test_what_cannot_be_a_signed_header_is_refused(name: str, value: str) -> None:
    """What the store makes of it would not be what was signed."""
    with pytest.raises(Rejected, match=r"^w: "):
        check_sendable(name, value, "w")


def test_etags_and_versions_as_stores_write_them() -> None:
    """Quoted, weak, bare; `null` is the version of what has none."""

    def answer(name: bytes, value: bytes) -> HttpResponse:
        return HttpResponse(200, ((name, value),), b"")

    assert ["7"] * 3 == [etag_of(answer(b"etag", raw)) for raw in (b'"7"', b'W/"7"', b"7")]
    assert "" == etag_of(answer(b"x", b"7"))
    versions = [version_of(answer(b"x-amz-version-id", raw)) for raw in (b"v1", b"null", b"")]
    assert ["v1", None, None] == versions


def test_a_date_that_is_none_is_left_out() -> None:
    """Nobody's object is refused for it."""
    answer = ranged(b"a", b"bytes 0-0/1", (b"last-modified", b"yesterday"))

    assert "" == part_of(answer, REF, 0, "w").head.modified
