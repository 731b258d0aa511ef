"""A model behind gRPC that something else answers for: a proxy, its page, or half an answer."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from bridge.core.errors import Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.grpc import GrpcModel, GrpcModelOptions
from tests.fakes_grpc import Asked, FakeGrpcServer, echo, status

ASKED = Request(payload=Body(b'{"data":{"ndarray":[[1,2,3,4]]}}'), id="a41b")
PAGE = b"<html><body>We are down for maintenance</body></html>"
GRPC = [(b":status", b"200"), (b"content-type", b"application/grpc")]

#: HTTP/2's frames (RFC 9113), and the flags of END_STREAM, END_HEADERS and ACK.
DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE_BYTES = 24


@asynccontextmanager
async def answering(headers: Sequence[tuple[bytes, bytes]], data: bytes) -> AsyncIterator[str]:
    """Enter what answers each stream of HTTP/2 with *headers* and *data*; yield its target."""
    entered: list[tuple[asyncio.StreamWriter, asyncio.Event]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        entered.append((writer, end := asyncio.Event()))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readexactly(PREFACE_BYTES)
            writer.write(frame(SETTINGS, 0, 0, b""))
            while True:
                head = await reader.readexactly(9)
                content = await reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                if kind in (SETTINGS, PING) and not flags & ACK:
                    writer.write(frame(kind, ACK, 0, content if kind == PING else b""))
                if kind == DATA and flags & END_STREAM:
                    ends = 0 if data else END_STREAM
                    writer.write(frame(HEADERS, END_HEADERS | ends, stream, block(headers)))
                    if data:
                        writer.write(frame(DATA, END_STREAM, stream, data))
        writer.close()
        end.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        yield f"{host}:{port}"
        for writer, end in entered:
            writer.close()
            await end.wait()


def frame(kind: int, flags: int, stream: int, content: bytes) -> bytes:
    return struct.pack(">I", len(content))[1:] + struct.pack(">BBI", kind, flags, stream) + content


def block(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return *headers* as HPACK has them where nothing is compressed (RFC 7541, 6.2.2)."""
    return b"".join(b"\0" + bytes((len(n),)) + n + bytes((len(v),)) + v for n, v in headers)


def model(target: str) -> GrpcModel:
    return GrpcModel(GrpcModelOptions(target=target, timeout_seconds=20))


@pytest.mark.parametrize(
    ("headers", "data", "expected"),
    [
        ([(b":status", b"200"), (b"content-type", b"text/html")], PAGE, Unavailable),
        ([(b":status", b"200"), (b"content-type", b"text/html")], b"", Unavailable),
        ([(b":status", b"302"), (b"location", b"/login")], b"", Unavailable),
        ([(b":status", b"404"), (b"content-type", b"text/html")], PAGE, Unavailable),
        ([(b":status", b"500"), (b"content-type", b"text/html")], PAGE, Unavailable),
        ([(b":status", b"503"), (b"content-type", b"text/html")], PAGE, Unavailable),
        ([(b":status", b"413"), (b"content-type", b"text/html")], PAGE, Rejected),
        ([(b":status", b"431"), (b"content-type", b"text/html")], PAGE, Rejected),
        (GRPC, b"", Unavailable),
        (GRPC, b"\0\0\0\0\x50abc", Unavailable),
        ([*GRPC, (b"grpc-status", b"0")], b"", Rejected),
        ([*GRPC, (b"grpc-status", b"99")], b"", Rejected),
    ],
)
async def test_a_proxys_page_cost_good_events_or_held_bad_ones(
    headers: list[tuple[bytes, bytes]], data: bytes, expected: type[Exception]
) -> None:
    """What no model said is an outage, save a size that is refused; no status at all as well."""
    async with answering(headers, data) as target, model(target) as asked:
        with pytest.raises(expected, match=r"^model at .* answered") as caught:
            await asked.predict(ASKED)

    assert expected is caught.type


async def test_a_refusal_in_many_words_was_held_as_an_outage_for_ever() -> None:
    """A model's error quotes what it was asked: 20 KB of it passed the limit of metadata."""
    text = f"Exception calling application: could not convert string to float: {'x' * 200_000}"

    async with FakeGrpcServer(status("UNKNOWN", text)) as server, model(server.target) as asked:
        with pytest.raises(Rejected, match="could not convert") as caught:
            await asked.predict(ASKED)

    assert len(str(caught.value)) < 300


async def test_a_good_answer_with_much_beside_it_was_refused() -> None:
    """What a server tells of itself in metadata is not looked at, and in nobody's way."""

    async def telling(asked: Asked) -> bytes:
        await asked.context.send_initial_metadata((("x-trace", "y" * 20_000),))
        return asked.message

    async with FakeGrpcServer(telling) as server, model(server.target) as asked:
        answer = await asked.predict(ASKED)

    assert [[1, 2, 3, 4]] == answer.json()["data"]["ndarray"]


async def test_an_event_with_a_long_trace_was_held_for_ever() -> None:
    """A server refuses 20 KB of metadata: what is there for traces alone does not go along."""
    headers = ((b"tracestate", b"z" * 20_000), (b"traceparent", b"00-1a-2b-01"))
    traced = Request(payload=ASKED.payload, id="a41b", headers=headers)

    async with FakeGrpcServer(echo) as server, model(server.target) as asked:
        await asked.predict(traced)

    (call,) = server.calls
    assert "00-1a-2b-01" == call.metadata["traceparent"]
    assert "tracestate" not in call.metadata


async def test_a_server_that_left_while_it_was_chosen_was_an_error_of_ours() -> None:
    """Its channel is closed by then, which gRPC takes for a mistake of who calls."""
    async with FakeGrpcServer(echo) as server, model(server.target) as asked:
        await asked.servers.members[0].far_end.channel.close()

        with pytest.raises(Unavailable, match="the channel was closed"):
            await asked.predict(ASKED)
        with pytest.raises(Unavailable, match="the channel was closed"):
            await asked.ping()


async def test_no_proxy_of_the_environment_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster's own would be asked for every server of a model, and know none of them."""
    async with answering(GRPC, b"") as proxy, FakeGrpcServer(echo) as server:
        for name in ("no_grpc_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("grpc_proxy", "https_proxy", "http_proxy"):
            monkeypatch.setenv(name, f"http://{proxy}")
        async with model(server.target) as asked:
            await asked.predict(ASKED)

    assert 1 == len(server.calls)
