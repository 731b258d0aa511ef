"""Where a listing goes on behind a key: folder by folder, from the key's own outwards.

    behind img/0899  ─▶  in img/, behind img/0899  ─▶  img0 itself  ─▶  everywhere, behind img0

One request, `start-after=img/0899`, would be enough by Amazon's words. MinIO (of 2025 and 2026,
where the bucket has no lifecycle) stops at as many keys as were asked for and counts those
between `img` and `img/` among them, all before that key: `img-0000`, `img.png`. Of a thousand
such it answers with nothing, and that there is no more: whatever lies behind was never found.
Its walk begins at the part of `start-after` before a slash (cmd/metacache-walk.go, forward), so
none is asked for here that has one below the folder that is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Keys that begin with *prefix* and lie behind *after*; *alone*: the key *prefix* itself."""

    prefix: str
    after: str = ""
    alone: bool = False


def places(prefix: str, after: str) -> Iterator[Place]:
    """Yield the places that hold every key behind *after* which begins with *prefix*, in order."""
    if after.startswith(prefix):
        while len(folder := _folder(after)) > len(prefix):
            yield Place(prefix=folder, after=after)
            # The least key behind all of the folder's: the slash is 0x2F, the zero 0x30.
            after = f"{folder[:-1]}0"
            yield Place(prefix=after, alone=True)
    yield Place(prefix=prefix, after=after)


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]
