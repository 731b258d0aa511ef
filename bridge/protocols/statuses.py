"""What a gRPC status means: verdict or outage, the same for every protocol.

    status                                                     meaning
    DEADLINE_EXCEEDED                                          DeadlineExceeded
    UNAVAILABLE, ABORTED, CANCELLED                            Unavailable
    UNAUTHENTICATED: our own credentials are not taken         Unavailable
    NOT_FOUND: no such model (yet)                             Unavailable
    UNIMPLEMENTED: a server of another protocol                Unavailable
    RESOURCE_EXHAUSTED, for a message larger than allowed      Rejected
    RESOURCE_EXHAUSTED                                         Unavailable
    UNKNOWN, INTERNAL where gRPC itself or a proxy says so     Unavailable
    every other: UNKNOWN, INTERNAL, INVALID_ARGUMENT,
    FAILED_PRECONDITION, OUT_OF_RANGE, PERMISSION_DENIED, …    Rejected

Model servers tell of a bad shape in four ways: INVALID_ARGUMENT (Triton, TensorFlow Serving),
INTERNAL (MLServer, KServe), UNKNOWN (Seldon, pythie). So none of these asks for another try.
"""

from __future__ import annotations

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
    "Received RST_STREAM",
    "Received http2 header with status",
    "Stream removed",
)


def judged(code: str, text: str, who: str, method: str) -> Rejected | Unavailable:
    """Return what the status *code* with its *text* means, of a call of *method*."""
    said = f"{who} answered {code}: {worded(text) or 'without a word'}"
    if code == "DEADLINE_EXCEEDED":
        return DeadlineExceeded(said)
    if code == "UNIMPLEMENTED":
        return Unavailable(f"{said} (it serves no {method}: is it a server of this protocol?)")
    if code == "RESOURCE_EXHAUSTED" and "message larger than max" in text:
        return Rejected(said)
    if code in _OUTAGES or (code in ("UNKNOWN", "INTERNAL") and text.startswith(_OF_THE_WIRE)):
        return Unavailable(said)
    return Rejected(said)
