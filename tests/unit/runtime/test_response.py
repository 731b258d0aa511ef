"""The response event: its id, its names, what it carries over, and no loops."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge import Body, DecodeError, Event, EventError, Origin, TransformError
from bridge.runtime.response import HOPS_LIMIT, puid, responder
from tests.fakes import FakeClock, iris_event


def respond(event: Event, **options) -> Event:
    options = {
        "type": lambda _: "seldon.simple-iris-deployment.response",
        "source": lambda _: "seldon.simple-iris-deployment",
        **options,
    }
    return responder(clock=FakeClock(), **options)(event, Body(b"{}"), puid(event, "iris"))


def test_the_same_event_is_answered_with_the_same_id():
    """A redelivery makes the same response, so a store keyed by id keeps one."""
    first = respond(iris_event(time="2020-01-01T00:00:00Z"))
    second = respond(iris_event(knativearrivaltime="2026-01-01T00:00:00Z"))

    assert first.id == second.id
    assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", first.id)


@pytest.mark.parametrize("attribute", ["id", "source", "type"])
def test_another_event_is_answered_with_another_id(attribute):
    """Source, id and type name the event; so does the pipeline that answers."""
    ids = {
        puid(iris_event(), "iris"),
        puid(iris_event(**{attribute: "another"}), "iris"),
        puid(iris_event(), "another"),
    }

    assert len(ids) == 3


@given(st.lists(st.text(min_size=1).filter(lambda t: "\0" not in t), min_size=4, max_size=4))
def test_neighbouring_names_never_run_into_each_other(names):
    """("ab", "c") and ("a", "bc") are different events."""
    a, b, c, d = names
    shifted = puid(Event({"source": a + b, "id": c, "type": d}), "p")

    assert puid(Event({"source": a, "id": b + c, "type": d}), "p") != shifted


def test_a_clients_own_puid_is_the_response_id():
    """As at Seldon's executor: `Seldon-Puid: 1` gives `Ce-Id: 1`."""
    event = Event(iris_event().attributes, b"", Origin(headers=((b"seldon-puid", b"1"),)))

    assert puid(event, "iris") == "1"


def test_a_puid_that_could_not_be_an_id_is_refused():
    """A control character must not travel from a header into an attribute."""
    event = Event(iris_event().attributes, b"", Origin(headers=((b"seldon-puid", b"a\x01b"),)))

    with pytest.raises(DecodeError, match="Seldon-Puid"):
        puid(event, "iris")


def test_the_response_carries_what_keeps_order_and_trace_and_nothing_else():
    """Trace, partition key and request id go on; the subject and strangers stay."""
    event = iris_event(
        traceparent="00-1-2-01",
        tracestate="a=b",
        partitionkey="k",
        requestid="r",
        subject="s",
        knativearrivaltime="2020-03-21T03:41:28.594071893Z",
    )

    response = respond(event)

    assert response.attributes == {
        "specversion": "0.3",
        "id": response.id,
        "type": "seldon.simple-iris-deployment.response",
        "source": "seldon.simple-iris-deployment",
        "time": "2020-03-21T03:41:28.593036193Z",
        "datacontenttype": "application/json",
        "traceparent": "00-1-2-01",
        "tracestate": "a=b",
        "partitionkey": "k",
        "requestid": "r",
        "bridgehops": "1",
    }


@pytest.mark.parametrize(
    ("asked", "option", "answered"),
    [("0.3", None, "0.3"), ("1.0", None, "1.0"), ("0.3", "1.0", "1.0")],
)
def test_the_version_answers_in_kind_unless_the_file_names_one(asked, option, answered):
    """A broker does not upgrade versions, and neither do we."""
    assert respond(iris_event(specversion=asked), specversion=option).specversion == answered


def test_path_is_where_the_event_arrived():
    """Seldon's extension `path`."""
    origin = Origin(path="/api/v1.0/predictions")
    event = Event(iris_event().attributes, b"", origin)

    assert respond(event).attributes["path"] == "/api/v1.0/predictions"


def test_overrides_are_set_on_every_response():
    """K_CE_OVERRIDES' extensions win."""
    response = respond(iris_event(requestid="r"), extensions={"team": "a", "requestid": "x"})

    assert (response.attributes["team"], response.attributes["requestid"]) == ("a", "x")


def test_hops_are_counted_and_bounded():
    """An event that came through too many bridges is refused, not sent round again."""
    last = respond(iris_event(bridgehops=str(HOPS_LIMIT - 1)))

    assert last.attributes["bridgehops"] == str(HOPS_LIMIT)
    with pytest.raises(EventError, match="8 bridges"):
        respond(iris_event(bridgehops=str(HOPS_LIMIT)))


@pytest.mark.parametrize("hops", ["-1", "x", "1.5", "²", "9999"])
def test_a_hop_count_that_is_none_is_refused(hops):
    """A broken counter must not switch the guard off."""
    with pytest.raises(EventError, match="bridgehops"):
        respond(iris_event(bridgehops=hops))


def test_a_response_that_is_its_own_request_is_refused():
    """Same type and source: a broker would deliver it straight back."""
    event = iris_event()

    with pytest.raises(EventError, match="its own request"):
        respond(event, type=lambda a: a["type"], source=lambda a: a["source"])


def test_a_response_that_the_pipelines_own_filter_accepts_is_refused():
    """Templated names are compared at run time."""
    with pytest.raises(EventError, match="its own request"):
        respond(iris_event(), accepts=lambda event: event.type.startswith("seldon."))


@pytest.mark.parametrize("said", ["garbage", "a/b\r\nx: y", "text/plain; x=\udc00"])
def test_a_content_type_that_is_none_is_the_transformers_fault(said):
    """Found within the pipeline: the ledger and the dead letter see it, and no header."""
    event = iris_event()
    make = responder(type=lambda _: "r", source=lambda _: "s", clock=FakeClock())

    with pytest.raises(TransformError, match="expected a media type"):
        make(event, Body(b"{}", said), "1")


def test_a_correlation_id_comes_back_as_reply_id_where_the_file_says_so():
    """As Knative's RequestReply waits for; a request without one is answered without one."""
    asked = iris_event(correlationid="c-1")

    assert respond(asked, correlate=True).get("replyid") == "c-1"
    assert respond(asked).get("replyid") is None
    assert respond(iris_event(), correlate=True).get("replyid") is None
