"""The token of a request, and the answers to a request without a good one (RFC 6750).

    Authorization: Bearer <token>   or   ?access_token=<token>   ─▶ Bearer(token, how it came)

Both ways are the CloudEvents webhook specification's (3.1, 3.2): a target supports both. What
a sender is told says which class of mistake it was and nothing of the check that failed; the
log is told that, and never the token.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

from bridge.core.errors import BridgeError
from bridge.core.value import value
from bridge.transports.http import HttpRequest, HttpResponse

#: Parameters of a query that are looked at for a token, at most.
MAX_PARAMETERS: Final = 64


class Denied(BridgeError):
    """The request is refused for who sent it; its event was not looked at.

    Its text is for the sender, *cause* for the log: neither holds a token. *challenge* is the
    WWW-Authenticate header (RFC 6750, 3).
    """

    def __init__(self, status: int, text: str, cause: str, *, code: bytes = b"") -> None:
        super().__init__(text)
        self.status = status
        self.reason = "forbidden" if status == 403 else "unauthorized"
        self.cause = cause
        self.challenge = (b"www-authenticate", REALM + (b', error="%b"' % code if code else b""))


def missing() -> Denied:
    """Return the answer to a request without a token: no error code (RFC 6750, 3.1)."""
    text = "no token: expected the header 'Authorization: Bearer <token>'"
    return Denied(401, text, "no token")


def invalid(cause: str) -> Denied:
    """Return the answer to a token that is not good, whatever the reason."""
    return Denied(401, "the token is not valid here", cause, code=b"invalid_token")


def ambiguous(cause: str) -> Denied:
    """Return the answer to a request that brings more than one token, or one hidden too well."""
    return Denied(400, f"{cause}: expected one token", cause, code=b"invalid_request")


def forbidden(cause: str) -> Denied:
    """Return the answer to a good token of somebody who may not send here."""
    return Denied(403, "the sender may not send here", cause, code=b"insufficient_scope")


@value
class Bearer:
    """A token as it came, unchecked. *by_query*: in the URL, where it may have been logged."""

    token: bytes
    by_query: bool

    def __repr__(self) -> str:
        """Say that there is a token, and not which."""
        return f"<Bearer {len(self.token)} bytes>"


def bearer(request: HttpRequest) -> Bearer:
    """Return the token of *request*; raise Denied where it has none, or more than one."""
    fields = [content for name, content in request.headers if name == AUTHORIZATION]
    if len(fields) > 1:
        raise ambiguous("more than one header 'Authorization'")
    found = _CREDENTIALS.fullmatch(fields[0]) if fields else None
    in_query = _in_query(request.query) if request.query else []
    if len(in_query) > 1:
        raise ambiguous("more than one 'access_token' in the query")
    if found is not None and in_query:
        raise ambiguous("a token in the header and one in the query")
    if found is not None:
        return Bearer(token=found[1], by_query=False)
    if in_query:
        return Bearer(token=in_query[0].encode("utf-8", "replace"), by_query=True)
    raise missing()


def without_token(request: HttpRequest) -> HttpRequest:
    """Return *request* as whoever handles it may see it: the token goes no further."""
    headers = tuple([field for field in request.headers if field[0] != AUTHORIZATION])
    query = request.query
    if query:
        query = "&".join(part for part in query.split("&") if not _in_query(part))
    target = f"{request.path}?{query}" if query else request.path
    return HttpRequest(
        request.method, target, request.path, query, headers, request.body, request.coding
    )


def kept_private(response: HttpResponse) -> HttpResponse:
    """Return *response* to a token in a URL: no shared cache may keep it (webhook spec, 3.2)."""
    if not 200 <= response.status < 300:
        return response
    return HttpResponse(response.status, (*response.headers, PRIVATE), response.body)


AUTHORIZATION: Final = b"authorization"
PRIVATE: Final = (b"cache-control", b"private")
REALM: Final = b'Bearer realm="events"'

#: Any printable token: a webhook's may be "a simple key expression". The scheme's case is free.
_CREDENTIALS = re.compile(rb"(?i:bearer) +([\x21-\x7e]+)")


def _in_query(query: str) -> list[str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_PARAMETERS)
    except ValueError as error:
        cause = f"a query of more than {MAX_PARAMETERS} parameters"
        raise ambiguous(cause) from error
    return [content for name, content in pairs if name == "access_token"]
