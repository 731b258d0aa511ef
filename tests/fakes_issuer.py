"""An issuer of tokens: its keys, what it signs, and, where wanted, its pages over HTTP."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from bridge.transports.http import HttpRequest, HttpResponse, HttpServer

AUDIENCE = "bridge"
SUBJECT = "system:serviceaccount:knative-eventing:sender"

#: The moment at which unit tests take place, in seconds since 1970.
NOW = 1_800_000_000


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the RSA key *number* of this run: making one takes a while."""
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """Return the EC key *number* of this run."""
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    """Return the Ed25519 key of this run."""
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    """Return the public half of *key* as a JWK, with *members*."""
    algorithm = {
        rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PrivateKey: jwt.algorithms.OKPAlgorithm,
    }
    made = next(known for cls, known in algorithm.items() if isinstance(key, cls))
    return {**made.to_jwk(key.public_key(), as_dict=True), **members}


def jwks(*keys: Mapping[str, Any]) -> bytes:
    """Return a JWK Set."""
    return json.dumps({"keys": keys}).encode()


def claims(issuer: str, now: float = NOW, **changes: Any) -> dict[str, Any]:
    """Return the claims of a good token; a change to None leaves one out."""
    good = {
        "iss": issuer,
        "aud": [AUDIENCE],
        "sub": SUBJECT,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(now) + 3600,
        **changes,
    }
    return {name: claim for name, claim in good.items() if claim is not None}


def signed(
    said: Mapping[str, Any],
    key: Any = None,
    *,
    alg: str = "RS256",
    kid: str | None = "first",
    **head: Any,
) -> bytes:
    """Return a token that says *said*, signed with *key*."""
    named = head if kid is None else {"kid": kid, **head}
    payload = json.dumps(said).encode()  # PyJWT itself would not sign what is wrong on purpose
    return jwt.PyJWS().encode(payload, key or rsa_key(), alg, headers=named).encode()


class Issuer:
    """An issuer's pages. *keys* can be changed while it runs; *asked* are the paths in order.

    *held*: unset, it keeps every answer back. *status*: of every answer. *media_type*: of its
    keys; it answers 406 to whoever does not accept that, as Kubernetes' API server does.
    """

    def __init__(self) -> None:
        self.keys = [jwk(rsa_key(), kid="first")]
        self.asked: list[str] = []
        self.shown: list[bytes | None] = []
        self.held = asyncio.Event()
        self.held.set()
        self.arrived = asyncio.Event()
        self.status = 200
        self.media_type = b"application/json"
        self.url = ""
        self.says: dict[str, Any] = {}

    async def answer(self, request: HttpRequest) -> HttpResponse:
        self.asked.append(request.path)
        self.shown.append(request.header(b"authorization"))
        self.arrived.set()
        await self.held.wait()
        if self.status != 200:
            return HttpResponse(self.status, ((b"location", b"http://127.0.0.1:1/"),), b"")
        if request.path.endswith("/.well-known/openid-configuration"):
            said = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.says}
            return HttpResponse(200, (), json.dumps(said).encode())
        accepted = (request.header(b"accept") or b"*/*").replace(b" ", b"").split(b",")
        if self.media_type not in accepted and b"*/*" not in accepted:
            return HttpResponse(406, (), b"406: Not Acceptable")
        return HttpResponse(200, ((b"content-type", self.media_type),), jwks(*self.keys))

    @property
    def fetches(self) -> int:
        """How often its keys were asked for."""
        return self.asked.count("/keys")


@asynccontextmanager
async def issuing(*, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Issuer]:
    """Run an issuer on 127.0.0.1."""
    issuer = Issuer()
    server = HttpServer(issuer.answer, tls=tls)
    await server.start("127.0.0.1", port)
    host = "localhost" if tls is not None else "127.0.0.1"
    issuer.url = f"{'http' if tls is None else 'https'}://{host}:{server.port}"
    try:
        yield issuer
    finally:
        await server.close()
