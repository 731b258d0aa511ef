"""How an S3 store is reached: the options that source, sink and users' code share.

They always stand under the key `store`, so that a YAML alias can repeat them:

    source: {type: minio, store: &minio {url: http://minio:9000, …}}
    sinks: [{type: objects, store: *minio, …}]
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from bridge.config.options import Bytes, ClientTlsOptions, Options, Seconds


class ObjectStoreOptions(Options):
    """An S3 store, such as MinIO: its address, who we are to it, and what we take from it."""

    url: Annotated[str, Field(min_length=1)]
    """Base URL of the store, `http://` or `https://`, without a path: buckets stand in the
    path (`/bucket/key`), never in the host's name."""
    region: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")] = "us-east-1"
    """Region that requests are signed for and buckets are created in; MinIO's is this one."""
    access_key: SecretStr | None = None
    """Name of our account with the store; without one, requests are anonymous."""
    access_key_file: str | None = None
    """File with `access_key`, read again when it changes."""
    secret_key: SecretStr | None = None
    """Secret of `access_key`; requests are signed with it, it is never sent."""
    secret_key_file: str | None = None
    """File with `secret_key`, read again when it changes."""
    session_token: SecretStr | None = None
    """Token of temporary credentials, sent with each request."""
    session_token_file: str | None = None
    """File with `session_token`, read again when it changes."""
    tls: ClientTlsOptions = ClientTlsOptions()
    """Certificates, for `https://`."""
    proxy_url: str | None = None
    """HTTP proxy to go through."""
    proxy_password_file: str | None = None
    """File with the password of the user that `proxy_url` names."""
    connections: Annotated[int, Field(ge=1)] = 64
    """Open connections at most; callers beyond wait for a free one."""
    connect_timeout_seconds: Seconds = 5.0
    """Longest wait for a connection to open."""
    idle_seconds: Seconds = 60.0
    """How long an unused connection is kept."""
    timeout_seconds: Seconds = 30.0
    """Longest wait for one answer of the store, to its last byte."""
    max_object_bytes: Bytes = 64 * 1024 * 1024
    """Largest object that is read; a larger one is refused before it is fetched."""

    @model_validator(mode="after")
    def _whole_credentials(self) -> Self:
        given = set()
        for name in ("access_key", "secret_key", "session_token"):
            file = f"{name}_file"
            if getattr(self, name) is not None and getattr(self, file) is not None:
                raise ValueError(f"expected one of {name} and {file}")
            if getattr(self, name) is not None or getattr(self, file) is not None:
                given.add(name)
        if given and not {"access_key", "secret_key"} <= given:
            raise ValueError(
                "expected access_key and secret_key (or their files) together, "
                "or none of the credentials for anonymous requests"
            )
        return self


__all__ = ["ObjectStoreOptions"]
