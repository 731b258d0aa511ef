"""A claim store asks its own address and nobody else, and knows an outage from a bad claim."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import Event, EventError, Unavailable
from bridge.config.pipeline import ClaimStoreOptions
from bridge.core.errors import DeadlineExceeded
from bridge.runtime.claims import ClaimStore, redeem
from bridge.transports.http import HttpRequest, HttpResponse
from tests.fakes import iris_event
from tests.fakes_http import serving
from tests.fakes_store import Store, found, storing


def store_at(url: str, **options: Any) -> ClaimStore:
    return ClaimStore(ClaimStoreOptions(url=url, **options))


def claim(reference: str) -> Event:
    """Return an event whose data lies at *reference*."""
    return Event(iris_event(dataref=reference).attributes, None)


async def test_what_lies_below_the_url_is_fetched_as_the_bytes_it_is() -> None:
    """With one GET that carries nothing of the event; connections are kept."""
    async with storing({"/events/1": found(b"\x00[1]")}) as far:
        async with store_at(f"{far.url}/events/") as store:
            first = await redeem(claim(f"{far.url}/events/1"), [store])
            await redeem(claim(f"{far.url}/events/1"), [store])

    assert first.data == b"\x00[1]"
    assert first.attributes == claim(f"{far.url}/events/1").attributes
    assert ["GET", "GET"] == [request.method for request in far.requests]
    host = far.url.removeprefix("http://").encode()
    assert far.requests[0].headers == ((b"host", host), (b"content-length", b"0"))


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 308, 400, 403, 404, 405, 410, 451])
async def test_what_will_never_come_is_the_events_fault(status: int) -> None:
    """Refused for good, and says who answered what, never the body."""
    there = {"/1": HttpResponse(status, ((b"location", b"/2"),), b"")}
    async with storing({**there, "/2": found(b"[2]")}) as far, store_at(far.url) as store:
        with pytest.raises(EventError, match=f"{far.url}/1: answered {status}") as caught:
            await redeem(claim(f"{far.url}/1"), [store])

    assert caught.value.reason == "event"
    assert ["/1"] == [request.path for request in far.requests]


@pytest.mark.parametrize("status", [401, 407, 408, 425, 429, 500, 502, 503, 504, 507])
async def test_what_may_pass_is_an_outage(status: int) -> None:
    """Also our own credentials, of which the event knows nothing; with the store's Retry-After."""
    there = {"/1": HttpResponse(status, ((b"retry-after", b"7"),), b"secret words")}
    async with storing(there) as far, store_at(far.url) as store:
        with pytest.raises(Unavailable, match=f"{far.url}/1: answered {status}") as caught:
            await redeem(claim(f"{far.url}/1"), [store])

    assert caught.value.retry_after_seconds == 7
    assert "secret" not in str(caught.value)


async def test_a_retry_after_of_the_store_is_bounded() -> None:
    """No store makes a sender wait for a year."""
    there = {"/1": HttpResponse(503, ((b"retry-after", b"31536000"),), b"")}
    async with storing(there) as far, store_at(far.url) as store:
        with pytest.raises(Unavailable) as caught:
            await redeem(claim(f"{far.url}/1"), [store])

    assert caught.value.retry_after_seconds == 3600


async def test_a_store_that_is_down_is_an_outage() -> None:
    """The event is good; the ping says so too."""
    async with storing({}) as gone:
        pass
    async with store_at(gone.url) as store:
        with pytest.raises(Unavailable, match=f"claim check: {gone.url}/1: no connection"):
            await redeem(claim(f"{gone.url}/1"), [store])
        with pytest.raises(Unavailable, match="no connection"):
            await store.ping()


async def test_a_store_that_hangs_is_given_up() -> None:
    """After `timeout_seconds`, as an outage that says it was the time."""
    go = asyncio.Event()

    async def hang(request: HttpRequest) -> HttpResponse:
        await go.wait()
        return found(b"")

    async with serving(hang) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with store_at(url, timeout_seconds=0.05) as store:
            with pytest.raises(DeadlineExceeded, match=f"claim check: {url}/1: no answer within"):
                await redeem(claim(f"{url}/1"), [store])
        go.set()


@pytest.mark.parametrize(("size", "good"), [(100, True), (101, False)])
async def test_data_is_read_up_to_its_limit(size: int, good: bool) -> None:
    """One byte more is the event's fault."""
    async with storing({"/1": found(b"x" * size)}) as far:
        async with store_at(far.url, max_response_bytes=100) as store:
            if good:
                assert (await redeem(claim(f"{far.url}/1"), [store])).data == b"x" * size
                return
            with pytest.raises(EventError, match="expected at most 100 bytes"):
                await redeem(claim(f"{far.url}/1"), [store])


async def test_encoded_data_is_refused_and_never_inflated() -> None:
    """A few bytes must not become gigabytes here."""
    answer = found(b"\x1f\x8b", (b"content-encoding", b"gzip"))
    async with storing({"/1": answer}) as far, store_at(far.url) as store:
        with pytest.raises(EventError, match="the data is encoded as 'gzip'"):
            await redeem(claim(f"{far.url}/1"), [store])


async def test_a_presigned_url_is_asked_for_with_its_query_and_told_without() -> None:
    """Where the file allows queries; the signature is in no text."""
    there = {"/1": found(b"[1]")}
    async with storing(there) as far, store_at(far.url, queries=True) as store:
        got = await redeem(claim(f"{far.url}/1?X-Amz-Signature=SECRET"), [store])
        with pytest.raises(EventError) as caught:
            await redeem(claim(f"{far.url}/2?X-Amz-Signature=SECRET"), [store])

    assert got.data == b"[1]"
    assert far.requests[0].query == "X-Amz-Signature=SECRET"
    assert "SECRET" not in str(caught.value)


async def test_the_first_store_whose_url_a_reference_lies_below_is_asked() -> None:
    """Each with its own address; the other hears nothing."""
    async with storing({"/a/1": found(b"a")}) as one, storing({"/b/1": found(b"b")}) as two:
        async with store_at(f"{one.url}/a") as first, store_at(f"{two.url}/b") as second:
            got = await redeem(claim(f"{two.url}/b/1"), [first, second])

    assert got.data == b"b"
    assert one.requests == []


class Anything(Store):
    """Has something at every path."""

    async def answer(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return found(b"inside")


#: What attacks are made of, with the addresses of the store and of a stranger put in.
PIECES = [
    *("http://{store}/events/", "http://{store}", "http://{other}", "//{other}", "@{other}/"),
    *("{other}", "{store}", "#", "?", "@", ":", "/", "\\", "\\\\{other}", "../", "..%2f", ".."),
    *("%2e%2e/", "%252e", "..;/", "events", "secret", "1.json", "%00", "\r\n", " ", "。", "é"),
]

#: Paths that climb, of every spelling, below the store's own address.
SEGMENTS = ["events", "secret", "a", "..", "%2e%2e", ".%2E", "..%2f..", "..;", "%252e", "%5c.."]
REFERENCES = st.one_of(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
    st.lists(st.sampled_from(SEGMENTS), min_size=1, max_size=4).map(
        lambda parts: "http://{store}/events/" + "/".join(parts)
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(REFERENCES, st.booleans())
def test_no_reference_ever_makes_a_request_outside_the_url(pattern: str, queries: bool) -> None:
    """A stranger on another port sees nothing, and the store nothing outside its folder."""

    async def ask() -> tuple[Store, Store]:
        store_end, other_end = Anything({}), Anything({})
        async with serving(store_end.answer) as one, serving(other_end.answer) as two:
            store, other = f"127.0.0.1:{one.port}", f"127.0.0.1:{two.port}"
            reference = pattern.replace("{store}", store).replace("{other}", other)
            async with store_at(f"http://{store}/events/", queries=queries) as claims:
                try:
                    got = await redeem(claim(reference), [claims])
                except EventError:
                    pass
                else:
                    assert got.data == b"inside"
        return store_end, other_end

    inside, outside = asyncio.run(ask())

    assert outside.requests == []
    for request in inside.requests:
        assert request.path.startswith("/events/")
        assert ".." not in unquote(unquote(request.path))


def test_a_store_shows_no_secret() -> None:
    """Neither in its options' repr nor in the name errors call it by."""
    options = ClaimStoreOptions(url="http://me:SECRET@store/a")

    assert "SECRET" not in repr(options)
    assert ClaimStore(options).target("http://store/a/1") == "/a/1"
