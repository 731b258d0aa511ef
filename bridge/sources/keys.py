"""The public keys that an issuer signs its tokens with: a bounded set, and where it is from.

    JWK Set (RFC 7517) ─▶ read_keys ─▶ (Key, …) ─▶ pick(kid, alg) ─▶ Key

Pure but for the file. Only what verifies is read: private parts, symmetric keys, weak keys
and those made for something else are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, Protocol, Self

import structlog

from bridge.config.watched import WatchedFile
from bridge.core.clock import Clock
from bridge.core.value import value

log = structlog.get_logger()

#: What a token may be signed with. None of them is symmetric: with HS256 whoever knows the
#: public key could sign, and `none` is no signature.
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]

#: Bits of an RSA key: fewer can be broken, more only cost (NIST SP 800-131A, RFC 7518 3.3).
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 8192


@value
class Key:
    """One public key. *kid*: its name, if it has one. *algorithms*: those it is good for."""

    kid: str | None
    algorithms: tuple[str, ...]
    public: Any  # one of cryptography's public keys, which is not imported without need


class Keys(Protocol):
    """Where keys are from. Entered and left like any component; *changes* counts new sets."""

    @property
    def changes(self) -> int:
        """How often the set has changed."""
        ...

    async def __aenter__(self) -> Self:
        """Get ready; an issuer that is down is no error."""
        ...

    async def __aexit__(self, *exc: object) -> None:
        """Release everything; may be called twice."""
        ...

    async def find(self, kid: str | None, alg: str) -> Key | None:
        """Return the key, or None where there is none; raise Unavailable if nobody can say."""
        ...

    async def ping(self) -> None:
        """Return if the far end answers; raise Unavailable, with its name, if not."""
        ...


class KeyFile:
    """The keys in *file*, read again when it changes; raise ConfigError where there are none."""

    def __init__(
        self, file: str, *, algorithms: Collection[str], max_keys: int, clock: Clock
    ) -> None:
        self._watched = WatchedFile(
            file,
            lambda content: read_keys(content, algorithms=algorithms, max_keys=max_keys),
            option="jwks_file",
            clock=clock,
        )

    @property
    def changes(self) -> int:
        """How often the set has changed."""
        self._watched.value()  # which looks whether it has
        return self._watched.changes

    async def __aenter__(self) -> Self:
        """Return: the file is read already."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Return: nothing is held."""

    async def find(self, kid: str | None, alg: str) -> Key | None:
        """Return the key as the file has it now."""
        return pick(self._watched.value(), kid, alg)

    async def ping(self) -> None:
        """Return: a file has no far end."""


def pick(keys: Sequence[Key], kid: str | None, alg: str) -> Key | None:
    """Return the one of *keys* for a token that names *kid* and *alg*.

    A token names no key only where there is but one (OpenID Connect Core, 10.1).
    """
    fitting = [key for key in keys if alg in key.algorithms and kid in (None, key.kid)]
    if not fitting or (kid is None and len(fitting) > 1):
        return None
    return fitting[0]


def read_keys(document: bytes, *, algorithms: Collection[str], max_keys: int) -> tuple[Key, ...]:
    """Return the keys of a JWK Set that verify one of *algorithms*, the first *max_keys*.

    Raise ValueError, saying what was expected, for anything else, and where none is usable.
    """
    import orjson

    try:
        said = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise ValueError("no JSON: expected a JWK Set") from error
    listed = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no 'keys': expected a JWK Set")  # noqa: TRY004  # its value is wrong
    usable: list[Key] = []
    for jwk in listed:
        key = _key(jwk, algorithms) if isinstance(jwk, dict) else None
        if key is None:
            continue
        if len(usable) == max_keys:
            log.warning("keys left out: more than max_keys", max_keys=max_keys, keys=len(listed))
            break
        usable.append(key)
    if not usable:
        names = ", ".join(sorted(algorithms))
        raise ValueError(f"none of {len(listed)} keys is usable: expected one for {names}")
    return tuple(usable)


_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
#: Kind and curve of a key → what it can sign (RFC 7518, 3.1; RFC 8037).
_FITTING: Final[Mapping[tuple[object, object], tuple[str, ...]]] = {
    ("RSA", None): _RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
#: Members of a key that are public.
_PUBLIC: Final = ("kty", "crv", "n", "e", "x", "y")
#: A longer text than the modulus of the largest RSA key is no part of any key.
_MAX_MEMBER: Final = MAX_RSA_BITS // 6 + 8


def _key(jwk: Mapping[str, Any], algorithms: Collection[str]) -> Key | None:
    """Return *jwk* as a key, or None where it is none that verifies."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from jwt import PyJWK, PyJWTError

    public = {name: jwk[name] for name in _PUBLIC if name in jwk}
    kid, own, uses = jwk.get("kid"), jwk.get("alg"), jwk.get("key_ops")
    if any(not isinstance(part, str) or len(part) > _MAX_MEMBER for part in public.values()):
        return None
    if not isinstance(kid, str | None) or jwk.get("use", "sig") != "sig":
        return None
    if uses is not None and (not isinstance(uses, list) or "verify" not in uses):
        return None
    fitting = _FITTING.get((public.get("kty"), public.get("crv")), ())
    good_for = tuple(name for name in fitting if name in algorithms and own in (None, name))
    if not good_for:
        return None
    try:
        made = PyJWK(public, algorithm=good_for[0]).key
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
        return None
    if public["kty"] == "RSA" and not MIN_RSA_BITS <= made.key_size <= MAX_RSA_BITS:
        return None
    return Key(kid=kid, algorithms=good_for, public=made)
