"""Events over HTTP, on real sockets: what each outcome answers, and what never gets through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from structlog.testing import capture_logs

from bridge import Event, EventError, Overloaded, Rejected, TransformError, Unavailable
from bridge.codecs import http as codec
from bridge.core.clock import SystemClock
from bridge.core.errors import DeadlineExceeded
from bridge.observe.complaints import Complaints
from bridge.observe.ledger import Deliveries
from bridge.sources.http import MAX_ERROR_BYTES, MEMBERS_AT_ONCE, HttpSource, HttpSourceOptions

VALID = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "tests",
    "ce-type": "t",
    "content-type": "application/json",
}


class Serving:
    """A source that runs, its handler ours to choose."""

    def __init__(self, outcome=None, *, replies=False, **options) -> None:
        self.events: list[Event] = []
        self.outcome = outcome
        self.deliveries = Deliveries()
        self.ready = True
        self.stop = asyncio.Event()
        options = {"host": "127.0.0.1", "port": 0, **options}
        self.source = HttpSource(
            HttpSourceOptions(**options),
            deliveries=self.deliveries,
            replies=lambda event: replies,
            knows=lambda path: path != "/unknown",
            ready=lambda: self.ready,
            complaints=Complaints(SystemClock()),
        )

    async def handle(self, event: Event) -> Event | None:
        self.events.append(event)
        outcome = self.outcome
        if callable(outcome):
            outcome = await outcome(event)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.source.port}"


@asynccontextmanager
async def serving(outcome=None, **options) -> AsyncIterator[tuple[Serving, aiohttp.ClientSession]]:
    made = Serving(outcome, **options)
    async with made.source, aiohttp.ClientSession() as session:
        run = asyncio.create_task(made.source.run(made.handle, made.stop))
        await asyncio.sleep(0)
        try:
            yield made, session
        finally:
            made.stop.set()
            await run
            assert made.deliveries.balanced()


async def test_a_reply_is_200_and_the_event():
    """The whole event comes back, in binary mode."""
    reply = Event.of(id="r", source="b", type="answered", data=b"{}", datacontenttype="text/plain")
    async with serving(reply) as (made, session):
        async with session.post(made.url, headers=VALID, data=b"[1]") as answer:
            body = await answer.read()

    assert answer.status == 200
    assert answer.headers["ce-type"] == "answered"
    assert answer.headers["content-type"] == "text/plain"
    assert body == b"{}"
    assert made.events[0].data == b"[1]"
    assert made.deliveries.counts()["settled"] == 1


async def test_a_reply_whose_attributes_need_escaping_is_structured():
    """Receivers that do not decode percent-encoding read it right."""
    reply = Event.of(id="r", source="b", type="t", partitionkey="é 100%")
    async with serving(reply) as (made, session):
        async with session.post(made.url, headers=VALID) as answer:
            body = await answer.read()

    assert answer.headers["content-type"].startswith("application/cloudevents+json")
    decoded = codec.decode(((b"content-type", b"application/cloudevents+json"),), body)
    assert decoded.attributes["partitionkey"] == "é 100%"


@pytest.mark.parametrize(("mode", "key"), [("binary", "é"), ("structured", "plain")])
async def test_the_form_of_a_reply_can_be_fixed(mode, key):
    """`content_mode` decides, whatever the attributes hold."""
    reply = Event.of(id="r", source="b", type="t", partitionkey=key)
    async with serving(reply, content_mode=mode) as (made, session):
        async with session.post(made.url, headers=VALID) as answer:
            structured = "ce-type" not in answer.headers

    assert structured is (mode == "structured")


async def test_nothing_to_reply_is_202_without_a_body():
    """A body that is no CloudEvent would be a failed delivery at a broker."""
    async with serving(None) as (made, session):
        async with session.post(made.url, headers=VALID) as answer:
            body = await answer.read()

    assert (answer.status, body) == (202, b"")


@pytest.mark.parametrize(
    ("error", "status", "reason", "retry_after"),
    [
        (EventError("bad"), 422, "event", None),
        (TransformError("T.preprocess: KeyError('x')"), 422, "transform", None),
        (Rejected("model said no"), 422, "rejected", None),
        (Unavailable("model is down"), 503, "unavailable", "1"),
        (Unavailable("busy", retry_after_seconds=6.2), 503, "unavailable", "7"),
        (DeadlineExceeded("not done"), 504, "deadline", "1"),
        (Overloaded("full"), 429, "overloaded", "1"),
    ],
)
async def test_a_refusal_tells_a_knative_sender_what_to_do(error, status, reason, retry_after):
    """4xx is not sent again; 429 and 5xx are, after Retry-After; the reason travels in a header."""
    async with serving(error) as (made, session):
        async with session.post(made.url, headers=VALID) as answer:
            body = await answer.text()

    assert answer.status == status
    assert answer.headers["kne-bridgereason"] == reason
    assert answer.headers.get("retry-after") == retry_after
    assert body == str(error)
    assert not [name for name in answer.headers if name.lower().startswith("ce-")]
    assert made.deliveries.counts()["refused"] == 1


async def test_the_body_of_an_error_never_exceeds_768_bytes():
    """A longer one crashes a Knative dispatcher that has a dead letter sink."""
    async with serving(Rejected("é" * 5000)) as (made, session):
        async with session.post(made.url, headers=VALID) as answer:
            body = await answer.read()

    assert len(body) <= MAX_ERROR_BYTES == 768
    assert body.decode().endswith("é...")


@pytest.mark.parametrize("name", ["ce-id", "ce-source", "ce-type", "ce-specversion"])
async def test_a_missing_attribute_is_400_and_named(name):
    """The sender reads what is missing."""
    headers = {key: value for key, value in VALID.items() if key != name}
    async with serving() as (made, session):
        async with session.post(made.url, headers=headers) as answer:
            body = await answer.text()

    assert answer.status == 400
    assert name.removeprefix("ce-") in body
    assert made.events == []


@pytest.mark.parametrize(
    ("headers", "data", "status", "said"),
    [
        ({**VALID, "ce-specversion": "19.0"}, b"", 400, "19.0"),
        ({**VALID, "ce-id": ""}, b"", 400, "id"),
        ({**VALID, "ce-time": "yesterday"}, b"", 400, "time"),
        ({**VALID, "ce-subject": "%C0%A0"}, b"", 400, "subject"),
        ({**VALID, "ce-subject": "a%0D%0Ax: y"}, b"", 400, "subject"),
        ({"content-type": "application/json"}, b"{}", 400, "specversion"),
        ({"content-type": "application/cloudevents+json"}, b"{", 400, "JSON"),
        ({"content-type": "application/cloudevents+json"}, b"\xff", 400, "UTF-8"),
        ({"content-type": "application/cloudevents+json"}, b"[" * 5000, 400, ""),
        ({"content-type": "application/cloudevents+avro"}, b"x", 415, "avro"),
    ],
)
async def test_what_is_no_event_is_refused_and_says_why(headers, data, status, said):
    """A 4xx that names what is wrong; the next request is answered as ever."""
    async with serving() as (made, session):
        async with session.post(made.url, headers=headers, data=data) as answer:
            body = await answer.text()
        async with session.post(made.url, headers=VALID) as healthy:
            pass

    assert answer.status == status
    assert said.lower() in body.lower()
    assert healthy.status == 202
    assert len(made.events) == 1


async def test_a_body_is_taken_to_the_byte():
    """The limit passes; one byte more is 413."""
    async with serving(max_body_bytes=1000) as (made, session):
        async with session.post(made.url, headers=VALID, data=b"x" * 1000) as fits:
            pass
        async with session.post(made.url, headers=VALID, data=b"x" * 1001) as over:
            pass

    assert (fits.status, over.status) == (202, 413)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405_with_allow(method):
    """Knative's conformance: GET is 405."""
    async with serving() as (made, session):
        async with session.request(method, made.url) as answer:
            pass

    assert answer.status == 405
    assert answer.headers["allow"] == "POST, OPTIONS"


async def test_options_shows_post():
    """A sender may probe; Allow then names POST."""
    async with serving() as (made, session), session.options(made.url) as answer:
        assert answer.status == 200
        assert "POST" in answer.headers["allow"]


async def test_a_path_nobody_listens_on_is_404():
    """A wrong path in a Trigger is to be seen, and is tried again."""
    async with serving() as (made, session):
        async with session.post(made.url + "/unknown", headers=VALID) as answer:
            pass

    assert answer.status == 404
    assert made.deliveries.taken_total == 0


async def test_a_path_nobody_listens_on_is_told_in_the_log_sparingly():
    """No ledger counts it, so the log is where an operator finds the wrong Trigger."""
    with capture_logs() as logs:
        async with serving() as (made, session):
            for path in ("/unknown", "/unknown"):
                async with session.post(made.url + path, headers=VALID) as answer:
                    assert answer.status == 404

    assert [("http_404", "path '/unknown': no pipeline listens on it")] == [
        (line["reason"], line["error"]) for line in logs if line["event"] == "refused"
    ]


async def test_the_probes_answer_on_the_event_port():
    """Readiness follows the process, never a far end."""
    async with serving() as (made, session):
        async with session.get(made.url + "/healthz") as health:
            pass
        async with session.get(made.url + "/readyz") as ready:
            pass
        made.ready = False
        async with session.get(made.url + "/readyz") as draining:
            pass

    assert (health.status, ready.status, draining.status) == (200, 200, 503)


async def test_beyond_the_limit_of_deliveries_in_flight_is_429():
    """One more than `max_in_flight` is told to come again, and nothing else suffers."""
    go, started = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(event):
        started.release()
        await go.wait()

    async with serving(wait, max_in_flight=2) as (made, session):
        running = [
            asyncio.create_task(session.post(made.url, headers={**VALID, "ce-id": str(number)}))
            for number in range(2)
        ]
        for _ in running:
            await started.acquire()
        async with session.post(made.url, headers={**VALID, "ce-id": "3"}) as answer:
            said = await answer.text()
        go.set()
        done = [(await task).status for task in running]

    assert answer.status == 429
    assert answer.headers["retry-after"] == "1"
    assert said == "max_in_flight: 2 under way already"  # the option to look at
    assert done == [202, 202]


@pytest.mark.parametrize(
    ("prefer", "wants"),
    [(None, False), ("reply", True), ("Reply", True), ("wait=1, reply", True), ("replying", False)],
)
async def test_prefer_reply_is_read_as_a_token(prefer, wants):
    """RFC 7240's list of preferences, case-insensitive."""
    headers = VALID if prefer is None else {**VALID, "prefer": prefer}
    async with serving() as (made, session), session.post(made.url, headers=headers):
        assert made.events[0].origin.wants_reply is wants


async def test_prefer_may_come_in_several_headers():
    """RFC 7240, 2: several header fields are one list."""
    headers = [*VALID.items(), ("prefer", "wait=1"), ("prefer", "reply")]
    async with serving() as (made, session), session.post(made.url, headers=headers):
        assert made.events[0].origin.wants_reply is True


async def test_the_origin_keeps_path_and_headers():
    """The path without the query; headers under lower-case names."""
    async with serving() as (made, session):
        async with session.post(made.url + "/a/b?c=d", headers={**VALID, "X-Request-Id": "7"}):
            pass

    assert made.events[0].origin.path == "/a/b"
    assert made.events[0].origin.header(b"x-request-id") == b"7"


BATCH = {"content-type": "application/cloudevents-batch+json"}


def batch(*ids: str) -> bytes:
    _, body = codec.encode_batch([Event.of(id=i, source="tests", type="t") for i in ids])
    return body


async def test_a_batch_is_published_as_a_whole():
    """202 when every member is settled."""
    async with serving() as (made, session):
        async with session.post(made.url, headers=BATCH, data=batch("1", "2")) as answer:
            pass

    assert answer.status == 202
    assert [event.id for event in made.events] == ["1", "2"]


async def test_a_batch_to_a_pipeline_that_replies_needs_accept():
    """A batch must not be sent unsolicited: without Accept nothing is even started."""
    reply = Event.of(id="r", source="b", type="t")
    async with serving(reply, replies=True) as (made, session):
        async with session.post(made.url, headers=BATCH, data=batch("1", "2")) as refused:
            pass
        before = len(made.events)
        accepting = {**BATCH, "accept": "application/cloudevents-batch+json"}
        async with session.post(made.url, headers=accepting, data=batch("1", "2")) as answer:
            body = await answer.read()

    assert (refused.status, before, answer.status) == (415, 0, 200)
    assert len(codec.decode_batch(((b"content-type", BATCH["content-type"].encode()),), body)) == 2


async def test_accept_may_come_in_several_headers():
    """RFC 9110, 5.3: several header fields are one list."""
    reply = Event.of(id="r", source="bridge", type="response")
    accepting = [("accept", "text/plain"), ("accept", "application/cloudevents-batch+json")]
    async with serving(reply, replies=True) as (made, session):
        headers = [*BATCH.items(), *accepting]
        async with session.post(made.url, headers=headers, data=batch("1")) as answer:
            assert answer.status == 200


async def test_an_outage_refuses_the_whole_batch():
    """Delivered again as a whole, so nothing is lost."""

    async def second_fails(event):
        if event.id == "2":
            raise Unavailable("down")

    async with serving(second_fails) as (made, session):
        async with session.post(made.url, headers=BATCH, data=batch("1", "2", "3")) as answer:
            pass

    assert answer.status == 503


async def test_bad_members_of_a_batch_are_named_by_index():
    """422 with every bad index, undecodable members included; the good ones were handled."""

    async def first_refused(event):
        if event.id == "1":
            raise Rejected("no")

    data = batch("1", "2")[:-1] + b',{"specversion":"1.0"}]'
    async with serving(first_refused) as (made, session):
        async with session.post(made.url, headers=BATCH, data=data) as answer:
            body = await answer.text()

    assert answer.status == 422
    assert "event 0: no" in body
    assert "event 2:" in body


async def test_soft_stop_settles_what_is_running_and_takes_nothing_new():
    """The answer under way is written; a new connection is refused."""
    go, started = asyncio.Event(), asyncio.Event()

    async def wait(event):
        started.set()
        await go.wait()

    made = Serving(wait)
    async with made.source, aiohttp.ClientSession() as session:
        run = asyncio.create_task(made.source.run(made.handle, made.stop))
        posted = asyncio.create_task(session.post(made.url, headers=VALID))
        await started.wait()
        made.stop.set()
        await asyncio.sleep(0)
        with pytest.raises(aiohttp.ClientConnectorError):
            async with aiohttp.ClientSession() as fresh:
                await fresh.post(made.url, headers=VALID)
        assert not run.done()
        go.set()
        await run
        answer = await posted

    assert answer.status == 202
    assert made.deliveries.counts() == {
        "taken": 1,
        "settled": 1,
        "refused": 0,
        "given_back": 0,
        "open": 0,
    }


async def test_hard_stop_gives_back_what_is_running():
    """The connection is closed without an answer, so the sender delivers again."""
    started = asyncio.Event()

    async def forever(event):
        started.set()
        await asyncio.Event().wait()

    made = Serving(forever)
    async with aiohttp.ClientSession() as session:
        async with made.source:
            run = asyncio.create_task(made.source.run(made.handle, made.stop))
            posted = asyncio.create_task(session.post(made.url, headers=VALID))
            await started.wait()
            run.cancel()
            await asyncio.wait([run])
        with pytest.raises(aiohttp.ClientError):
            await posted

    assert made.deliveries.counts()["given_back"] == 1
    assert made.deliveries.balanced()


async def test_a_sender_that_goes_away_does_not_stop_its_event():
    """What it published is published; the redelivery joins or repeats it."""
    go, started, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(event):
        started.set()
        await go.wait()
        done.set()

    async with serving(wait) as (made, _):
        _, writer = await asyncio.open_connection("127.0.0.1", made.source.port)
        head = "".join(f"{name}: {value}\r\n" for name, value in VALID.items())
        writer.write(f"POST / HTTP/1.1\r\nhost: x\r\n{head}content-length: 0\r\n\r\n".encode())
        await started.wait()
        writer.close()
        await writer.wait_closed()
        go.set()
        await done.wait()

    assert made.deliveries.settled_total == 1


async def test_an_event_too_large_is_told_in_the_log():
    """It goes to the sender's dead letter: whoever receives it must be able to see why."""
    with capture_logs() as lines:
        async with serving(max_body_bytes=10) as (made, session):
            async with session.post(made.url, headers=VALID, data=b"x" * 11) as answer:
                pass

    assert answer.status == 413
    assert [line["reason"] for line in lines if line["event"] == "refused"] == ["http_413"]


async def test_requests_that_only_arrive_cannot_fill_the_memory():
    """What is half sent is bounded for all connections together; room comes back with them."""
    head = "".join(f"{name}: {value}\r\n" for name, value in VALID.items())
    half = f"POST / HTTP/1.1\r\nhost: x\r\n{head}content-length: 900\r\n\r\n".encode() + b"x" * 600

    async def begun():
        reader, writer = await asyncio.open_connection("127.0.0.1", made.source.port)
        writer.write(half)
        return reader, writer

    async with serving(max_receiving_bytes=1000) as (made, session):
        first_reader, first = await begun()
        async with session.get(made.url + "/healthz"):
            pass
        second_reader, second = await begun()
        refused = await second_reader.readline()
        first.write(b"x" * 300)
        done = await first_reader.readline()
        third_reader, third = await begun()
        third.write(b"x" * 300)
        again = await third_reader.readline()
        for writer in (first, second, third):
            writer.close()

    assert refused == b"HTTP/1.1 503 Service Unavailable\r\n"
    assert done == again == b"HTTP/1.1 202 Accepted\r\n"


async def test_a_batch_leaves_room_for_others():
    """So many members at once, and no more."""
    running, most = 0, 0

    async def handled(event):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    async with serving(handled) as (made, session):
        data = batch(*map(str, range(MEMBERS_AT_ONCE * 3)))
        async with session.post(made.url, headers=BATCH, data=data) as answer:
            pass

    assert answer.status == 202
    assert most == MEMBERS_AT_ONCE
