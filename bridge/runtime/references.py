"""Where a claim check may lead: below a URL of the file, and nowhere else.

    dataref ──written plainly?──▶ scheme, host, port ──the base's?──▶ path ──below it?──▶ target

A sender chooses the reference, so whatever two readers of a URL could read differently is
refused: the bridge must not be led to an address, or out of a folder, that the file does not
name. What comes out is the target of a request to the base's own host, never a host.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from bridge.core.errors import ConfigError, EventError
from bridge.core.event import shown

#: The longest reference that is read: longer than any presigned URL, short in memory.
MAX_CHARACTERS: Final = 4096

_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A URL below which references may lead. *queries*: whether they may have a query."""

    scheme: str
    host: str
    port: int
    segments: tuple[str, ...]
    queries: bool = False

    def target(self, reference: str) -> str | None:
        """Return what to ask the base's host for, or None where *reference* is not below it.

        Below means: the same scheme, host and port, and a path that goes on after the base's
        own. Raise EventError, saying what is wrong, for a reference that no base takes. A
        query is never in a text: it may hold a signature.
        """
        read = _read(reference)
        if (read.scheme, read.host, read.port) != (self.scheme, self.host, self.port):
            return None
        depth = len(self.segments)
        if len(read.segments) <= depth or read.segments[:depth] != self.segments:
            return None
        if read.query is None:
            return read.path
        if not self.queries:
            raise _refused(reference, "a query, which `queries` would allow")
        return f"{read.path}?{read.query}"


def base(url: str, *, queries: bool = False) -> Base:
    """Return the base that *url* is; raise ConfigError where nothing could lie below it.

    User and password may stand in it, they are the client's; a query may not.
    """
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    plain = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}".rstrip("/")
    try:
        read = _read(plain)
    except EventError as error:
        raise ConfigError(str(error).replace("attribute 'dataref'", "url", 1)) from error
    if read.query is not None:
        raise ConfigError(f"url is {quoted(plain)}, with a query: expected none")
    return Base(
        scheme=read.scheme,
        host=read.host,
        port=read.port,
        segments=read.segments,
        queries=queries,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A reference taken apart; *segments* are those of the path, decoded."""

    scheme: str
    host: str
    port: int
    path: str
    segments: tuple[str, ...]
    query: str | None


# Nothing but what RFC 3986 lets stand there: no user, no fragment, no space, no backslash,
# no letter beyond ASCII (a host in another script has to be the base's own `xn--` form), and
# no `;`, behind which some servers look for `..`.
_REFERENCE = re.compile(
    r"(?P<scheme>[Hh][Tt][Tt][Pp][Ss]?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._-]++)"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%[0-9A-Fa-f]{2})*+)*+)"
    r"(?:\?(?P<query>(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*+))?"
)

#: What a segment may not hold once it is decoded: another segment, another encoding of one, or
#: what ends a line or a name.
_HIDDEN = re.compile(r"[/\\;%\x00-\x1f\x7f]")


def _read(reference: str) -> _Read:
    """Take *reference* apart; raise EventError where two readers could disagree on it."""
    if len(reference) > MAX_CHARACTERS:
        raise _refused(reference, f"more than {MAX_CHARACTERS} characters")
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise _refused(reference, "what no plain http:// or https:// URL has")
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    path = found["path"]
    return _Read(
        scheme=scheme,
        host=found["host"].lower(),
        port=port,
        path=path,
        segments=tuple([_decoded(text, reference) for text in path.split("/")[1:]]),
        query=found["query"],
    )


def _decoded(text: str, reference: str) -> str:
    """Return a segment of a path as it is meant; raise EventError for one that leads elsewhere."""
    if text in ("", ".", ".."):
        raise _refused(reference, "an empty segment, '.' or '..' in its path")
    if "%" not in text:
        return text
    try:
        segment = unquote_to_bytes(text).decode()
    except UnicodeDecodeError as error:
        raise _refused(reference, "a path that is not UTF-8") from error
    if segment in (".", "..") or _HIDDEN.search(segment) is not None:
        raise _refused(reference, "an encoded dot, slash, percent sign or control in its path")
    return segment


def _refused(reference: str, found: str) -> EventError:
    return EventError(
        f"attribute 'dataref' is {quoted(reference)}, with {found}: expected a URL as "
        "https://store/folder/object, without user, query, fragment, '..' or '//'"
    )


def quoted(reference: str) -> str:
    """Return *reference* for an error: no password, no query, as either may be a secret."""
    _, user, rest = reference.rpartition("@")
    plain = rest.partition("?")[0].partition("#")[0]
    return shown(f"***@{plain}" if user else plain, _QUOTED)


#: Characters of a reference that an error quotes, at most.
_QUOTED: Final = 200
