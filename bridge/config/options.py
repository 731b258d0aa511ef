"""The base of every options class: one option a field, one sentence of documentation each.

Names are nouns with their unit at the end (`_seconds`, `_bytes`); no option takes values of
two types; an unknown key is an error. The reference page and the JSON Schema are made from
these classes, so they are the documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from bridge.config.shape import members

#: Seconds, more than none.
Seconds = Annotated[float, Field(gt=0)]

#: A count of bytes, more than none.
Bytes = Annotated[int, Field(gt=0)]


class Options(BaseModel):
    """What one part of the file may say."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        allow_inf_nan=False,
        hide_input_in_errors=True,  # it may be a secret
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_truth_as_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `on` as true, pydantic would read true as 1."""
        if isinstance(value, bool) and info.field_name is not None:
            kinds = members(cls.model_fields[info.field_name].annotation)
            if bool not in kinds and (int in kinds or float in kinds):
                raise PydanticCustomError("number_type", "expected a number")
        return value

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show neither password nor query of a URL; pydantic's own secrets hide themselves."""
        for name, value in super().__repr_args__():
            yield name, _without_secrets(value) if isinstance(value, str) else value


def _without_secrets(text: str) -> str:
    return _QUERY.sub(r"\1?***", _USERINFO.sub("//***@", text))


_USERINFO = re.compile(r"//[^/@\s]*@")
_QUERY = re.compile(r"(://[^\s?#]*)[?#]\S*")


class RetryOptions(Options):
    """How often one remote step is tried within a delivery, and how long between."""

    attempts: Annotated[int, Field(ge=1)] = 1
    """Tries in all; 1 leaves trying again to whoever delivers the event."""
    initial_seconds: Seconds = 0.1
    """Pause before the second try; it doubles from try to try."""
    max_seconds: Seconds = 30.0
    """Longest pause between two tries."""


class ClientTlsOptions(Options):
    """How a far end proves who it is, and we to it. Certificates are always verified."""

    ca_file: str | None = None
    """File of PEM certificates to trust instead of the system's."""
    ca_certs: str | None = None
    """PEM certificates themselves, to trust beside the system's (Knative's K_CA_CERTS)."""
    ca_folder: str | None = None
    """Folder of files with PEM certificates to trust beside the system's (trust bundles)."""
    cert_file: str | None = None
    """File with our own PEM certificate chain, for mutual TLS."""
    key_file: str | None = None
    """File with the PEM key of `cert_file`."""


class ServerTlsOptions(Options):
    """How the listener proves who it is, and whom it lets in."""

    cert_file: str
    """File with the PEM certificate chain to serve."""
    key_file: str
    """File with the PEM key of `cert_file`."""
    client_ca_file: str | None = None
    """File of PEM certificates that callers must be signed by (mutual TLS)."""


class HttpClientOptions(Options):
    """How a far end is reached over HTTP."""

    url: str
    """Base URL of the far end, `http://` or `https://`."""
    tls: ClientTlsOptions = ClientTlsOptions()
    """Certificates, for `https://`."""
    proxy_url: str | None = None
    """HTTP proxy to go through."""
    proxy_password_file: str | None = None
    """File with the password of the user that `proxy_url` names."""
    token: SecretStr | None = None
    """Token to present: `Authorization: Bearer …`."""
    token_file: str | None = None
    """File with the token to present, read again when it changes."""
    password_file: str | None = None
    """File with the password of the user that `url` names, read again when it changes."""
    headers: Mapping[str, SecretStr] = {}
    """Headers to send along, such as an API key."""
    header_files: Mapping[str, str] = {}
    """Headers to send along, each from a file, read again when it changes."""
    connections: Annotated[int, Field(ge=1)] = 64
    """Open connections at most; callers beyond wait for a free one."""
    connect_timeout_seconds: Seconds = 5.0
    """Longest wait for a connection to open."""
    idle_seconds: Seconds = 60.0
    """How long an unused connection is kept."""
    max_response_bytes: Bytes = 16 * 1024 * 1024
    """Largest answer that is read; a larger one counts as refused."""


__all__ = [
    "Bytes",
    "ClientTlsOptions",
    "HttpClientOptions",
    "Options",
    "RetryOptions",
    "Seconds",
    "SecretStr",
    "ServerTlsOptions",
]
