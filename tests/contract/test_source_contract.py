"""Every kind of source keeps the promises of `core/ports.py: Source`, on real sockets.

Returning is acknowledging, raising is refusing, and what is neither is given back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from bridge import Event, EventError, Overloaded, Rejected, TransformError, Unavailable
from bridge.codecs import http as codec
from bridge.core.clock import SystemClock
from bridge.core.errors import BridgeError, ConfigError, DeadlineExceeded, DecodeError
from bridge.core.ports import Handler
from bridge.observe.ledger import Deliveries
from bridge.sources.found import of_notification
from bridge.sources.http import HttpSource, HttpSourceOptions
from bridge.sources.minio import MinioSource
from bridge.sources.minio_options import MinioSourceOptions
from bridge.sources.seldon import SeldonSource, SeldonSourceOptions
from tests.fakes_http import SECONDS
from tests.fakes_notifications import told
from tests.fakes_seldon import Exchange, ask

EVENT = ("Ce-Specversion: 1.0", "Ce-Source: tests", "Ce-Type: t", "Content-Type: application/json")
DATA = b'{"strData":"x"}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of source, and how something is delivered to it."""

    make: Callable[..., Any]
    line: str
    body: Callable[[str], bytes] = lambda _: DATA
    event_id: Callable[[str], str] = str
    number: Callable[[Event], int] = lambda event: int(event.id)
    accepted: int = 202
    holds: bool = False
    """Whether it delivers again itself what met an outage."""
    impatient: Mapping[str, Any] = field(default_factory=dict)
    """Options with which it soon gives back what it holds."""

    async def deliver(self, port: int, id: str = "1") -> Exchange:
        async with asyncio.timeout(SECONDS):
            return await ask(port, self.line, self.body(id), (*EVENT, f"Ce-Id: {id}"))


def http_source(deliveries: Deliveries, **options: Any) -> HttpSource:
    return HttpSource(
        HttpSourceOptions.model_validate({"host": "127.0.0.1", "port": 0, **options}),
        deliveries=deliveries,
        replies=lambda event: True,
        knows=lambda path: True,
        ready=lambda: True,
    )


def seldon_source(deliveries: Deliveries, **options: Any) -> SeldonSource:
    return SeldonSource(
        SeldonSourceOptions.model_validate({"host": "127.0.0.1", "port": 0, **options}),
        name="iris",
        deliveries=deliveries,
        ready=lambda: True,
        chance=Random(7),
    )


def minio_source(deliveries: Deliveries, **options: Any) -> MinioSource:
    webhook = {"host": "127.0.0.1", "port": 0, **options}
    return MinioSource(
        MinioSourceOptions.model_validate(
            {"buckets": ["mnist"], "webhook": webhook, "hold_initial_seconds": 0.001}
        ),
        name="mnist",
        deliveries=deliveries,
        clock=SystemClock(),
        chance=Random(7),
        ready=lambda: True,
    )


def told_id(key: str) -> str:
    """Return the id of the event that a notification of *key* makes."""
    return of_notification(told(key), "")[0].state.id


KINDS = {
    "http": Kind(make=http_source, line="POST /"),
    "minio": Kind(
        make=minio_source,
        line="POST /",
        body=told,
        event_id=told_id,
        number=lambda event: int(event.subject or ""),
        accepted=200,
        holds=True,
        impatient={"answer_seconds": 0.2},
    ),
    "seldon": Kind(make=seldon_source, line="POST /predict"),
}


@pytest.fixture(params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of source."""
    return KINDS[request.param]


@pytest.fixture(params=sorted(name for name, kind in KINDS.items() if not kind.holds))
def answering(request: pytest.FixtureRequest) -> Kind:
    """Each kind that leaves trying again to its senders."""
    return KINDS[request.param]


@pytest.fixture(params=sorted(name for name, kind in KINDS.items() if kind.holds))
def holding(request: pytest.FixtureRequest) -> Kind:
    """Each kind that tries again itself, while its sender waits."""
    return KINDS[request.param]


class Running:
    """A source that runs."""

    def __init__(self, port: int, deliveries: Deliveries, run: asyncio.Task[None]) -> None:
        self.port = port
        self.deliveries = deliveries
        self.run = run
        self.stop = asyncio.Event()


@asynccontextmanager
async def running(kind: Kind, handle: Handler, **options: Any) -> AsyncIterator[Running]:
    """Run a source of *kind*; afterwards stop it softly, as far as the test has not."""
    deliveries, stop = Deliveries(), asyncio.Event()
    async with kind.make(deliveries, **options) as source:
        run = asyncio.create_task(source.run(handle, stop))
        await asyncio.sleep(0)  # one turn of the loop, in which `run` takes its handler
        served = Running(source.port, deliveries, run)
        served.stop = stop
        try:
            yield served
        finally:
            stop.set()
            await asyncio.wait([run])
    assert deliveries.balanced()
    assert deliveries.open == 0


class Held:
    """A handler whose events wait until told to go on; `began` is released once for each."""

    def __init__(self) -> None:
        self.began = asyncio.Semaphore(0)
        self.go = asyncio.Event()
        self.running = 0
        self.most = 0
        self.ended: list[str] = []

    async def __call__(self, event: Event) -> Event | None:
        self.running += 1
        self.most = max(self.most, self.running)
        self.began.release()
        try:
            await self.go.wait()
        finally:
            self.running -= 1
        self.ended.append(event.id)
        return event

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(SECONDS):
            for _ in range(count):
                await self.began.acquire()


async def test_acknowledges_only_after_the_handler_returned(kind: Kind) -> None:
    """Until then whoever delivered the event still holds it."""
    held = Held()
    async with running(kind, held) as source:
        delivery = asyncio.create_task(kind.deliver(source.port))
        await held.wait_for(1)

        before = (delivery.done(), source.deliveries.open, source.deliveries.settled_total)
        held.go.set()
        answer = await delivery

    assert before == (False, 1, 0)
    assert (answer.status, held.ended) == (200, [kind.event_id("1")])
    assert source.deliveries.counts() == {
        "taken": 1, "settled": 1, "refused": 0, "given_back": 0, "open": 0
    }  # fmt: skip


async def test_what_is_settled_without_a_reply_is_accepted(kind: Kind) -> None:
    """None from the handler is a 2xx with an empty body."""

    async def handle(event: Event) -> None:
        return None

    async with running(kind, handle) as source:
        answer = await kind.deliver(source.port)

    assert (answer.status, answer.body) == (kind.accepted, b"")


@pytest.mark.parametrize(
    ("error", "status"),
    [(Overloaded("x"), 429), (Unavailable("x"), 503), (DeadlineExceeded("x"), 504)],
)
async def test_an_outage_makes_the_sender_come_again(
    answering: Kind, error: Unavailable, status: int
) -> None:
    """A status that is retried, and when; the redelivery is taken like any other."""
    errors = [error]

    async def handle(event: Event) -> Event:
        if errors:
            raise errors.pop()
        return event

    async with running(answering, handle) as source:
        refused = await answering.deliver(source.port)
        again = await answering.deliver(source.port)

    assert (refused.status, refused.headers["retry-after"]) == (status, "1")
    assert again.status == 200
    assert (source.deliveries.refused_total, source.deliveries.settled_total) == (1, 1)


@pytest.mark.parametrize(
    "error", [DecodeError("x"), EventError("x"), TransformError("x"), Rejected("x")]
)
async def test_a_verdict_does_not_ask_for_another_try(answering: Kind, error: EventError) -> None:
    """No Retry-After, and not one of the statuses of an outage."""

    async def handle(event: Event) -> Event:
        raise error

    async with running(answering, handle) as source:
        answer = await answering.deliver(source.port)

    assert "retry-after" not in answer.headers
    assert answer.status not in (429, 503, 504)
    assert source.deliveries.refused_total == 1


@pytest.mark.parametrize("error", [Overloaded("x"), Unavailable("x"), DeadlineExceeded("x")])
async def test_an_outage_is_waited_for(holding: Kind, error: Unavailable) -> None:
    """Tried again until it has passed, and answered then: one delivery, settled once."""
    errors = [error, error]

    async def handle(event: Event) -> Event:
        if errors:
            raise errors.pop()
        return event

    async with running(holding, handle) as source:
        answer = await holding.deliver(source.port)

    assert (answer.status, errors) == (200, [])
    assert (source.deliveries.taken_total, source.deliveries.settled_total) == (1, 1)


@pytest.mark.parametrize("error", [Unavailable("x"), Rejected("x")])
async def test_who_waits_too_long_comes_again(holding: Kind, error: BridgeError) -> None:
    """What is held beyond the sender's patience is given back to it, not forgotten."""

    async def handle(event: Event) -> Event:
        raise error

    async with running(holding, handle, **holding.impatient) as source:
        answer = await holding.deliver(source.port)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert source.deliveries.refusals == {"unavailable": 1}


async def test_a_bug_in_the_handler_is_refused_and_the_source_lives_on(kind: Kind) -> None:
    """A 500, and the next event is answered as ever."""
    bugs = [ZeroDivisionError("a bug")]

    async def handle(event: Event) -> Event:
        if bugs:
            raise bugs.pop()
        return event

    async with running(kind, handle) as source:
        answers = [(await kind.deliver(source.port)).status for _ in range(2)]

    assert answers == [500, 200]


async def test_before_it_runs_it_sends_everybody_away(kind: Kind) -> None:
    """Entered but not running: 503, never a settled event."""
    deliveries = Deliveries()
    async with kind.make(deliveries) as source:
        answer = await kind.deliver(source.port)

    assert answer.status == 503
    assert deliveries.refused_total == 1


async def test_as_many_run_at_once_as_the_limit_says(kind: Kind) -> None:
    """`max_in_flight` run beside each other; one more is 429 and costs the others nothing."""
    held = Held()
    async with running(kind, held, max_in_flight=5) as source:
        deliveries = [asyncio.create_task(kind.deliver(source.port, str(n))) for n in range(5)]
        await held.wait_for(5)

        beyond = await kind.deliver(source.port, "beyond")
        held.go.set()
        answers = [(await delivery).status for delivery in deliveries]
        after = await kind.deliver(source.port, "after")

    assert (beyond.status, held.most) == (429, 5)
    assert answers == [200] * 5
    assert after.status == 200


async def test_a_soft_stop_settles_all_that_is_running(kind: Kind) -> None:
    """`run` returns when each delivery under way is answered; nobody new gets in."""
    held = Held()
    async with running(kind, held) as source:
        deliveries = [asyncio.create_task(kind.deliver(source.port, str(n))) for n in range(10)]
        await held.wait_for(10)

        source.stop.set()
        await asyncio.sleep(0)
        with pytest.raises(OSError):
            await kind.deliver(source.port, "late")
        still = source.run.done()
        held.go.set()
        answers = [(await delivery).status for delivery in deliveries]
        await source.run

    assert still is False
    assert answers == [200] * 10
    assert sorted(held.ended) == sorted(kind.event_id(str(n)) for n in range(10))
    assert source.deliveries.settled_total == 10


async def test_a_soft_stop_closes_connections_that_wait(kind: Kind) -> None:
    """A sender's idle connection does not keep the process alive."""

    async def handle(event: Event) -> Event:
        return event

    async with running(kind, handle) as source:
        reader, writer = await asyncio.open_connection("127.0.0.1", source.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"ok")

        source.stop.set()
        async with asyncio.timeout(SECONDS):
            rest = await reader.read()
            writer.close()
            await writer.wait_closed()
            await source.run

    assert rest == b""


async def test_a_hard_stop_gives_back_and_loses_nothing(kind: Kind) -> None:
    """No delivery under way is answered, so each is delivered again; the ledger says how many."""
    held = Held()
    async with running(kind, held) as source:
        deliveries = [asyncio.create_task(kind.deliver(source.port, str(n))) for n in range(10)]
        await held.wait_for(10)

        source.run.cancel()
        await asyncio.wait([source.run])

    outcomes = await asyncio.gather(*deliveries, return_exceptions=True)
    assert [True] * 10 == [isinstance(one, (OSError, EOFError)) for one in outcomes]
    assert held.ended == []
    assert source.deliveries.given_back_total == 10


async def test_the_ledger_adds_up_whenever_somebody_looks(kind: Kind) -> None:
    """Taken equals the sum of the others at each turn of the loop, whatever becomes of them."""
    outcomes: list[BaseException | None] = [None, Unavailable("x"), Rejected("x"), OSError("bug")]
    looked = 0
    done = asyncio.Event()

    async def handle(event: Event) -> Event:
        number = kind.number(event)
        for _ in range(number % 7):
            await asyncio.sleep(0)
        outcome = outcomes[number % 4]
        if outcome is not None:
            raise outcome
        return event

    async def look(deliveries: Deliveries) -> None:
        nonlocal looked
        while not done.is_set():
            assert deliveries.balanced()
            looked += 1
            await asyncio.sleep(0)

    async with running(kind, handle, max_in_flight=20, **kind.impatient) as source:
        async with asyncio.TaskGroup() as group:
            group.create_task(look(source.deliveries))
            await asyncio.gather(*(kind.deliver(source.port, str(n)) for n in range(60)))
            done.set()

    counts = source.deliveries.counts()
    assert looked > 5
    assert (counts["taken"], counts["open"]) == (60, 0)
    assert counts["settled"] > 0 < counts["refused"]


async def test_leaving_twice_and_entering_again(kind: Kind) -> None:
    """Leaving twice is no error, and the port is free for the next one."""
    async with kind.make(Deliveries()) as source:
        port = source.port
        await source.__aexit__(None, None, None)
    async with kind.make(Deliveries(), port=port) as again:
        await again.ping()

        assert port == again.port


async def test_a_port_that_is_taken_is_a_mistake_of_the_file(kind: Kind) -> None:
    """ConfigError with the address, so that the process ends with status 2 and no traceback."""
    async with kind.make(Deliveries()) as first:
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{first.port}"):
            async with kind.make(Deliveries(), port=first.port):
                pass


async def test_a_batch_with_a_bug_leaves_nothing_running_behind_its_answer() -> None:
    """500 is answered when every member has ended: whoever delivers again does not overlap."""
    ended: list[str] = []

    async def handle(event: Event) -> None:
        if event.id == "bug":
            raise ZeroDivisionError("a bug")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(event.id)

    headers, body = codec.encode_batch(
        [Event.of(id=one, source="tests", type="t") for one in ("1", "bug", "2")]
    )
    lines = [f"{name.decode()}: {value.decode()}" for name, value in headers]
    accepts = "Accept: application/cloudevents-batch+json"
    async with running(KINDS["http"], handle) as source:
        async with asyncio.timeout(SECONDS):
            answer = await ask(source.port, "POST /", body, (*lines, accepts))
        at_the_answer = sorted(ended)

    assert answer.status == 500
    assert at_the_answer == ["1", "2"]
