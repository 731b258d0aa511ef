"""What answers in place of a model server: a load balancer's page, a login, another path."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import Rejected, Unavailable
from bridge.protocols.kserve_rest import KserveRest
from bridge.protocols.oip_rest import OipRest
from bridge.protocols.port import Asked
from bridge.protocols.seldon_rest import SeldonRest
from bridge.protocols.tensorflow_rest import TensorflowRest

NAMED = Asked(name="iris")
PROTOCOLS = [
    SeldonRest(NAMED),
    TensorflowRest(NAMED),
    KserveRest(NAMED),
    OipRest(NAMED),
    OipRest(NAMED, binary=True),
]
HTML = ((b"content-type", b"text/html; charset=utf-8"),)

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda one: type(one).__name__)


@every_protocol
@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><title>Maintenance</title>",
        b"\n  <html><body>NaN, please log in</body></html>",
        b'\xef\xbb\xbf<?xml version="1.0"?><error/>',
    ],
)
def test_a_page_with_status_200_took_good_events_to_the_dead_letter(
    protocol: Any, page: bytes
) -> None:
    """No model wrote it, so it says nothing of the event; the text tells what it was."""
    with pytest.raises(Unavailable, match=r"^m answered garbage: '.*', a page and"):
        protocol.judge(200, HTML, page, "m")


@every_protocol
@pytest.mark.parametrize("body", [b"", b"ok", b"[]", b'{"data":', b'"<p>"'])
def test_what_else_is_no_answer_is_garbage_still(protocol: Any, body: bytes) -> None:
    """A model that cannot say an answer to this event will not learn it."""
    with pytest.raises(Rejected, match=r"^m answered garbage: .*: expected "):
        protocol.judge(200, (), body, "m")


@every_protocol
@pytest.mark.parametrize("body", [b"<h1>405 Not Allowed</h1>", b'{"detail":"Method Not Allowed"}'])
def test_a_path_where_nobody_predicts_took_good_events_to_the_dead_letter(
    protocol: Any, body: bytes
) -> None:
    """405 says of the file or of a rollout what 404 says: another event would fare no better."""
    with pytest.raises(Unavailable, match=r"^m answered 405: "):
        protocol.judge(405, (), body, "m")


@pytest.mark.parametrize("protocol", [SeldonRest, TensorflowRest, KserveRest, OipRest])
def test_a_page_that_speaks_of_infinity_was_refused_for_it(protocol: Any) -> None:
    """With `non_finite: refuse` as well, only an answer can hold such a number."""
    page = b"<html>Infinity Hosting: down for maintenance</html>"

    with pytest.raises(Unavailable, match=r"^m answered garbage: '<html>Inf"):
        protocol(NAMED, non_finite="refuse").judge(200, HTML, page, "m")


@every_protocol
def test_a_body_that_is_too_large_stays_refused(protocol: Any) -> None:
    """A proxy's 413 is a page as well, and speaks of the event."""
    with pytest.raises(Rejected, match=r"^m answered 413: "):
        protocol.judge(413, HTML, b"<html>413 Request Entity Too Large</html>", "m")
