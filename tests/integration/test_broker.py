"""The local broker on real sockets, with real subscribers, rule by rule."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.broker.broker import Broker, BrokerOptions
from bridge.broker.triggers import read
from bridge.codecs import http as codec
from bridge.config.options import HttpClientOptions
from bridge.core.clock import Clock, SystemClock
from bridge.core.errors import ConfigError
from bridge.core.event import Event
from bridge.transports.http import HttpRequest, HttpResponse, http_client
from tests.fakes_broker import DONE, InstantClock, Subscriber, replying

EVENT = Event.of(
    id="1", source="test", type="question", data=b'{"a":1}', datacontenttype="application/json"
)
REPLY = Event.of(id="2", source="model", type="answer", data=b"42", datacontenttype="text/plain")
NO_EVENT = HttpResponse(200, ((b"content-type", b"application/json"),), b'{"status":"ok"}')
BUSY = HttpResponse(503, ((b"content-type", b"text/plain"),), b"busy")

Start = Callable[..., AbstractAsyncContextManager[Broker]]


def trigger(name: str, url: str, *, filter_type: str = "", delivery: str = "") -> str:
    """Return the YAML of one Trigger."""
    lines = [
        "---",
        "apiVersion: eventing.knative.dev/v1",
        "kind: Trigger",
        f"metadata: {{name: {name}}}",
        "spec:",
        f"  subscriber: {{uri: '{url}'}}",
    ]
    if filter_type:
        lines.append(f"  filter: {{attributes: {{type: {filter_type}}}}}")
    if delivery:
        lines.append(f"  delivery: {{{delivery}}}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Run a broker with the Triggers of a text."""

    @asynccontextmanager
    async def started(
        text: str,
        *,
        clock: Clock | None = None,
        resolve: dict[str, str] | None = None,
        **options: int,
    ) -> AsyncIterator[Broker]:
        path = tmp_path / "triggers.yaml"
        path.write_text(text)
        async with (
            asyncio.timeout(30),  # a broker that never comes to rest fails, and does not hang
            Broker(
                BrokerOptions(port=0, **options),  # type: ignore[arg-type]  # a test's own options
                read([path], resolve or {}),
                clock=clock or InstantClock(),
            ) as broker,
        ):
            yield broker
            assert broker.counts().balanced

    return started


async def send(
    broker: Broker, event: Event = EVENT, *, path: str = "/", extra: tuple = ()
) -> HttpResponse:
    headers, body = codec.encode_binary(event)
    return await ask(broker, "POST", path, (*headers, *extra), body)


async def ask(
    broker: Broker, method: str, path: str, headers: tuple = (), body: bytes = b""
) -> HttpResponse:
    async with http_client(HttpClientOptions(url=broker.url)) as client:
        return await client.request(method, path, headers, body, timeout_seconds=10)


def header(message: HttpRequest | HttpResponse, name: bytes) -> bytes | None:
    return next((value for known, value in message.headers if known.lower() == name), None)


def line(broker: Broker, name: str = "t") -> dict[str, int]:
    """Return what happened to the events of a trigger, without the zeros."""
    counts = broker.counts().of(f"default/{name}")
    names = ("filtered", "queued", "in_flight", "delivered", "dead_lettered", "dropped", "lost")
    more = ("retried", "replied")
    return {name: getattr(counts, name) for name in (*names, *more) if getattr(counts, name)}


# --- The way through -------------------------------------------------------------------------


async def test_a_reply_of_one_trigger_reaches_the_other(start: Start) -> None:
    """The reference's flow: request, model, typed response, display; the version stays 0.3."""
    folder = Path(__file__).parents[1] / "unit" / "broker" / "reference"
    names = ("seldon-knative-trigger.yaml", "event-display-trigger.yaml")
    triggers = "---\n".join((folder / name).read_text() for name in names)
    request = Event.of(
        specversion="0.3",
        id="536808d3-88be-4077-9d7a-a3f162705f79",
        type="seldon.simple-iris-deployment.request",
        source="seldon.examples.streaming.curl",
        datacontenttype="application/json",
        data=b'{"data": { "ndarray": [[1,2,3,4]]}}',
    )
    response = Event.of(
        specversion="0.3",
        id="a41b4e2a-6db3-4d96-9532-29e8db1f5cef",
        type="seldon.simple-iris-deployment.response",
        source="seldon.simple-iris-deployment",
        datacontenttype="application/json",
        data=b'{"data":{"ndarray":[[0.1,0.2,0.7]]}}',
    )
    async with (
        Subscriber(replying(response)) as model,
        Subscriber() as display,
        start(
            triggers,
            resolve={
                "SeldonDeployment/simple-iris-deployment": model.url + "api/v1.0/predictions",
                "Service/event-display": display.url,
            },
        ) as broker,
    ):
        answer = await send(broker, request)
        await broker.idle()

        assert (answer.status, answer.body) == (202, b"")
        arrival = {"knativearrivaltime": "2020-03-21T03:41:28.000000000Z"}
        assert [request.replace(**arrival)] == model.events
        assert [response.replace(**arrival)] == display.events
        assert model.requests[0].path == "/api/v1.0/predictions"
        assert header(model.requests[0], b"prefer") == b"reply"
        assert header(model.requests[0], b"kn-namespace") == b"default"
        assert line(broker, "seldon-eventing-sklearn-trigger") == {
            "filtered": 1,
            "delivered": 1,
            "replied": 1,
        }
        assert line(broker, "event-display") == {"filtered": 1, "delivered": 1}
        assert broker.counts().received == 2


async def test_headers_of_the_way_are_handed_on_and_secrets_are_not(start: Start) -> None:
    """Request ids and trace context travel on; cookies, tokens and anything else stay."""
    extra = (
        (b"x-request-id", b"r1"),
        (b"x-b3-traceid", b"b3"),
        (b"knative-x", b"k"),
        (b"traceparent", b"00-1a93791481a6b73a6d59b48a96e62ee6-2bac18e237bba0a5-00"),
        (b"authorization", b"Bearer secret"),
        (b"cookie", b"secret"),
        (b"kn-namespace", b"forged"),
        (b"x-other", b"other"),
    )
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        await send(broker, extra=extra)
        await broker.idle()

        request = subscriber.requests[0]
        handed_on = {name: header(request, name) for name, _ in extra}
        assert {
            **dict(extra[:4]),
            b"authorization": None,
            b"cookie": None,
            b"kn-namespace": b"default",
            b"x-other": None,
        } == handed_on


async def test_a_trigger_can_have_its_events_structured(start: Start) -> None:
    """`delivery.format: json` is the structured content mode."""
    async with (
        Subscriber() as subscriber,
        start(trigger("t", subscriber.url, delivery="format: json")) as broker,
    ):
        await send(broker)
        await broker.idle()

        content_type = header(subscriber.requests[0], b"content-type")
        assert content_type is not None
        assert content_type.startswith(b"application/cloudevents+json")
        assert EVENT.attributes.items() <= subscriber.events[0].attributes.items()


async def test_the_subscribers_path_and_query_are_asked_for(start: Start) -> None:
    """The URL is used as it stands in the Trigger."""
    async with (
        Subscriber() as subscriber,
        start(trigger("t", subscriber.url + "in/here?x=1")) as broker,
    ):
        await send(broker)
        await broker.idle()

        assert subscriber.requests[0].target == "/in/here?x=1"


# --- The ingress -----------------------------------------------------------------------------


async def test_the_ingress_answers_what_knative_answers(start: Start) -> None:
    """Methods, paths and probes."""
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        for method in ("GET", "PUT", "DELETE"):
            refused = await ask(broker, method, "/default/default")
            assert (refused.status, header(refused, b"allow")) == (405, b"POST, OPTIONS")
        options = await ask(broker, "OPTIONS", "/default/default")
        assert (options.status, header(options, b"allow")) == (200, b"POST, OPTIONS")
        assert header(options, b"webhook-allowed-origin") == b"*"
        assert (await ask(broker, "GET", "/healthz")).status == 200
        for path in ("/", "/default/default", "/default/default/"):
            assert (await send(broker, path=path)).status == 202
        for path in ("/default", "/other/default", "/default/other", "/default/default/x"):
            refused = await send(broker, path=path)
            assert (refused.status, b"/default/default" in refused.body) == (404, True)
        await broker.idle()

        assert len(subscriber.requests) == 3


async def test_a_path_names_its_broker_and_only_that_one(start: Start) -> None:
    """Two brokers in two namespaces keep their events apart; `/` is default/default."""
    async with Subscriber() as ours, Subscriber() as theirs:
        other = trigger("t", theirs.url).replace("name: t", "name: t, namespace: ml")
        async with start(trigger("t", ours.url) + other) as broker:
            await send(broker, EVENT.replace(id="a"), path="/")
            await send(broker, EVENT.replace(id="b"), path="/ml/default")
            await broker.idle()

            assert [event.id for event in ours.events] == ["a"]
            assert [event.id for event in theirs.events] == ["b"]
            assert header(theirs.requests[0], b"kn-namespace") == b"ml"


@pytest.mark.parametrize(
    ("headers", "body", "said"),
    [
        ((), b"{}", b"ce-id"),
        (
            (
                (b"ce-specversion", b"19.0"),
                (b"ce-id", b"1"),
                (b"ce-source", b"s"),
                (b"ce-type", b"t"),
            ),
            b"",
            b"19.0",
        ),
        (
            ((b"ce-specversion", b"1.0"), (b"ce-id", b"1"), (b"ce-source", b"s")),
            b"",
            b"type",
        ),
        (((b"content-type", b"application/cloudevents+json"),), b"{", b""),
    ],
)
async def test_what_is_no_event_is_refused_for_good(
    start: Start, headers: tuple, body: bytes, said: bytes
) -> None:
    """400, with the reason, and counted."""
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        refused = await ask(broker, "POST", "/", headers, body)

        assert refused.status == 400
        assert said in refused.body
        assert len(refused.body) <= 768
        counts = broker.counts()
        assert (counts.invalid, counts.received) == (1, 0)


async def test_a_body_one_byte_too_large_is_refused(start: Start) -> None:
    """413, and the largest that fits is taken."""
    async with (
        Subscriber() as subscriber,
        start(trigger("t", subscriber.url), max_body_bytes=100) as broker,
    ):
        fits = await send(broker, Event({**EVENT.attributes}, b"x" * 100))
        refused = await send(broker, Event({**EVENT.attributes}, b"x" * 101))
        await broker.idle()

        assert (fits.status, refused.status) == (202, 413)
        assert [len(request.body) for request in subscriber.requests] == [100]


async def test_structured_events_and_batches_are_taken(start: Start) -> None:
    """A batch counts as its members."""
    members = [{**EVENT.attributes, "id": str(number), "data": {"a": 1}} for number in range(3)]
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        for content_type, value in (
            (b"application/cloudevents+json", {**members[0], "id": "single"}),
            (b"application/cloudevents-batch+json", members),
            (b"application/cloudevents-batch+json", []),
        ):
            body = json.dumps(value).encode()
            answer = await ask(broker, "POST", "/", ((b"content-type", content_type),), body)
            assert answer.status == 202
        await broker.idle()

        assert sorted(event.id for event in subscriber.events) == ["0", "1", "2", "single"]
        assert broker.counts().received == 4


async def test_a_bad_member_refuses_the_whole_batch_by_its_index(start: Start) -> None:
    """All or nothing: the sender can correct the batch and send it again."""
    members = [{**EVENT.attributes}, {**EVENT.attributes, "id": ""}]
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        refused = await ask(
            broker,
            "POST",
            "/",
            ((b"content-type", b"application/cloudevents-batch+json"),),
            json.dumps(members).encode(),
        )

        assert (refused.status, b"member 1" in refused.body) == (400, True)
        assert broker.counts().received == 0


async def test_a_full_queue_refuses_and_queues_for_nobody(start: Start) -> None:
    """429 with Retry-After, also for the triggers that have room; later there is room again."""
    release = asyncio.Event()

    async def slow(_request: HttpRequest) -> HttpResponse:
        await release.wait()
        return DONE

    async with Subscriber(slow) as full, Subscriber() as free:
        text = trigger("full", full.url) + trigger("free", free.url)
        async with start(text, queue_events=2, deliveries=1, retry_after_seconds=3) as broker:
            await send(broker, EVENT.replace(id="in flight"))
            await full.called(1)
            taken = [(await send(broker, EVENT.replace(id=str(n)))).status for n in range(2)]
            refused = await send(broker, EVENT.replace(id="too many"))
            received = broker.counts().received
            release.set()
            await broker.idle()
            again = await send(broker, EVENT.replace(id="again"))
            await broker.idle()

            assert taken == [202, 202]
            assert (refused.status, header(refused, b"retry-after")) == (429, b"3")
            assert b"default/full" in refused.body
            assert (received, broker.counts().overloaded) == (3, 1)
            assert again.status == 202
            ids = ["in flight", "0", "1", "again"]
            assert sorted(ids) == sorted(event.id for event in full.events)
            assert sorted(ids) == sorted(event.id for event in free.events)


async def test_a_batch_that_never_fits_is_refused_for_good(start: Start) -> None:
    """No `Retry-After` for what no waiting can change."""
    members = [{**EVENT.attributes, "id": str(number)} for number in range(3)]
    async with (
        Subscriber() as subscriber,
        start(trigger("t", subscriber.url), queue_events=2) as broker,
    ):
        refused = await ask(
            broker,
            "POST",
            "/",
            ((b"content-type", b"application/cloudevents-batch+json"),),
            json.dumps(members).encode(),
        )

        assert refused.status == 400
        assert b"a batch of 3 events" in refused.body


# --- Hops ------------------------------------------------------------------------------------


async def test_a_loop_of_replies_ends(start: Start) -> None:
    """A subscriber that answers its own question is asked as often as there are hops."""
    async with (
        Subscriber(replying(EVENT)) as subscriber,
        start(trigger("t", subscriber.url), ttl=5) as broker,
    ):
        with capture_logs() as logs:
            await send(broker)
            await broker.idle()

        assert len(subscriber.requests) == 5
        assert line(broker) == {"delivered": 4, "replied": 4, "dropped": 1}
        assert broker.counts().expired == 1
        assert any("no hops left" in entry["event"] for entry in logs)


async def test_the_end_of_a_loop_is_a_dead_letter_where_there_is_one(start: Start) -> None:
    """As in Knative the ingress refuses the reply with 400, and the delivery failed."""
    async with Subscriber(replying(EVENT)) as subscriber, Subscriber() as dead:
        delivery = f"deadLetterSink: {{uri: '{dead.url}'}}"
        async with start(trigger("t", subscriber.url, delivery=delivery), ttl=3) as broker:
            await send(broker)
            await broker.idle()

            assert line(broker) == {"delivered": 2, "replied": 2, "dead_lettered": 1}
            assert dead.events[0].attributes["knativeerrorcode"] == "400"
            assert f"{broker.url}/default/default" == dead.events[0].attributes["knativeerrordest"]


async def test_the_hop_counter_is_not_the_subscribers_business(start: Start) -> None:
    """It is taken off before delivery, and a subscriber that sets it changes nothing."""
    forged = EVENT.replace(knativebrokerttl="1000")
    async with (
        Subscriber(replying(forged)) as subscriber,
        start(trigger("t", subscriber.url), ttl=3) as broker,
    ):
        await send(broker)
        await broker.idle()

        assert len(subscriber.requests) == 3
        assert all("knativebrokerttl" not in event.attributes for event in subscriber.events)


@pytest.mark.parametrize(
    ("ttl", "status", "times"),
    [("3", 202, 2), ("1", 400, 0), ("0", 400, 0), ("-7", 400, 0), ("many", 202, 4)],
)
async def test_a_counter_from_outside_goes_on_counting(
    start: Start, ttl: str, status: int, times: int
) -> None:
    """One hop less at the door; none left is 400, no number counts as none at all."""
    async with (
        Subscriber(replying(EVENT)) as subscriber,
        start(trigger("t", subscriber.url), ttl=4) as broker,
    ):
        answer = await send(broker, EVENT.replace(knativebrokerttl=ttl))
        await broker.idle()

        assert (status, times) == (answer.status, len(subscriber.requests))
        assert (times if status == 202 else 0) == broker.counts().received


async def test_the_time_of_arrival_is_this_brokers(start: Start) -> None:
    """An earlier broker's is replaced, as Knative's ingress sets it."""
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        await send(broker, EVENT.replace(knativearrivaltime="1999-01-01T00:00:00Z"))
        await broker.idle()

        assert (
            subscriber.events[0].attributes["knativearrivaltime"]
            == "2020-03-21T03:41:28.000000000Z"
        )


# --- Trying again ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "pauses"), [("linear", [0.0, 0.2, 0.4]), ("exponential", [0.2, 0.4, 0.8])]
)
async def test_an_outage_is_tried_again_with_growing_pauses(
    start: Start, policy: str, pauses: list[float]
) -> None:
    """The same event comes again until it is taken."""
    clock = InstantClock()
    delivery = f"retry: 5, backoffPolicy: {policy}, backoffDelay: PT0.2S"
    async with (
        Subscriber(BUSY, BUSY, BUSY, DONE) as subscriber,
        start(trigger("t", subscriber.url, delivery=delivery), clock=clock) as broker,
    ):
        await send(broker)
        await broker.idle()

        assert pauses == pytest.approx(clock.slept)
        assert len(subscriber.requests) == 4
        assert len({(event.source, event.id) for event in subscriber.events}) == 1
        assert line(broker) == {"delivered": 1, "retried": 3}


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504])
async def test_retryable_answers_are_tried_as_often_as_the_trigger_says(
    start: Start, status: int
) -> None:
    """One try and two more; then the event is given up."""
    async with (
        Subscriber(HttpResponse(status, (), b"")) as subscriber,
        start(trigger("t", subscriber.url, delivery="retry: 2")) as broker,
    ):
        await send(broker)
        await broker.idle()

        assert len(subscriber.requests) == 3
        assert line(broker) == {"lost": 1, "retried": 2}


@pytest.mark.parametrize("status", [301, 400, 401, 403, 413, 415, 422])
async def test_a_verdict_is_final(start: Start, status: int) -> None:
    """No second try, redirects are not followed, and the loss is logged."""
    answer = HttpResponse(status, ((b"location", b"/elsewhere"),), b"")
    async with (
        Subscriber(answer) as subscriber,
        start(trigger("t", subscriber.url, delivery="retry: 5")) as broker,
    ):
        with capture_logs() as logs:
            await send(broker)
            await broker.idle()

        assert len(subscriber.requests) == 1
        assert line(broker) == {"lost": 1}
        lost = [entry for entry in logs if entry["log_level"] == "error"]
        assert [(entry["trigger"], entry["id"]) for entry in lost] == [("default/t", "1")]


async def test_a_bare_trigger_is_tried_once(start: Start) -> None:
    """Without delivery settings an outage is final, as with a bare Trigger in Knative."""
    async with Subscriber(BUSY) as subscriber, start(trigger("t", subscriber.url)) as broker:
        await send(broker)
        await broker.idle()

        assert len(subscriber.requests) == 1
        assert line(broker) == {"lost": 1}


async def test_retry_after_is_honoured_up_to_the_triggers_maximum(start: Start) -> None:
    """Only with `retryAfterMax`, and never longer than that."""
    clock = InstantClock()
    busy = [HttpResponse(503, ((b"retry-after", value),), b"") for value in (b"2", b"60")]
    async with (
        Subscriber(*busy, DONE) as subscriber,
        start(
            trigger("t", subscriber.url, delivery="retry: 5, retryAfterMax: PT10S"), clock=clock
        ) as broker,
    ):
        await send(broker)
        await broker.idle()

        assert clock.slept == [2.0, 10.0]


async def test_a_subscriber_that_is_down_is_an_outage(start: Start) -> None:
    """A refused connection is tried again, and the dead letter says what happened."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        async with Subscriber() as dead:
            delivery = f"retry: 2, deadLetterSink: {{uri: '{dead.url}'}}"
            async with start(trigger("t", url, delivery=delivery)) as broker:
                await send(broker)
                await broker.idle()

                assert line(broker) == {"dead_lettered": 1, "retried": 2}
                attributes = dead.events[0].attributes
                assert (url, "500") == (
                    attributes["knativeerrordest"],
                    attributes["knativeerrorcode"],
                )
                error = base64.b64decode(attributes["knativeerrordata"])
                assert error.startswith(b"dispatch error: ")


async def test_a_subscriber_that_does_not_answer_in_time_is_an_outage(start: Start) -> None:
    """The trigger's `timeout` bounds each try."""
    never = asyncio.Event()

    async def silent(_request: HttpRequest) -> HttpResponse:
        await never.wait()
        return DONE

    async with Subscriber(silent, DONE) as subscriber:
        delivery = "retry: 1, timeout: PT0.05S"
        async with start(trigger("t", subscriber.url, delivery=delivery)) as broker:
            await send(broker)
            await broker.idle()

            assert len(subscriber.requests) == 2
            assert line(broker) == {"delivered": 1, "retried": 1}
        never.set()


# --- Replies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(NO_EVENT, id="JSON that is no event"),
        pytest.param(HttpResponse(202, (), b"accepted"), id="202 with text"),
        pytest.param(
            HttpResponse(200, ((b"ce-specversion", b"1.0"), (b"ce-id", b"1")), b""),
            id="half an event",
        ),
        pytest.param(
            HttpResponse(200, ((b"content-type", b"application/cloudevents+json"),), b"{"),
            id="broken JSON",
        ),
        pytest.param(
            HttpResponse(200, ((b"content-type", b"application/cloudevents-batch+json"),), b"[]"),
            id="a batch",
        ),
    ],
)
async def test_a_success_that_is_no_event_nor_empty_is_a_failure(
    start: Start, answer: HttpResponse
) -> None:
    """As Knative's filter turns it into 502: tried again, then the dead letter."""
    async with Subscriber(answer) as subscriber, Subscriber() as dead:
        delivery = f"retry: 1, deadLetterSink: {{uri: '{dead.url}'}}"
        async with start(trigger("t", subscriber.url, delivery=delivery)) as broker:
            await send(broker)
            await broker.idle()

            assert len(subscriber.requests) == 2
            assert line(broker) == {"dead_lettered": 1, "retried": 1}
            attributes = dead.events[0].attributes
            assert attributes["knativeerrorcode"] == "502"
            said = base64.b64decode(attributes.get("knativeerrordata", ""))
            assert answer.body == said


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_an_empty_success_is_a_success(start: Start, status: int) -> None:
    """Nothing to say is an answer."""
    async with (
        Subscriber(HttpResponse(status, (), b"")) as subscriber,
        start(trigger("t", subscriber.url)) as broker,
    ):
        await send(broker)
        await broker.idle()

        assert line(broker) == {"delivered": 1}


@pytest.mark.parametrize(("status", "replies"), [(200, 1), (201, 1), (202, 0)])
async def test_an_event_in_a_202_is_not_routed(start: Start, status: int, replies: int) -> None:
    """202 promises that the work is not done yet, so it carries no reply."""
    async with (
        Subscriber(replying(REPLY, status)) as subscriber,
        Subscriber() as other,
    ):
        text = trigger("t", subscriber.url, filter_type="question")
        async with start(text + trigger("o", other.url, filter_type="answer")) as broker:
            await send(broker)
            await broker.idle()

            assert replies == len(other.requests)
            assert broker.counts().of("default/t").delivered == 1


async def test_structured_and_empty_replies_are_routed(start: Start) -> None:
    """A reply may be structured, and may have no data."""
    headers, body = codec.encode_structured(REPLY)
    empty = REPLY.replace(id="3", datacontenttype=None)
    answers = (
        HttpResponse(200, tuple(headers), body),
        replying(Event(empty.attributes)),
    )
    async with Subscriber(*answers) as subscriber, Subscriber() as other:
        text = trigger("t", subscriber.url, filter_type="question")
        async with start(
            text + trigger("o", other.url, filter_type="answer"), deliveries=1
        ) as broker:
            await send(broker)
            await send(broker)
            await broker.idle()

            assert [(e.id, e.data or None) for e in other.events] == [("2", b"42"), ("3", None)]


async def test_a_reply_that_finds_no_room_is_offered_again_without_asking_again(
    start: Start,
) -> None:
    """The subscriber did its work; only the reply is tried again, then the event is dead."""
    release = asyncio.Event()

    async def slow(_request: HttpRequest) -> HttpResponse:
        await release.wait()
        return DONE

    async with (
        Subscriber(replying(REPLY)) as subscriber,
        Subscriber(slow) as full,
        Subscriber() as dead,
    ):
        delivery = f"retry: 2, deadLetterSink: {{uri: '{dead.url}'}}"
        text = trigger("t", subscriber.url, filter_type="question", delivery=delivery)
        async with start(
            text + trigger("full", full.url, filter_type="answer"), queue_events=1, deliveries=1
        ) as broker:
            await send(broker, REPLY.replace(id="in flight"))
            await full.called(1)
            await send(broker, REPLY.replace(id="waits"))

            await send(broker)
            await dead.called(1)

            assert len(subscriber.requests) == 1
            assert dead.events[0].attributes["knativeerrorcode"] == "429"
            assert dead.events[0].type == "question"
            release.set()
            await broker.idle()
            assert line(broker) == {"filtered": 2, "dead_lettered": 1, "retried": 2}
            assert len(full.requests) == 2


# --- Dead letters ----------------------------------------------------------------------------


async def test_a_dead_letter_is_the_event_and_the_refusal(start: Start) -> None:
    """Knative's three extensions, those of `kne-` headers, and no wish for a reply."""
    refusal = HttpResponse(422, ((b"kne-bridgereason", b"schema"),), b"wrong shape")
    async with Subscriber(refusal) as subscriber, Subscriber(NO_EVENT) as dead:
        delivery = f"retry: 3, deadLetterSink: {{uri: '{dead.url}letters'}}"
        async with start(trigger("t", subscriber.url, delivery=delivery)) as broker:
            await send(broker)
            await broker.idle()

            assert [
                EVENT.replace(
                    knativearrivaltime="2020-03-21T03:41:28.000000000Z",
                    knativeerrordest=subscriber.url,
                    knativeerrorcode="422",
                    knativeerrordata=base64.b64encode(b"wrong shape").decode(),
                    bridgereason="schema",
                )
            ] == dead.events
            assert dead.requests[0].path == "/letters"
            assert header(dead.requests[0], b"prefer") is None
            assert line(broker) == {"dead_lettered": 1}


async def test_a_dead_letter_that_nobody_takes_is_lost_and_said(start: Start) -> None:
    """It is tried like any delivery; then the loss is logged with both reasons."""
    async with (
        Subscriber(HttpResponse(400, (), b"")) as subscriber,
        Subscriber(BUSY) as dead,
    ):
        delivery = f"retry: 2, deadLetterSink: {{uri: '{dead.url}'}}"
        async with start(trigger("t", subscriber.url, delivery=delivery)) as broker:
            with capture_logs() as logs:
                await send(broker)
                await broker.idle()

            assert (len(subscriber.requests), len(dead.requests)) == (1, 3)
            assert line(broker) == {"lost": 1, "retried": 2}
            lost = [entry for entry in logs if entry["log_level"] == "error"]
            assert [
                (entry["id"], entry["error"], entry["dead_letter_error"]) for entry in lost
            ] == [("1", "answered 400", "answered 503")]


async def test_an_event_that_no_header_can_carry_is_lost_and_said(start: Start) -> None:
    """It stops nothing: the next event is delivered."""
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        with capture_logs() as logs:
            broker._intake.take("default/default", [Event({**EVENT.attributes, "no name": "x"})])
            await send(broker)
            await broker.idle()

        assert line(broker) == {"delivered": 1, "lost": 1}
        assert [e["log_level"] for e in logs if "cannot be written" in e["event"]] == ["error"]


# --- Many at once ----------------------------------------------------------------------------


async def test_a_slow_subscriber_delays_no_other_trigger(start: Start) -> None:
    """Each trigger has its own queue and its own connections."""
    release = asyncio.Event()

    async def slow(_request: HttpRequest) -> HttpResponse:
        await release.wait()
        return DONE

    async with Subscriber(slow) as tardy, Subscriber() as quick:
        text = trigger("tardy", tardy.url) + trigger("quick", quick.url)
        async with start(text, deliveries=2) as broker:
            for number in range(20):
                await send(broker, EVENT.replace(id=str(number)))

            await quick.called(20)

            assert line(broker, "tardy") == {"in_flight": 2, "queued": 18}
            release.set()
            await broker.idle()
            assert line(broker, "tardy") == {"delivered": 20}


async def test_no_event_of_a_thousand_is_lost_and_the_ledger_always_adds_up(start: Start) -> None:
    """Every event arrives at every trigger that wants it; no moment shows a wrong sum."""
    open_now = most = 0
    answers = 0

    async def moody(_request: HttpRequest) -> HttpResponse:
        nonlocal open_now, most, answers
        answers += 1
        number = answers
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0)
        open_now -= 1
        return BUSY if number % 7 == 0 else replying(REPLY.replace(id=str(number)))

    async with Subscriber(moody) as model, Subscriber() as display, Subscriber() as audit:
        text = (
            trigger("model", model.url, filter_type="question", delivery="retry: 20")
            + trigger("display", display.url, filter_type="answer")
            + trigger("audit", audit.url)
        )
        async with start(text, deliveries=4) as broker:
            stop = asyncio.Event()
            looks = 0

            async def watch() -> None:
                nonlocal looks
                while not stop.is_set():
                    assert broker.counts().balanced
                    looks += 1
                    await asyncio.sleep(0)

            async with (
                asyncio.TaskGroup() as group,
                http_client(HttpClientOptions(url=broker.url)) as client,
            ):
                group.create_task(watch())
                for number in range(1_000):
                    headers, body = codec.encode_binary(EVENT.replace(id=f"q{number}"))
                    answer = await client.request("POST", "/", headers, body, timeout_seconds=10)
                    assert answer.status == 202
                await broker.idle()
                stop.set()

            questions = {f"q{number}" for number in range(1_000)}
            assert questions <= {event.id for event in model.events}
            replies = [event.id for event in display.events]
            assert (len(replies), len(set(replies))) == (1_000, 1_000)
            assert questions | set(replies) == {event.id for event in audit.events}
            assert 2_000 == len(audit.requests) == broker.counts().received
            assert line(broker, "display") == {"filtered": 1_000, "delivered": 1_000}
            assert most <= 4
            assert looks > 1_000


# --- Start and end ---------------------------------------------------------------------------


async def test_the_broker_says_at_start_that_it_forgets(start: Start) -> None:
    """One line: events are in memory only."""
    with capture_logs() as logs:
        async with Subscriber() as subscriber, start(trigger("t", subscriber.url)):
            pass

    said = [entry for entry in logs if "in memory only" in entry["event"]]
    assert [entry["triggers"] for entry in said] == [["default/t"]]


async def test_drain_delivers_what_waits_and_its_replies_and_takes_nothing_new(
    start: Start,
) -> None:
    """It returns as soon as nothing is left."""
    release = asyncio.Event()

    async def slow(_request: HttpRequest) -> HttpResponse:
        await release.wait()
        return replying(REPLY)

    async with Subscriber(slow) as subscriber, Subscriber() as other:
        text = trigger("t", subscriber.url, filter_type="question")
        text += trigger("o", other.url, filter_type="answer")
        async with start(text, clock=SystemClock(), deliveries=1) as broker:
            for number in range(3):
                await send(broker, EVENT.replace(id=str(number)))
            await subscriber.called(1)

            draining = asyncio.create_task(broker.drain(60))
            release.set()
            left = await draining

            assert left == 0
            assert (len(subscriber.requests), len(other.requests)) == (3, 3)
            with pytest.raises(OSError):  # noqa: PT012  # nothing listens any more
                _, writer = await asyncio.open_connection("127.0.0.1", broker.port)
                writer.close()


async def test_what_a_drain_leaves_is_reported_and_booked_as_lost(start: Start) -> None:
    """After the time is up the number is returned, and leaving says so once more."""
    never = asyncio.Event()

    async def silent(_request: HttpRequest) -> HttpResponse:
        await never.wait()
        return DONE

    async with Subscriber(silent) as subscriber:
        with capture_logs() as logs:
            async with start(trigger("t", subscriber.url), deliveries=1) as broker:
                for number in range(3):
                    await send(broker, EVENT.replace(id=str(number)))
                await subscriber.called(1)

                left = await broker.drain(30)

                assert left == 3
                assert line(broker) == {"in_flight": 1, "queued": 2}
        never.set()

    assert line(broker) == {"lost": 3}
    assert broker.counts().balanced
    assert [entry["left"] for entry in logs if "events lost" in entry["event"]] == [3]


async def test_the_port_is_free_after_the_end(start: Start) -> None:
    """Leaving closes the listener, and may be done twice."""
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        port = broker.port

    await broker.__aexit__(None, None, None)
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_port_that_is_taken_fails_the_start(start: Start) -> None:
    """Nothing is left running behind the error."""
    async with Subscriber() as subscriber, start(trigger("t", subscriber.url)) as broker:
        with pytest.raises(ConfigError, match="address already in use"):
            async with Broker(
                BrokerOptions(port=broker.port),
                broker._declared,
                clock=InstantClock(),
            ):
                pass


async def test_metrics_tell_every_trigger_apart(start: Start) -> None:
    """Prometheus' text, readable by its own parser, with the ledger's numbers."""
    from prometheus_client.parser import text_string_to_metric_families

    async with Subscriber() as subscriber:
        text = trigger("t", subscriber.url, filter_type="question")
        async with start(text + trigger("o", subscriber.url, filter_type="other")) as broker:
            await send(broker)
            await ask(broker, "POST", "/", (), b"no event")
            await broker.idle()

            page = await ask(broker, "GET", "/metrics")

    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.body.decode())
        for sample in family.samples
    }
    assert page.status == 200
    assert samples["bridge_broker_received_total",] == 1
    assert samples["bridge_broker_refused_total", "invalid"] == 1
    assert samples["bridge_broker_events_total", "default/t", "delivered"] == 1
    assert samples["bridge_broker_events_total", "default/o", "filtered"] == 1
    assert samples["bridge_broker_queued", "default/t"] == 0
