"""Every kind of sink keeps the promises of `core/ports.py: Sink`, with a real far end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import pytest
from minio.versioningconfig import VersioningConfig

from bridge import Event, Rejected, Unavailable
from bridge.codecs import http as codec
from bridge.codecs import kafka as kafka_codec
from bridge.config.options import RetryOptions
from bridge.core.errors import DeadlineExceeded
from bridge.core.ports import Sink
from bridge.runtime.retry import Step, TriedSink
from bridge.sinks.http import HttpSink, HttpSinkOptions
from bridge.sinks.kafka import KafkaSink, KafkaSinkOptions
from bridge.sinks.log import LogSink, LogSinkOptions
from bridge.sinks.objects import ObjectsSink, ObjectsSinkOptions
from bridge.transports.http import HttpRequest, HttpResponse, HttpServer
from tests.fakes import FakeClock
from tests.fakes_http import SECONDS
from tests.services.kafka import Kafka, fresh
from tests.services.minio import Minio

STRUCTURED = ((b"content-type", b"application/cloudevents+json"),)


class FarEnd(Protocol):
    """Where a sink's events arrive."""

    def sink(self) -> Sink: ...

    async def arrived(self) -> list[Event]: ...

    async def leave(self) -> None: ...


class HttpFarEnd:
    """A receiver on a real socket that answers as told."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []
        self.answer: Callable[[], HttpResponse] = lambda: HttpResponse(202, (), b"")
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()
        self.server = HttpServer(self._answer)

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        self.asked.set()
        await self.go.wait()
        return self.answer()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/"

    def sink(self, **options: object) -> HttpSink:
        return HttpSink(HttpSinkOptions.model_validate({"url": self.url, **options}))

    async def arrived(self) -> list[Event]:
        return [codec.decode(request.headers, request.body) for request in self.requests]

    async def leave(self) -> None:
        await self.server.close()


class LogFarEnd:
    """A file that somebody else reads: what is not flushed has not arrived."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream: BinaryIO = path.open("wb")

    def sink(self) -> LogSink:
        return LogSink(LogSinkOptions(type="log", format="json"), self._stream)

    async def arrived(self) -> list[Event]:
        return [codec.decode(STRUCTURED, line) for line in self._path.read_bytes().splitlines()]

    async def leave(self) -> None:
        self._stream.close()


class KafkaFarEnd:
    """A topic of a real broker, read by somebody else; leaving, the broker hangs."""

    def __init__(self, broker: Kafka, topic: str) -> None:
        self._broker = broker
        self._topic = topic

    def sink(self) -> KafkaSink:
        options = {
            "bootstrap_servers": self._broker.bootstrap,
            "topic": self._topic,
            "request_timeout_seconds": 2.0,
            "timeout_seconds": 2.0,
        }
        return KafkaSink(KafkaSinkOptions.model_validate(options))

    async def arrived(self) -> list[Event]:
        records = await self._broker.read(self._topic)
        return [kafka_codec.decode(record.headers, record.value) for record in records]

    async def leave(self) -> None:
        await self._broker.freeze()


class ObjectsFarEnd:
    """A bucket of a real store, with every version of its objects; leaving, the store hangs."""

    def __init__(self, store: Minio, bucket: str) -> None:
        self._store = store
        self._bucket = bucket

    def sink(self) -> ObjectsSink:
        options = {"store": {**self._store.options, "timeout_seconds": 2.0}, "bucket": self._bucket}
        return ObjectsSink(ObjectsSinkOptions.model_validate(options))

    async def arrived(self) -> list[Event]:
        client, bucket = self._store.client, self._bucket

        def read() -> list[Event]:
            events = []
            for version in client.list_objects(bucket_name=bucket, include_version=True):
                answer = client.get_object(
                    bucket_name=bucket,
                    object_name=str(version.object_name),
                    version_id=version.version_id,
                )
                with answer:
                    headers = [
                        (name.lower().removeprefix("x-amz-meta-").encode(), value.encode())
                        for name, value in answer.headers.items()
                    ]
                    events.append(codec.decode(headers, answer.read()))
                answer.release_conn()
            return events

        return await asyncio.to_thread(read)

    async def leave(self) -> None:
        await self._store.freeze()


@asynccontextmanager
async def http_far_end(**_: object) -> AsyncIterator[HttpFarEnd]:
    end = HttpFarEnd()
    await end.server.start("127.0.0.1", 0)
    try:
        yield end
    finally:
        end.go.set()
        await end.leave()


@asynccontextmanager
async def log_far_end(*, folder: Path, **_: object) -> AsyncIterator[LogFarEnd]:
    end = LogFarEnd(folder / "log")
    try:
        yield end
    finally:
        await end.leave()


@asynccontextmanager
async def kafka_far_end(*, broker: Callable[[], Kafka], **_: object) -> AsyncIterator[KafkaFarEnd]:
    running = broker()
    yield KafkaFarEnd(running, await running.create_topic(fresh("sink")))


@asynccontextmanager
async def objects_far_end(
    *, store: Callable[[], Minio], **_: object
) -> AsyncIterator[ObjectsFarEnd]:
    running = store()
    bucket = await running.bucket("sink")
    await asyncio.to_thread(
        running.client.set_bucket_versioning,
        bucket_name=bucket,
        config=VersioningConfig(status="Enabled"),
    )
    yield ObjectsFarEnd(running, bucket)


KINDS: dict[str, Callable[..., AbstractAsyncContextManager[FarEnd]]] = {
    "http": http_far_end,
    "kafka": kafka_far_end,
    "log": log_far_end,
    "objects": objects_far_end,
}


@pytest.fixture(params=sorted(KINDS))
async def far_end(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FarEnd]:
    """Each kind's far end, up."""

    def broker() -> Kafka:
        return request.getfixturevalue("own_kafka")  # type: ignore[no-any-return]  # pytest's

    def store() -> Minio:
        return request.getfixturevalue("own_minio")  # type: ignore[no-any-return]  # pytest's

    async with KINDS[request.param](folder=tmp_path, broker=broker, store=store) as end:
        yield end


@pytest.fixture
async def receiver() -> AsyncIterator[HttpFarEnd]:
    """The far end of the kinds that ask over HTTP."""
    async with http_far_end() as end:
        yield end


def event(id: str = "1", data: bytes | None = b"[1]") -> Event:
    return Event.of(id=id, source="tests", type="t", data=data, datacontenttype="application/json")


async def test_send_returns_after_the_far_end_has_the_event(far_end: FarEnd) -> None:
    """Acknowledging rests on this: when `send` returns, the event has arrived, whole."""
    async with far_end.sink() as sink:
        await sink.send(event())

        arrived = await far_end.arrived()

    assert [event()] == arrived


async def test_the_same_event_may_be_sent_again(far_end: FarEnd) -> None:
    """At least once means duplicates; the id is the key, and a sink is no place to drop one."""
    async with far_end.sink() as sink:
        for _ in range(2):
            await sink.send(event())

    assert [event(), event()] == await far_end.arrived()


async def test_concurrent_sends_all_arrive_whole(far_end: FarEnd) -> None:
    """No two events run into each other, however large and many."""
    events = [event(str(number), b'["%d"]' % number * 1) for number in range(100)]
    large = event("large", b'"%b"' % (b"x" * 300_000))
    async with far_end.sink() as sink:
        await asyncio.gather(*map(sink.send, [*events, large]))

    arrived = await far_end.arrived()
    assert sorted([*events, large], key=lambda one: one.id) == sorted(arrived, key=lambda o: o.id)


async def test_an_event_without_data_arrives_without_data(far_end: FarEnd) -> None:
    """No data is not the same as empty data."""
    async with far_end.sink() as sink:
        await sink.send(Event.of(id="1", source="tests", type="t"))

    assert [None] == [one.data or None for one in await far_end.arrived()]


async def test_leaving_twice_and_entering_again(far_end: FarEnd) -> None:
    """Leaving twice is no error; another sink to the same far end may be entered afterwards."""
    async with far_end.sink() as sink:
        await sink.send(event("1"))
        await sink.__aexit__(None, None, None)
    async with far_end.sink() as sink:
        await sink.send(event("2"))

    assert ["1", "2"] == [one.id for one in await far_end.arrived()]


async def test_entering_needs_no_far_end(far_end: FarEnd) -> None:
    """A far end that is down at start is no error: it may come up before the first event."""
    sink = far_end.sink()
    await far_end.leave()

    async with sink:
        pass


async def test_a_far_end_that_is_gone_is_an_outage(far_end: FarEnd) -> None:
    """Nobody took the event, so it must be held: Unavailable."""
    async with far_end.sink() as sink:
        await sink.send(event())
        await far_end.leave()

        with pytest.raises(Unavailable):
            await sink.send(event())


async def test_ping_tells_up_from_down(far_end: FarEnd) -> None:
    """Returns while the far end is there, raises Unavailable when it is not."""
    async with far_end.sink() as sink:
        await sink.ping()
        await far_end.leave()

        with pytest.raises(Unavailable):
            await sink.ping()


async def test_a_tried_sink_is_a_sink(far_end: FarEnd) -> None:
    """`retry` around a sink keeps its port: open, send, ping, leave."""
    step = Step(
        name="sinks.0",
        retry=RetryOptions(attempts=2),
        clock=FakeClock(),
        chance=random.Random(1),
    )
    async with TriedSink(far_end.sink(), step) as sink:
        await sink.ping()
        await sink.send(event())

    assert [event()] == await far_end.arrived()


# What only a far end that answers can do


async def test_send_does_not_return_before_the_receiver_answers(receiver: HttpFarEnd) -> None:
    """Bytes that have left are not an event that has arrived."""
    receiver.go.clear()
    async with receiver.sink() as sink:
        sending = asyncio.create_task(sink.send(event()))
        await receiver.asked.wait()

        before = sending.done()
        receiver.go.set()
        await sending

    assert before is False


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_any_success_is_an_arrival(receiver: HttpFarEnd, status: int) -> None:
    """2xx is a yes, with or without a body."""
    receiver.answer = lambda: HttpResponse(status, (), b"")
    async with receiver.sink() as sink:
        await sink.send(event())


@pytest.mark.parametrize("status", [301, 307, 400, 403, 405, 410, 413, 415, 422, 431])
async def test_a_receiver_that_refuses_is_a_verdict(receiver: HttpFarEnd, status: int) -> None:
    """For good: Rejected, naming who, the status and what was said; redirects are not followed."""
    receiver.answer = lambda: HttpResponse(status, ((b"location", b"/"),), b"not this one")
    async with receiver.sink() as sink:
        with pytest.raises(Rejected, match=rf"{receiver.url}.*{status}.*not this one"):
            await sink.send(event())

    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [401, 404, 407, 408, 409, 425, 429, 500, 502, 503, 504, 599])
async def test_a_receiver_that_cannot_now_is_an_outage(receiver: HttpFarEnd, status: int) -> None:
    """Knative's retryable statuses, and those about us: Unavailable, with the pause asked for."""
    receiver.answer = lambda: HttpResponse(status, ((b"retry-after", b"7"),), b"")
    async with receiver.sink() as sink:
        with pytest.raises(Unavailable, match=str(status)) as caught:
            await sink.send(event())

    assert caught.value.retry_after_seconds == 7.0


async def test_a_receiver_that_is_slow_is_an_outage(receiver: HttpFarEnd) -> None:
    """No answer within `timeout_seconds` is DeadlineExceeded, which is held like any outage."""
    receiver.go.clear()
    async with receiver.sink(timeout_seconds=0.05) as sink:
        with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
            await sink.send(event())


async def test_a_cancelled_send_leaves_the_sink_usable(receiver: HttpFarEnd) -> None:
    """A deadline cancels a send in the middle; the next event must not get its answer."""
    receiver.go.clear()
    async with receiver.sink() as sink:
        sending = asyncio.create_task(sink.send(event("cancelled")))
        await receiver.asked.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        receiver.go.set()

        async with asyncio.timeout(SECONDS):
            await sink.send(event("next"))

    assert ["cancelled", "next"] == [one.id for one in await receiver.arrived()]


async def test_configured_headers_go_along(receiver: HttpFarEnd) -> None:
    """`headers` of the sink are sent with every event."""
    async with receiver.sink(headers={"Authorization": "Bearer x"}) as sink:
        await sink.send(event())

    assert receiver.requests[0].header(b"authorization") == b"Bearer x"


async def test_no_error_shows_the_password_or_the_query_of_a_url(receiver: HttpFarEnd) -> None:
    """The text reaches senders and logs: it names the address, and no secret in it."""
    receiver.answer = lambda: HttpResponse(400, (), b"")
    url = f"http://me:secret@127.0.0.1:{receiver.server.port}/in?token=secret"
    async with receiver.sink(url=url) as sink:
        with pytest.raises(Rejected) as refused:
            await sink.send(event())
        await receiver.leave()
        with pytest.raises(Unavailable) as gone:
            await sink.send(event())

    for caught in (refused, gone):
        assert f"127.0.0.1:{receiver.server.port}/in" in str(caught.value)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "key", "structured"),
    [
        ("auto", "plain", False),
        ("auto", "é", True),
        ("binary", "é", False),
        ("structured", "plain", True),
    ],
)
async def test_content_mode_decides_the_form(
    receiver: HttpFarEnd, mode: str, key: str, structured: bool
) -> None:
    """`auto` is binary unless an attribute would need percent-encoding; either way it is whole."""
    sent = event().replace(partitionkey=key)
    async with receiver.sink(content_mode=mode) as sink:
        await sink.send(sent)

    assert [sent] == await receiver.arrived()
    assert structured is (receiver.requests[0].header(b"ce-id") is None)
