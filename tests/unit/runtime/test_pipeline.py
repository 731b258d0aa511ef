"""A pipeline takes one event through its steps to one outcome."""

import pytest

from bridge import Body, Context, Event, EventError, Filtered, Origin, Unavailable
from bridge.observe.ledger import Histogram
from bridge.runtime.pipeline import Pipeline, Quiet, Skipped, Timings
from bridge.runtime.response import responder
from tests.fakes import FakeClock, FakeModel, FakeSink, FakeTransformer, iris_event


def pipeline(**parts) -> Pipeline:
    clock = FakeClock()
    parts.setdefault("model", FakeModel())
    parts.setdefault(
        "respond",
        responder(type=lambda _: "answered", source=lambda _: "bridge", clock=clock),
    )
    timings = Timings(
        preprocess=Histogram(), model=Histogram(), postprocess=Histogram(), publish=Histogram()
    )
    return Pipeline(name="iris", clock=clock, deadline_seconds=30, timings=timings, **parts)


async def test_without_sinks_the_response_is_the_reply():
    """A pipeline that publishes nowhere answers its sender."""
    reply = await pipeline()(iris_event())

    assert isinstance(reply, Event)
    assert reply.type == "answered"
    assert reply.data == b'{"answer":1}'


async def test_a_payload_nobody_touches_reaches_the_model_as_the_bytes_it_came_in():
    """Pass-through is the same bytes object, not a copy of its meaning."""
    model = FakeModel()
    event = iris_event()

    await pipeline(model=model)(event)

    assert model.requests[0].payload.data is event.data


async def test_the_time_of_a_request_ends_with_that_of_its_event():
    """Not as much later as `preprocess` took: a call cut off by then says nothing of its server."""
    model = FakeModel()

    def slow(payload: Body, ctx: Context) -> Body:
        made.clock.now += 12
        return payload

    made = pipeline(model=model, preprocess=FakeTransformer(pre=slow))
    began = made.clock.monotonic()

    await made(iris_event())

    assert model.requests[0].deadline == began + 30


async def test_sinks_get_the_response_and_the_sender_gets_none():
    """Published means every sink has it; the delivery is then answered without a body."""
    first, second = FakeSink(), FakeSink()

    outcome = await pipeline(sinks=(first, second))(iris_event())

    assert outcome is Quiet.PUBLISHED
    assert len(first.events) == len(second.events) == 1
    assert first.events == second.events


async def test_reply_always_publishes_and_replies():
    """The two together happen only when the file says so."""
    sink = FakeSink()

    outcome = await pipeline(sinks=(sink,), reply_always=True)(iris_event())

    assert [outcome] == sink.events


@pytest.mark.parametrize(("wants_reply", "published"), [(True, 0), (False, 1)])
async def test_k_sink_gets_the_response_unless_the_sender_prefers_a_reply(wants_reply, published):
    """`Prefer: reply` decides between the reply and K_SINK."""
    sink = FakeSink()
    event = iris_event()
    event = Event(event.attributes, event.data, Origin(wants_reply=wants_reply))
    made = pipeline(fallback=sink)

    outcome = await made(event)

    assert len(sink.events) == published
    assert isinstance(outcome, Event) is wants_reply
    assert made.replies(event) is wants_reply


async def test_an_event_that_is_passed_on_is_never_its_own_reply():
    """Without a response K_SINK gets the event, also where the sender prefers a reply."""
    sink = FakeSink()
    event = iris_event()
    event = Event(event.attributes, event.data, Origin(wants_reply=True))
    made = pipeline(model=None, respond=None, fallback=sink)

    outcome = await made(event)

    assert outcome is Quiet.PUBLISHED
    assert [event] == sink.events
    assert made.replies(event) is False


async def test_a_sink_that_is_down_refuses_the_event():
    """Nothing is settled before every sink has it."""
    with pytest.raises(Unavailable):
        await pipeline(sinks=(FakeSink(), FakeSink(Unavailable("down"))))(iris_event())


async def test_transformers_stand_before_and_after_the_model_and_share_the_events_state():
    """What preprocess leaves in ctx.state, postprocess of the same event finds."""

    def pre(payload, ctx):
        ctx.state["id"] = ctx.attributes["id"]
        return Body.of({"pre": payload.json()["data"]["ndarray"]})

    def post(payload, ctx):
        return Body.of({"for": ctx.state["id"], **payload.json()})

    model = FakeModel(lambda request: Body.of({"saw": request.payload.json()}))
    transformer = FakeTransformer(pre, post)

    reply = await pipeline(model=model, preprocess=transformer, postprocess=transformer)(
        iris_event(id="7")
    )

    assert Body(reply.data).json() == {"for": "7", "saw": {"pre": [[1, 2, 3, 4]]}}


@pytest.mark.parametrize("step", ["preprocess", "postprocess"])
async def test_a_transformer_with_nothing_to_say_filters_the_event(step):
    """None is an outcome: settled, nothing published, the model not asked in vain."""
    sink, model = FakeSink(), FakeModel()
    silent = FakeTransformer(lambda payload, ctx: None, lambda payload, ctx: None)

    outcome = await pipeline(model=model, sinks=(sink,), **{step: silent})(iris_event())

    assert outcome is Quiet.FILTERED
    assert sink.events == []
    assert len(model.requests) == (step == "postprocess")


async def test_without_model_and_response_the_event_itself_goes_on():
    """A display and a logger are such pipelines."""
    sink = FakeSink()
    event = iris_event()

    await pipeline(model=None, respond=None, sinks=(sink,))(event)

    assert sink.events == [event]


async def test_the_model_gets_trace_and_request_id_and_nothing_that_names_the_caller():
    """Headers go on by a list; cookies and authorization are not on it."""
    model = FakeModel()
    headers = (
        (b"authorization", b"Bearer secret"),
        (b"cookie", b"a=b"),
        (b"x-request-id", b"r1"),
        (b"traceparent", b"00-1-2-01"),
        (b"ce-id", b"1"),
    )
    event = iris_event()

    await pipeline(model=model)(Event(event.attributes, event.data, Origin(headers=headers)))

    assert model.requests[0].headers == ((b"x-request-id", b"r1"), (b"traceparent", b"00-1-2-01"))


async def test_the_events_own_trace_reaches_the_model_where_http_had_none():
    """The extension stands in for the header, tracestate with it."""
    model = FakeModel()

    await pipeline(model=model)(iris_event(traceparent="00-a-b-01", tracestate="k=v"))

    assert model.requests[0].headers == ((b"traceparent", b"00-a-b-01"), (b"tracestate", b"k=v"))


async def test_the_model_is_told_when_the_time_is_up():
    """The deadline is on the clock's own seconds."""
    model = FakeModel()

    await pipeline(model=model)(iris_event())

    assert model.requests[0].deadline == 1030.0


#: A moment before that of the fake clock, and one after.
PAST, FUTURE = "2020-03-21T03:41:28.593036193Z", "2020-03-21T03:41:28.593036194Z"


async def test_an_expired_event_is_settled_and_nobody_is_asked():
    """Not the model, not a sink; one that is about to expire is processed."""
    sink, model = FakeSink(), FakeModel()
    made = pipeline(model=model, sinks=(sink,))

    outcomes = [await made(iris_event(expirytime=until)) for until in (PAST, FUTURE)]

    assert outcomes == [Quiet.EXPIRED, Quiet.PUBLISHED]
    assert len(model.requests) == len(sink.events) == 1


async def test_an_expired_event_is_not_passed_on_either():
    """A forwarder is a pipeline like any other."""
    sink = FakeSink()

    outcome = await pipeline(model=None, respond=None, sinks=(sink,))(iris_event(expirytime=PAST))

    assert outcome is Quiet.EXPIRED
    assert sink.events == []


async def test_expiry_can_be_left_to_others():
    """`expired: process` does not even look at the attribute."""
    made = pipeline(expires=False)

    replies = [await made(iris_event(expirytime=until)) for until in (PAST, "garbage")]

    assert ["answered", "answered"] == [reply.type for reply in replies]


async def test_an_expirytime_that_is_no_time_refuses_the_event():
    """For good: it will not become one."""
    with pytest.raises(EventError, match="expirytime"):
        await pipeline()(iris_event(expirytime="soon"))


class Store:
    """Has one thing; remembers what it was asked for."""

    def __init__(self, data=b"[1]", content_type="application/json", below="http://store/"):
        self.body = Body(data, content_type)
        self.below = below
        self.asked = []

    def target(self, reference):
        return reference if reference.startswith(self.below) else None

    async def fetch(self, target):
        self.asked.append(target)
        return self.body


def claim(**attributes) -> Event:
    """Return an event whose data lies elsewhere."""
    return Event(iris_event(dataref="http://store/1", **attributes).attributes, None)


async def test_the_data_that_an_event_refers_to_reaches_the_model_as_its_own():
    """Fetched once; the event's own datacontenttype wins over the store's."""
    model, store = FakeModel(), Store(content_type="binary/octet-stream")

    await pipeline(model=model, claim_stores=(store,))(claim())

    payload = model.requests[0].payload
    assert (payload.data, payload.content_type) == (b"[1]", "application/json")
    assert ["http://store/1"] == store.asked


async def test_the_stores_content_type_stands_in_where_the_event_has_none():
    """And a transformer sees it among the attributes."""
    seen = {}

    def pre(payload, ctx):
        seen.update(ctx.attributes)
        return payload

    event = claim()
    event = event.replace(datacontenttype=None)

    await pipeline(preprocess=FakeTransformer(pre), claim_stores=(Store(content_type="a/b"),))(
        event
    )

    assert seen["datacontenttype"] == "a/b"


async def test_a_content_type_of_the_store_that_is_none_refuses_the_event():
    """Unless the event has one of its own: then nobody looks at it."""
    made = pipeline(claim_stores=(Store(content_type="garbage"),))

    with pytest.raises(EventError, match="expected a media type"):
        await made(claim().replace(datacontenttype=None))

    assert isinstance(await made(claim()), Event)


@pytest.mark.parametrize("stores", [(), (Store(below="http://other/"),)])
async def test_a_reference_that_no_store_takes_refuses_the_event(stores):
    """For good, and says which option would allow it; nobody is asked."""
    model = FakeModel()

    with pytest.raises(EventError, match=r"attribute 'dataref' is 'http://store/1'.*claim_check"):
        await pipeline(model=model, claim_stores=stores)(claim())

    assert model.requests == []
    assert all(store.asked == [] for store in stores)


async def test_data_in_the_event_wins_over_a_reference():
    """Nothing is fetched, and nothing refused, where the data came along."""
    model, store = FakeModel(), Store()
    event = iris_event(dataref="http://store/1")

    await pipeline(model=model, claim_stores=(store,))(event)
    await pipeline(model=model)(event)

    assert [event.data, event.data] == [request.payload.data for request in model.requests]
    assert store.asked == []


async def test_a_claim_is_passed_on_untouched():
    """A pipeline without a model, a transformer and a response needs no data."""
    sink, store, event = FakeSink(), Store(), claim(expirytime=FUTURE)

    await pipeline(model=None, respond=None, sinks=(sink,), claim_stores=(store,))(event)

    assert [event] == sink.events
    assert store.asked == []


async def test_a_response_carries_neither_the_claim_nor_the_expiry_of_its_request():
    """Its data is its own, and so is its lifetime."""
    reply = await pipeline(claim_stores=(Store(),))(claim(expirytime=FUTURE))

    assert reply.get("dataref") is None
    assert reply.get("expirytime") is None


async def test_a_step_that_says_why_there_is_nothing_to_do_settles_the_event_as_filtered():
    """What a transformer raises as Filtered is an outcome with its reason, and no refusal."""
    sink, model = FakeSink(), FakeModel()

    def gone(_payload, _ctx):
        raise Filtered("object mnist/0.png is gone", reason="gone")

    outcome = await pipeline(preprocess=FakeTransformer(gone), model=model, sinks=(sink,))(
        iris_event()
    )

    assert outcome == Skipped("gone")
    assert outcome.text == "object mnist/0.png is gone"
    assert (model.requests, sink.events) == ([], [])


async def test_a_sink_that_has_nothing_to_send_any_more_settles_the_event_as_filtered():
    """The sinks behind it get nothing: there is one outcome."""
    behind = FakeSink()

    class Superseded(FakeSink):
        async def send(self, event):
            raise Filtered("a newer object has its place", reason="superseded")

    outcome = await pipeline(sinks=(Superseded(), behind))(iris_event())

    assert (outcome, behind.events) == (Skipped("superseded"), [])
