"""Whether a reply is the one that was asked for: checked for every single one.

The first reply is read slowly and to the letter. It also teaches how this contender spells
and places its header names, so that the replies after it can be checked by searching for
whole lines: a few microseconds less, which keeps the generator ahead of what it measures.
Whatever does not look like the first reply is read slowly again, and so is every 64th.
"""

from __future__ import annotations

import re

import orjson

from bench.stub_model import ANSWER

TYPE = b"seldon.simple-iris-deployment.response"
SOURCE = b"seldon.simple-iris-deployment"

#: One in how many replies is read to the letter even though it looks right.
SLOWLY = 64

#: How a contender writes what stays the same, and the names of what changes.
_Spelling = tuple[bytes, bytes, bytes, bytes, bytes, bytes]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Wrong(Exception):
    """A reply that is not the one that was asked for; the text says why."""


class Replies:
    """Judges the replies of one contender and remembers their ids.

    *exact*: the model's answer must come through to the byte; otherwise equal JSON will do.
    """

    def __init__(self, *, exact: bool = False) -> None:
        self.right = 0
        self._exact = exact
        self._ids: set[bytes] = set()
        self._spelling: dict[bytes, _Spelling] = {}

    def end_of(self, data: bytes) -> int:
        """Return where the reply at the start of *data* ends, or 0 if that is yet to come."""
        head_end = data.find(b"\r\n\r\n")
        if head_end == -1:
            return 0
        found = _LENGTH.search(data, 0, head_end + 2)
        if found is None:
            raise Wrong(f"no Content-Length: {data[:200]!r}")
        end = head_end + 4 + int(found[1])
        return end if end <= len(data) else 0

    def check(self, reply: bytes, requestid: bytes, specversion: bytes) -> None:
        """Raise Wrong unless *reply* answers the request *requestid* of *specversion*.

        Status 200; the example's type and source; the version in kind; the request's own
        `requestid`; an id that no other reply has had; the model's answer.
        """
        found = self._quickly(reply, requestid, specversion)
        if found is None:
            found = self._slowly(reply, requestid, specversion)
        if found in self._ids:
            raise Wrong(f"a second reply with id {found!r}")
        self._ids.add(found)
        self.right += 1

    def _quickly(self, reply: bytes, requestid: bytes, specversion: bytes) -> bytes | None:
        """Return the id, or None where the reply does not look like the first one."""
        if self.right % SLOWLY == 0:
            return None
        spelling = self._spelling.get(specversion)
        if spelling is None:
            return None
        id_name, requestid_name, type_line, source_line, version_line, body = spelling
        found = reply.find(id_name)
        if (
            found != -1
            and reply.startswith(b"HTTP/1.1 200 ")
            and b"%b%b\r\n" % (requestid_name, requestid) in reply
            and type_line in reply
            and source_line in reply
            and version_line in reply
            and reply.endswith(body)
        ):
            begin = found + len(id_name)
            return reply[begin : reply.index(b"\r\n", begin)] or None
        return None

    def _slowly(self, reply: bytes, requestid: bytes, specversion: bytes) -> bytes:
        head, _, body = reply.partition(b"\r\n\r\n")
        status, *lines = head.split(b"\r\n")
        if status.split(b" ")[:2] != [b"HTTP/1.1", b"200"]:
            raise Wrong(f"expected status 200: {reply[:300]!r}")
        names: dict[bytes, bytes] = {}
        values: dict[bytes, bytes] = {}
        for line in lines:
            spelled, _, value = line.partition(b":")
            name = spelled.lower()
            if name in values:
                raise Wrong(f"header {name!r} twice: {head!r}")
            names[name] = b"\r\n" + line[: len(line) - len(value.lstrip())]
            values[name] = value.strip()
        expected = {
            b"ce-type": TYPE,
            b"ce-source": SOURCE,
            b"ce-specversion": specversion,
            b"ce-requestid": requestid,
            b"content-type": b"application/json",
        }
        for name, value in expected.items():
            if values.get(name) != value:
                raise Wrong(f"{name!r} is {values.get(name)!r}: expected {value!r}")
        if not values.get(b"ce-id"):
            raise Wrong(f"no ce-id: {head!r}")
        if not same_answer(body, exact=self._exact):
            raise Wrong(f"the body is {body!r}: expected {ANSWER!r}")
        self._spelling[specversion] = (
            names[b"ce-id"],
            names[b"ce-requestid"],
            b"%b%b\r\n" % (names[b"ce-type"], TYPE),
            b"%b%b\r\n" % (names[b"ce-source"], SOURCE),
            b"%b%b\r\n" % (names[b"ce-specversion"], specversion),
            b"\r\n\r\n" + body,
        )
        return values[b"ce-id"]


def same_answer(body: bytes, *, exact: bool) -> bool:
    """Return whether *body* is the model's answer: *exact*, or else as JSON."""
    if exact or body == ANSWER:
        return body == ANSWER
    try:
        return bool(orjson.loads(body) == orjson.loads(ANSWER))
    except orjson.JSONDecodeError:
        return False
