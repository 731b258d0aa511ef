"""A member put into a JSON object without touching a byte of the rest.

{"inputs": […]}  ─with_member("id", "7")▶  {"id":"7","inputs": […]}
"""

from __future__ import annotations

import re

import orjson

from bridge.core.payload import Body
from bridge.protocols.verdicts import parsed


def with_member(body: Body, name: str, value: str) -> bytes:
    """Return *body*'s bytes with the member *name* in front, if it is an object without one.

    One that is null is given the value where it stands, unless something within has the same,
    and then it stays null. A body that is no object goes as it came, for the server to judge.
    """
    data = body.data
    if b'"%b"' % name.encode() in data:  # it may be that of something within: look
        said = parsed(body)
        if not isinstance(said, dict) or said.get(name) is not None:
            return data
        if name in said:
            return _filled(data, name, value)
    start = _OBJECT.match(data)
    if start is None:
        return data
    member = b"%b:%b" % (orjson.dumps(name), orjson.dumps(value))
    separator = b"" if start[1] else b","
    return b"{%b%b%b" % (member, separator, data[start.end(0) - len(start[1] or b"") :])


#: The beginning of an object, and its end where it has no member.
_OBJECT = re.compile(rb"[ \t\r\n]*\{[ \t\r\n]*(\})?")


def _filled(data: bytes, name: str, value: str) -> bytes:
    """Return *data* with *value* for the null called *name*, as it came where there are two."""
    found = re.findall(rb'"%b"[ \t\r\n]*:[ \t\r\n]*null' % re.escape(name.encode()), data)
    if len(found) != 1:
        return data
    return data.replace(found[0], b"%b:%b" % (orjson.dumps(name), orjson.dumps(value)))
