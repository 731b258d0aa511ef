"""Which keys of a JWK Set are taken, and which of them a token gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import RSAAlgorithm
from structlog.testing import capture_logs

from bridge.core.errors import ConfigError
from bridge.sources.issuer import jwks_uri
from bridge.sources.keys import KeyFile, pick, read_keys
from tests.fakes import FakeClock
from tests.fakes_issuer import ec_key, ed_key, jwk, jwks, rsa_key

ALL = ("RS256", "PS256", "ES256", "ES384", "EdDSA")


def read(*keys: Any, algorithms: tuple[str, ...] = ALL, max_keys: int = 10) -> Any:
    """Return the keys of a set."""
    return read_keys(jwks(*keys), algorithms=algorithms, max_keys=max_keys)


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [
        (jwk(rsa_key()), ("RS256", "PS256")),
        (jwk(rsa_key(), alg="PS256", use="sig", key_ops=["verify"]), ("PS256",)),
        (jwk(ec_key()), ("ES256",)),
        (jwk(ec.generate_private_key(ec.SECP384R1())), ("ES384",)),
        (jwk(ed_key()), ("EdDSA",)),
    ],
)
def test_a_key_is_good_for_what_its_kind_can_sign(
    key: dict[str, Any], algorithms: tuple[str, ...]
) -> None:
    """Kind, curve, its own `alg` and the allow-list decide, never the token."""
    (found,) = read(key)

    assert algorithms == found.algorithms


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "k": "c2VjcmV0LXRoYXQtaXMtbG9uZy1lbm91Z2gtZm9yLXVz"},
        jwk(rsa.generate_private_key(65537, 1024)),
        jwk(rsa_key(), use="enc"),
        jwk(rsa_key(), key_ops=["encrypt"]),
        jwk(rsa_key(), key_ops="verify"),
        jwk(rsa_key(), alg="RS512"),
        jwk(rsa_key(), alg="HS256"),
        jwk(rsa_key(), kid=7),
        jwk(ec.generate_private_key(ec.SECP256K1())),
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "RSA", "n": 5, "e": "AQAB"},
        {"kty": "RSA", "n": "A" * 5000, "e": "AQAB"},
        {"kty": "RSA", "n": "!!", "e": "AQAB"},
        {"kty": ["RSA"]},
        {},
        "a key",
    ],
)
def test_what_does_not_verify_is_left_out(key: Any) -> None:
    """Symmetric, weak, made for something else, or no key at all: the others stay."""
    found = read(key, jwk(rsa_key(), kid="good"))

    assert ["good"] == [one.kid for one in found]


def test_a_private_key_is_read_as_its_public_half() -> None:
    """Whoever publishes one by mistake does not make us hold it."""
    whole = {**RSAAlgorithm.to_jwk(rsa_key(), as_dict=True), "key_ops": ["sign", "verify"]}

    (found,) = read(whole)

    assert "d" in whole
    assert not hasattr(found.public, "private_numbers")


@pytest.mark.parametrize(
    "document", [b"", b"[]", b"{}", b'{"keys":{}}', b'{"keys":[]}', b"\xff", b"[" * 100_000]
)
def test_what_is_no_set_of_keys_says_what_was_expected(document: bytes) -> None:
    """The text is for the log or the person at the file."""
    with pytest.raises(ValueError, match="expected"):
        read_keys(document, algorithms=ALL, max_keys=10)


def test_no_more_keys_are_kept_than_allowed() -> None:
    """The first ones are, and the log says that there were more."""
    keys = [jwk(ec_key(), kid=str(number)) for number in range(5)]

    with capture_logs() as logs:
        found = read(*keys, max_keys=3)

    assert ["0", "1", "2"] == [one.kid for one in found]
    assert ["keys left out: more than max_keys"] == [entry["event"] for entry in logs]


def test_a_token_gets_the_key_it_names() -> None:
    """By name and algorithm; by algorithm alone only where there is one choice."""
    first, second = jwk(rsa_key(), kid="first"), jwk(ec_key(), kid="second")
    keys = read(first, second, jwk(rsa_key(1), kid="third"))

    picked = [
        pick(keys, kid, alg)
        for kid, alg in [
            ("first", "RS256"),
            ("first", "ES256"),
            ("none", "RS256"),
            (None, "ES256"),
            (None, "RS256"),
        ]
    ]

    assert ["first", None, None, "second", None] == [one and one.kid for one in picked]


async def test_a_file_of_keys_is_read_again(tmp_path: Path) -> None:
    """A key that was added is found, one that was taken out is not, and it counts as a change."""
    file, clock = tmp_path / "keys.json", FakeClock()
    file.write_bytes(jwks(jwk(rsa_key(), kid="first")))
    keys = KeyFile(str(file), algorithms=ALL, max_keys=10, clock=clock)
    file.write_bytes(jwks(jwk(ec_key(), kid="second"), jwk(ed_key(), kid="third")))

    before = await keys.find("first", "RS256")
    clock.now += 2
    after = [await keys.find("first", "RS256"), await keys.find("second", "ES256")]

    assert before is not None
    assert [None, "second"] == [one and one.kid for one in after]
    assert 1 == keys.changes


def test_a_file_without_keys_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    """At start: option, file, and what was expected."""
    file = tmp_path / "keys.json"
    file.write_text("{}")

    with pytest.raises(ConfigError, match=r"jwks_file '.*keys\.json': .*expected a JWK Set"):
        KeyFile(str(file), algorithms=ALL, max_keys=10, clock=FakeClock())


def test_the_discovery_document_says_where_the_keys_are() -> None:
    """Also elsewhere: Kubernetes names its address, others another host."""
    said = {"issuer": "https://issuer.example", "jwks_uri": "https://10.0.0.1:6443/openid/v1/jwks"}

    where = jwks_uri(json.dumps(said).encode(), issuer="https://issuer.example")

    assert "https://10.0.0.1:6443/openid/v1/jwks" == where


@pytest.mark.parametrize(
    "said",
    [
        {"issuer": "https://issuer.example/", "jwks_uri": "https://issuer.example/keys"},
        {"issuer": "https://evil.example", "jwks_uri": "https://issuer.example/keys"},
        {"issuer": "https://issuer.example"},
        {"issuer": "https://issuer.example", "jwks_uri": 7},
        {"issuer": "https://issuer.example", "jwks_uri": "http://issuer.example/keys"},
        {"issuer": "https://issuer.example", "jwks_uri": "file:///etc/passwd"},
        ["no section"],
    ],
)
def test_a_discovery_document_that_leads_astray_is_not_followed(said: Any) -> None:
    """It is the issuer's own, to the letter, and never leads from HTTPS to something else."""
    with pytest.raises(ValueError, match="discovery document"):
        jwks_uri(json.dumps(said).encode(), issuer="https://issuer.example")
