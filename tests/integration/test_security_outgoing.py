"""Nothing that an event brings decides whom we ask, or adds a line to what we ask with.

evil attributes, hosts, targets, answers ──▶ bridge ──▶ the model and the sinks of the file
╳   the address that the event names
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from bench.stub_model import ANSWER
from bridge.codecs import http as codec
from bridge.config.options import HttpClientOptions
from bridge.core.errors import BridgeError
from bridge.core.event import Event
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.rest import RestModel, RestModelOptions
from bridge.sinks.http import HttpSink, HttpSinkOptions
from bridge.transports.http import PooledHttpClient
from tests.fakes_http import Caller, FarEnd, Proxy, far_end
from tests.services.bridge import bridge_running, iris
from tests.strategies import events

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(ANSWER),
    ANSWER,
)

#: What stands in a request to a model, and to a sink beside the event's own `ce-*`.
TO_A_MODEL = {"host", "content-type", "content-length", "seldon-puid", "authorization"}
TRACE = {"traceparent", "tracestate", "x-request-id", "b3"}
TO_A_SINK = {"host", "content-type", "content-length", "authorization"}


def _names(head: bytes) -> list[str]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return [line.partition(":")[0].lower() for line in lines]


def _hosts(head: bytes) -> list[str]:
    lines = head.decode("latin-1").split("\r\n")[1:-2]
    return [line.partition(": ")[2] for line in lines if line.lower().startswith("host:")]


@dataclass(frozen=True, kw_only=True)
class World:
    """A bridge between a model and a sink, and an address that nobody may ever ask."""

    port: int
    model: FarEnd
    sink: FarEnd
    evil: FarEnd


@asynccontextmanager
async def world(folder: Path, proxy: Proxy | None) -> AsyncIterator[World]:
    async with (
        far_end(*[OK] * 500) as model,
        far_end(*[OK] * 500) as sink,
        far_end(OK) as evil,
    ):
        through = {} if proxy is None else {"proxy_url": proxy.url}
        pipeline = iris(
            model.url,
            filter={},
            model={"type": "rest", "url": model.url, "token": "ours", **through},
            sinks=[{"type": "http", "url": f"{sink.url}/in", "token": "ours", **through}],
        )
        with bridge_running(pipeline, folder) as bridge:
            port = int(bridge.url.rsplit(":", 1)[1].strip("/"))
            yield World(port=port, model=model, sink=sink, evil=evil)


def binary(target: str = "/", host: str = "bridge", **headers: str) -> bytes:
    """Return a request with an event in binary mode, and whatever *headers* add."""
    sent = {
        "host": host,
        "ce-specversion": "1.0",
        "ce-id": "1",
        "ce-source": "/s",
        "ce-type": "t",
        "content-type": "application/json",
        "content-length": "2",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"POST {target} HTTP/1.1\r\n{lines}\r\n".encode() + b"{}"


def structured(**attributes: Any) -> bytes:
    """Return a request with an event in structured mode, *attributes* in it."""
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": {}}
    body = json.dumps({**event, **attributes}).encode()
    head = (
        "POST / HTTP/1.1\r\nhost: bridge\r\ncontent-type: application/cloudevents+json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def nasty(evil: str) -> list[bytes]:
    """Return requests that try to be sent elsewhere, or to say more than they may."""
    where = evil.removeprefix("http://")
    injected = f"x\r\nx-injected: 1\r\n\r\nGET {evil}/ HTTP/1.1\r\nhost: {where}"
    escaped = injected.replace("\r\n", "%0D%0A")
    return [
        binary(),
        # Whom to ask
        binary(target=f"{evil}/in"),
        binary(target=f"//{where}/in"),
        binary(target=f"/@{where}/"),
        binary(target="/..//%2e%2e/%0d%0ax-injected:%201"),
        binary(target=f"/?url={evil}"),
        binary(host=where),
        binary(x_forwarded_host=where, forwarded=f"host={where}", x_original_url=evil),
        binary(ce_path=f"{evil}/in"),
        binary(ce_dataref=f"{evil}/data"),
        binary(ce_source=f"{evil}/"),
        binary(ce_url=evil, ce_sink=evil, ce_replyto=evil, ce_host=where, ce_dataschema=evil),
        binary(ce_host=where, ce_authorization="Bearer theirs", ce_contentlength="0"),
        structured(dataref=evil, path=evil, url=evil, host=where, dataschema=evil),
        # Who we are
        binary(authorization="Bearer theirs", proxy_authorization="Basic eA=="),
        binary(cookie="a=b", te="trailers", upgrade="h2c", connection="x-injected, upgrade"),
        # What we say
        binary(ce_id=escaped),
        binary(ce_type=escaped),
        binary(ce_subject=escaped),
        binary(ce_ext=escaped),
        binary(ce_traceparent=escaped),
        binary(ce_ext='"a\\\r\\\nx-injected: 1"'),
        binary(seldon_puid=escaped),
        binary(traceparent="00-x\tx-injected: 1", tracestate="\x0bx-injected: 1"),
        binary(content_type="text/plain;a=\x0bx-injected"),
        structured(id=injected),
        structured(type=injected),
        structured(ext=injected),
        structured(traceparent=injected, tracestate=injected),
        structured(datacontenttype=injected),
        structured(datacontenttype="text/plain\r\nx-injected: 1", data="x"),
        structured(
            ext="\u2028x-injected: 1\u0085x-injected: 1", subject="\u010d\u010ax-injected: 1"
        ),
        structured(**{"x-injected": "1", "host": where, "content-length": "0"}),
    ]


@pytest.mark.parametrize("proxied", [False, True])
async def test_no_event_decides_whom_we_ask_or_adds_a_line(tmp_path: Path, proxied: bool) -> None:
    """Each is refused, or asks the configured far ends for what the file says, and no other."""
    async with Proxy() as proxy, world(tmp_path, proxy if proxied else None) as all_:
        tried = nasty(all_.evil.url)
        taken = []
        for request in tried:
            async with Caller.to_port(all_.port) as caller:
                await caller.send(request)
                status, _, _ = await caller.answer()
            assert 200 <= status < 300 or 400 <= status < 500, (status, request)
            taken.append(status < 300)

        assert all_.evil.connections == 0
        assert taken[0], "not even the good one was taken"
        assert sum(taken) > 10
        asked = [head for head in all_.model.heads if not head.startswith(b"GET /health/")]
        assert sum(taken) == len(asked) == len(all_.sink.heads)
        for head in asked:
            assert b"POST /api/v1.0/predictions HTTP/1.1" == head.partition(b"\r\n")[0]
            assert TO_A_MODEL >= set(_names(head)) - TRACE
        for head in all_.sink.heads:
            assert b"POST /in HTTP/1.1" == head.partition(b"\r\n")[0]
            assert TO_A_SINK >= {name for name in _names(head) if not name.startswith("ce-")}
        for end, heads in ((all_.model, asked), (all_.sink, all_.sink.heads)):
            for head in heads:
                assert [end.url.removeprefix("http://")] == _hosts(head)
                assert head.count(b"authorization: ") == 1
                assert b"\r\nauthorization: Bearer ours\r\n" in head
                assert b"\nx-injected" not in head
                assert len(_names(head)) == len(set(_names(head)))
        far_ends = {end.url.removeprefix("http://") for end in (all_.model, all_.sink)}
        assert {target.split("/")[2] for _, target, _ in map(str.split, proxy.asked)} == (
            far_ends if proxied else set()
        )


@given(event=events())
def test_any_event_is_one_request_of_its_own_headers(event: Event) -> None:
    """Whatever its attributes hold: the line of the file, and a line for each attribute."""
    client = PooledHttpClient(HttpClientOptions.model_validate({"url": "http://far/in"}))
    for mode in ("binary", "structured"):
        headers, body = codec.encode(event, mode)

        head = client._head("POST", "", headers, len(body))

        assert (
            b"POST /in HTTP/1.1\r\nhost: far\r\n"
            == head[: len("POST /in HTTP/1.1\r\nhost: far\r\n")]
        )
        assert head.endswith(b"\r\n\r\n")
        assert head.count(b"\r\n") == head.count(b"\r") == head.count(b"\n") == len(headers) + 4
        assert [name.decode() for name, _ in headers] == _names(head)[1:-1]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("proxied", [False, True])
async def test_no_redirect_is_followed(status: int, proxied: bool) -> None:
    """By no model and no sink, through a proxy or not: the answer is an error, and the end."""
    async with far_end(OK) as evil, Proxy() as proxy, FarEnd() as end:
        redirect = b"HTTP/1.1 %d Moved\r\nlocation: %b/in\r\ncontent-length: 0\r\n\r\n"
        end._peers.append(end.answers(*[redirect % (status, evil.url.encode())] * 3))
        through = {"proxy_url": proxy.url if proxied else None, "token": "ours"}
        model = RestModel(RestModelOptions.model_validate({"url": end.url, **through}))
        sink = HttpSink(HttpSinkOptions.model_validate({"url": end.url, **through}))

        async with model, sink:
            with pytest.raises(BridgeError, match=str(status)):
                await model.predict(Request(payload=Body(b"{}"), id="p"))
            with pytest.raises(BridgeError, match=str(status)):
                await model.ping()
            with pytest.raises(BridgeError, match=str(status)):
                await sink.send(
                    Event({"specversion": "1.0", "id": "1", "source": "/s", "type": "t"})
                )

        assert 0 == evil.connections
        assert 3 == len(end.heads)
        assert evil.url.removeprefix("http://") not in str(proxy.asked)
