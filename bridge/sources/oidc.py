"""Tokens that an issuer signs (OpenID Connect, JWT): whether one is good, and whose it is.

    token ─▶ remembered? ─▶ head: alg, kid ─▶ claims: iss, aud, exp, nbf, iat ─▶ key ─▶ signature
                                              (before the key: a token for somebody else
                                               costs no fetch and no arithmetic)

Sources: RFC 7519, RFC 8725. Every comparison of time is on the clock that is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, Final, Self

from pydantic import Field, model_validator

from bridge.config.options import Bytes, ClientTlsOptions, Options, Seconds
from bridge.core.attributes import shown
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError
from bridge.core.value import value
from bridge.sources.bearer import forbidden, invalid
from bridge.sources.issuer import IssuerKeys
from bridge.sources.keys import Algorithm, KeyFile, Keys

#: Good tokens that are remembered, at most; the one remembered longest goes first.
MAX_REMEMBERED: Final = 4096

#: What issuers sign with, Kubernetes among them.
USUAL_ALGORITHMS: Final[tuple[Algorithm, ...]] = ("RS256", "ES256")


class OidcOptions(Options):
    """Which issuer's tokens are good, for whom, and where its keys are."""

    issuer: Annotated[str, Field(min_length=1)]
    """Who signs the tokens: their `iss`, to the letter."""
    audience: Annotated[str, Field(min_length=1)]
    """Who the tokens are for: one of their `aud`, to the letter."""
    subjects: Annotated[list[str], Field(min_length=1)] | None = None
    """Who may send: their `sub`, a trailing `*` for any rest; by default every good token."""
    algorithms: Annotated[list[Algorithm], Field(min_length=1)] = Field(
        default_factory=lambda: [*USUAL_ALGORITHMS]
    )
    """Signatures that are taken; there is no symmetric one among them."""
    jwks_url: str | None = None
    """Where the keys are; by default the issuer's discovery document says."""
    jwks_file: str | None = None
    """File with the keys (a JWK Set), instead of fetching them; read again when it changes."""
    tls: ClientTlsOptions = ClientTlsOptions()
    """Certificates, for an issuer on `https://`."""
    token_file: str | None = None
    """File with a token of our own that the issuer asks for; read again when it changes."""
    timeout_seconds: Seconds = 5.0
    """Longest wait for one answer of the issuer."""
    refresh_seconds: Seconds = 10.0
    """Shortest time between two fetches of the keys."""
    max_age_seconds: Seconds = 600.0
    """Age of the keys at which they are fetched again; while that fails they stay good."""
    max_keys: Annotated[int, Field(ge=1, le=1000)] = 32
    """Keys that are kept, at most."""
    max_token_bytes: Bytes = 8192
    """Longest token that is looked at."""
    leeway_seconds: Annotated[float, Field(ge=0, le=300)] = 30.0
    """How far the issuer's clock and ours may be apart."""
    remember_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long a token that was good is not verified again; 0 verifies each time."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.jwks_file is not None and (self.jwks_url or self.token_file):
            raise ValueError("jwks_file with jwks_url or token_file: expected a file or an issuer")
        return self


class OidcTokens:
    """Says of a token whether it is good. Entered, it begins to fetch the keys.

    Building raises ConfigError for a file or URL that cannot work. *verified_total* counts
    signatures that were verified.
    """

    def __init__(self, options: OidcOptions, *, clock: Clock) -> None:
        from jwt import PyJWTError, decode, decode_complete

        self._options = options
        self._clock = clock
        self._keys = _keys(options, clock)
        self._algorithms = frozenset(options.algorithms)
        self._remembered: dict[bytes, _Verdict] = {}
        self._changes = self._keys.changes
        self._decode, self._read, self._no_token = decode, decode_complete, PyJWTError
        self.verified_total = 0

    async def __aenter__(self) -> Self:
        """Begin to fetch the keys; an issuer that is down is a warning."""
        await self._keys.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close what was opened; may be called twice."""
        await self._keys.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the issuer answers; raise Unavailable if not."""
        await self._keys.ping()

    async def check(self, token: bytes) -> None:
        """Return if *token* is good and its subject may send.

        Raise Denied if not, Unavailable where its key is unknown and cannot be looked up now.
        """
        if len(token) > self._options.max_token_bytes:
            raise invalid(f"token of {len(token)} bytes: expected max_token_bytes at most")
        if self._keys.changes != self._changes:  # a key that was withdrawn vouches for nothing
            self._changes = self._keys.changes
            self._remembered.clear()
        digest = sha256(token).digest()
        now = self._clock.monotonic()
        verdict = self._remembered.get(digest)
        if verdict is None or now >= verdict.until:
            verdict = await self._verdict(token)
            self._remember(digest, verdict)
        if verdict.subject is not None:
            raise forbidden(f"subject {shown(verdict.subject)} is not in subjects")

    async def _verdict(self, token: bytes) -> _Verdict:
        options = self._options
        head, claims = self._parts(token)
        alg, kid = head.get("alg"), head.get("kid")
        if not isinstance(alg, str) or alg not in self._algorithms:
            raise invalid(f"alg {shown(alg)}: expected {', '.join(options.algorithms)}")
        if "crit" in head or "b64" in head:
            raise invalid("the token's head asks for an extension of JWS")
        if not isinstance(kid, str | None):
            raise invalid("kid is no text")
        until = self._check(claims)
        key = await self._keys.find(kid, alg)
        if key is None:
            raise invalid(f"kid {shown(kid)}: the issuer has no such key for {alg}")
        try:
            # Only the signature: the claims were checked, on our clock.
            self._decode(token, key.public, algorithms=list(key.algorithms), options=_UNCHECKED)
        except (self._no_token, ValueError, RecursionError) as error:
            raise invalid("signature") from error
        self.verified_total += 1
        subject = claims.get("sub")
        good = options.subjects is None or permitted(subject, options.subjects)
        left = until - self._clock.now_ns() / 1e9
        return _Verdict(
            until=self._clock.monotonic() + min(options.remember_seconds, left),
            subject=None if good else str(subject),
        )

    def _parts(self, token: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return head and claims of *token* as they stand there, signed by anybody."""
        try:
            read = self._read(token, options={"verify_signature": False})
        except (self._no_token, ValueError, RecursionError) as error:
            raise invalid("no JWT") from error
        return read["header"], read["payload"]

    def _check(self, claims: Mapping[str, Any]) -> float:
        options = self._options
        return check_claims(
            claims,
            issuer=options.issuer,
            audience=options.audience,
            now=self._clock.now_ns() / 1e9,
            leeway=options.leeway_seconds,
        )

    def _remember(self, digest: bytes, verdict: _Verdict) -> None:
        if not self._options.remember_seconds:
            return
        if len(self._remembered) >= MAX_REMEMBERED and digest not in self._remembered:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = verdict


def check_claims(
    claims: Mapping[str, Any], *, issuer: str, audience: str, now: float, leeway: float
) -> float:
    """Return until when *claims* hold, in seconds since 1970; raise Denied where they do not.

    `exp` is required; `nbf` and `iat` may be missing, but not lie in the future.
    """
    if claims.get("iss") != issuer:
        raise invalid(f"iss {shown(claims.get('iss'))}: expected {shown(issuer)}")
    aud = claims.get("aud")
    if not (aud == audience or (isinstance(aud, list) and audience in aud)):
        raise invalid(f"aud {shown(aud)}: expected {shown(audience)}")
    expires = _moment(claims, "exp")
    if expires is None:
        raise invalid("exp is missing")
    if now >= expires + leeway:
        raise invalid(f"exp: expired {now - expires:.0f} s ago")
    for name in ("nbf", "iat"):
        moment = _moment(claims, name)
        if moment is not None and moment > now + leeway:
            raise invalid(f"{name}: {moment - now:.0f} s from now")
    return expires + leeway


def permitted(subject: object, subjects: Sequence[str]) -> bool:
    """Whether *subject* is one of *subjects*, of which one that ends in `*` is a beginning."""
    return isinstance(subject, str) and any(
        subject.startswith(known[:-1]) if known.endswith("*") else subject == known
        for known in subjects
    )


@value
class _Verdict:
    """What is known of a token with a good signature. *subject*: whose it is, if not allowed."""

    until: float
    subject: str | None


_UNCHECKED: Final[Any] = {
    f"verify_{name}": False for name in ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")
}


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    """Return a claim that is a time (RFC 7519, 2: NumericDate); raise Denied for anything else."""
    moment = claims.get(name)
    if moment is None:
        return None
    if isinstance(moment, bool) or not isinstance(moment, int | float) or not 0 <= moment < 2**53:
        raise invalid(f"{name} is no time")
    return float(moment)


def _keys(options: OidcOptions, clock: Clock) -> Keys:
    algorithms = frozenset(options.algorithms)
    try:
        if options.jwks_file is not None:
            return KeyFile(
                options.jwks_file, algorithms=algorithms, max_keys=options.max_keys, clock=clock
            )
        return IssuerKeys(
            options.issuer,
            jwks_url=options.jwks_url,
            tls=options.tls,
            token_file=options.token_file,
            algorithms=algorithms,
            max_keys=options.max_keys,
            timeout_seconds=options.timeout_seconds,
            refresh_seconds=options.refresh_seconds,
            max_age_seconds=options.max_age_seconds,
            clock=clock,
        )
    except ConfigError as error:
        raise ConfigError(f"auth: oidc: {error}") from error
