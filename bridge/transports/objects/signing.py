"""Who we are, on each request: Signature Version 4, by the signer of the `minio` package.

    credentials, read again when they change ─┐
    method, path, query, headers, hash ───────┴─▶ minio.signer ─▶ headers with the signature

The signer is a pure function of 31 to 43 µs (measured), so it may run on the loop. Every
header that we send is signed, If-Match and x-amz-copy-source among them: nobody on the way
can change what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult

from pydantic import SecretStr

from bridge.config.objects import ObjectStoreOptions
from bridge.config.watched import WatchedFile, secret
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError

if TYPE_CHECKING:
    from minio.credentials.credentials import Credentials

#: The hash of no body.
EMPTY: Final = sha256(b"").hexdigest()

_NOBODY: Final = (None, None, None)


class Signer:
    """Signs as the account that *options* name; *host* is the store's, as the header says it.

    Raise ConfigError for credentials that cannot be used, and where the `minio` package is
    not installed.
    """

    def __init__(self, options: ObjectStoreOptions, host: str, clock: Clock) -> None:
        self._host = host
        self._region = options.region
        self._clock = clock
        self._given = [
            _given(name, getattr(options, name), getattr(options, f"{name}_file"), clock)
            for name in ("access_key", "secret_key", "session_token")
        ]
        self._values: tuple[str | None, ...] = _NOBODY
        self._credentials: Credentials | None = None
        self.anonymous = options.access_key is None and options.access_key_file is None
        if self.anonymous:
            return
        try:
            from minio.credentials.credentials import Credentials
            from minio.signer import sign_v4_s3
        except ImportError as error:
            raise ConfigError(
                "the minio package is not installed: expected the extra inference-bridge[objects]"
            ) from error
        self._made, self._sign = Credentials, sign_v4_s3

    def signed(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body_hash: str
    ) -> list[tuple[bytes, bytes]]:
        """Return *headers* (names in lower case) with Host, and signed unless anonymous.

        *path* and *query* are percent-encoded as they stand in the request line; *body_hash*
        is the body's SHA-256 in hexadecimal. Values must be printable ASCII.
        """
        found = {"host": self._host, **headers}
        if not self.anonymous:
            credentials = self._now()
            date = datetime.fromtimestamp(self._clock.now_ns() // 1_000_000_000, UTC)
            found["x-amz-date"] = date.strftime("%Y%m%dT%H%M%SZ")
            found["x-amz-content-sha256"] = body_hash
            if credentials.session_token:
                found["x-amz-security-token"] = credentials.session_token
            self._sign(
                method=method,
                url=SplitResult("", "", path, query, ""),
                region=self._region,
                headers=found,  # type: ignore[arg-type]  # its dict may hold lists too: ours does not
                credentials=credentials,
                content_sha256=body_hash,
                date=date,
            )
        return [(name.lower().encode(), value.encode()) for name, value in found.items()]

    def hidden(self, text: str) -> str:
        """Return *text* of the store without our secrets, should it quote any."""
        for value in self._values[1:]:
            if value:
                text = text.replace(value, "***")
        return text

    def _now(self) -> Credentials:
        """Return the credentials as of now, made anew where a file has changed."""
        access_key, secret_key, session_token = values = tuple([read() for read in self._given])
        if self._credentials is None or values != self._values:
            self._values = values
            self._credentials = self._made(access_key or "", secret_key or "", session_token)
        return self._credentials


def _given(
    name: str, value: SecretStr | None, file: str | None, clock: Clock
) -> Callable[[], str | None]:
    """Return what reads the option *name*; raise ConfigError where it holds nothing usable."""
    if file is not None:
        return WatchedFile(file, secret, option=f"{name}_file", clock=clock).value
    if value is None:
        return lambda: None
    try:
        known = secret(value.get_secret_value().encode())
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from error
    return lambda: known
