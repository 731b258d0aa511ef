"""What a Kafka source has settled is freed at once: nothing is left for the collector."""

from __future__ import annotations

import gc
from typing import Any

from bridge.core.errors import Rejected
from bridge.core.event import Event, Origin
from bridge.observe.ledger import Events
from bridge.runtime.middleware import handler
from bridge.runtime.pipeline import Outcome, Quiet
from tests.fakes import FakeClock, FakeSink
from tests.unit.sources.test_kafka_source import running


async def _responds(event: Event) -> Outcome:
    """Leave a response where the pipeline does: it has the origin of its request."""
    delivery = event.origin.delivery
    assert delivery is not None
    delivery.response = Event(event.attributes, b"answer", event.origin)
    return Quiet.PUBLISHED


async def _refuses(event: Event) -> Outcome:
    raise Rejected("not this one")


async def _left_by(step: Any) -> int:
    """Return how many events only the collector can free after *step* had ten of them."""
    stands_around = handler(
        step,
        name="p",
        events=Events(),
        dead_letter_sink=FakeSink(),
        deadline_seconds=5.0,
        clock=FakeClock(),
    )
    async with running(commit_interval_seconds=0.001) as rig:
        rig.source._handle = stands_around  # the rig's own handler keeps what it was given
        gc.collect()
        gc.disable()
        try:
            await rig.put(*(f"e{number}" for number in range(10)))
            await rig.committed(10)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            return sum(type(one) is Origin for one in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()


async def test_a_response_is_freed_with_its_request() -> None:
    """A response refers to its request's place, which kept it for another try."""
    left = await _left_by(_responds)

    assert 0 == left


async def test_a_refused_event_is_freed() -> None:
    """An error knows where it was raised: nothing there refers to the error."""
    left = await _left_by(_refuses)

    assert 0 == left
