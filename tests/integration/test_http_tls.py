"""What neither end takes: certificates that have ended or sign themselves, and old TLS."""

from __future__ import annotations

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.config.options import HttpClientOptions, ServerTlsOptions
from bridge.core.errors import Unavailable
from bridge.transports.http import HttpClient, http_client, server_context
from tests.fakes_http import SECONDS, Proxy, serving
from tests.fakes_tls import Authority, trusted

EVERY_LOOP = True

ENDED = (datetime.now(UTC) - timedelta(days=1)).replace(tzinfo=None)

#: Enters a client for https://localhost and a port, with further options of `tls`.
Make = Callable[..., Awaitable[HttpClient]]


@pytest.fixture(params=["raw", "proxied"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Each test runs on the raw client, and on aiohttp's with a proxy between."""
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Proxy()) if request.param == "proxied" else None

        async def enter(port: int, host: str = "localhost", **tls: str) -> HttpClient:
            options = {"url": f"https://{host}:{port}", "tls": tls}
            if proxy is not None:
                options["proxy_url"] = proxy.url
            return await stack.enter_async_context(
                http_client(HttpClientOptions.model_validate(options))
            )

        yield enter


async def asked(client: HttpClient) -> int:
    return (await client.request("POST", "/", (), b"x", timeout_seconds=SECONDS)).status


async def test_what_is_well_is_taken(make: Make, tmp_path: Path) -> None:
    """The same far end as in the tests below, so that they show what they say."""
    ours = Authority()
    tls = server_context(ServerTlsOptions.model_validate(ours.issue(tmp_path)))
    async with serving(tls=tls) as server:
        client = await make(server.port, ca_file=trusted(tmp_path / "ca.pem", ours))

        assert 200 == await asked(client)


async def test_an_ended_certificate_of_a_server_is_an_outage(make: Make, tmp_path: Path) -> None:
    """Though its authority is trusted."""
    ours = Authority()
    tls = server_context(ServerTlsOptions.model_validate(ours.issue(tmp_path, until=ENDED)))
    async with serving(tls=tls) as server:
        client = await make(server.port, ca_file=trusted(tmp_path / "ca.pem", ours))

        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            await asked(client)


async def test_an_ended_certificate_of_a_caller_is_refused(make: Make, tmp_path: Path) -> None:
    """Before a byte of a request is read."""
    ours = Authority()
    ca_file = trusted(tmp_path / "ca.pem", ours)
    options = {**ours.issue(tmp_path), "client_ca_file": ca_file}
    tls = server_context(ServerTlsOptions.model_validate(options))
    async with serving(tls=tls) as server:
        known = await make(server.port, ca_file=ca_file, **ours.issue(tmp_path, "good"))
        ended = ours.issue(tmp_path, "ended", until=ENDED)
        client = await make(server.port, ca_file=ca_file, **ended)

        assert 200 == await asked(known)
        with pytest.raises(Unavailable):
            await asked(client)


async def test_a_certificate_that_nobody_signed_is_an_outage(make: Make, tmp_path: Path) -> None:
    """Self-signed, and so of an authority that nobody named."""
    ours, other = Authority(), Authority()
    tls = server_context(ServerTlsOptions.model_validate(other.issue(tmp_path)))
    async with serving(tls=tls) as server:
        named = await make(server.port, ca_file=trusted(tmp_path / "ca.pem", ours))
        system = await make(server.port)

        for client in (named, system):
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await asked(client)


async def test_a_certificate_of_another_name_is_an_outage(make: Make, tmp_path: Path) -> None:
    """The name in the URL counts, through a proxy as well."""
    ours = Authority()
    tls = server_context(ServerTlsOptions.model_validate(ours.issue(tmp_path)))
    async with serving(tls=tls) as server:
        client = await make(server.port, "127.0.0.1", ca_file=trusted(tmp_path / "ca.pem", ours))

        with pytest.raises(Unavailable, match=r"(?i)certificate"):
            await asked(client)


def _old(context: ssl.SSLContext) -> ssl.SSLContext:
    """Have *context* speak TLS 1.1 and nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@asynccontextmanager
async def _old_server(pair: dict[str, str]) -> AsyncIterator[int]:
    """Serve TLS 1.1 alone, one answer to each connection; yield the port."""
    context = _old(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    context.load_cert_chain(pair["cert_file"], pair["key_file"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _answered(port: int, context: ssl.SSLContext) -> bytes:
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    try:
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        return await reader.readuntil(b"\r\n")
    finally:
        writer.close()


async def test_no_end_speaks_tls_1_1(make: Make, tmp_path: Path) -> None:
    """Two old ends understand each other here; neither of ours understands them."""
    ours = Authority()
    pair = ours.issue(tmp_path)
    client = _old(ssl.create_default_context(cadata=ours.pem.decode()))
    tls = server_context(ServerTlsOptions.model_validate(pair))
    async with _old_server(pair) as old, serving(tls=tls) as server:
        assert b"HTTP/1.1 200 OK\r\n" == await _answered(old, client)

        with pytest.raises((ssl.SSLError, ConnectionError)):  # not every loop sends the alert
            await _answered(server.port, client)
        with pytest.raises(Unavailable):
            await asked(await make(old, ca_file=trusted(tmp_path / "ca.pem", ours)))
