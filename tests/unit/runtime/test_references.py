"""No reference leads out of the URLs that the file names."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge import EventError
from bridge.core.errors import ConfigError
from bridge.runtime.references import MAX_CHARACTERS, base, quoted

STORE = base("http://store:9000/events/")


@pytest.mark.parametrize(
    ("reference", "target"),
    [
        ("http://store:9000/events/1.json", "/events/1.json"),
        ("HTTP://STORE:9000/events/1.json", "/events/1.json"),
        ("http://store:9000/events/2026/11/a%20b.json", "/events/2026/11/a%20b.json"),
        ("http://store:9000/%65vents/%C3%A9.json", "/%65vents/%C3%A9.json"),
        ("http://store:9000/events/a=b,c:d@e+f~g..h...i", "/events/a=b,c:d@e+f~g..h...i"),
    ],
)
def test_what_lies_below_the_base_is_asked_for_as_it_stands(reference: str, target: str) -> None:
    """Scheme and host in any case, the path untouched."""
    assert target == STORE.target(reference)


@pytest.mark.parametrize(
    "reference",
    [
        "https://store:9000/events/1",
        "http://store/events/1",
        "http://store:9001/events/1",
        "http://store.:9000/events/1",
        "http://store.example:9000/events/1",
        "http://xn--stre-6na:9000/events/1",
        "http://127.0.0.1:9000/events/1",
        "http://[::1]:9000/events/1",
        "http://2130706433:9000/events/1",
        "http://store:9000/events",
        "http://store:9000",
        "http://store:9000/events-of-others/1",
        "http://store:9000/Events/1",
        "http://store:9000/other/events/1",
    ],
)
def test_another_address_or_folder_is_not_below_the_base(reference: str) -> None:
    """Nothing to ask for: another base may take it."""
    assert STORE.target(reference) is None


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "events/1",
        "/events/1",
        "//store:9000/events/1",
        "file:///etc/passwd",
        "ftp://store:9000/events/1",
        "s3://events/1",
        "http:store:9000/events/1",
        "http:/store:9000/events/1",
        "http:///events/1",
        "http://store:9000/events/",
        "http://store:9000/events//1",
        "http://store:9000//events/1",
        "http://store:9000/events/./1",
        "http://store:9000/events/../secret",
        "http://store:9000/events/a/../../secret",
        "http://store:9000/events/..",
        "http://store:9000/events/%2e%2e/secret",
        "http://store:9000/events/%2E./secret",
        "http://store:9000/events/.%2e/secret",
        "http://store:9000/events/..%2fsecret",
        "http://store:9000/events/a%2F..%2F..%2Fsecret",
        "http://store:9000/events/%5c..%5csecret",
        "http://store:9000/events\\..\\secret",
        "http://store:9000/events/%252e%252e/secret",
        "http://store:9000/events/%c0%ae%c0%ae/secret",
        "http://store:9000/events/..;/secret",
        "http://store:9000/events/..%3b/secret",
        "http://store:9000/events/%00",
        "http://store:9000/events/a%0d%0ahost:evil",
        "http://store:9000/events/%zz",
        "http://store:9000/events/%2",
        "http://store:9000/events/a b",
        " http://store:9000/events/1",
        "http://store:9000/events/1\n",
        "http://store:9000/events/1\t",
        "http://store:9000/events/1#top",
        "http://store:9000/events/1#",
        "http://store:9000/events/1?versionId=2",
        "http://store:9000/events/1?",
        "http://evil@store:9000/events/1",
        "http://store:9000@evil/events/1",
        "http://store:9000#@evil/events/1",
        "http://store:9000\\@evil/events/1",
        "http://store:9000%2f@evil/events/1",
        "http://store:/events/1",
        "http://store:09000000/events/1",
        "http://store:٩000/events/1",
        "http://ſtore:9000/events/1",
        "http://store。evil:9000/events/1",
        "http://store:9000/events/é",
        "http://store:9000/events/../evénts",
        f"http://store:9000/events/{'a' * MAX_CHARACTERS}",
    ],
)
def test_what_two_readers_could_read_differently_is_refused(reference: str) -> None:
    """For good, naming the attribute and what was expected, in a text of bounded length."""
    with pytest.raises(EventError, match=r"attribute 'dataref' is .*expected a URL") as caught:
        STORE.target(reference)

    assert len(str(caught.value)) < 600


def test_a_query_is_taken_where_the_file_says_so() -> None:
    """As presigned URLs have it; its characters are those of RFC 3986."""
    signed = base("https://store/events", queries=True)

    target = signed.target("https://store:443/events/1?X-Amz-Signature=ab%2Fc&x=/?")

    assert target == "/events/1?X-Amz-Signature=ab%2Fc&x=/?"
    with pytest.raises(EventError):
        signed.target("https://store/events/1?a=\r\n")


@pytest.mark.parametrize(
    "reference",
    [
        "http://store:9000/events/../1?signature=SECRET",
        "http://store:9000/events/1?signature=SECRET",
        "http://me:SECRET@store:9000/events/1",
        "http://me:a/SECRET@store:9000/events/1#SECRET",
    ],
)
def test_an_error_quotes_no_secret_of_a_reference(reference: str) -> None:
    """Neither a password nor a signature."""
    with pytest.raises(EventError) as caught:
        STORE.target(reference)

    assert "SECRET" not in str(caught.value)
    assert "SECRET" not in quoted(reference)


@pytest.mark.parametrize("url", ["http://store", "http://store/", "http://user:p%40ss@store:80/"])
def test_a_base_without_a_path_takes_every_path(url: str) -> None:
    """Its default port is the same with and without a number, and its password is no host."""
    assert base(url).target("http://store:80/any/where") == "/any/where"


@pytest.mark.parametrize(
    "url",
    [
        "store/events",
        "ftp://store/",
        "http://store/a/../b",
        "http://store//events",
        "http://store/events?x=1",
        "http://store/events#x",
        "http://störe/",
    ],
)
def test_a_base_that_could_be_read_in_two_ways_is_refused_at_start(url: str) -> None:
    """The file must say plainly what may be asked."""
    with pytest.raises(ConfigError, match=r"^url is"):
        base(url)


#: What attacks on URL readers are made of.
PIECES = st.sampled_from(
    [
        *("http://", "https://", "HTTP://", "//", "/", "\\", ":", "@", "?", "#", ";", ".", ".."),
        *("store", "store:9000", "evil", "evil:80", "[::1]", "127.0.0.1", "events", "secret"),
        *("%2e", "%2E", "%2f", "%5c", "%00", "%25", "%25 2e", "%c0%ae", "%3b", "%40", "%", " "),
        *("\t", "\r\n", "\x00", "。", "．", "／", "ſ", "é", "a", "1.json", "9000", "0"),
    ]
)
#: Paths that climb, of every spelling, below the store's own address.
SEGMENTS = st.sampled_from(
    ["events", "secret", "a", "..", ".", "", "%2e%2e", ".%2E", "..%2f..", "..;", "%252e", "%5c.."]
)
REFERENCES = st.one_of(
    st.lists(PIECES, max_size=12).map("".join),
    st.lists(PIECES, max_size=8).map(lambda parts: "http://store:9000/events/" + "".join(parts)),
    st.lists(SEGMENTS, min_size=1, max_size=5).map(
        lambda parts: "http://store:9000/" + "/".join(parts)
    ),
    st.text(max_size=60).map("http://store:9000/events/".__add__),
    st.text(max_size=60),
)


@settings(max_examples=500)
@given(REFERENCES)
def test_no_reference_leads_out_of_the_base(reference: str) -> None:
    """Whatever is asked for lies below the base, by every way there is to read it."""
    try:
        target = STORE.target(reference)
    except EventError:
        return
    if target is None:
        return

    parts = urlsplit(reference)
    assert (parts.scheme, parts.hostname, parts.port) == ("http", "store", 9000)
    assert (parts.username, parts.query, parts.fragment) == (None, "", "")
    assert re.fullmatch(r"/[!-~]+", target)
    once = unquote(target, errors="strict")
    for read in (target, once, unquote(once), once.replace("\\", "/"), once.split(";")[0]):
        assert posixpath.normpath(read).startswith(("/events/", "/%65"))
