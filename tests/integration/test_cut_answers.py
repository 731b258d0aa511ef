"""An answer that the far end does not finish is an outage, unless its end is the connection's."""

from __future__ import annotations

import asyncio

import pytest

from bridge.config.options import HttpClientOptions
from bridge.core.errors import Unavailable
from bridge.transports.http import HttpResponse, PooledHttpClient
from tests.fakes_http import FarEnd

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


async def answered(answer: bytes) -> HttpResponse:
    """Return what the client makes of *answer* followed by the end of the connection."""

    async def peer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await end.read_request(reader)
        writer.write(answer)

    end = FarEnd(peer)
    async with end, PooledHttpClient(HttpClientOptions(url=end.url)) as client:
        return await client.request("POST", "/", (), b"x", timeout_seconds=10)


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 5\r\n\r\nfour",
        OK + b"content-length: 5\r\n\r\n",
        OK + b"content-length: 5\r\n",
        CHUNKED,
        CHUNKED + b"5\r\nfour",
        CHUNKED + b"4\r\nfour\r\n",
        CHUNKED + b"4\r\nfour\r\n0\r\n",
        CHUNKED + b"4\r\nfour\r\n0\r\ntrailer: x\r\n",
    ],
)
async def test_an_answer_that_is_cut_is_an_outage(answer: bytes) -> None:
    """Half a prediction is none: whoever holds the event sends it again."""
    with pytest.raises(Unavailable, match="half an answer: closed the connection"):
        await answered(answer)


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """RFC 9112, 6.3: what has come by then is all of it."""
    response = await answered(OK + b"\r\nall of it")

    assert (200, b"all of it") == (response.status, response.body)
