"""What a listener says of an outage: a status, and a whole number of seconds to wait."""

from __future__ import annotations

from math import inf, nan

import pytest

from bridge.core.errors import Overloaded, Unavailable
from bridge.observe.ledger import Deliveries
from bridge.sources.listener import Listener, ListenerOptions
from bridge.transports.http import HttpRequest, HttpResponse


async def answer(request: HttpRequest) -> HttpResponse:
    raise AssertionError(f"nobody asks: {request}")


def listening(options: ListenerOptions, deliveries: Deliveries) -> Listener:
    """Return a listener that is not asked anything."""
    return Listener(
        options,
        answer,
        name="http",
        deliveries=deliveries,
        guarded=lambda request: True,
        refuse=lambda error: HttpResponse(500, (), b""),
    )


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (None, b"1"),
        (nan, b"1"),
        (-5.0, b"0"),
        (0.0, b"0"),
        (0.2, b"1"),
        (7200.5, b"3600"),
        (2.5e11, b"3600"),
        (inf, b"3600"),
    ],
)
def test_retry_after_is_a_number_of_seconds_a_sender_can_wait(
    asked: float | None, said: bytes
) -> None:
    """Whatever a far end or a user's class asked for: no crash, no sign, no century."""
    listener = listening(ListenerOptions(), Deliveries())

    told = listener.outage(Unavailable("busy", retry_after_seconds=asked))

    assert (503, (b"retry-after", said)) == told


async def test_the_ledger_knows_the_limit_and_what_was_turned_away() -> None:
    """Whoever reads the metrics sees how far the limit is, and requests that never were one."""
    deliveries = Deliveries()
    listener = listening(ListenerOptions(max_in_flight=7), deliveries)

    listener.turned_away(404, "path /x: no pipeline listens on it")

    assert 7 == deliveries.limit
    assert {404: 1} == deliveries.turned_away


async def test_a_refused_delivery_is_booked_with_its_reason() -> None:
    """A 429 can be told from a 400 without reading the log."""
    deliveries = Deliveries()
    listener = listening(ListenerOptions(), deliveries)

    async def refuse() -> HttpResponse:
        raise Overloaded("max_in_flight: 7 under way already")

    told = await listener.booked(refuse(), lambda error: HttpResponse(429, (), b""))

    assert 429 == told.status
    assert {"overloaded": 1} == deliveries.refusals


def test_without_auth_the_source_answers_by_itself() -> None:
    """Who asks nobody for a token pays nothing for it: not even a call."""
    listener = listening(ListenerOptions(), Deliveries())

    assert listener._server._shared.answer is answer
