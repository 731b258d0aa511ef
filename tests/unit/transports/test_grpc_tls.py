"""Certificates of gRPC: which are trusted, and what is told of those that cannot be."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from bridge.config.options import ClientTlsOptions
from bridge.core.errors import ConfigError
from bridge.transports.grpc import ChannelTls, _roots
from tests.fakes import FakeClock
from tests.fakes_tls import Authority, trusted


def test_an_authority_stands_instead_of_the_systems(tmp_path: Path) -> None:
    """With ca_file nobody else is trusted."""
    authority = Authority()
    file = trusted(tmp_path / "ca.pem", authority)

    assert authority.pem == _roots(ClientTlsOptions(ca_file=file))


def test_authorities_stand_beside_the_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of ca_certs and ca_folder are added; a file without any is passed over."""
    system, inline, mounted = Authority(), Authority(), Authority()
    monkeypatch.setenv("SSL_CERT_FILE", trusted(tmp_path / "system.pem", system))
    (tmp_path / "bundles").mkdir()
    trusted(tmp_path / "bundles/one.pem", mounted)
    (tmp_path / "bundles/README").write_text("none")
    options = ClientTlsOptions(ca_certs=inline.pem.decode(), ca_folder=str(tmp_path / "bundles"))

    roots = _roots(options)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=roots.decode())
    assert 3 == len(context.get_ca_certs())
    assert all(one.pem in roots for one in (system, inline, mounted))


def test_a_system_without_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system trusts nobody, nobody else's list is taken in its place."""
    (tmp_path / "none").mkdir()
    monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path}/none.pem")
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}/none")

    with pytest.raises(ConfigError, match="no certificates to trust: expected ca_file"):
        _roots(ClientTlsOptions())


def test_a_change_is_seen_once(tmp_path: Path) -> None:
    """New files make new credentials; files that are none are told of once and change nothing."""
    file = trusted(tmp_path / "ca.pem", Authority())
    tls = ChannelTls(ClientTlsOptions(ca_file=file), clock=FakeClock())
    first = tls.credentials

    assert not tls.changed()
    trusted(tmp_path / "ca.pem", Authority())
    assert tls.changed()
    second = tls.credentials
    assert second is not first
    (tmp_path / "ca.pem").write_text("garbage")
    with pytest.raises(ConfigError, match=r"ca\.pem"):
        tls.changed()
    assert not tls.changed()
    assert second is tls.credentials
