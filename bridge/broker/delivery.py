"""One trigger's deliveries: ask the subscriber, take its reply in, or give up loudly.

    queue ─▶ POST subscriber ─2xx─▶ reply? ─▶ Intake ─▶ delivered
                │ ▲ passing: back-off        │ refused
                ▼ ┘                          ▼
             given up ─────────────▶ dead letter sink ─▶ dead-lettered, or lost

Source: Knative pkg/kncloudevents/event_dispatcher.go (v0.50.0). Subscriber, reply and dead
letter sink are each tried by the same rules; a reply that finds no room is offered again
without asking the subscriber again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from typing import Self

import structlog

from bridge.broker.answers import Answer, Far, Headers, header, read
from bridge.broker.counts import Outcome
from bridge.broker.dead_letter import dead_letter
from bridge.broker.intake import TTL, Expired, Intake, Lane, Queued
from bridge.broker.retries import passing, pause_seconds
from bridge.codecs import http as codec
from bridge.core.clock import Clock
from bridge.core.errors import EventError, Overloaded
from bridge.core.event import Event, shown

#: Headers that a broker hands on (Knative pkg/utils/headers.go, and W3C Trace Context).
HANDED_ON = frozenset((b"x-request-id", b"retry-after", b"traceparent", b"tracestate"))
HANDED_ON_PREFIXES = (b"knative-", b"x-b3-")

log = structlog.get_logger()


class Deliveries:
    """Drains the queue of one trigger. `work` may run several times at once.

    *reply_url* gives the address that a reply goes to, for dead letters to name it.
    """

    def __init__(
        self,
        lane: Lane,
        intake: Intake,
        *,
        clock: Clock,
        connections: int,
        timeout_seconds: float,
        max_response_bytes: int,
        reply_url: Callable[[], str],
    ) -> None:
        self._lane = lane
        self._trigger = lane.trigger
        self._delivery = lane.trigger.delivery
        self._tally = lane.tally
        self._intake = intake
        self._clock = clock
        self._timeout_seconds = self._delivery.timeout_seconds or timeout_seconds
        self._reply_url = reply_url
        self._namespace = (b"kn-namespace", lane.trigger.namespace.encode())
        self._stack = AsyncExitStack()

        def far(url: str) -> Far:
            return Far(url, connections=connections, max_response_bytes=max_response_bytes)

        self._subscriber = far(lane.trigger.subscriber_url)
        dead_letter_url = self._delivery.dead_letter_url
        self._dead_letter = far(dead_letter_url) if dead_letter_url is not None else None

    async def __aenter__(self) -> Self:
        """Open the connection pools; nothing is connected before it is needed."""
        await self._stack.enter_async_context(self._subscriber)
        if self._dead_letter is not None:
            await self._stack.enter_async_context(self._dead_letter)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close every connection; may be called twice."""
        await self._stack.aclose()

    async def work(self) -> None:
        """Deliver event after event; return never. What is cancelled stays in flight."""
        queue, tally = self._lane.queue, self._tally
        while True:
            queued = await queue.get()
            tally.in_flight += 1
            try:
                outcome = await self._deliver(queued)
            except EventError as error:
                outcome = self._unsendable(queued.event, error)
            self._intake.done(self._lane, outcome)

    async def _deliver(self, queued: Queued) -> Outcome:
        event = queued.event
        headers, body = self._encoded(event)
        wanted = (*headers, _PREFER_REPLY)
        answer = await self._tried(event, lambda: self._asked(wanted, body))
        if not answer.failure:
            reply = answer.reply
            if reply is None:
                return "delivered"
            reply = reply.replace(**{TTL: str(queued.ttl)})
            answer = await self._tried(event, lambda: self._taken_in(reply))
            if not answer.failure:
                self._tally.replied += 1
                return "delivered"
        return await self._given_up(event, answer)

    async def _tried(self, event: Event, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return the first answer that is final: good, refused for good, or the last try's."""
        delivery = self._delivery
        for attempt in count():
            answer = await ask()
            if not answer.failure or not passing(answer.status) or attempt >= delivery.retry:
                return answer
            self._tally.retried += 1
            pause = pause_seconds(
                delivery,
                attempt,
                answer.status,
                header(answer.headers, b"retry-after"),
                self._clock.now_ns(),
            )
            log.info(
                "delivery failed, trying again",
                trigger=self._trigger.key,
                id=event.id,
                attempt=attempt + 1,
                pause_seconds=pause,
                error=answer.failure,
            )
            await self._clock.sleep(pause)
        raise AssertionError("counting ends nowhere")

    async def _asked(self, headers: Headers, body: bytes) -> Answer:
        """Return the subscriber's answer, its reply read."""
        return read(await self._subscriber.post(headers, body, self._timeout_seconds))

    async def _taken_in(self, reply: Event) -> Answer:
        """Return what the broker says to *reply*, as it would say it over HTTP."""
        try:
            self._intake.take(self._trigger.address, (reply,))
        except Expired as error:
            status, text = 400, str(error)
        except Overloaded as error:
            status, text = 429, str(error)
        else:
            return Answer(status=202, destination="")
        return Answer(
            status=status,
            destination=self._reply_url(),
            body=text.encode(),
            failure=f"the reply was not taken in: {text}",
            expired=status == 400,
        )

    async def _given_up(self, event: Event, answer: Answer) -> Outcome:
        """Send *event* to the dead letter sink; what not even that takes is lost, and logged."""
        about = {
            "trigger": self._trigger.key,
            "id": event.id,
            "type": event.type,
            "source": event.source,
            "destination": answer.destination,
            "error": answer.failure,
            "answer": shown(answer.body[:200].decode("utf-8", "replace"), 200),
        }
        sink = self._dead_letter
        if sink is None:
            if answer.expired:
                log.warning("reply dropped: no hops left", **about)
                return "dropped"
            log.error("event lost: not delivered, and the trigger has no deadLetterSink", **about)
            return "lost"
        letter = dead_letter(
            event,
            destination=answer.destination,
            status=answer.status,
            headers=answer.headers,
            body=answer.body,
        )
        headers, body = self._encoded(letter)
        last = await self._tried(event, lambda: sink.post(headers, body, self._timeout_seconds))
        if last.failure:
            log.error(
                "event lost: neither delivered nor taken by the dead letter sink",
                dead_letter=sink.url,
                dead_letter_error=last.failure,
                **about,
            )
            return "lost"
        log.warning("event dead-lettered", dead_letter=sink.url, **about)
        return "dead_lettered"

    def _unsendable(self, event: Event, error: EventError) -> Outcome:
        """Say that *event* has no form on the wire; no dead letter could carry it either."""
        log.error(
            "event lost: it cannot be written as HTTP",
            trigger=self._trigger.key,
            id=event.id,
            error=str(error),
        )
        return "lost"

    def _encoded(self, event: Event) -> tuple[Headers, bytes]:
        """Return the request that carries *event*, with the headers that a broker hands on."""
        structured = self._delivery.format == "json"
        encode = codec.encode_structured if structured else codec.encode_binary
        headers, body = encode(event)
        handed_on = [
            (name, value)
            for name, value in event.origin.headers
            if name in HANDED_ON or name.startswith(HANDED_ON_PREFIXES)
        ]
        return (*headers, *handed_on, self._namespace), body


_PREFER_REPLY = (b"prefer", b"reply")
