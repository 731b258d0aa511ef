"""What every model server over HTTP is given of an event's own headers."""

from __future__ import annotations

import pytest

from bridge.protocols.verdicts import forwarded


@pytest.mark.parametrize(
    "name",
    [
        b"accept-encoding",
        b"ce-id",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    ],
)
def test_what_was_said_of_the_way_to_us_stays_behind(name: bytes) -> None:
    """A body that came in gzip is unpacked, and a password of our proxy is not the model's."""
    kept = (b"traceparent", b"00-1a-2b-01")

    assert (kept,) == forwarded(((name, b"x"), kept))
