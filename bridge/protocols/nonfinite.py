"""NaN and the infinities in JSON, which has no form for them: read as others write them.

[1.0, NaN, -Infinity]   as TensorFlow Serving and Python write them
[1.0, null, "-Infinity"]  as other JSON can say them
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.protocols.port import NonFinite

#: What stands for a value without a form: null for NaN, and the names by which all are called.
VALUES: Final[Mapping[str | None, float]] = {
    None: math.nan,
    "NaN": math.nan,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
}


class Rewritten(Body):
    """JSON that was none for its bare tokens; *original* is what came, with the tokens."""

    __slots__ = ("original",)

    def __init__(self, data: bytes, original: Body) -> None:
        super().__init__(data, original.content_type)
        self.original = original


def called(value: float) -> str:
    """Return the name of a *value* that is NaN or infinite."""
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def loaded(body: Body) -> Any:
    """Return *body* as JSON, bare tokens being numbers; raise DecodeError if it is none."""
    if isinstance(body, Rewritten):
        body = body.original
    try:
        return body.json()
    except DecodeError:
        if _TOKEN.search(body.data) is None:
            raise
    try:
        return json.loads(body.data.decode())
    except (ValueError, RecursionError) as error:  # ValueError: no UTF-8, a number too long
        raise DecodeError(f"data is not JSON: {error}") from error


def rewritten(body: Body, non_finite: NonFinite, who: str) -> Body:
    """Return *body*, or what makes JSON of it where all that it lacks is a form for its tokens.

    Everything else stays as it came, to the last digit. Raise Rejected, beginning with *who*,
    where *non_finite* refuses them.
    """
    try:
        body.json()
    except DecodeError:
        if _TOKEN.search(body.data) is None:
            return body
    else:
        return body
    if non_finite == "refuse":
        try:
            loaded(body)
        except DecodeError:  # no JSON with such tokens either: a page, say
            return body
        raise Rejected(f"{who} answered NaN or infinity: JSON has no form for them")

    def replaced(found: re.Match[bytes]) -> bytes:
        token = found[0]
        if token[:1] == b'"':
            return token
        return b"null" if non_finite == "null" else b'"%b"' % token

    return Rewritten(_TEXT_OR_TOKEN.sub(replaced, body.data), body)


_TOKEN = re.compile(rb"NaN|Infinity")
#: A token, or a text, so that a token within one stays what it is. A text that does not end
#: is matched to the end: looked at from each of its quotation marks it would take hours.
_TEXT_OR_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.?)*+"?|-?Infinity|NaN', re.DOTALL)
