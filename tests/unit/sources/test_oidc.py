"""Tokens, each wrong in one way: whatever is not exactly right is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.sources import oidc
from bridge.sources.bearer import Denied
from bridge.sources.oidc import OidcOptions, OidcTokens, permitted
from tests.fakes import FakeClock
from tests.fakes_issuer import (
    AUDIENCE,
    NOW,
    SUBJECT,
    claims,
    ec_key,
    ed_key,
    jwk,
    jwks,
    rsa_key,
    signed,
)

ISSUER = "https://issuer.example"


class Moment(FakeClock):
    """A clock whose two faces move together."""

    def now_ns(self) -> int:
        return int((NOW + self.now - 1000.0) * 1e9)


class Checked:
    """An issuer's tokens as a listener checks them, on a clock of ours."""

    def __init__(self, folder: Path, key: Any = None, **options: Any) -> None:
        self.clock = Moment()
        self.file = folder / "keys.json"
        self.publish(jwk(key or rsa_key(), kid="first"))
        given = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_file": str(self.file), **options}
        self.tokens = OidcTokens(OidcOptions.model_validate(given), clock=self.clock)

    def publish(self, *keys: dict[str, Any]) -> None:
        self.file.write_bytes(jwks(*keys))

    async def cause(self, token: bytes) -> str:
        """Return why *token* is refused, empty if it is not."""
        try:
            await self.tokens.check(token)
        except Denied as denied:
            return denied.cause if denied.status == 401 else f"403: {denied.cause}"
        return ""


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    """The usual options."""
    return Checked(tmp_path)


async def test_a_good_token_is_good(checked: Checked) -> None:
    """The token that all the others are made from."""
    assert "" == await checked.cause(signed(claims(ISSUER)))


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"iss": None}, "iss"),
        ({"iss": "https://issuer.example/"}, "iss"),
        ({"iss": ["https://issuer.example"]}, "iss"),
        ({"aud": None}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": "bridge2"}, "aud"),
        ({"aud": ["other", "Bridge"]}, "aud"),
        ({"aud": {"bridge": 1}}, "aud"),
        ({"exp": None}, "exp is missing"),
        ({"exp": "never"}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"exp": 10**400}, "exp is no time"),
        ({"exp": float("nan")}, "exp is no time"),
        ({"exp": float("inf")}, "exp is no time"),
        ({"exp": -1}, "exp is no time"),
        ({"exp": NOW - 30}, "exp: expired 30 s ago"),
        ({"nbf": NOW + 31}, "nbf: 31 s from now"),
        ({"nbf": "soon"}, "nbf is no time"),
        ({"iat": NOW + 31}, "iat: 31 s from now"),
        ({"iat": [NOW]}, "iat is no time"),
    ],
)
async def test_one_wrong_claim_is_enough(
    checked: Checked, changes: dict[str, Any], cause: str
) -> None:
    """Each check stands by itself; the signature is good each time."""
    told = await checked.cause(signed(claims(ISSUER, **changes)))

    assert told.startswith(cause)


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": AUDIENCE},
        {"aud": ["other", AUDIENCE]},
        {"exp": NOW - 29},
        {"exp": NOW + 0.5},
        {"nbf": NOW + 30},
        {"iat": NOW + 30},
        {"nbf": None, "iat": None, "sub": None},
    ],
)
async def test_what_is_just_right_is_taken(checked: Checked, changes: dict[str, Any]) -> None:
    """An audience as text or in a list, the leeway both ways, and only `exp` is required."""
    assert "" == await checked.cause(signed(claims(ISSUER, **changes)))


async def test_a_signature_of_somebody_else_is_refused(checked: Checked) -> None:
    """Signed by another key under the name of the good one."""
    assert "signature" == await checked.cause(signed(claims(ISSUER), rsa_key(1)))


async def test_a_changed_token_is_refused(checked: Checked) -> None:
    """The claims of one token under the signature of another."""
    head, _, signature = signed(claims(ISSUER)).split(b".")
    _, better, _ = signed(claims(ISSUER, sub="admin")).split(b".")

    assert "signature" == await checked.cause(b".".join((head, better, signature)))


def part(said: object) -> bytes:
    """Return one part of a token."""
    return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=")


@pytest.mark.parametrize("form", ["pem", "der", "modulus"])
async def test_the_public_key_is_no_password(checked: Checked, form: str) -> None:
    """HS256 signed with what everybody knows: the classic confusion of algorithms."""
    public = rsa_key().public_key()
    secret = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "modulus": str(jwk(rsa_key())["n"]).encode(),
    }[form]
    text = part({"alg": "HS256", "kid": "first"}) + b"." + part(claims(ISSUER))
    mac = base64.urlsafe_b64encode(hmac.digest(secret, text, hashlib.sha256)).rstrip(b"=")

    assert (await checked.cause(text + b"." + mac)).startswith("alg 'HS256'")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None, [], {}, 7, "RS512", "ES256K"])
async def test_an_algorithm_that_is_not_listed_is_refused(checked: Checked, alg: object) -> None:
    """`none` in any spelling, and what nobody has listed."""
    text = part({"alg": alg, "kid": "first"}) + b"." + part(claims(ISSUER))

    assert [True, True] == [
        (await checked.cause(text + signature)).startswith("alg ")
        for signature in (b".", b"." + part("x"))
    ]


async def test_a_listed_algorithm_that_is_not_the_keys_is_refused(tmp_path: Path) -> None:
    """A key for RS256 verifies no PS256, though both are listed and RSA."""
    checked = Checked(tmp_path, algorithms=["RS256", "PS256"])
    checked.publish(jwk(rsa_key(), kid="first", alg="RS256"))
    checked.clock.now += 2

    cause = await checked.cause(signed(claims(ISSUER), alg="PS256"))

    assert "kid 'first': the issuer has no such key for PS256" == cause


@pytest.mark.parametrize(
    ("key", "alg"), [(rsa_key(), "PS512"), (ec_key(), "ES256"), (ed_key(), "EdDSA")]
)
async def test_other_asymmetric_algorithms_can_be_listed(
    tmp_path: Path, key: Any, alg: str
) -> None:
    """Each with the key it is made for."""
    checked = Checked(tmp_path, key, algorithms=[alg])

    assert "" == await checked.cause(signed(claims(ISSUER), key, alg=alg))


async def test_an_unknown_key_is_refused(checked: Checked) -> None:
    """A file has all the keys there are."""
    assert (await checked.cause(signed(claims(ISSUER), kid="other"))).startswith("kid 'other'")


async def test_a_token_that_names_no_key_needs_one_choice(tmp_path: Path) -> None:
    """With one key it is that one; with two it is none."""
    checked = Checked(tmp_path)
    token = signed(claims(ISSUER), kid=None)

    alone = await checked.cause(token)
    checked.publish(jwk(rsa_key(), kid="first"), jwk(rsa_key(1), kid="second"))
    checked.clock.now += 2
    among_two = await checked.cause(token)

    assert "" == alone
    assert among_two.startswith("kid")


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b".",
        b"..",
        b"...",
        b"a.b.c",
        b"!!!.???.###",
        b"\xff\xfe.\x00.",
        part({"alg": "RS256"}),
        part({"alg": "RS256"}) + b".",
        part("text") + b"." + part({}) + b".x",
        part({"alg": "RS256"}) + b"." + part([1]) + b".x",
        part({"alg": "RS256", "kid": 7}) + b"." + part({}) + b".x",
        part({"alg": "RS256"}) + b"." + base64.urlsafe_b64encode(b"[" * 4000) + b".x",
        base64.urlsafe_b64encode(b'{"a":' * 1000) + b"." + part({}) + b".x",
        base64.urlsafe_b64encode(b'{"alg":"RS256","alg":"none"}') + b"." + part({}) + b".",
    ],
)
async def test_garbage_is_refused_and_breaks_nothing(checked: Checked, token: bytes) -> None:
    """Whatever comes is a 401 and never a 500, and the next good token is good."""
    assert "" != await checked.cause(token)
    assert "" == await checked.cause(signed(claims(ISSUER)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
HEADS = st.fixed_dictionaries(
    {}, optional={name: JSON | st.just("RS256") for name in ("alg", "kid", "typ", "crit", "b64")}
)
CLAIMS = st.fixed_dictionaries(
    {},
    optional={
        "iss": JSON | st.just(ISSUER),
        "aud": JSON | st.just(AUDIENCE),
        "exp": JSON | st.just(NOW + 60),
        **dict.fromkeys(("nbf", "iat", "sub"), JSON),
    },
)


def drawn(parts: list[bytes]) -> bytes:
    """Return a token made of *parts*."""
    return b".".join(parts)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    token=st.binary(max_size=200)
    | st.lists(HEADS.map(part) | CLAIMS.map(part) | st.binary(max_size=20), max_size=4).map(drawn)
    | st.tuples(HEADS.map(part), CLAIMS.map(part), st.binary(max_size=300)).map(list).map(drawn)
)
async def test_nothing_that_nobody_signed_is_good(checked: Checked, token: bytes) -> None:
    """Any bytes, any JSON in head and claims: refused, and nothing else is ever raised."""
    assert "" != await checked.cause(token)


@pytest.mark.parametrize(
    "head", [{"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"b64": True}]
)
async def test_extensions_that_must_be_understood_are_refused(
    checked: Checked, head: dict[str, Any]
) -> None:
    """RFC 7515, 4.1.11: nobody here understands any."""
    text = part({"alg": "RS256", "kid": "first", **head}) + b"." + part(claims(ISSUER)) + b".x"

    assert await checked.cause(text) in ("no JWT", "the token's head asks for an extension of JWS")


async def test_keys_in_the_token_itself_count_for_nothing(checked: Checked) -> None:
    """`jwk`, `jku` and `x5u` in the head are what an attacker would like us to use."""
    own = {"jwk": jwk(rsa_key(1)), "jku": "http://evil.example/", "x5u": "http://evil.example/"}

    assert "signature" == await checked.cause(signed(claims(ISSUER), rsa_key(1), **own))


async def test_a_token_too_long_is_not_looked_at(tmp_path: Path) -> None:
    """One byte over the limit: nothing is decoded for it."""
    good = signed(claims(ISSUER))
    checked = Checked(tmp_path, max_token_bytes=len(good))

    assert "" == await checked.cause(good)
    assert (await checked.cause(good + b"x")).startswith("token of")


async def test_only_listed_subjects_may_send(tmp_path: Path) -> None:
    """A good token of somebody else is 403, each time it comes."""
    checked = Checked(tmp_path, subjects=[SUBJECT])
    other, nobody = signed(claims(ISSUER, sub="other")), signed(claims(ISSUER, sub=None))

    told = [await checked.cause(token) for token in (signed(claims(ISSUER)), other, other, nobody)]

    assert [
        "",
        "403: subject 'other' is not in subjects",
        "403: subject 'other' is not in subjects",
        "403: subject 'None' is not in subjects",
    ] == told


@pytest.mark.parametrize(
    ("subject", "subjects", "may"),
    [
        ("a:b", ["a:b"], True),
        ("a:b:c", ["a:b"], False),
        ("a:b", ["x", "a:*"], True),
        ("a", ["a:*"], False),
        ("A:b", ["a:*"], False),
        ("", ["*"], True),
        (None, ["*"], False),
        (["a"], ["*"], False),
        ("a*", ["a*b"], False),
    ],
)
def test_a_subject_is_whole_or_a_beginning(subject: object, subjects: list[str], may: bool) -> None:
    """Only a trailing `*` stands for more."""
    assert may is permitted(subject, subjects)


async def test_a_token_that_was_good_is_not_verified_again(checked: Checked) -> None:
    """For `remember_seconds`; then it is."""
    token = signed(claims(ISSUER))

    for seconds in (0, 59, 1.1):
        checked.clock.now += seconds
        assert "" == await checked.cause(token)

    assert 2 == checked.tokens.verified_total


async def test_remembering_ends_with_the_token(checked: Checked) -> None:
    """A token that expires in ten seconds is remembered ten seconds and the leeway."""
    token = signed(claims(ISSUER, exp=NOW + 10))

    told = []
    for seconds in (0, 39, 1.1):
        checked.clock.now += seconds
        told.append(await checked.cause(token))

    assert ["", "", "exp: expired 30 s ago"] == told


async def test_remembering_ends_with_the_keys(checked: Checked) -> None:
    """A key that was withdrawn vouches for nothing any more."""
    token = signed(claims(ISSUER))
    before = await checked.cause(token)

    checked.publish(jwk(rsa_key(1), kid="second"))
    checked.clock.now += 2

    assert ("", True) == (before, (await checked.cause(token)).startswith("kid 'first'"))


async def test_remembering_can_be_switched_off(tmp_path: Path) -> None:
    """Then each request pays for its own signature."""
    checked = Checked(tmp_path, remember_seconds=0)
    token = signed(claims(ISSUER))

    for _ in range(3):
        await checked.cause(token)

    assert (3, 0) == (checked.tokens.verified_total, len(checked.tokens._remembered))


async def test_no_more_tokens_are_remembered_than_fit(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest goes; none of the bad ones takes a place."""
    monkeypatch.setattr(oidc, "MAX_REMEMBERED", 2)
    first, second, third = (signed(claims(ISSUER, jti=str(number))) for number in range(3))

    for token in (
        first,
        second,
        b"a.b.c",
        signed(claims(ISSUER), rsa_key(1)),
        third,
        second,
        first,
    ):
        await checked.cause(token)

    assert 2 == len(checked.tokens._remembered)
    assert 4 == checked.tokens.verified_total


@pytest.mark.parametrize(
    "wrong",
    [
        {"algorithms": ["HS256"]},
        {"algorithms": ["RS256", "none"]},
        {"algorithms": []},
        {"subjects": []},
        {"audience": ""},
        {"issuer": ""},
        {"max_keys": 0},
        {"leeway_seconds": 301},
        {"jwks_file": "keys", "jwks_url": "https://issuer.example/keys"},
        {"jwks_file": "keys", "token_file": "token"},
    ],
)
def test_what_would_let_anybody_in_is_no_configuration(wrong: dict[str, Any]) -> None:
    """Symmetric algorithms and `none` cannot be asked for; an empty list is a mistake."""
    with pytest.raises(ValidationError):
        OidcOptions.model_validate({"issuer": ISSUER, "audience": AUDIENCE, **wrong})
