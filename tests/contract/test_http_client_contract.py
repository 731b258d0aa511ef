"""What every HttpClient promises: the raw one, and aiohttp's through a real proxy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.config.options import HttpClientOptions
from bridge.config.watched import LOOK_SECONDS
from bridge.core.clock import Clock
from bridge.core.errors import DeadlineExceeded, Rejected, Unavailable
from bridge.transports.http import HttpClient, HttpRequest, HttpResponse, http_client
from tests.fakes import FakeClock
from tests.fakes_http import SECONDS, FarEnd, Held, Proxy, far_end, serving

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

#: Enters a client for a URL, with further options.
Make = Callable[..., Awaitable[HttpClient]]


@pytest.fixture(params=["raw", "proxied"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Each test runs on the raw client, and on aiohttp's with a proxy between."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy()) if request.param == "proxied" else None

        async def enter(url: str, clock: Clock | None = None, **options: object) -> HttpClient:
            if proxy is not None:
                options["proxy_url"] = proxy.url
            checked = HttpClientOptions.model_validate({"url": url, **options})
            client = http_client(checked, clock=clock)
            return await stack.enter_async_context(client)

        yield enter


async def get(
    client: HttpClient, target: str = "/", timeout_seconds: float = SECONDS
) -> HttpResponse:
    return await client.request("GET", target, (), b"", timeout_seconds=timeout_seconds)


async def test_a_request_arrives_as_it_was_given(make: Make) -> None:
    """Method, target, headers with repeats, and body; nothing invented but framing."""
    held = Held()
    held.go.set()
    async with serving(held) as server:
        client = await make(f"http://127.0.0.1:{server.port}/base")

        await client.request(
            "PUT",
            "/a%20b?c=d&e=%2F",
            ((b"ce-id", b"1"), (b"x", b"1"), (b"x", b"\xc3\xa9 2")),
            b"body",
            timeout_seconds=SECONDS,
        )

    request = held.requests[0]
    assert (request.method, request.path, request.query) == ("PUT", "/a%20b", "c=d&e=%2F")
    assert request.body == b"body"
    sent = [(name, value) for name, value in request.headers if name in (b"ce-id", b"x")]
    assert sent == [(b"ce-id", b"1"), (b"x", b"1"), (b"x", b"\xc3\xa9 2")]
    names = {name for name, _ in request.headers} - {b"ce-id", b"x", b"connection"}
    assert names == {b"host", b"content-length"}
    assert request.header(b"host") == f"127.0.0.1:{server.port}".encode()


@pytest.mark.parametrize(
    ("base", "target", "path", "query"),
    [
        ("", "", "/", ""),
        ("/base/x?token=1", "", "/base/x", "token=1"),
        ("/base", "/other?q", "/other", "q"),
    ],
)
async def test_an_empty_target_is_that_of_the_url(
    make: Make, base: str, target: str, path: str, query: str
) -> None:
    """Any other is what stands in the request line."""
    held = Held()
    held.go.set()
    async with serving(held) as server:
        client = await make(f"http://127.0.0.1:{server.port}{base}")

        await get(client, target)

    request = held.requests[0]
    assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize("status", [200, 204, 302, 304, 404, 429, 500, 503])
async def test_any_status_is_returned_as_it_is(make: Make, status: int) -> None:
    """No redirect is followed, no status is judged, and the headers come along."""

    async def answer(request: HttpRequest) -> HttpResponse:
        headers = ((b"location", b"/elsewhere"), (b"x", b"1"), (b"x", b"2"))
        return HttpResponse(status, headers, b"" if status in (204, 304) else b"text")

    async with serving(answer) as server:
        client = await make(f"http://127.0.0.1:{server.port}")

        response = await get(client)

    assert response.status == status
    assert response.header(b"location") == b"/elsewhere"
    assert [value for name, value in response.headers if name == b"x"] == [b"1", b"2"]
    assert response.body == (b"" if status in (204, 304) else b"text")


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
            b"ok",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\nT: x\r\n\r\n",
            b"ok",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
            b"\x1f\x8b",
        ),
    ],
)
async def test_every_framing_of_an_answer_is_read(make: Make, answer: bytes, body: bytes) -> None:
    """Counted, chunked, interim answers before it; encodings of the content untouched."""
    async with far_end(answer) as end:
        client = await make(end.url)

        response = await get(client)

        assert response.body == body
        await client.__aexit__(None, None, None)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_may_end_with_the_connection(make: Make, version: bytes) -> None:
    """No length and no coding: all until the far end closes."""
    async with far_end(b"HTTP/" + version + b" 200 OK\r\n\r\nall of it", keep=False) as end:
        client = await make(end.url)

        response = await get(client)

        assert response.body == b"all of it"
        await client.__aexit__(None, None, None)


async def test_an_answer_to_head_has_no_body(make: Make) -> None:
    """Whatever length it names."""
    async with far_end(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", OK) as end:
        client = await make(end.url)

        response = await client.request("HEAD", "/", (), b"", timeout_seconds=SECONDS)

        assert (response.status, response.body) == (200, b"")
        await client.__aexit__(None, None, None)


async def test_connections_are_used_again(make: Make) -> None:
    """Requests one after the other share one connection."""
    async with far_end(OK, OK, OK) as end:
        client = await make(end.url)

        for _ in range(3):
            await get(client)

        assert end.connections == 1
        await client.__aexit__(None, None, None)


async def test_a_connection_that_is_to_be_closed_is_not_used_again(make: Make) -> None:
    """`Connection: close` is believed."""
    closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
    async with far_end(closing) as end:
        client = await make(end.url)

        await get(client)
        await get(client)

        assert end.connections == 2
        await client.__aexit__(None, None, None)


async def test_never_more_connections_than_allowed(make: Make) -> None:
    """Callers beyond wait for a free one, and every one gets its own answer."""

    async def answer(request: HttpRequest) -> HttpResponse:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001)
        under_way -= 1
        return HttpResponse(200, (), request.body)

    under_way = most = 0
    async with serving(answer) as server:
        client = await make(f"http://127.0.0.1:{server.port}", connections=3)

        answers = await asyncio.gather(
            *(
                client.request("POST", "/", (), b"%d" % n, timeout_seconds=SECONDS)
                for n in range(50)
            )
        )

    assert [response.body for response in answers] == [b"%d" % n for n in range(50)]
    assert most <= 3


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"garbage\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
    ],
)
async def test_half_an_answer_and_garbage_are_outages(make: Make, answer: bytes) -> None:
    """Unavailable with the URL, without its password and query."""
    async with far_end(answer, keep=False) as end:
        url = end.url.replace("http://", "http://user:hidden@") + "/base?token=hidden"
        client = await make(url)

        with pytest.raises(Unavailable) as caught:
            await get(client, "/path?key=hidden")

        assert f"{end.url}/path: " in str(caught.value)
        assert "hidden" not in str(caught.value)
        assert type(caught.value) is Unavailable
        assert caught.value.__cause__ is not None
        await client.__aexit__(None, None, None)


async def test_no_answer_in_time_is_a_deadline(make: Make) -> None:
    """And the connection, with an answer perhaps under way, is never used again."""

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await end.read_request(reader)
        await reader.read()

    async with FarEnd(silent) as end:
        client = await make(end.url)

        with pytest.raises(DeadlineExceeded, match=r"/: no answer within 0\.05 s"):
            await get(client, timeout_seconds=0.05)
        async with asyncio.timeout(SECONDS):
            await end.all_closed.wait()


async def test_waiting_for_a_connection_counts_as_well(make: Make) -> None:
    """The time covers the wait in line."""
    held = Held()
    async with serving(held) as server:
        client = await make(f"http://127.0.0.1:{server.port}", connections=1)
        first = asyncio.ensure_future(get(client))
        await held.asked.wait()

        with pytest.raises(DeadlineExceeded):
            await get(client, timeout_seconds=0.05)

        held.go.set()
        assert (await first).status == 200
        assert (await get(client)).status == 200


async def test_an_answer_too_large_is_refused(make: Make) -> None:
    """To the byte, whether its length is known beforehand or not."""
    for answer in (OK, CHUNKED + b"2\r\nok\r\n0\r\n\r\n"):
        async with far_end(answer) as end:
            client = await make(end.url, max_response_bytes=2)
            assert (await get(client)).body == b"ok"
            await client.__aexit__(None, None, None)
        async with far_end(answer) as end:
            client = await make(end.url, max_response_bytes=1)
            with pytest.raises(Rejected, match=r":\d+/: answer: expected at most 1 bytes"):
                await get(client)
            await client.__aexit__(None, None, None)


@pytest.mark.parametrize(
    ("method", "target", "header"),
    [
        ("POST", "/", (b"x", b"a\r\ninjected: b")),
        ("POST", "/", (b"x", b"a\nb")),
        ("POST", "/", (b"x", b"a\rb")),
        ("POST", "/", (b"x", b"a\x00b")),
        ("POST", "/", (b"x\r\ny", b"a")),
        ("POST", "/", (b"x y", b"a")),
        ("POST", "/", (b"x:", b"a")),
        ("POST", "/", (b"", b"a")),
        ("POST", "/", (b"content-length", b"7")),
        ("POST", "/", (b"Transfer-Encoding", b"chunked")),
        ("POST", "/a b", (b"x", b"a")),
        ("POST", "/a\r\nb", (b"x", b"a")),
        ("POST", "a", (b"x", b"a")),
        ("POST", "/a#b", (b"x", b"a")),
        ("PO ST", "/", (b"x", b"a")),
        ("POST\r\n", "/", (b"x", b"a")),
    ],
)
async def test_nothing_is_sent_of_a_request_that_cannot_stand(
    make: Make, method: str, target: str, header: tuple[bytes, bytes]
) -> None:
    """ValueError before a byte is written, and before a connection is made."""
    async with far_end(OK) as end:
        client = await make(end.url)

        with pytest.raises(ValueError, match=r"expected|belongs"):
            await client.request(method, target, (header,), b"", timeout_seconds=SECONDS)

        assert end.connections == 0


async def test_a_cancelled_request_closes_its_connection(make: Make) -> None:
    """It is never used for another request while the old answer may still come."""
    held = Held()
    async with serving(held) as server:
        client = await make(f"http://127.0.0.1:{server.port}", connections=1)
        first = asyncio.ensure_future(
            client.request("POST", "/", (), b"first", timeout_seconds=SECONDS)
        )
        await held.asked.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        held.go.set()

        response = await client.request("POST", "/", (), b"second", timeout_seconds=SECONDS)

        assert response.body == b"second"


async def test_a_cancelled_request_closes_its_connection_at_once(make: Make) -> None:
    """Not when the answer comes, or its time is up: the far end learns that nobody waits."""
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await end.read_request(reader)
        asked.set()
        await reader.read()

    async with FarEnd(silent) as end:
        client = await make(end.url)
        request = asyncio.ensure_future(get(client, timeout_seconds=10 * SECONDS))
        await asked.wait()

        request.cancel()

        async with asyncio.timeout(SECONDS):
            await end.all_closed.wait()
        with pytest.raises(asyncio.CancelledError):
            await request


async def test_a_cancelled_waiter_leaves_the_line(make: Make) -> None:
    """Who waits behind it is served all the same."""
    held = Held()
    async with serving(held) as server:
        client = await make(f"http://127.0.0.1:{server.port}", connections=1)
        tasks = [
            asyncio.ensure_future(
                client.request("POST", "/", (), b"%d" % n, timeout_seconds=SECONDS)
            )
            for n in range(3)
        ]
        await held.asked.wait()
        tasks[1].cancel()
        held.go.set()

        results = await asyncio.gather(*tasks, return_exceptions=True)

        assert isinstance(results[1], asyncio.CancelledError)
        assert [r.body for r in (results[0], results[2]) if isinstance(r, HttpResponse)] == [
            b"0",
            b"2",
        ]


async def test_a_virtual_host_stands_in_place_of_ours(make: Make) -> None:
    """An ingress is asked by the Host that the caller gives."""
    held = Held()
    held.go.set()
    async with serving(held) as server:
        client = await make(f"http://127.0.0.1:{server.port}")

        await client.request(
            "POST", "/", ((b"host", b"iris.example.com"),), b"", timeout_seconds=SECONDS
        )

    hosts = [value for name, value in held.requests[0].headers if name == b"host"]
    assert hosts == [b"iris.example.com"]


#: A header of each kind of credentials, by the options that give it; `{}` is the URL's host.
CREDENTIALS = [
    ({"url": "http://user:p%40ss@{}"}, b"authorization", b"Basic dXNlcjpwQHNz"),
    ({"url": "http://user@{}", "password_file": "p@ss"}, b"authorization", b"Basic dXNlcjpwQHNz"),
    ({"token": "t.o-k"}, b"authorization", b"Bearer t.o-k"),
    ({"token_file": "t.o-k\n"}, b"authorization", b"Bearer t.o-k"),
    ({"headers": {"X-Key": "k"}}, b"x-key", b"k"),
    ({"header_files": {"X-Key": "k\n"}}, b"x-key", b"k"),
]


def in_files(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Return *options* with the contents of files written to *folder*, and their paths instead."""

    def written(name: str, content: str) -> str:
        (folder / name).write_text(content)
        return str(folder / name)

    files = {name: written(name, options[name]) for name in options if name.endswith("_file")}
    headers = {
        name: written(name, content) for name, content in options.get("header_files", {}).items()
    }
    return {**options, **files, **({"header_files": headers} if headers else {})}


@pytest.mark.parametrize(("options", "name", "value"), CREDENTIALS)
async def test_credentials_are_sent_with_every_request(
    make: Make, tmp_path: Path, options: dict[str, Any], name: bytes, value: bytes
) -> None:
    """Once, and in place of a header of that name that the caller has from wherever."""
    held = Held()
    held.go.set()
    async with serving(held) as server:
        given = {"url": "http://{}", **in_files(tmp_path, options)}
        given["url"] = given["url"].format(f"127.0.0.1:{server.port}")
        client = await make(**given)

        await get(client)
        for theirs in ((name, b"theirs"), (b"x-other", b"theirs")):
            await client.request("POST", "/", (theirs,), b"", timeout_seconds=SECONDS)

    sent = [[v for n, v in request.headers if n == name] for request in held.requests]
    assert sent == [[value]] * 3
    assert held.requests[2].header(b"x-other") == b"theirs"


@pytest.mark.parametrize(
    ("options", "file"),
    [
        ({"token_file": "old"}, "token_file"),
        ({"url": "http://user@{}", "password_file": "old"}, "password_file"),
        ({"header_files": {"authorization": "old"}}, "authorization"),
    ],
)
async def test_a_changed_credential_is_sent_from_the_next_look_on(
    make: Make, tmp_path: Path, options: dict[str, Any], file: str
) -> None:
    """Without a restart; what no header can carry is passed over, and told once."""
    clock, held = FakeClock(), Held()
    held.go.set()
    async with serving(held) as server:
        given = {"url": "http://{}", **in_files(tmp_path, options)}
        given["url"] = given["url"].format(f"127.0.0.1:{server.port}")
        client = await make(**given, clock=clock)

        with capture_logs() as lines:
            for content in ("old", "new", "bad\r\nx-injected: 1", "newest"):
                (tmp_path / file).write_text(content)
                clock.now += LOOK_SECONDS
                await get(client)

    sent = [request.header(b"authorization") or b"" for request in held.requests]
    assert sent[1] == sent[2]
    assert len(set(sent)) == 3
    assert [] == [r for r in held.requests if r.header(b"x-injected")]
    assert ["warning"] == [one["log_level"] for one in lines if one["log_level"] != "info"]
    assert "injected" not in str(lines)


async def test_a_configured_host_is_asked_for(make: Make) -> None:
    """An ingress is asked by it, whatever the address, and whatever the caller says."""
    held = Held()
    held.go.set()
    async with serving(held) as server:
        url = f"http://127.0.0.1:{server.port}"
        client = await make(url, headers={"Host": "iris.example.com"})

        await get(client)
        await client.request("GET", "/", ((b"host", b"x"),), b"", timeout_seconds=SECONDS)

    hosts = [[v for n, v in request.headers if n == b"host"] for request in held.requests]
    assert hosts == [[b"iris.example.com"]] * 2


async def test_ping_tells_whether_somebody_listens(make: Make) -> None:
    """A connection is enough; no request is made."""
    async with far_end(OK) as end:
        client = await make(end.url)

        await client.ping()

        assert end.heads == []
        await client.__aexit__(None, None, None)


async def test_leaving_twice_and_entering_again(make: Make) -> None:
    """A client may be left twice; entered again it works again; outside it says so."""
    async with serving() as server:
        client = await make(f"http://127.0.0.1:{server.port}")
        await client.__aexit__(None, None, None)
        await client.__aexit__(None, None, None)
        with pytest.raises(RuntimeError, match=r"outside"):
            await get(client)

        async with client:
            assert (await get(client)).status == 200
