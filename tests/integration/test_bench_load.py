"""The load of the benchmark counts what really happened, on real sockets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench.load import BODY, Load
from bench.stub_model import ANSWER

#: Makes the answer to a request's head, or None to close the connection.
Answering = Callable[[dict[str, str]], bytes | None]


def right(headers: dict[str, str]) -> bytes:
    """Return the reply that was asked for."""
    return (
        "HTTP/1.1 200 OK\r\nCe-Type: seldon.simple-iris-deployment.response\r\n"
        "Ce-Source: seldon.simple-iris-deployment\r\n"
        f"Ce-Specversion: {headers['ce-specversion']}\r\nCe-Id: re-{headers['ce-id']}\r\n"
        f"Ce-Requestid: {headers['ce-requestid']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\n\r\n"
    ).encode() + ANSWER


@asynccontextmanager
async def answering(answer: Answering) -> AsyncIterator[str]:
    """Yield the URL of a server that answers each request as *answer* says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                assert await reader.readexactly(len(BODY)) == BODY
                found = re.findall(r"\r\n([^:]+): ([^\r]*)", head)
                reply = answer({name.lower(): value for name, value in found})
                if reply is None:
                    return
                writer.write(reply)
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}/"


@pytest.mark.parametrize("rate", [None, 2000.0])
async def test_counts_every_right_reply(rate: float | None) -> None:
    """All replies right: all counted, none lost, closed loop and fixed rate."""
    async with answering(right) as url:
        result = await Load(url, connections=4, events=200, rate=rate, exact=True).run()

    assert (result.sent, result.right, result.wrong, result.lost) == (200, 200, 0, 0)
    assert 0.0 < result.p50_ms <= result.p99_ms


async def test_counts_a_closed_connection_as_lost() -> None:
    """A request whose connection ends without a reply is lost, and said to be."""

    def answer(headers: dict[str, str]) -> bytes | None:
        return None if headers["ce-requestid"] == "10" else right(headers)

    async with answering(answer) as url:
        result = await Load(url, connections=4, events=100).run()

    assert (result.sent, result.right, result.wrong, result.lost) == (100, 99, 0, 1)
    assert "connection lost" in result.complaints[0]


async def test_counts_an_answer_to_another_request_as_wrong() -> None:
    """Replies that were mixed up are wrong even though each alone looks right."""

    def answer(headers: dict[str, str]) -> bytes:
        if headers["ce-requestid"] == "10":
            headers = {**headers, "ce-requestid": "11"}
        return right(headers)

    async with answering(answer) as url:
        result = await Load(url, connections=4, events=100).run()

    assert (result.sent, result.right, result.wrong, result.lost) == (100, 99, 1, 0)
    assert "ce-requestid" in result.complaints[0]


async def test_counts_a_reply_given_twice_as_wrong() -> None:
    """Bytes that nobody asked for are no reply."""

    def answer(headers: dict[str, str]) -> bytes:
        return right(headers) * (2 if headers["ce-requestid"] == "10" else 1)

    async with answering(answer) as url:
        result = await Load(url, connections=4, events=100).run()

    assert result.wrong == 1
    assert "nobody asked for" in result.complaints[0]
