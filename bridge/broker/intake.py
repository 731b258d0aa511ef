"""Where an event is taken in: into the queue of every trigger that wants it, or into none.

    event ─▶ hops left? ─▶ arrival time ─▶ filters ─▶ room in every queue? ─▶ queued
                 │ no: Expired                            │ no: Overloaded, nothing is queued

Events from outside and replies of subscribers come the same way. Source of the hop counter
and the arrival time: Knative pkg/broker/ttl.go, pkg/broker/ingress (v0.50.0).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from bridge.broker.counts import Counts, Outcome, Tally, TriggerCounts
from bridge.broker.triggers import Declared, Trigger
from bridge.core.clock import Clock, rfc3339
from bridge.core.errors import EventError, Overloaded
from bridge.core.event import Event

TTL: Final = "knativebrokerttl"
ARRIVAL_TIME: Final = "knativearrivaltime"

log = structlog.get_logger()


class Expired(EventError):
    """The event has no hops left: it went around in a loop of replies."""

    reason = "expired"


@dataclass(frozen=True, slots=True)
class Queued:
    """An event on its way to one trigger, and how many hops it has left.

    The counter travels beside the event, since subscribers never see it.
    """

    event: Event
    ttl: int


@dataclass(frozen=True, slots=True)
class Lane:
    """One trigger's own queue: what waits there delays no other trigger."""

    trigger: Trigger
    queue: asyncio.Queue[Queued]
    tally: Tally = field(default_factory=Tally)

    @property
    def room(self) -> int:
        """How many more events fit."""
        return self.queue.maxsize - self.queue.qsize()


class Intake:
    """Takes events in for the brokers that were declared; holds them in memory only.

    *queue_events* bounds each trigger's queue, *ttl* is the hop counter of a new event.
    """

    def __init__(self, declared: Declared, *, clock: Clock, queue_events: int, ttl: int) -> None:
        self._clock = clock
        self._ttl = ttl
        self._queue_events = queue_events
        self._invalid = 0
        self._expired = 0
        self._overloaded = 0
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._received = dict.fromkeys(declared.brokers, 0)
        self.lanes = tuple(
            Lane(trigger, asyncio.Queue(queue_events)) for trigger in declared.triggers
        )
        self._lanes = {
            address: tuple(lane for lane in self.lanes if lane.trigger.address == address)
            for address in declared.brokers
        }

    def take(self, address: str, events: Sequence[Event]) -> None:
        """Queue *events* for every trigger of the broker *address* that wants them: all or none.

        Return when all are queued. Raise Expired if one has no hops left, Overloaded if one
        does not fit now, EventError if they never will. Nothing is queued then.
        """
        arrival = rfc3339(self._clock.now_ns())
        stamped = [self._stamped(address, event, arrival) for event in events]
        chosen = [
            (lane, [queued for queued in stamped if lane.trigger.accepts(queued.event)])
            for lane in self._lanes[address]
        ]
        for lane, wanted in chosen:
            if len(wanted) > lane.room:
                self._refuse(lane, len(wanted))
        self._received[address] += len(stamped)
        for lane, wanted in chosen:
            lane.tally.filtered += len(stamped) - len(wanted)
            self._open += len(wanted)
            for queued in wanted:
                lane.queue.put_nowait(queued)
        if self._open:
            self._idle.clear()

    def refused_as_invalid(self) -> None:
        """Count a request that was no event."""
        self._invalid += 1

    def done(self, lane: Lane, outcome: Outcome) -> None:
        """Book the end of one event that was in flight on *lane*."""
        lane.tally.end(outcome)
        self._open -= 1
        if self._open == 0:
            self._idle.set()

    def abandon(self) -> int:
        """Count everything that waits or is under way as lost; return how many that were.

        Only for the end, when nobody delivers any more.
        """
        left = 0
        for lane in self.lanes:
            open_here = lane.queue.qsize() + lane.tally.in_flight
            while not lane.queue.empty():
                lane.queue.get_nowait()
            lane.tally.in_flight = 0
            lane.tally.lost += open_here
            left += open_here
        self._open = 0
        self._idle.set()
        return left

    @property
    def open(self) -> int:
        """Events that wait or are being delivered, over all triggers."""
        return self._open

    async def idle(self) -> None:
        """Return when nothing waits and nothing is being delivered."""
        await self._idle.wait()

    def counts(self) -> Counts:
        """Return a snapshot of all counters."""
        return Counts(
            received=sum(self._received.values()),
            invalid=self._invalid,
            expired=self._expired,
            overloaded=self._overloaded,
            triggers=tuple(self._line(lane) for lane in self.lanes),
        )

    def _line(self, lane: Lane) -> TriggerCounts:
        tally = lane.tally
        return TriggerCounts(
            trigger=lane.trigger.key,
            broker=lane.trigger.address,
            received=self._received[lane.trigger.address],
            filtered=tally.filtered,
            queued=lane.queue.qsize(),
            in_flight=tally.in_flight,
            delivered=tally.delivered,
            dead_lettered=tally.dead_lettered,
            dropped=tally.dropped,
            lost=tally.lost,
            retried=tally.retried,
            replied=tally.replied,
        )

    def _stamped(self, address: str, event: Event, arrival: str) -> Queued:
        """Return *event* with its time of arrival, which replaces an earlier one."""
        ttl = self._hops_left(event.attributes.get(TTL))
        if ttl <= 0:
            self._expired += 1
            log.warning(
                "event dropped: no hops left, it seems to go around in a loop",
                broker=address,
                id=event.id,
                type=event.type,
                source=event.source,
            )
            raise Expired(f"attribute '{TTL}': no hops left, dropped at broker {address}")
        return Queued(event.replace(**{ARRIVAL_TIME: arrival, TTL: None}), ttl)

    def _hops_left(self, ttl: str | None) -> int:
        """Return the counter after this hop; a missing or unreadable one starts anew."""
        if ttl is None or _INTEGER.fullmatch(ttl) is None:
            return self._ttl
        return int(ttl) - 1

    def _refuse(self, lane: Lane, wanted: int) -> None:
        if wanted > self._queue_events:
            raise EventError(
                f"a batch of {wanted} events for trigger {lane.trigger.key}: its queue holds "
                f"{self._queue_events}, expected a smaller batch"
            )
        self._overloaded += 1
        raise Overloaded(
            f"trigger {lane.trigger.key}: {lane.queue.qsize()} of {self._queue_events} events "
            f"wait already, no room for {wanted} more"
        )


_INTEGER = re.compile(r"[+-]?[0-9]{1,10}")
