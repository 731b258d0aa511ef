"""What a client of gRPC may be told: where, how proven, how long a silence is borne."""

from __future__ import annotations

from collections.abc import Mapping

from bridge.config.options import Bytes, ClientTlsOptions, Options, Seconds, SecretStr


class GrpcClientOptions(Options):
    """How a far end is reached over gRPC."""

    target: str
    """Where the servers are, `host:port`: every address behind the name is one of them \
(`dns:///host:port` says the same)."""
    authority: str | None = None
    """Host to name to the servers instead of that of `target`, which their certificates are \
verified for as well."""
    tls: ClientTlsOptions | None = None
    """Certificates. Given, if only as `{}`, the servers are reached over TLS; without it in the \
clear."""
    token: SecretStr | None = None
    """Token to present: `authorization: Bearer …`."""
    token_file: str | None = None
    """File with the token to present, read again when it changes."""
    headers: Mapping[str, SecretStr] = {}
    """Metadata to send along, such as an API key."""
    header_files: Mapping[str, str] = {}
    """Metadata to send along, each from a file, read again when it changes."""
    max_message_bytes: Bytes = 16 * 1024 * 1024
    """Largest message that is sent or read; a larger one counts as refused."""
    connect_timeout_seconds: Seconds = 5.0
    """Longest wait for a connection to open."""
    keepalive_seconds: Seconds = 30.0
    """Silence during a call after which a server is asked for a sign of life; many close the \
connection on more frequent ones."""
    keepalive_timeout_seconds: Seconds = 10.0
    """Longest wait for that sign; without it the connection is given up, and its calls fail."""
    resolve_seconds: Seconds = 30.0
    """How often names are looked up again, and certificates read again; names sooner when a \
server fails."""


__all__ = ["GrpcClientOptions"]
