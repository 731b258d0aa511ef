"""Which pipeline takes an event, where several share a listener."""

import pytest
from structlog.testing import capture_logs

from bridge import Event, Origin
from bridge.observe.ledger import Events
from bridge.runtime.routing import LOGGED, Route, Router
from tests.fakes import iris_event


def route(name, *, path=None, type=None, replies=True):
    async def handle(event):
        return Event({**event.attributes, "takenby": name})

    accepts = None if type is None else lambda event: event.type == type
    return Route(name=name, handle=handle, replies=lambda _: replies, path=path, accepts=accepts)


def at(path, **attributes):
    event = iris_event(**attributes)
    return Event(event.attributes, event.data, Origin(path=path))


@pytest.mark.parametrize(
    ("event", "taker"),
    [
        (at("/a"), "a"),
        (at("/b", type="x"), "bx"),
        (at("/b", type="y"), "by"),
        (at("/b", type="z"), "rest"),
        (at("/c", type="x"), "rest"),
    ],
)
async def test_the_path_picks_then_the_first_filter_that_matches(event, taker):
    """In the order of the file."""
    router = Router(
        [
            route("a", path="/a"),
            route("bx", path="/b", type="x"),
            route("by", path="/b", type="y"),
            route("rest"),
        ],
        Events(),
    )

    reply = await router(event)

    assert reply.attributes["takenby"] == taker


async def test_an_event_nobody_wants_is_settled_counted_and_logged_a_few_times():
    """A typing error in a filter looks like this: it must be seen, and must not flood."""
    unrouted = Events()
    router = Router([route("x", type="x")], unrouted)

    with capture_logs() as logs:
        replies = [await router(at("/", type="y")) for _ in range(LOGGED + 3)]

    assert replies == [None] * (LOGGED + 3)
    assert unrouted.filtered_total == unrouted.accepted_total == LOGGED + 3
    assert [line["type"] for line in logs] == ["y"] * LOGGED


def test_a_path_is_known_where_a_pipeline_listens_on_it():
    """A pipeline without a path listens on every one."""
    assert Router([route("a", path="/a")], Events()).knows("/a")
    assert not Router([route("a", path="/a")], Events()).knows("/b")
    assert Router([route("a", path="/a"), route("rest")], Events()).knows("/b")


def test_whether_an_event_will_be_replied_to_is_its_pipelines_word():
    """What nobody takes is not replied to."""
    router = Router([route("x", type="x"), route("y", type="y", replies=False)], Events())

    assert router.replies(at("/", type="x"))
    assert not router.replies(at("/", type="y"))
    assert not router.replies(at("/", type="z"))
