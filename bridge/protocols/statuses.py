"""What a gRPC status means: verdict or outage, the same for every protocol.

    status                                                     meaning
    DEADLINE_EXCEEDED                                          DeadlineExceeded
    UNAVAILABLE, ABORTED, CANCELLED                            Unavailable
    UNAUTHENTICATED: our own credentials are not taken         Unavailable
    NOT_FOUND: no such model (yet)                             Unavailable
    UNIMPLEMENTED: a server of another protocol                Unavailable
    RESOURCE_EXHAUSTED, for a message larger than allowed      Rejected
    RESOURCE_EXHAUSTED                                         Unavailable
    a proxy's HTTP 413, 414, 431, in place of a status         Rejected
    UNKNOWN, INTERNAL where gRPC itself or a proxy says so     Unavailable
    every other: UNKNOWN, INTERNAL, INVALID_ARGUMENT,
    FAILED_PRECONDITION, OUT_OF_RANGE, PERMISSION_DENIED, …    Rejected

Model servers tell of a bad shape in four ways: INVALID_ARGUMENT (Triton, TensorFlow Serving),
INTERNAL (MLServer, KServe), UNKNOWN (Seldon, pythie). So none of these asks for another try.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.core.errors import DeadlineExceeded, Rejected, Unavailable
from bridge.protocols.verdicts import worded

_OUTAGES: Final = frozenset(
    (
        "ABORTED",
        "CANCELLED",
        "NOT_FOUND",
        "RESOURCE_EXHAUSTED",
        "UNAUTHENTICATED",
        "UNAVAILABLE",
        "UNIMPLEMENTED",
    )
)
#: Said by the client's own gRPC of a connection, of a proxy or of a stream that was reset, and
#: not by a model (gRPC, "HTTP to gRPC status code mapping" and "gRPC over HTTP2", errors).
_OF_THE_WIRE: Final = (
    "No status received",
    "Received RST_STREAM",
    "Received http2 header with status",
    "Stream removed",
)
#: How gRPC in C++, Python and Go, in Java and in .NET call what is too large to be taken; the
#: metadata are an event's own headers, or what a server says of it beside a status.
_TOO_LARGE: Final = re.compile(
    r"message (?:after decompression )?larger than max|message exceeds (?:the )?maximum"
    r"|metadata size exceeds"
)
#: By which a proxy refuses the size of a request, where a server would say a status.
_TOO_LARGE_FOR_A_PROXY: Final = re.compile(r"Received http2 header with status: (?:413|414|431)\b")


def judged(code: str, text: str, who: str, method: str) -> Rejected | Unavailable:
    """Return what the status *code* with its *text* means, of a call of *method*."""
    said = f"{who} answered {code}: {worded(text) or 'without a word'}"
    if code == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(said)
    if code == "UNIMPLEMENTED":
        return Unavailable(f"{said} (it serves no {method}: is it a server of this protocol?)")
    if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE.search(text):
        return Rejected(said)
    if _TOO_LARGE_FOR_A_PROXY.match(text):
        return Rejected(said)
    if code in _OUTAGES or (code in ("UNKNOWN", "INTERNAL") and text.startswith(_OF_THE_WIRE)):
        return Unavailable(said)
    return Rejected(said)
