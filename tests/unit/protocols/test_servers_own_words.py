"""What servers were heard say of a model that raised, or is not there, against their own table."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.core.errors import ConfigError, Rejected, Unavailable
from bridge.protocols.oip_grpc import OipGrpc
from bridge.protocols.oip_rest import OipRest
from bridge.protocols.port import Asked
from bridge.protocols.seldon_grpc import SeldonGrpc
from bridge.protocols.tensorflow_grpc import TensorflowGrpc

#: MLServer 1.7.1, 500 text/plain, shortened.
TRACEBACK = b"""Traceback (most recent call last):
  File "/srv/mlserver/lib/python3.11/site-packages/starlette/middleware/errors.py", line 164
    await self.app(scope, receive, _send)
  File "/srv/models/mlserver_models.py", line 38, in answer
    found = iris.probabilities(NumpyCodec.decode_input(measures))
ValueError: measures are [n, 4] features, these are [2, 1]
"""


def test_mlservers_traceback_is_a_verdict_of_its_last_line() -> None:
    """Its model raised, which says nothing of the server; where it did is nobody's business."""
    with pytest.raises(Rejected) as caught:
        OipRest(Asked(name="iris")).judge(
            500, ((b"content-type", b"text/plain; charset=utf-8"),), TRACEBACK, "model 'iris' at it"
        )

    said = "'ValueError: measures are [n, 4] features, these are [2, 1]'"
    assert f"model 'iris' at it answered 500: {said}" == str(caught.value)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_traceback_of_a_server_that_is_not_there_is_an_outage(status: int) -> None:
    """A gateway in Python may show its own."""
    with pytest.raises(Unavailable):
        OipRest(Asked(name="iris")).judge(status, (), TRACEBACK, "it")


def test_pythies_unknown_model_is_an_outage() -> None:
    """It has one status for everything; a model that is not there says nothing of the event."""
    protocol = TensorflowGrpc(Asked(name="nobody"))
    raised = "Exception calling application: "
    unknown = (
        f"{raised}Unknown model: nobody. "
        "This pythie-serving instance can only serve one of the following: recommender"
    )

    assert isinstance(protocol.judge("UNKNOWN", unknown, "it"), Unavailable)
    assert isinstance(protocol.judge("UNKNOWN", f"{raised}X has 1 features", "it"), Rejected)
    assert "it answered UNKNOWN: " in str(protocol.judge("UNKNOWN", unknown, "it"))


@pytest.mark.parametrize(
    ("protocol", "asked"),
    [
        (SeldonGrpc, {"version": "1"}),
        (SeldonGrpc, {"label": "stable"}),
        (SeldonGrpc, {"signature": "mine"}),
        (OipGrpc, {"label": "stable"}),
        (OipGrpc, {"signature": "mine"}),
    ],
)
def test_what_a_protocol_has_no_words_for_is_told_at_start(
    protocol: Any, asked: dict[str, str]
) -> None:
    """Over gRPC as over REST: a choice that nobody hears is none."""
    with pytest.raises(ConfigError, match=f"{next(iter(asked))}: .* cannot be told which"):
        protocol(Asked(name="iris", **asked))
