"""Kinds that exist only to be configured: every type of option, a secret, a failing validator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from bridge.config.options import HttpClientOptions, Options, Seconds


class InboxOptions(Options):
    """Events out of a box."""

    type: Literal["inbox"] = "inbox"
    """The kind."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on."""
    paths: list[str] = Field(default_factory=list)
    """Paths to take."""
    ordered: bool = False
    """Whether events come one by one."""


class Inbox:
    Options = InboxOptions


class OracleOptions(HttpClientOptions):
    """A model that knows."""

    protocol: Literal["seldon", "tensorflow"] = "seldon"
    """What it speaks."""
    token: SecretStr | None = None
    """What it wants to hear."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Headers of every request."""
    timeout_seconds: Seconds = 30.0
    """Longest wait for an answer."""
    name: str = "oracle"
    """How it is called."""

    @field_validator("url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"expected a URL, http:// or https://, found {url}")
        return url

    @field_validator("token", mode="before")
    @classmethod
    def _is_long(cls, token: object) -> object:
        if isinstance(token, str) and len(token) < 10:
            raise ValueError(f"expected a token of ten letters, found {token!r}")
        return token


class Oracle:
    Options = OracleOptions


class ShelfOptions(Options):
    """A place where events are put."""

    topic: Annotated[str, Field(min_length=1)]
    """Where on the shelf."""


class Shelf:
    Options = ShelfOptions


class Bare:
    """A class without options."""


SOURCES = {"inbox": "tests.fakes_config:Inbox"}
MODELS = {"oracle": "tests.fakes_config:Oracle", "lost": "tests.fakes_config:Lost"}
SINKS = {"shelf": "tests.fakes_config:Shelf", "gone": "bridge_not_installed.sink:Gone"}

KINDS = {
    "sources": {"inbox": InboxOptions},
    "transformers": {},
    "models": {"oracle": OracleOptions},
    "sinks": {"shelf": ShelfOptions},
}
