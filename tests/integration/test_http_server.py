"""The listener on real sockets, with peers that send what no client library would."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest
import structlog
from structlog.testing import capture_logs

from bridge.transports.http import HttpRequest, HttpResponse, HttpServer
from tests.fakes_http import SECONDS, Caller, Held, echo, pieces, serving

POST = b"POST /p HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n"


#: Their transports are not the same.
EVERY_LOOP = True


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A listener that echoes."""
    async with serving() as server:
        yield server.port


async def test_an_answer_carries_what_was_returned_and_its_framing(port: int) -> None:
    """Status, headers and body of the answer, with length and date added."""
    async with Caller.to_port(port) as caller:
        await caller.send(POST + b"abc")

        status, headers, body = await caller.answer()

    assert (status, body) == (200, b"abc")
    assert headers["content-type"] == "text/plain"
    assert headers["content-length"] == "3"
    assert headers["date"].endswith(" GMT")
    assert "connection" not in headers


async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    """All sent at once, answered one after the other."""
    stream = b"".join(
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%d" % (len(str(n)), n)
        for n in range(200)
    )
    async with Caller.to_port(port) as caller:
        await caller.send(stream)

        bodies = [(await caller.answer())[2] for _ in range(200)]

    assert bodies == [b"%d" % n for n in range(200)]


async def test_byte_by_byte_input_is_a_request(port: int) -> None:
    """A sender of single bytes gets its answer."""
    async with Caller.to_port(port) as caller:
        for piece in pieces(POST + b"abc"):
            await caller.send(piece)
            await asyncio.sleep(0)

        assert (await caller.answer())[2] == b"abc"


async def test_a_half_closed_client_gets_its_answers() -> None:
    """Who shuts its writing side after the requests is still answered, then closed."""
    held = Held()
    async with serving(held) as server, Caller.to_port(server.port) as caller:
        await caller.send((POST + b"abc") * 2)
        caller.writer.write_eof()
        await held.asked.wait()
        held.go.set()

        answers = [await caller.answer(), await caller.answer()]

        assert [body for _, _, body in answers] == [b"abc", b"abc"]
        assert await caller.rest() == b""


async def test_a_client_that_leaves_does_not_cancel_its_answer() -> None:
    """The answer runs to its end; what it returns is dropped."""
    held = Held()
    async with serving(held) as server:
        async with Caller.to_port(server.port) as caller:
            await caller.send(POST + b"abc")
            await held.asked.wait()
            caller.writer.transport.abort()
        held.go.set()
        async with asyncio.timeout(SECONDS):
            await held.done.wait()
            await server.drain()

    assert held.cancelled == 0
    assert len(held.ended) == 1


async def test_who_waits_for_100_gets_it_before_the_answer(port: int) -> None:
    """`Expect: 100-continue`: the interim answer, then the body is read."""
    head = POST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
    async with Caller.to_port(port) as caller:
        await caller.send(head)
        async with asyncio.timeout(SECONDS):
            interim = await caller.reader.readuntil(b"\r\n\r\n")
        await caller.send(b"abc")

        answer = await caller.answer()

    assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer[2] == b"abc"


async def test_100_comes_in_its_turn() -> None:
    """Behind a request that is still being answered, the interim answer waits as well."""
    held = Held()
    head = POST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n")
    async with serving(held) as server, Caller.to_port(server.port) as caller:
        await caller.send(POST + b"abc" + head)
        await held.asked.wait()
        held.go.set()

        first = await caller.answer()
        async with asyncio.timeout(SECONDS):
            interim = await caller.reader.readuntil(b"\r\n\r\n")
        await caller.send(b"xyz")
        second = await caller.answer()

    assert (first[2], interim, second[2]) == (b"abc", b"HTTP/1.1 100 Continue\r\n\r\n", b"xyz")


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent() -> None:
    """413 at the head, and no 100."""
    async with serving(max_body_bytes=2) as server, Caller.to_port(server.port) as caller:
        await caller.send(POST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\n\r\n"))

        status, headers, body = await caller.answer()

        assert status == 413
        assert headers["connection"] == "close"
        assert body == b"body: expected at most 2 bytes"
        assert await caller.rest() == b""


async def test_a_large_body_that_is_refused_can_read_the_refusal() -> None:
    """The refusal is not overtaken by a reset while the client still sends."""
    async with serving(max_body_bytes=1000) as server, Caller.to_port(server.port) as caller:
        caller.writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n")
        caller.writer.write(b"x" * 8_000_000)

        status, _, _ = await caller.answer()

        assert status == 413
        await caller.send(b"")
        assert await caller.rest() == b""


async def test_a_chunked_body_is_refused_with_the_first_byte_over_the_limit() -> None:
    """413 as soon as the limit is passed, whatever else would have come."""
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    async with serving(max_body_bytes=4) as server:
        async with Caller.to_port(server.port) as caller:
            await caller.send(head + b"4\r\nabcd\r\n0\r\n\r\n")
            assert (await caller.answer())[0] == 200
        async with Caller.to_port(server.port) as caller:
            await caller.send(head + b"4\r\nabcd\r\n1\r\ne")
            assert (await caller.answer())[0] == 413


async def test_requests_before_a_bad_one_are_answered(port: int) -> None:
    """The refusal comes in its place, and it is the last answer."""
    async with Caller.to_port(port) as caller:
        await caller.send(POST + b"abc" + b"nonsense\r\n\r\n" + POST + b"abc")

        first, second = await caller.answer(), await caller.answer()

        assert (first[0], second[0]) == (200, 400)
        assert second[1]["content-type"] == "text/plain; charset=utf-8"
        assert await caller.rest() == b""


@pytest.mark.parametrize(
    ("request_head", "closes", "connection"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", True, "close"),
        (b"GET / HTTP/1.0\r\n\r\n", True, "close"),
        (b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n", False, "keep-alive"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", False, None),
    ],
)
async def test_the_connection_ends_when_the_client_says_so(
    port: int, request_head: bytes, closes: bool, connection: str | None
) -> None:
    """Keep-alive in both versions, told in the answer."""
    async with Caller.to_port(port) as caller:
        await caller.send(request_head)
        _, headers, _ = await caller.answer()

        assert headers.get("connection") == connection
        if closes:
            assert await caller.rest() == b""
        else:
            await caller.send(POST + b"abc")
            assert (await caller.answer())[2] == b"abc"


async def test_an_answer_to_head_has_no_body(port: int) -> None:
    """Its length is told all the same."""
    async with Caller.to_port(port) as caller:
        await caller.send(POST.replace(b"POST", b"HEAD") + b"abc" + POST + b"xyz")

        _, headers, _ = await caller.answer(bodiless=True)
        second = await caller.answer()

    assert headers["content-length"] == "3"
    assert second[2] == b"xyz"


async def test_204_has_neither_body_nor_length() -> None:
    """RFC 9110, 8.6: no Content-Length in a 204."""

    async def nothing(request: HttpRequest) -> HttpResponse:
        return HttpResponse(204, (), b"dropped")

    async with serving(nothing) as server, Caller.to_port(server.port) as caller:
        await caller.send((POST + b"abc") * 2)

        answers = [await caller.answer(), await caller.answer()]

    assert [status for status, _, _ in answers] == [204, 204]
    assert "content-length" not in answers[0][1]


async def test_an_error_in_the_answer_is_500_and_logged() -> None:
    """The client learns nothing of it; the log has the traceback."""

    async def broken(request: HttpRequest) -> HttpResponse:
        raise KeyError("secret")

    structlog.reset_defaults()
    async with serving(broken) as server, Caller.to_port(server.port) as caller:
        with capture_logs() as logs:
            await caller.send(POST + b"abc")
            status, headers, body = await caller.answer()

        assert status == 500
        assert headers["connection"] == "close"
        assert b"secret" not in body
        assert await caller.rest() == b""
    assert [(line["event"], line["log_level"]) for line in logs] == [("answer failed", "error")]
    assert logs[0]["exc_info"]


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nset-cookie: b"),
        (b"x", b"a\nb"),
        (b"x", b"a\x00b"),
        (b"x\r\ny", b"a"),
        (b"x y", b"a"),
        (b"", b"a"),
        (b"content-length", b"7"),
        (b"transfer-encoding", b"chunked"),
    ],
)
async def test_no_answer_carries_injected_lines(header: tuple[bytes, bytes]) -> None:
    """A header that would start a line of its own, or another framing, is a 500 instead."""

    async def injected(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (header,), b"body")

    async with serving(injected) as server, Caller.to_port(server.port) as caller:
        with capture_logs():
            await caller.send(POST + b"abc")
            status, headers, _ = await caller.answer()

    assert status == 500
    assert sorted(headers) == ["connection", "content-length", "content-type", "date"]


async def test_an_answer_cancelled_from_within_is_an_error_not_a_hang() -> None:
    """A CancelledError that nobody here asked for is a bug of the answer."""

    async def cancels(request: HttpRequest) -> HttpResponse:
        raise asyncio.CancelledError

    async with serving(cancels) as server, Caller.to_port(server.port) as caller:
        with capture_logs():
            await caller.send(POST + b"abc")

            assert (await caller.answer())[0] == 500


async def test_context_variables_do_not_leak_to_the_next_request() -> None:
    """Each answer has a context of its own, also on one connection, also across awaits."""
    variable: ContextVar[str] = ContextVar("variable", default="unset")

    async def answer(request: HttpRequest) -> HttpResponse:
        before = variable.get()
        variable.set("set")
        async with asyncio.timeout(SECONDS):
            await asyncio.sleep(0)
        return HttpResponse(200, (), f"{before} {variable.get()}".encode())

    async with serving(answer) as server, Caller.to_port(server.port) as caller:
        await caller.send((POST + b"abc") * 2)

        bodies = [(await caller.answer())[2], (await caller.answer())[2]]

    assert bodies == [b"unset set", b"unset set"]


async def test_idle_connections_are_closed_in_silence() -> None:
    """After `idle_seconds`, whether a request has been answered before or not."""
    async with serving(idle_seconds=0.05) as server:
        async with Caller.to_port(server.port) as caller:
            assert await caller.rest() == b""
        async with Caller.to_port(server.port) as caller:
            await caller.send(POST + b"abc")
            assert (await caller.answer())[0] == 200
            assert await caller.rest() == b""


@pytest.mark.parametrize("begun", [b"P", POST[:-1], POST + b"ab"])
async def test_a_request_that_does_not_arrive_is_answered_408(begun: bytes) -> None:
    """The time runs from its first byte to its last."""
    async with serving(request_seconds=0.05) as server, Caller.to_port(server.port) as caller:
        await caller.send(begun)

        status, headers, _ = await caller.answer()

        assert status == 408
        assert headers["connection"] == "close"
        assert await caller.rest() == b""


async def test_drops_of_bytes_do_not_extend_the_time() -> None:
    """One byte now and then (slowloris) keeps no connection."""
    async with serving(request_seconds=0.1) as server, Caller.to_port(server.port) as caller:
        answer = asyncio.ensure_future(caller.answer())
        while not answer.done():
            await caller.send(b"x")
            await asyncio.sleep(0.01)

        assert (await answer)[0] == 408


async def test_empty_lines_keep_no_connection() -> None:
    """A line end now and then is no request: it neither buys time nor is owed an answer."""
    async with serving(idle_seconds=0.2, request_seconds=60) as server:
        async with Caller.to_port(server.port) as caller:
            rest = asyncio.ensure_future(caller.rest())
            for piece in (b"\r", b"\n", b"\r\n", b"\r"):
                await caller.send(piece)
                await asyncio.sleep(0)

            assert await rest == b""


async def test_a_flood_of_empty_lines_is_answered_400(port: int) -> None:
    """It ends with the first few, whatever else would have come."""
    async with Caller.to_port(port) as caller:
        caller.writer.write(b"\r\n" * 1_000_000)

        status, headers, _ = await caller.answer()

        assert (status, headers["connection"]) == (400, "close")


async def test_a_slow_answer_is_not_the_clients_fault() -> None:
    """No time-out of the connection runs while the answer is being made."""
    held = Held()
    async with serving(held, idle_seconds=0.03, request_seconds=0.03) as server:
        async with Caller.to_port(server.port) as caller, Caller.to_port(server.port) as other:
            await caller.send(POST + b"abc")
            await held.asked.wait()
            assert await other.rest() == b""
            held.go.set()

            assert (await caller.answer())[2] == b"abc"


async def test_reading_is_paused_while_requests_pile_up() -> None:
    """A sender that does not wait for answers is stopped by its own socket, not by our memory."""
    held = Held()
    stream = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000
    async with serving(held) as server, Caller.to_port(server.port) as caller:
        caller.writer.write(stream * 300)
        await held.asked.wait()
        sent = await _settled(caller)

        assert sent < len(stream) * 200
        held.go.set()
        for _ in range(300):
            assert len((await caller.answer())[2]) == 100_000


async def test_writing_waits_for_a_slow_reader() -> None:
    """One answer at a time is held for a client that does not read; the next is not made."""
    made = 0

    async def large(request: HttpRequest) -> HttpResponse:
        nonlocal made
        made += 1
        return HttpResponse(200, (), b"x" * 4_000_000)

    async with serving(large) as server, Caller.to_port(server.port, limit=1000) as caller:
        await caller.send((POST + b"abc") * 20)
        await _settled(caller)
        async with Caller.to_port(server.port) as other:
            await other.send(POST + b"abc")
            assert len((await other.answer())[2]) == 4_000_000

        assert made < 10
        for _ in range(20):
            assert len((await caller.answer())[2]) == 4_000_000
    assert made == 21


async def test_a_reader_that_never_reads_is_aborted() -> None:
    """It holds an answer for `request_seconds` and no longer."""

    async def large(request: HttpRequest) -> HttpResponse:
        return HttpResponse(200, (), b"x" * 30_000_000)

    async with serving(large, request_seconds=0.1) as server:
        async with Caller.to_port(server.port, limit=1000) as caller:
            await caller.send(POST + b"abc")
            async with asyncio.timeout(SECONDS):
                await server.drain()


async def test_one_connection_too_many_is_answered_503() -> None:
    """The limit of connections is told, not suffered in silence."""
    async with serving(max_connections=1) as server:
        async with Caller.to_port(server.port) as first, Caller.to_port(server.port) as second:
            await first.send(POST + b"abc")
            assert (await first.answer())[0] == 200

            assert (await second.answer())[0] == 503
            assert await second.rest() == b""


async def test_stopping_answers_what_was_taken_in_and_closes_the_rest() -> None:
    """The listener closes, idle connections close, a busy one closes after its answer."""
    held = Held()
    async with serving(held) as server:
        async with Caller.to_port(server.port) as idle, Caller.to_port(server.port) as busy:
            await busy.send(POST + b"abc")
            await held.asked.wait()

            server.stop_accepting()
            drained = asyncio.ensure_future(server.drain())
            assert await idle.rest() == b""
            assert not drained.done()
            held.go.set()
            status, headers, body = await busy.answer()
            assert await busy.rest() == b""
            busy.writer.close()
            idle.writer.close()
            async with asyncio.timeout(SECONDS):
                await drained

            assert (status, headers["connection"], body) == (200, "close", b"abc")
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", server.port)


async def test_stopping_lets_a_begun_request_arrive() -> None:
    """What has begun to come is still received and answered."""
    async with serving() as server, Caller.to_port(server.port) as caller:
        await caller.send(POST + b"abc" + POST + b"x")
        assert (await caller.answer())[2] == b"abc"
        server.stop_accepting()
        await caller.send(b"yz")

        status, headers, body = await caller.answer()

        assert (status, headers["connection"], body) == (200, "close", b"xyz")
        assert await caller.rest() == b""


async def test_a_client_that_keeps_on_pipelining_does_not_hold_up_a_stop() -> None:
    """What had come before is answered, the last of it with `connection: close`; no more is."""
    held = Held()
    async with serving(held) as server, Caller.to_port(server.port) as caller:
        await caller.send((POST + b"abc") * 3)
        await held.asked.wait()
        server.stop_accepting()
        drained = asyncio.ensure_future(server.drain())
        await caller.send((POST + b"xyz") * 1000)
        await _settled(caller)
        held.go.set()

        answers = [await caller.answer() for _ in range(3)]

        assert [body for _, _, body in answers] == [b"abc"] * 3
        assert [headers.get("connection") for _, headers, _ in answers] == [None, None, "close"]
        assert await caller.rest() == b""
        caller.writer.close()
        async with asyncio.timeout(SECONDS):
            await drained
    assert len(held.requests) == 3


async def test_a_request_that_had_begun_before_the_stop_is_the_last() -> None:
    """Its rest is received, and nothing that comes behind it."""
    held = Held()
    async with serving(held) as server, Caller.to_port(server.port) as caller:
        await caller.send(POST + b"abc" + POST + b"x")
        await held.asked.wait()
        server.stop_accepting()
        held.go.set()
        assert (await caller.answer())[2] == b"abc"
        await caller.send(b"yz" + POST + b"new")

        status, headers, body = await caller.answer()

        assert (status, headers["connection"], body) == (200, "close", b"xyz")
        assert await caller.rest() == b""
    assert len(held.requests) == 2


async def test_draining_an_unused_listener_returns_at_once() -> None:
    """And so does closing it, twice."""
    async with serving() as server:
        await server.drain()
        await server.close()
        await server.close()


async def test_closing_cancels_the_answers_under_way() -> None:
    """The hard stop aborts connections and waits for the cancelled answers to end."""
    held = Held()
    async with serving(held) as server, Caller.to_port(server.port) as caller:
        await caller.send(POST + b"abc")
        await held.asked.wait()

        await server.close()

        assert held.cancelled == 1
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await caller.answer()


async def test_a_taken_port_is_an_os_error(port: int) -> None:
    """`start` says so itself, for the command to tell."""
    server = HttpServer(echo)

    with pytest.raises(OSError, match="in use"):
        await server.start("127.0.0.1", port)

    await server.close()


async def test_listeners_share_an_inherited_socket() -> None:
    """Several may accept from one listening socket; each closes only its own copy."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        first, second = HttpServer(echo), HttpServer(echo)
        await first.start(sock=bound.dup())
        await second.start(sock=bound.dup())
        await first.drain()
        await first.close()

        async with Caller.to_port(second.port) as caller:
            await caller.send(POST + b"abc")
            assert (await caller.answer())[0] == 200
        await second.close()


async def _settled(caller: Caller) -> int:
    """Return how many bytes left the caller, once no more do."""
    transport = caller.writer.transport
    total = transport.get_write_buffer_size()
    waiting = -1
    async with asyncio.timeout(SECONDS):
        while waiting != transport.get_write_buffer_size():
            waiting = transport.get_write_buffer_size()
            await asyncio.sleep(0.1)
    return total - waiting
