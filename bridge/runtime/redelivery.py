"""What a source that delivers again itself needs around a pipeline, and a broker's does not.

    dead letter( refusing( brake( deadline( pipeline ))))

Such a source (Kafka's) has records that are no event, and nobody behind it who would notice
that a model, rolled out badly, refuses everything.
"""

from __future__ import annotations

from bridge.core.errors import Rejected, Unavailable
from bridge.core.event import Delivery, Event, Invalid
from bridge.runtime.pipeline import Outcome, Quiet, Step


def refusing(step: Step) -> Step:
    """Refuse what is no event, with its own error, before *step* looks at it."""

    async def refuse(event: Event) -> Outcome:
        if isinstance(event, Invalid):
            raise event.error
        return await step(event)

    return refuse


def brake(step: Step, limit: int) -> Step:
    """Call a refusal an outage once *limit* events in a row were refused; 0 for never.

    A success in between starts the count anew: an event that a model has answered, also while
    it waits for its turn. What was filtered before a model was asked is none, and says nothing
    of it. The event that is held asks again after a pause, so what is refused goes to the dead
    letter again as soon as one event is not.
    """
    if limit == 0:
        return step
    refusals = 0
    asking: dict[Delivery, None] = {}  # not answered as far as is known

    async def braked(event: Event) -> Outcome:
        nonlocal refusals
        delivery = event.origin.delivery
        if delivery is not None and not delivery.answered:
            asking[delivery] = None
        try:
            outcome = await step(event)
        except Rejected as error:
            if delivery in asking and not delivery.answered and answered():
                refusals = 0
            refusals += 1
            if refusals < limit:
                raise
            raise Unavailable(
                f"{refusals} refusals in a row and no success in between, the last one: {error}"
            ) from error
        finally:
            if delivery is not None:
                asking.pop(delivery, None)
        if outcome is Quiet.PUBLISHED or (delivery is not None and delivery.answered):
            refusals = 0
        return outcome

    def answered() -> bool:
        """Whether a model has answered some since this was asked: they are on their way out."""
        known = [delivery for delivery in asking if delivery.answered]
        for delivery in known:
            del asking[delivery]
        return bool(known)

    return braked
