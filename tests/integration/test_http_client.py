"""The raw client on real sockets: stale connections, the pool, TLS at both ends, the proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from bridge.config.options import ClientTlsOptions, HttpClientOptions, ServerTlsOptions
from bridge.core.errors import ConfigError, DeadlineExceeded, Unavailable
from bridge.transports.http import (
    HttpResponse,
    HttpServer,
    PooledHttpClient,
    client_context,
    http_client,
    server_context,
)
from tests.fakes_http import SECONDS, Caller, FarEnd, Held, Proxy, echo, far_end, serving

EVERY_LOOP = True

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def client_for(url: str, **options: object) -> PooledHttpClient:
    return PooledHttpClient(HttpClientOptions.model_validate({"url": url, **options}))


async def post(client: PooledHttpClient, body: bytes = b"x") -> HttpResponse:
    return await client.request("POST", "/", (), body, timeout_seconds=SECONDS)


async def test_a_request_on_a_stale_connection_is_sent_again() -> None:
    """The far end closed the kept connection as we wrote: nothing was read, so ask anew."""

    async def closes_at_the_second(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await end.read_request(reader)
        writer.write(OK)
        await end.read_request(reader)

    async with FarEnd(closes_at_the_second) as end, client_for(end.url) as client:
        end._peers.append(end.answers(OK))
        await post(client, b"1")

        response = await post(client, b"2")

        assert response.body == b"ok"
        assert end.bodies == [b"1", b"2", b"2"]
        assert end.connections == 2


async def test_a_request_on_a_new_connection_is_never_sent_again() -> None:
    """No answer on a fresh connection may mean that it was carried out."""
    async with far_end(b"", keep=False) as end, client_for(end.url) as client:
        with pytest.raises(Unavailable, match="no answer: closed the connection"):
            await post(client)

        assert end.connections == 1


async def test_a_request_is_never_sent_again_once_a_byte_was_read() -> None:
    """Half an answer on a kept connection: somebody has begun to answer."""
    async with far_end(OK, b"H", keep=False) as end, client_for(end.url) as client:
        await post(client)

        with pytest.raises(Unavailable, match="half an answer"):
            await post(client)

        assert end.connections == 1


async def test_a_request_is_sent_again_only_once() -> None:
    """When the second connection does the same, it is an outage."""
    async with FarEnd() as end, client_for(end.url) as client:
        end._peers += [end.answers(OK, b"", keep=False), end.answers(b"", keep=False)]
        await post(client)

        with pytest.raises(Unavailable):
            await post(client)

        assert end.connections == 2


async def test_a_closed_idle_connection_is_not_used() -> None:
    """The far end closed it while nobody asked: it leaves the pool at once."""
    async with far_end(OK, keep=False) as end, client_for(end.url) as client:
        await post(client)
        async with asyncio.timeout(SECONDS):
            await end.all_closed.wait()

        assert (await post(client)).body == b"ok"
        assert end.connections == 2


async def test_bytes_nobody_asked_for_close_the_connection() -> None:
    """What follows an answer is never taken for the next one (response splitting)."""
    async with far_end(OK + OK.replace(b"ok", b"no")) as end, client_for(end.url) as client:
        first = await post(client)
        second = await post(client)

        assert (first.body, second.body) == (b"ok", b"ok")
        assert end.connections == 2


async def test_bytes_on_an_idle_connection_close_it() -> None:
    """An answer to no question ends the connection, not the next request."""
    late = asyncio.Event()

    async def talks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await end.read_request(reader)
        writer.write(OK)
        await late.wait()
        writer.write(OK.replace(b"ok", b"no"))
        await reader.read()

    async with FarEnd(talks) as end, client_for(end.url) as client:
        await post(client)
        late.set()
        async with asyncio.timeout(SECONDS):
            await end.all_closed.wait()

        assert (await post(client)).body == b"ok"
        assert end.connections == 2


async def test_an_answer_before_the_request_has_left_ends_the_connection() -> None:
    """A refusal of a large body is read; the rest of the body is not sent elsewhere."""
    refusal = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"

    async def refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(refusal)
        await reader.read()

    async with FarEnd(refuses) as end, client_for(end.url) as client:
        response = await post(client, b"x" * 20_000_000)

        assert response.status == 413
        async with asyncio.timeout(SECONDS):
            await end.all_closed.wait()


async def test_idle_connections_are_closed() -> None:
    """After `idle_seconds` without a request."""
    async with far_end(OK) as end, client_for(end.url, idle_seconds=0.05) as client:
        await post(client)

        async with asyncio.timeout(SECONDS):
            await end.all_closed.wait()


async def test_the_connection_used_last_is_used_first() -> None:
    """So that those beyond what is needed grow idle and close."""
    seen: list[object] = []
    held = Held()
    async with serving(held) as server, client_for(f"http://127.0.0.1:{server.port}") as client:
        asked = [asyncio.ensure_future(post(client)) for _ in range(3)]
        async with asyncio.timeout(SECONDS):
            while len(held.requests) < 3:
                await asyncio.sleep(0)
        held.go.set()
        await asyncio.gather(*asked)
        pool = client._pool
        assert pool is not None
        last = pool._idle[-1]

        for _ in range(5):
            await post(client)
            seen.append(pool._idle[-1])

    assert seen == [last] * 5


async def test_waiters_are_served_in_line() -> None:
    """First come, first served, with one connection."""
    held = Held()
    async with serving(held) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with client_for(url, connections=1) as client, asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(post(client, b"%d" % number))
                await asyncio.sleep(0)
            await held.asked.wait()
            held.go.set()

    assert [request.body for request in held.requests] == [b"%d" % n for n in range(10)]


async def test_who_waits_in_line_has_no_longer_than_asked_for() -> None:
    """Nobody is kept in line beyond the time given, and leaving it costs nobody a place."""
    held = Held()
    async with serving(held) as server:
        url = f"http://127.0.0.1:{server.port}"
        async with client_for(url, connections=1) as client, asyncio.TaskGroup() as group:
            first = group.create_task(post(client, b"first"))
            async with asyncio.timeout(SECONDS):
                await held.asked.wait()
                with pytest.raises(DeadlineExceeded, match=rf"{url}/: no answer within 0.05 s"):
                    await client.request("POST", "/", (), b"late", timeout_seconds=0.05)
            assert not first.done()
            held.go.set()
            last = group.create_task(post(client, b"last"))

    assert [b"first", b"last"] == [request.body for request in held.requests]
    assert (200, 200) == (first.result().status, last.result().status)


async def test_a_refused_connection_does_not_keep_its_place() -> None:
    """After any number of failures there is still a place for a connection."""
    async with far_end(OK) as end:
        pass
    async with client_for(end.url, connections=1) as client:
        for _ in range(3):
            with pytest.raises(Unavailable, match=rf"{end.url}/: no connection: .+"):
                await post(client)
        with pytest.raises(Unavailable, match="no connection"):
            await client.ping()

        assert client._pool is not None
        assert client._pool._places == 0


async def test_cancelling_at_any_moment_leaks_no_place() -> None:
    """Cancelled while connecting, waiting, writing or reading: the places come back."""
    async with serving() as server:
        url = f"http://127.0.0.1:{server.port}"
        async with client_for(url, connections=2) as client:
            for steps in range(40):
                tasks = [asyncio.ensure_future(post(client)) for _ in range(5)]
                for _ in range(steps):
                    await asyncio.sleep(0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

            answers = await asyncio.gather(*(post(client, b"%d" % n) for n in range(5)))

            assert [response.body for response in answers] == [b"%d" % n for n in range(5)]
            assert client._pool is not None
            assert client._pool._places <= 2


async def test_a_connection_that_does_not_open_is_an_outage_not_a_deadline() -> None:
    """`connect_timeout_seconds` ran out, the caller's time did not; or the other way round."""
    with silent_listener() as listener:
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with client_for(url, connect_timeout_seconds=0.05) as client:
            with pytest.raises(Unavailable, match=r"no connection within 0\.05 s") as caught:
                await post(client)
            assert type(caught.value) is Unavailable
        async with client_for(url) as client:
            with pytest.raises(DeadlineExceeded):
                await client.request("GET", "/", (), b"", timeout_seconds=0.05)


async def test_leaving_ends_the_requests_under_way() -> None:
    """They raise Unavailable; so do those that wait in line."""
    held = Held()
    async with serving(held) as server:
        client = client_for(f"http://127.0.0.1:{server.port}", connections=1)
        async with client:
            tasks = [asyncio.ensure_future(post(client)) for _ in range(2)]
            await held.asked.wait()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        held.go.set()

    assert [type(result) for result in results] == [Unavailable, Unavailable]


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/",
        "http://",
        "x",
        "",
        "http://x:99999/",
        "http://x:y/",
        "http://x:0/",
        "http://x/#fragment",
        "http://x/a b",
        "http://x/\r\ny",
        "http://é/",
    ],
)
async def test_a_url_that_cannot_work_is_found_at_start(url: str) -> None:
    """ConfigError from the constructor, without a network."""
    with pytest.raises(ConfigError, match="url"):
        client_for(url)


# TLS


class Certificates:
    """An authority, a server's certificate, a client's, in files."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca_file = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.ca_file)
        for name, who in (("server", "localhost"), ("client", "client@example.com")):
            issued = authority.issue_cert(who)
            issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
            for blob in issued.cert_chain_pems:
                blob.write_to_path(str(folder / f"{name}.pem"), append=True)
        self.server = _pair(folder, "server")
        self.client = _pair(folder, "client")


def _pair(folder: Path, name: str) -> dict[str, str]:
    return {"cert_file": str(folder / f"{name}.pem"), "key_file": str(folder / f"{name}.key")}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def silent_listener() -> socket.socket:
    """Return a socket that accepts connections into its queue and never says a word."""
    return socket.create_server(("127.0.0.1", 0))


async def test_https_end_to_end(certificates: Certificates) -> None:
    """Both ends speak TLS, pipelined and with bodies larger than a record."""
    tls = server_context(ServerTlsOptions.model_validate(certificates.server))
    async with serving(tls=tls) as server:
        url = f"https://localhost:{server.port}"
        async with client_for(url, tls={"ca_file": certificates.ca_file}) as client:
            small = await post(client, b"abc")
            large = await post(client, b"x" * 1_000_000)
            many = await asyncio.gather(*(post(client, b"%d" % n) for n in range(20)))

    assert (small.body, len(large.body)) == (b"abc", 1_000_000)
    assert [response.body for response in many] == [b"%d" % n for n in range(20)]


async def test_a_refusal_is_read_over_tls(certificates: Certificates) -> None:
    """The 413 of a large body arrives, though TLS has no half-closed connections."""
    tls = server_context(ServerTlsOptions.model_validate(certificates.server))
    async with serving(tls=tls, max_body_bytes=10) as server:
        url = f"https://localhost:{server.port}"
        async with client_for(url, tls={"ca_file": certificates.ca_file}) as client:
            response = await post(client, b"x" * 3_000_000)

    assert response.status == 413


async def test_stopping_over_tls(certificates: Certificates) -> None:
    """Idle connections close, a busy one is answered, the drain ends."""
    held = Held()
    tls = server_context(ServerTlsOptions.model_validate(certificates.server))
    async with serving(held, tls=tls) as server:
        url = f"https://localhost:{server.port}"
        async with client_for(url, tls={"ca_file": certificates.ca_file}) as client:
            await client.ping()
            asked = asyncio.ensure_future(post(client, b"abc"))
            await held.asked.wait()
            drained = asyncio.ensure_future(server.drain())
            held.go.set()

            assert (await asked).body == b"abc"
            async with asyncio.timeout(SECONDS):
                await drained


async def test_an_unknown_authority_is_an_outage(certificates: Certificates) -> None:
    """Certificates are always verified; the cause is named."""
    tls = server_context(ServerTlsOptions.model_validate(certificates.server))
    async with serving(tls=tls) as server:
        async with client_for(f"https://localhost:{server.port}") as client:
            with pytest.raises(Unavailable, match=r"(?i)certificate verify failed"):
                await post(client)


async def test_a_certificate_of_another_host_is_an_outage(certificates: Certificates) -> None:
    """The name in the URL must be in the certificate."""
    tls = server_context(ServerTlsOptions.model_validate(certificates.server))
    async with serving(tls=tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        async with client_for(url, tls={"ca_file": certificates.ca_file}) as client:
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await post(client)


async def test_mutual_tls(certificates: Certificates) -> None:
    """With `client_ca_file` only callers with a certificate of it are served."""
    options = {**certificates.server, "client_ca_file": certificates.ca_file}
    tls = server_context(ServerTlsOptions.model_validate(options))
    async with serving(tls=tls) as server:
        url = f"https://localhost:{server.port}"
        known = {"ca_file": certificates.ca_file, **certificates.client}
        async with client_for(url, tls=known) as client:
            assert (await post(client, b"abc")).body == b"abc"
        async with client_for(url, tls={"ca_file": certificates.ca_file}) as client:
            with pytest.raises(Unavailable):
                await post(client)


async def test_plain_http_to_a_tls_listener_is_an_outage(certificates: Certificates) -> None:
    """And the listener goes on serving."""
    tls = server_context(ServerTlsOptions.model_validate(certificates.server))
    async with serving(tls=tls) as server:
        async with client_for(f"http://localhost:{server.port}") as client:
            with pytest.raises(Unavailable):
                await post(client)
        async with Caller.to_port(server.port) as caller:
            caller.writer.transport.abort()
        url = f"https://localhost:{server.port}"
        async with client_for(url, tls={"ca_file": certificates.ca_file}) as client:
            assert (await post(client)).status == 200


async def test_neither_end_speaks_tls_below_1_2(certificates: Certificates) -> None:
    """Whatever the system's defaults are."""
    server = server_context(ServerTlsOptions.model_validate(certificates.server))
    client = client_context(ClientTlsOptions())

    assert server.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client.minimum_version == ssl.TLSVersion.TLSv1_2
    assert client.verify_mode == ssl.CERT_REQUIRED
    assert client.check_hostname


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda c, f: client_context(ClientTlsOptions(ca_file=f"{f}/none")),
            "ca_file '.*none'",
        ),
        (lambda c, f: client_context(ClientTlsOptions(ca_file=f"{f}/bad")), "ca_file '.*bad'"),
        (
            lambda c, f: client_context(ClientTlsOptions(key_file=c.client["key_file"])),
            "key_file without cert_file",
        ),
        (
            lambda c, f: client_context(ClientTlsOptions(cert_file=c.client["cert_file"])),
            "cert_file '.*client.pem'",
        ),
        (
            lambda c, f: server_context(
                ServerTlsOptions(cert_file=c.server["cert_file"], key_file=c.client["key_file"])
            ),
            "cert_file '.*server.pem' with key_file '.*client.key'",
        ),
        (
            lambda c, f: server_context(ServerTlsOptions(**c.server, client_ca_file=f"{f}/none")),
            "client_ca_file '.*none': No",
        ),
        (
            lambda c, f: server_context(
                ServerTlsOptions(cert_file=c.server["cert_file"], key_file=f"{f}/locked")
            ),
            "unencrypted key",
        ),
    ],
)
async def test_a_file_that_cannot_be_used_is_named(
    certificates: Certificates,
    tmp_path: Path,
    make: Callable[[Certificates, Path], object],
    expected: str,
) -> None:
    """ConfigError with the option, the file, the cause, and what was expected."""
    (tmp_path / "bad").write_text("no certificate")
    (tmp_path / "locked").write_bytes(_locked(Path(certificates.server["key_file"]).read_bytes()))

    with pytest.raises(ConfigError, match=rf"tls: .*{expected}"):
        make(certificates, tmp_path)


def _locked(key: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    loaded = load_pem_private_key(key, None)
    return loaded.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )


# Through a proxy


async def test_https_goes_through_the_proxy_by_connect(certificates: Certificates) -> None:
    """The proxy sees the address and nothing else."""
    tls = server_context(ServerTlsOptions.model_validate(certificates.server))
    async with serving(tls=tls) as server, Proxy() as proxy:
        options = HttpClientOptions(
            url=f"https://localhost:{server.port}",
            proxy_url=proxy.url,
            tls=ClientTlsOptions(ca_file=certificates.ca_file),
        )
        async with http_client(options) as client:
            response = await client.request("POST", "/", (), b"abc", timeout_seconds=SECONDS)

    assert response.body == b"abc"
    assert proxy.asked == [f"CONNECT localhost:{server.port} HTTP/1.1"]


async def test_a_proxy_that_is_down_is_an_outage() -> None:
    """Named, by the request and by ping."""
    async with Proxy() as proxy:
        pass
    options = HttpClientOptions(url="http://127.0.0.1:1", proxy_url=proxy.url)
    async with http_client(options) as client:
        with pytest.raises(Unavailable, match="through the proxy: "):
            await client.request("GET", "/", (), b"", timeout_seconds=SECONDS)
        with pytest.raises(Unavailable, match=f"proxy {proxy.url}: no connection: "):
            await client.ping()


async def test_a_far_end_that_is_down_is_the_proxys_answer() -> None:
    """For http the proxy answers 502 itself; for https its refusal is an outage."""
    async with far_end(OK) as end:
        pass
    async with Proxy() as proxy:
        async with http_client(HttpClientOptions(url=end.url, proxy_url=proxy.url)) as client:
            response = await client.request("GET", "/", (), b"", timeout_seconds=SECONDS)
        url = end.url.replace("http:", "https:")
        async with http_client(HttpClientOptions(url=url, proxy_url=proxy.url)) as client:
            with pytest.raises(Unavailable, match="the proxy answered 502"):
                await client.request("GET", "/", (), b"", timeout_seconds=SECONDS)

    assert response.status == 502


@pytest.mark.parametrize("proxy_url", ["https://x:1", "socks5://x", "x"])
async def test_a_proxy_url_that_cannot_work_is_found_at_start(proxy_url: str) -> None:
    """ConfigError from the factory."""
    with pytest.raises(ConfigError, match="url"):
        http_client(HttpClientOptions(url="http://x", proxy_url=proxy_url))


async def test_a_listener_that_closes_never_fails_a_pooled_client() -> None:
    """A rolling restart: the old listener drains, the new one takes over, nobody notices."""
    first = HttpServer(echo)
    await first.start()
    second = HttpServer(echo)
    async with client_for(f"http://127.0.0.1:{first.port}", connections=4) as client:
        for number in range(20):
            assert (await post(client, b"%d" % number)).body == b"%d" % number
        await first.drain()
        await first.close()
        await second.start("127.0.0.1", first.port)

        answers = await asyncio.gather(*(post(client, b"%d" % n) for n in range(20)))

    await second.drain()
    await second.close()
    assert [response.body for response in answers] == [b"%d" % n for n in range(20)]
