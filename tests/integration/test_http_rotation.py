"""Certificates, keys and authorities that change while both ends run, on either event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.config.options import ClientTlsOptions, HttpClientOptions, ServerTlsOptions
from bridge.config.watched import LOOK_SECONDS
from bridge.core.errors import ConfigError, Unavailable
from bridge.transports.http import HttpClient, client_context, http_client, server_context
from bridge.transports.http.tls import WARN_AGAIN_SECONDS
from tests.fakes import FakeClock
from tests.fakes_http import SECONDS, Proxy, serving
from tests.fakes_tls import NOW, Authority, replace, trusted

EVERY_LOOP = True


def server_tls(clock: FakeClock, **options: str) -> ssl.SSLContext:
    return server_context(ServerTlsOptions.model_validate(options), clock=clock)


def client_for(
    port: int, clock: FakeClock | None = None, proxy_url: str | None = None, **tls: str
) -> HttpClient:
    options = {"url": f"https://localhost:{port}", "tls": tls, "proxy_url": proxy_url}
    return http_client(HttpClientOptions.model_validate(options), clock=clock)


async def asked(client: HttpClient) -> int:
    """Return the status of one request."""
    response = await client.request("POST", "/", (), b"x", timeout_seconds=SECONDS)
    return response.status


async def once(port: int, **tls: str) -> int:
    """Return the status of one request on a connection of its own."""
    async with client_for(port, **tls) as client:
        return await asked(client)


async def test_a_renewed_certificate_is_shown_to_new_connections(tmp_path: Path) -> None:
    """And those that are open stay: nobody is cut off by a rotation."""
    old, new, clock = Authority(), Authority(), FakeClock()
    trusts_old = trusted(tmp_path / "old.pem", old)
    trusts_new = trusted(tmp_path / "new.pem", new)
    tls = server_tls(clock, **old.issue(tmp_path))
    async with serving(tls=tls) as server, client_for(server.port, ca_file=trusts_old) as open_:
        await asked(open_)

        new.issue(tmp_path)
        clock.now += LOOK_SECONDS

        assert 200 == await once(server.port, ca_file=trusts_new)
        assert 200 == await asked(open_)
        with pytest.raises(Unavailable, match="certificate verify failed"):
            await once(server.port, ca_file=trusts_old)


async def test_a_removed_client_authority_is_trusted_no_more(tmp_path: Path) -> None:
    """OpenSSL only ever adds to a context: the new one must be a whole new one."""
    ours, kept, removed, clock = Authority(), Authority(), Authority(), FakeClock()
    trusts = {"ca_file": trusted(tmp_path / "ours.pem", ours)}
    callers = tmp_path / "callers.pem"
    tls = server_tls(clock, **ours.issue(tmp_path), client_ca_file=trusted(callers, kept, removed))
    as_kept = {**trusts, **kept.issue(tmp_path, "kept")}
    as_removed = {**trusts, **removed.issue(tmp_path, "removed")}
    async with serving(tls=tls) as server, client_for(server.port, **as_removed) as open_:
        assert 200 == await asked(open_)
        assert 200 == await once(server.port, **as_removed)

        trusted(callers, kept)
        clock.now += LOOK_SECONDS

        with pytest.raises(Unavailable):
            await once(server.port, **as_removed)
        with pytest.raises(Unavailable):
            await once(server.port, **trusts)
        assert 200 == await once(server.port, **as_kept)
        assert 200 == await asked(open_)


async def test_an_added_client_authority_is_trusted(tmp_path: Path) -> None:
    """Without a restart."""
    ours, added, clock = Authority(), Authority(), FakeClock()
    callers = tmp_path / "callers.pem"
    tls = server_tls(clock, **ours.issue(tmp_path), client_ca_file=trusted(callers, ours))
    known = {"ca_file": trusted(tmp_path / "ca.pem", ours), **added.issue(tmp_path, "added")}
    async with serving(tls=tls) as server:
        with pytest.raises(Unavailable):
            await once(server.port, **known)

        trusted(callers, ours, added)
        clock.now += LOOK_SECONDS

        assert 200 == await once(server.port, **known)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_of_a_removed_authority_is_taken_up_again(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """A resumed handshake shows no certificate: tickets end with the context they are of."""
    ours, removed, clock = Authority(), Authority(), FakeClock()
    callers = tmp_path / "callers.pem"
    tls = server_tls(clock, **ours.issue(tmp_path), client_ca_file=trusted(callers, ours, removed))
    context = ssl.create_default_context(cadata=ours.pem.decode())
    context.maximum_version = context.minimum_version = version
    context.load_cert_chain(**_files(removed.issue(tmp_path, "removed")))
    async with serving(tls=tls) as server:
        session, _ = await asyncio.to_thread(_ask, server.port, context, None)
        _, resumed = await asyncio.to_thread(_ask, server.port, context, session)
        assert resumed, "sessions are not resumed at all: this test shows nothing"

        trusted(callers, ours)
        clock.now += LOOK_SECONDS

        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.to_thread(_ask, server.port, context, session)


def _files(options: dict[str, str]) -> dict[str, str]:
    return {"certfile": options["cert_file"], "keyfile": options["key_file"]}


def _ask(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[ssl.SSLSession | None, bool]:
    """Ask once; return the session, and whether it was an old one."""
    with (
        socket.create_connection(("127.0.0.1", port), SECONDS) as plain,
        context.wrap_socket(plain, server_hostname="localhost", session=session) as secure,
    ):
        secure.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        if not secure.recv(1000).startswith(b"HTTP/1.1 200"):
            raise ConnectionError("no answer")
        return secure.session, bool(secure.session_reused)


async def test_a_certificate_waits_for_its_key(tmp_path: Path) -> None:
    """Two files change one after the other: until both fit the old pair stays, told once."""
    old, new, clock = Authority(), Authority(), FakeClock()
    trusts_old = trusted(tmp_path / "old.pem", old)
    trusts_new = trusted(tmp_path / "new.pem", new)
    tls = server_tls(clock, **old.issue(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    pair = new.issue(tmp_path / "elsewhere")
    async with serving(tls=tls) as server:
        with capture_logs() as lines:
            replace(tmp_path / "server.pem", Path(pair["cert_file"]).read_bytes())
            for _ in range(3):
                clock.now += LOOK_SECONDS
                assert 200 == await once(server.port, ca_file=trusts_old)

            replace(tmp_path / "server.key", Path(pair["key_file"]).read_bytes())
            clock.now += LOOK_SECONDS
            assert 200 == await once(server.port, ca_file=trusts_new)

    told = [(line["log_level"], line["event"]) for line in lines]
    assert [
        ("warning", "certificates not read again: going on with the old"),
        ("info", "certificates read again"),
    ] == told
    assert "server.pem" in lines[0]["error"]


@pytest.mark.parametrize("file", ["server.pem", "server.key", "callers.pem"])
@pytest.mark.parametrize("content", [b"", b"garbage", None])
async def test_a_file_that_makes_no_sense_leaves_the_old(
    tmp_path: Path, file: str, content: bytes | None
) -> None:
    """Half written, empty or gone: one warning, and every caller is served as before."""
    ours, clock = Authority(), FakeClock()
    ca_file = trusted(tmp_path / "callers.pem", ours)
    tls = server_tls(clock, **ours.issue(tmp_path), client_ca_file=ca_file)
    known = {"ca_file": trusted(tmp_path / "ca.pem", ours), **ours.issue(tmp_path, "client")}
    async with serving(tls=tls) as server:
        (tmp_path / file).unlink()
        if content is not None:
            (tmp_path / file).write_bytes(content)
        with capture_logs() as lines:
            for _ in range(3):
                clock.now += LOOK_SECONDS
                assert 200 == await once(server.port, **known)
            with pytest.raises(Unavailable):
                await once(server.port, ca_file=known["ca_file"])

    assert ["warning"] == [line["log_level"] for line in lines]
    assert file in lines[0]["error"]


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_client_shows_its_renewed_certificate(tmp_path: Path, proxied: bool) -> None:
    """From its next connection on, through a proxy as well."""
    ours, old, new, clock = Authority(), Authority(), Authority(), FakeClock()
    ca_file = trusted(tmp_path / "ca.pem", ours)
    tls = server_tls(
        clock, **ours.issue(tmp_path), client_ca_file=trusted(tmp_path / "callers.pem", new)
    )
    async with serving(tls=tls) as server, Proxy() as proxy:
        proxy_url = proxy.url if proxied else None
        mine = old.issue(tmp_path, "mine")
        client = client_for(server.port, clock, proxy_url, ca_file=ca_file, **mine)
        async with client:
            with pytest.raises(Unavailable):
                await asked(client)

            new.issue(tmp_path, "mine")
            clock.now += LOOK_SECONDS

            assert 200 == await asked(client)


@pytest.mark.parametrize("proxied", [False, True])
async def test_a_client_trusts_a_removed_authority_no_more(tmp_path: Path, proxied: bool) -> None:
    """The far end that was trusted is refused once its authority is out of `ca_file`."""
    ours, other, clock = Authority(), Authority(), FakeClock()
    ca_file = trusted(tmp_path / "ca.pem", ours)
    tls = server_tls(FakeClock(), **ours.issue(tmp_path))
    async with serving(tls=tls) as server, Proxy() as proxy:
        client = client_for(server.port, clock, proxy.url if proxied else None, ca_file=ca_file)
        async with client:
            assert 200 == await asked(client)

        trusted(tmp_path / "ca.pem", other)
        clock.now += LOOK_SECONDS

        async with client:
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await asked(client)


async def test_a_folder_of_authorities_is_trusted_as_it_is(tmp_path: Path) -> None:
    """As Kubernetes mounts it: files of any name behind links that are swapped at once."""
    ours, other, clock = Authority(), Authority(), FakeClock()
    for version, authority in (("..1", other), ("..2", ours)):
        (tmp_path / version / "deep").mkdir(parents=True)
        (tmp_path / version / "deep" / "ca").write_bytes(authority.pem)
        (tmp_path / version / "notes").write_text("no certificate")
    (tmp_path / "..data").symlink_to("..1")
    for name in ("deep", "notes"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    served = tmp_path / "..served"
    served.mkdir()
    tls = server_tls(FakeClock(), **ours.issue(served))
    async with serving(tls=tls) as server:
        client = client_for(server.port, clock, ca_folder=str(tmp_path))
        with capture_logs() as lines:
            async with client:
                with pytest.raises(Unavailable, match="certificate verify failed"):
                    await asked(client)

        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        clock.now += LOOK_SECONDS

        async with client:
            assert 200 == await asked(client)

    assert [str(tmp_path / "notes")] == [line["file"] for line in lines]


def test_everything_wrong_with_the_files_is_told_at_once(tmp_path: Path) -> None:
    """One line for a section: both files, each with its cause."""
    (tmp_path / "bad").write_text("no certificate")

    with pytest.raises(ConfigError) as server:
        server_tls(
            FakeClock(),
            cert_file=str(tmp_path / "none"),
            key_file=str(tmp_path / "none.key"),
            client_ca_file=str(tmp_path / "bad"),
        )
    with pytest.raises(ConfigError) as client:
        client_context(
            ClientTlsOptions(
                ca_file=str(tmp_path / "bad"),
                ca_certs="bad",
                ca_folder=str(tmp_path / "nowhere"),
                cert_file=str(tmp_path / "bad"),
            )
        )

    for told, options in (
        (server, ("cert_file", "client_ca_file")),
        (client, ("ca_file", "ca_certs", "ca_folder", "cert_file")),
    ):
        assert [] == [option for option in options if option not in str(told.value)]
        assert 1 == len(str(told.value).splitlines())


@pytest.mark.parametrize(
    ("days", "event"),
    [
        (-1, "certificate has expired"),
        (6, "certificate expires soon"),
        (8, None),
    ],
)
async def test_a_certificate_that_ends_soon_is_told_of(
    tmp_path: Path, days: int, event: str | None
) -> None:
    """At the start, at a change, and then once a day, with the file and the date."""
    ours, clock = Authority(), FakeClock()
    ends = NOW + timedelta(days=days)
    tls = server_tls(clock, **ours.issue(tmp_path, until=ends))

    with capture_logs() as lines:
        async with serving(tls=tls) as server:
            at_start = _told(lines)
            ours.issue(tmp_path, until=ends)
            clock.now += LOOK_SECONDS
            await _greeted(server.port)
            at_a_change = _told(lines)
            clock.now += WARN_AGAIN_SECONDS
            await _greeted(server.port)
            await _greeted(server.port)
            in_all = _told(lines)

    told = [(event, str(tmp_path / "server.pem"), f"{ends:%Y-%m-%d}")] if event else []
    assert (told, told * 2, told * 3) == (at_start, at_a_change, in_all)


def _told(lines: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    return [
        (line["event"], line["file"], line["expires"][:10])
        for line in lines
        if line["log_level"] == "warning"
    ]


async def _greeted(port: int) -> None:
    """Begin a handshake, whatever comes of it, and see its connection closed."""
    with suppress(ssl.SSLError):
        context = ssl.create_default_context()
        await asyncio.open_connection("localhost", port, ssl=context)


async def test_a_client_tells_of_its_certificate_as_well(tmp_path: Path) -> None:
    """When it begins, not when it is made: there may be no log yet."""
    ours = Authority()
    mine = ours.issue(tmp_path, "mine", until=NOW)
    with capture_logs() as lines:
        client = client_for(1, FakeClock(), **mine)
        assert [] == lines

        async with client:
            assert [str(tmp_path / "mine.pem")] == [line["file"] for line in lines]


async def test_authorities_are_told_of_when_the_last_of_them_ends(tmp_path: Path) -> None:
    """A bundle keeps old authorities beside new ones: that is no fault."""
    ours, clock = Authority(), FakeClock()
    ended = Path(ours.issue(tmp_path, "ended", until=NOW)["cert_file"]).read_bytes()
    for content, expected in ((ended, 1), (ended + ours.pem, 0)):
        replace(tmp_path / "callers.pem", content)
        tls = server_tls(
            clock, **ours.issue(tmp_path), client_ca_file=str(tmp_path / "callers.pem")
        )

        with capture_logs() as lines:
            async with serving(tls=tls):
                pass

        assert expected == len(lines)
