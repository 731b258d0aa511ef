"""Who may send: each request brings a token of ours, or one that an issuer has signed.

request ─▶ its token ─▶ one of `tokens`? / good for `oidc`? ─▶ the request, without the token
                                                           └▶ Denied: 401, 403, 400
                                                           └▶ Unavailable: the issuer is down
"""

from __future__ import annotations

import re
from functools import partial
from hashlib import sha256
from hmac import compare_digest
from typing import Final, Protocol, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from bridge.config.options import Options
from bridge.config.problems import tried
from bridge.config.watched import WatchedFile, secret
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError
from bridge.sources.bearer import Bearer, bearer, invalid, without_token
from bridge.sources.oidc import OidcOptions, OidcTokens
from bridge.transports.http import HttpRequest

#: A token of fewer characters can be guessed; one of more is none that anybody would make.
MIN_TOKEN_CHARACTERS: Final = 16
MAX_TOKEN_CHARACTERS: Final = 4096


class AuthOptions(Options):
    """Who may send: the holders of fixed tokens, or of tokens that an issuer signs."""

    tokens: list[SecretStr] = Field(default_factory=list)
    """Tokens that are good; with two, one can be replaced while the other is in use."""
    token_files: list[str] = Field(default_factory=list)
    """Files with one such token each; read again when they change."""
    oidc: OidcOptions | None = None
    """Tokens that an issuer signs, instead of fixed ones."""

    @field_validator("tokens")
    @classmethod
    def _good_tokens(cls, tokens: list[SecretStr]) -> list[SecretStr]:
        for token in tokens:
            _token(token.get_secret_value())
        return tokens

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if bool(self.tokens or self.token_files) == (self.oidc is not None):
            raise ValueError("expected either tokens (or token_files) or oidc")
        return self


class Tokens(Protocol):
    """What says of a token whether it is good."""

    async def check(self, token: bytes) -> None:
        """Return if *token* is good; raise Denied if not, Unavailable if nobody can say now."""
        ...


class Authorization:
    """The door of one listener. Building raises ConfigError for what cannot work."""

    def __init__(self, options: AuthOptions, *, clock: Clock) -> None:
        self._oidc = None if options.oidc is None else OidcTokens(options.oidc, clock=clock)
        self._tokens: Tokens = self._oidc or FixedTokens(options, clock=clock)

    async def __aenter__(self) -> Self:
        """Get ready; an issuer that is down is a warning."""
        if self._oidc is not None:
            await self._oidc.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close what was opened; may be called twice."""
        if self._oidc is not None:
            await self._oidc.__aexit__(*exc)

    async def ping(self) -> None:
        """Return if the issuer answers, or if there is none; raise Unavailable if not."""
        if self._oidc is not None:
            await self._oidc.ping()

    async def admit(self, request: HttpRequest) -> tuple[HttpRequest, Bearer]:
        """Return *request* without its token, and the token, which was good.

        Raise Denied where it was not, Unavailable where nobody can say now.
        """
        brought = bearer(request)
        await self._tokens.check(brought.token)
        return without_token(request), brought


class FixedTokens:
    """Tokens that stand in the file or in files of their own; only their digests are kept."""

    def __init__(self, options: AuthOptions, *, clock: Clock) -> None:
        self._known = [_digest(token.get_secret_value()) for token in options.tokens]
        problems: list[str] = []
        files = [tried(partial(_file, name, clock), problems) for name in options.token_files]
        if problems:
            raise ConfigError("; ".join(problems))
        self._files = [file for file in files if file is not None]

    async def check(self, token: bytes) -> None:
        """Return if *token* is one of them; raise Denied if not, in the same time either way."""
        digest = sha256(token).digest()
        good = False
        for known in (*self._known, *[file.value() for file in self._files]):
            good |= compare_digest(known, digest)
        if not good:
            raise invalid("none of the tokens")


_TOKEN = re.compile(rf"[\x21-\x7e]{{{MIN_TOKEN_CHARACTERS},{MAX_TOKEN_CHARACTERS}}}")


def _token(text: str) -> str:
    """Return *text*; raise ValueError, without it, where it is no token that can be sent."""
    if _TOKEN.fullmatch(text) is None:
        raise ValueError(
            f"a token: expected {MIN_TOKEN_CHARACTERS} to {MAX_TOKEN_CHARACTERS} printable "
            "characters without spaces"
        )
    return text


def _file(name: str, clock: Clock) -> WatchedFile[bytes]:
    return WatchedFile(
        name,
        lambda content: _digest(_token(secret(content))),
        option="auth: token_files",
        clock=clock,
    )


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
