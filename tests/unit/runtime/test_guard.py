"""A user's own kind of model or sink may raise anything: the event path gets our errors."""

import pytest

from bridge import Body, Rejected, Request, TransformError, Unavailable
from bridge.runtime.guard import GuardedModel, GuardedSink
from tests.fakes import FakeModel, FakeSink, iris_event


def raising(error):
    def answer(request):
        raise error

    return FakeModel(answer)


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (KeyError("x"), TransformError, r"FakeModel\.predict: KeyError\('x'\)"),
        (ConnectionError("down"), Unavailable, r"FakeModel\.predict: ConnectionError\('down'\)"),
        (Rejected("no"), Rejected, r"FakeModel\.predict: no"),
        (Unavailable("later"), Unavailable, r"FakeModel\.predict: later"),
    ],
)
async def test_what_a_users_model_raises_is_a_verdict_or_an_outage(error, kind, text):
    """Named by class and method; a bug is never tried again, an outage is."""
    with pytest.raises(kind, match=text):
        await GuardedModel(raising(error)).predict(Request(Body(b"1"), "1"))


async def test_what_a_users_sink_raises_is_named():
    """As with models."""
    sink = FakeSink(ValueError("bad"))

    with pytest.raises(TransformError, match=r"FakeSink\.send: ValueError\('bad'\)"):
        await GuardedSink(sink).send(iris_event())


async def test_a_guarded_component_is_the_component():
    """Entered, asked, left, and its answers untouched."""
    model, sink = FakeModel(), FakeSink()

    async with GuardedModel(model) as asked, GuardedSink(sink) as sent:
        await asked.ping()
        answer = await asked.predict(Request(Body(b"1"), "1"))
        await sent.send(iris_event())

    assert answer.data == b'{"answer":1}'
    assert sink.events == [iris_event()]
    assert (model.entered, model.left, sink.entered, sink.left) == (1, 1, 1, 1)
