"""Valid requests, every form an event comes in: what rules break and mutations start from."""

from __future__ import annotations

import gzip
import zlib
from functools import lru_cache
from random import Random

#: The type that the pipeline under test filters by.
TYPE = b"seldon.simple-iris-deployment.request"
DATA = b'{"data": { "ndarray": [[1,2,3,4]]}}'
JSON = b"application/json"
STRUCTURED = b"application/cloudevents+json"
BATCH = b"application/cloudevents-batch+json"

Headers = list[tuple[bytes, bytes]]


def attributes(chance: Random, version: bytes = b"1.0") -> dict[bytes, bytes]:
    """Return the required attributes, the id a new one each time."""
    return {
        b"specversion": version,
        b"id": b"%x" % chance.getrandbits(64),
        b"source": b"tests/fuzz",
        b"type": TYPE,
    }


def binary_headers(known: dict[bytes, bytes], content_type: bytes | None = JSON) -> Headers:
    """Return *known* as `ce-` headers."""
    headers = [(b"ce-" + name, value) for name, value in known.items()]
    return headers if content_type is None else [*headers, (b"content-type", content_type)]


def head(
    headers: Headers,
    *,
    method: bytes = b"POST",
    target: bytes = b"/",
    version: bytes = b"HTTP/1.1",
    host: bool = True,
) -> bytes:
    """Return a request line and *headers*, up to the empty line."""
    lines = [b"%b %b %b" % (method, target, version)]
    if host:
        lines.append(b"host: fuzz")
    lines += [b"%b: %b" % header for header in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def request(headers: Headers, body: bytes = DATA, **line: bytes) -> bytes:
    """Return a request whose length is told."""
    length = (b"content-length", b"%d" % len(body))
    return head([*headers, length], **line) + body


def chunked(body: bytes, chance: Random) -> bytes:
    """Return *body* in chunks of any sizes, with extensions and trailers at times."""
    pieces = []
    at = 0
    while at < len(body):
        size = chance.randint(1, 1 + len(body))
        piece = body[at : at + size]
        at += size
        extension = chance.choice([b"", b"", b";a", b";a=b", b';a="b;c"'])
        pieces.append(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece))
    return b"".join(pieces) + b"0\r\n" + chance.choice([b"", b"x-sum: 1\r\n"]) + b"\r\n"


def event(chance: Random) -> bytes:
    """Return a valid binary event."""
    version = chance.choice([b"1.0", b"0.3"])
    return request(binary_headers(attributes(chance, version)))


def envelope(chance: Random, **members: bytes) -> bytes:
    """Return a JSON envelope with *members*, JSON texts, in place of or beside its own.

    A member that is empty is left out.
    """
    known = {name: b'"%b"' % value for name, value in attributes(chance).items()}
    known[b"data"] = DATA
    known |= {name.encode(): value for name, value in members.items()}
    written = [b'"%b":%b' % (name, value) for name, value in known.items() if value]
    chance.shuffle(written)
    return b"{%b}" % b",".join(written)


def structured(body: bytes, content_type: bytes = STRUCTURED) -> bytes:
    """Return a request with an envelope."""
    return request([(b"content-type", content_type)], body)


def batch(body: bytes, *, accept: bool = True) -> bytes:
    """Return a request with a batch, by a sender that takes one back."""
    headers = [(b"content-type", BATCH)]
    return request([*headers, (b"accept", BATCH)] if accept else headers, body)


@lru_cache
def bomb(size: int, coding: bytes) -> bytes:
    """Return *size* zeros, packed; made once, as that takes longer than to send it."""
    return packed(bytes(size), coding)


def packed(body: bytes, coding: bytes) -> bytes:
    """Return *body* packed as *coding* says."""
    return zlib.compress(body) if coding == b"deflate" else gzip.compress(body, mtime=0)
