"""Verdict or outage: what each status of gRPC means, in the words that servers were heard say."""

from __future__ import annotations

import grpc
import pytest

from bridge.core.errors import BridgeError, DeadlineExceeded, Rejected, Unavailable
from bridge.protocols.statuses import judged

METHOD = "/seldon.protos.Seldon/Predict"


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("UNKNOWN", "Exception calling application: bad shape", Rejected),
        ("UNKNOWN", "", Rejected),
        ("UNKNOWN", "Stream removed", Unavailable),
        ("UNKNOWN", "Received http2 header with status: 500", Unavailable),
        ("UNKNOWN", "Exception calling application: Received RST_STREAM", Rejected),
        ("INTERNAL", "ValueError: X has 3 features", Rejected),
        ("INTERNAL", "Received RST_STREAM with error code 2", Unavailable),
        ("INVALID_ARGUMENT", "unexpected shape for input", Rejected),
        ("OUT_OF_RANGE", "", Rejected),
        ("FAILED_PRECONDITION", "no such signature", Rejected),
        ("PERMISSION_DENIED", "", Rejected),
        ("ALREADY_EXISTS", "", Rejected),
        ("DATA_LOSS", "", Rejected),
        ("NOT_FOUND", "Request for unknown model: 'iris' is not found", Unavailable),
        ("UNAVAILABLE", "connection refused", Unavailable),
        ("RESOURCE_EXHAUSTED", "Concurrent RPC limit exceeded!", Unavailable),
        ("RESOURCE_EXHAUSTED", "Received message larger than max (9 vs. 4)", Rejected),
        ("RESOURCE_EXHAUSTED", "CLIENT: Received message larger than max (9 vs. 4)", Rejected),
        ("RESOURCE_EXHAUSTED", "grpc: received message larger than max (9 vs. 4)", Rejected),
        ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5242900", Rejected),
        (
            "RESOURCE_EXHAUSTED",
            "Received message exceeds the maximum configured message size.",
            Rejected,
        ),
        (
            "RESOURCE_EXHAUSTED",
            "grpc: received message after decompression larger than max 4194304",
            Rejected,
        ),
        (
            "RESOURCE_EXHAUSTED",
            "received metadata size exceeds hard limit (value length 20000 vs. 16384)",
            Rejected,
        ),
        ("RESOURCE_EXHAUSTED", "the queue exceeds maximum size", Unavailable),
        ("UNKNOWN", "Received http2 header with status: 413", Rejected),
        ("UNKNOWN", "Received http2 header with status: 414", Rejected),
        ("UNKNOWN", "Received http2 header with status: 4130", Unavailable),
        ("UNKNOWN", "No status received", Unavailable),
        ("ABORTED", "", Unavailable),
        ("CANCELLED", "", Unavailable),
        ("UNAUTHENTICATED", "", Unavailable),
        ("UNIMPLEMENTED", "Method not found!", Unavailable),
        ("DEADLINE_EXCEEDED", "", DeadlineExceeded),
    ],
)
def test_the_table(code: str, text: str, expected: type[BridgeError]) -> None:
    """What judges the request is Rejected, what may pass is Unavailable."""
    error = judged(code, text, "model 'iris' at it", METHOD)

    assert expected is type(error)
    assert str(error).startswith(f"model 'iris' at it answered {code}: ")


def test_every_status_is_judged() -> None:
    """No status of gRPC is left out of the table's tests, OK being none."""
    named = {case[0] for mark in test_the_table.pytestmark for case in mark.args[1]}  # type: ignore[attr-defined]  # pytest's own

    assert {code.name for code in grpc.StatusCode} - {"OK"} == named


def test_the_servers_words_are_quoted_without_a_traceback() -> None:
    """At most 200 characters, and of a traceback its last line alone."""
    text = 'Traceback (most recent call last):\n  File "/secret/model.py", line 3\nValueError: no\n'

    assert "/secret" not in str(judged("INTERNAL", text, "it", METHOD))
    assert "ValueError: no" in str(judged("INTERNAL", text, "it", METHOD))
    assert len(str(judged("INTERNAL", "x" * 10_000, "it", METHOD))) < 300


def test_a_wrong_protocol_is_named() -> None:
    """A server that has no such method is told of with the method."""
    assert METHOD in str(judged("UNIMPLEMENTED", "Method not found!", "it", METHOD))
