"""What goes along with a call of gRPC: the options' own metadata, and an event's headers.

    token, headers, and their files ──▶ [("authorization", "Bearer …"), …]
    an event's headers ─────────────▶ those that metadata can carry

Nothing of it is ever shown but the keys.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from bridge.config.grpc import GrpcClientOptions
from bridge.config.options import HttpClientOptions
from bridge.core.clock import Clock
from bridge.core.errors import ConfigError
from bridge.transports.http.credentials import Credentials

#: Metadata: keys in lower case, values printable ASCII.
Metadata = Sequence[tuple[str, str]]

#: Longest value of an event's own header that goes along: a server may refuse more than 8 KB of
#: metadata in all.
MAX_FORWARDED_CHARACTERS: Final = 1024


class ChannelMetadata:
    """The metadata that *options* add to every call, files read again when they change.

    Raise ConfigError for what cannot be sent, what is given twice and files that cannot be
    used: all of it at once, and never a value.
    """

    def __init__(self, options: GrpcClientOptions, *, clock: Clock) -> None:
        problems = [
            f"{option}: '{name}' is no key of metadata: expected letters, digits and "
            "_ - . alone, none of gRPC's own, and no -bin"
            for option in ("headers", "header_files")
            for name in getattr(options, option)
            if not is_key(name.lower())
        ]
        if problems:
            raise ConfigError("; ".join(problems))
        # What stands in a header of HTTP/1.1 stands in metadata; a URL has no part in it.
        said = HttpClientOptions(
            url=_NOWHERE,
            token=options.token,
            token_file=options.token_file,
            headers=options.headers,
            header_files=options.header_files,
        )
        self._credentials = Credentials(said, urlsplit(_NOWHERE), clock)
        self.names = tuple([name.decode() for name, _ in self._credentials.headers()])
        self._seen: Sequence[tuple[bytes, bytes]] | None = None
        self._made: list[tuple[str, str]] = []
        self._fixed = frozenset(self.names)
        self.now()

    def now(self) -> Metadata:
        """Return the metadata of now."""
        headers = self._credentials.headers()
        if headers is not self._seen:
            self._seen = headers
            self._made = [(name.decode(), value.decode("latin-1")) for name, value in headers]
            for name, value in self._made:
                if not is_value(value):
                    raise ConfigError(f"headers: the value of '{name}': expected printable ASCII")
        return self._made

    def beside(self, headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
        """Return those of a request's *headers* that can stand beside, as metadata.

        One that is so long that it could cost the call stays behind: it is there for traces.
        """
        found = []
        for name, value in headers:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            fits = len(text) <= MAX_FORWARDED_CHARACTERS
            if fits and key not in self._fixed and is_key(key) and is_value(text):
                found.append((key, text))
        return found


def is_key(name: str) -> bool:
    """Whether *name*, in lower case, can be a key of metadata with text: gRPC, PROTOCOL-HTTP2."""
    return (
        _KEY.fullmatch(name) is not None
        and not name.startswith("grpc-")
        and not name.endswith("-bin")
        and name not in _OWN
    )


def is_value(text: str) -> bool:
    """Whether *text* can be a value of metadata: printable ASCII."""
    return text.isascii() and text.isprintable()


_KEY = re.compile(r"[0-9a-z_.-]+")
#: Said by gRPC itself, or between neighbours of HTTP/1.1 only.
_OWN = frozenset(
    (
        "connection",
        "content-length",
        "content-type",
        "host",
        "te",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    )
)
_NOWHERE = "http://nowhere"
