"""Our own form: preprocess and postprocess with a Body and a Context."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bridge.core.errors import ConfigError, TransformError, Unavailable
from bridge.core.payload import Body
from bridge.transformers.user import TransformerOptions, UserTransformer
from tests.fakes_usercode import context, nothing_loaded, transformer, write


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave nothing of a test's files behind."""
    with nothing_loaded():
        yield


BOTH = """
    class T:
        {kind} preprocess(self, payload, ctx):
            ctx.state["id"] = ctx.id
            return {{"instances": payload.json()["x"]}}

        {kind} postprocess(self, payload, ctx):
            return {{"digit": payload.json()["predictions"][0], "of": ctx.state["id"]}}
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_both_steps(tmp_path: Path, kind: str) -> None:
    """Both methods are called, plain or async, and what they answer is JSON."""
    async with transformer(tmp_path, BOTH.format(kind=kind)) as steps:
        ctx = context("event-1")

        before = await steps.preprocess(Body(b'{"x": [[1]]}'), ctx)
        after = await steps.postprocess(Body(b'{"predictions": [7]}'), ctx)

    assert before == Body(b'{"instances":[[1]]}', "application/json")
    assert after == Body(b'{"digit":7,"of":"event-1"}', "application/json")


@pytest.mark.parametrize("there", ["preprocess", "postprocess"])
async def test_an_absent_step_leaves_the_payload_alone(tmp_path: Path, there: str) -> None:
    """A class may have one method; the other step is absent and passes the same object on."""
    text = f"""
        class T:
            def {there}(self, payload, ctx):
                return b"changed"
    """
    payload = Body(b"\x00", "image/png")

    async with transformer(tmp_path, text) as steps:
        answers = [
            await steps.preprocess(payload, context()),
            await steps.postprocess(payload, context()),
        ]

    assert (steps.has_preprocess, steps.has_postprocess) == (
        there == "preprocess",
        there == "postprocess",
    )
    assert answers[there == "preprocess"] is payload
    assert answers[there == "postprocess"] == Body(b"changed", "image/png")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("None", None),
        ("Body(b'<a/>', 'text/xml')", Body(b"<a/>", "text/xml")),
        ("payload", Body(b"\xff", "image/png")),
        ("b'bytes'", Body(b"bytes", "image/png")),
        ("'Grüße'", Body("Grüße".encode(), "text/plain; charset=utf-8")),
        ("[1, 2.5, None, True]", Body(b"[1,2.5,null,true]")),
        ("{1: 'one'}", Body(b'{"1":"one"}')),
        ("0", Body(b"0")),
        ("np.array([[1, 2], [3, 4]])", Body(b"[[1,2],[3,4]]")),
        ("np.array([[1, 2], [3, 4]]).T", Body(b"[[1,3],[2,4]]")),
        ("{'x': np.float32(0.5), 'n': np.int64(3)}", Body(b'{"x":0.5,"n":3}')),
        ("np.array(['a', 'b'])", Body(b'["a","b"]')),
    ],
)
async def test_what_a_method_may_answer(tmp_path: Path, answer: str, expected: Body | None) -> None:
    """A Body is itself, bytes keep the media type, a str is text, all else is JSON."""
    text = f"""
        import numpy as np
        from bridge import Body

        class T:
            def preprocess(self, payload, ctx):
                return {answer}
    """

    async with transformer(tmp_path, text) as steps:
        found = await steps.preprocess(Body(b"\xff", "image/png"), context())

    assert found == expected


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("{1, 2}", "set"), ("{'x': object()}", "dict"), ("chr(0xD800)", "str")],
)
async def test_an_answer_without_a_form(tmp_path: Path, answer: str, kind: str) -> None:
    """What no form holds is a TransformError that says what was expected."""
    text = f"""
        class T:
            def postprocess(self, payload, ctx):
                return {answer}
    """

    async with transformer(tmp_path, text) as steps:
        with pytest.raises(TransformError) as caught:
            await steps.postprocess(Body(b"{}"), context())

    assert str(caught.value).startswith(
        f"T.postprocess: answered with {kind}: expected a Body, bytes, str, None "
        "or what JSON can hold ("
    )


async def test_two_events_at_once_do_not_mix(tmp_path: Path) -> None:
    """What preprocess leaves in ctx.state, postprocess of the same event finds, and no other."""
    text = """
        import asyncio

        class T:
            async def preprocess(self, payload, ctx):
                ctx.state["key"] = payload.json()
                await asyncio.sleep(0)
                return payload

            async def postprocess(self, payload, ctx):
                await asyncio.sleep(0)
                return [payload.json(), ctx.state["key"]]
    """

    async with transformer(tmp_path, text) as steps:

        async def one(number: int) -> object:
            ctx = context(str(number))
            before = await steps.preprocess(Body.of(number), ctx)
            assert before is not None
            after = await steps.postprocess(before, ctx)
            assert after is not None
            return after.json()

        answers = await asyncio.gather(*(one(number) for number in range(20)))

    assert answers == [[number, number] for number in range(20)]


async def test_each_class_has_its_own_thread(tmp_path: Path) -> None:
    """Plain code runs on one thread a class, named after it, and never on the loop."""
    text = """
        import threading

        class T:
            def preprocess(self, payload, ctx):
                return [threading.get_ident(), threading.current_thread().name]

            postprocess = preprocess

        class Other(T):
            pass
    """

    async with transformer(tmp_path, text) as one, transformer(tmp_path, text, cls="Other") as two:
        found = [
            answer.json()
            for answer in (
                await one.preprocess(Body(b""), context()),
                await one.postprocess(Body(b""), context()),
                await two.preprocess(Body(b""), context()),
            )
            if answer is not None
        ]

    assert found[0] == found[1]
    assert [name for _, name in found] == ["T-0", "T-0", "Other-0"]
    assert len({threading.get_ident(), found[0][0], found[2][0]}) == 3


async def test_an_error_names_class_method_and_error(tmp_path: Path) -> None:
    """The text that an operator reads says whose error it is."""
    text = """
        class ImageTransformer:
            def preprocess(self, payload, ctx):
                return payload.json()["EventName"]
    """

    async with transformer(tmp_path, text, cls="ImageTransformer") as steps:
        with pytest.raises(TransformError) as caught:
            await steps.preprocess(Body(b"{}"), context())

    assert str(caught.value) == "ImageTransformer.preprocess: KeyError('EventName')"


async def test_payload_that_is_no_json(tmp_path: Path) -> None:
    """JSON that the user's code asks for and the event does not carry is the event's fault."""
    text = """
        class T:
            def preprocess(self, payload, ctx):
                return payload.json()
    """

    async with transformer(tmp_path, text) as steps:
        with pytest.raises(Exception, match=r"^T\.preprocess: data is not JSON: ") as caught:
            await steps.preprocess(Body(b"{"), context())

    assert caught.value.reason == "decode"  # type: ignore[attr-defined]  # one of ours


async def test_an_outage_holds_the_event(tmp_path: Path) -> None:
    """A store that is down is Unavailable, so the event is delivered again."""
    text = """
        class T:
            def preprocess(self, payload, ctx):
                raise ConnectionRefusedError("minio:9000")
    """

    async with transformer(tmp_path, text) as steps:
        with pytest.raises(Unavailable) as caught:
            await steps.preprocess(Body(b"{}"), context())

    assert str(caught.value) == "T.preprocess: ConnectionRefusedError('minio:9000')"


@pytest.mark.parametrize(
    ("signature", "shown"),
    [
        ("self, payload", "(self, payload)"),
        ("self, payload, ctx, more", "(self, payload, ctx, more)"),
    ],
)
def test_a_wrong_signature_is_refused_at_load(tmp_path: Path, signature: str, shown: str) -> None:
    """There is one way to write a method, and the error says which."""
    text = f"""
        class T:
            def preprocess({signature}):
                return payload
    """

    with pytest.raises(ConfigError) as caught:
        transformer(tmp_path, text)

    assert str(caught.value) == (
        f"T.preprocess{shown} cannot be called: expected preprocess(self, payload, ctx)"
    )


@pytest.mark.parametrize("decorator", ["staticmethod", "classmethod"])
async def test_static_and_class_methods(tmp_path: Path, decorator: str) -> None:
    """A method that needs no instance may say so."""
    first = "" if decorator == "staticmethod" else "cls, "
    text = f"""
        class T:
            @{decorator}
            def preprocess({first}payload, ctx):
                return b"answer"
    """

    async with transformer(tmp_path, text) as steps:
        assert await steps.preprocess(Body(b""), context()) == Body(b"answer")


def test_a_method_that_yields_is_refused_at_load(tmp_path: Path) -> None:
    """A generator would never run."""
    text = """
        class T:
            def preprocess(self, payload, ctx):
                yield payload
    """

    with pytest.raises(ConfigError, match=r"^T\.preprocess yields: expected it to return"):
        transformer(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("class T:\n    def predict(self, X, names): pass", "neither"),
        (
            "class T:\n    def preprocess(self, payload, ctx): pass\n"
            "    def transform_input(self, X, names): pass",
            "methods of both kinds",
        ),
    ],
)
def test_a_class_of_no_form_is_refused(tmp_path: Path, text: str, found: str) -> None:
    """A class without a step, or with steps of two forms, says what was expected."""
    with pytest.raises(ConfigError) as caught:
        transformer(tmp_path, text)

    assert str(caught.value) == (
        f"type 'transformer:T': T has {found}: expected "
        "preprocess(self, payload, ctx) or postprocess(self, payload, ctx), "
        "or Seldon's transform_input(self, X, names) or transform_output(self, X, names)"
    )


async def test_options_reach_the_constructor(tmp_path: Path) -> None:
    """`options` are the constructor's arguments, by name; they never print."""
    text = """
        class T:
            def __init__(self, endpoint, secret_key="none"):
                self.answer = f"{endpoint} {secret_key}"

            def preprocess(self, payload, ctx):
                return self.answer
    """
    write(tmp_path, "transformer.py", text)
    options = TransformerOptions(
        type="transformer:T", options={"endpoint": "minio:9000", "secret_key": "hush"}
    )

    async with UserTransformer(options, folder=tmp_path) as steps:
        answer = await steps.preprocess(Body(b""), context())

    assert answer is not None
    assert answer.data == b"minio:9000 hush"
    assert "hush" not in repr(options)


def test_building_makes_no_instance(tmp_path: Path) -> None:
    """Building imports and checks; the instance is made at entering."""
    text = """
        class T:
            def __init__(self):
                raise AssertionError

            def preprocess(self, payload, ctx):
                return payload
    """

    assert transformer(tmp_path, text).has_preprocess


@pytest.mark.parametrize("error", ["RuntimeError('no bucket')", "ConnectionError('no bucket')"])
async def test_ping_asks_the_class(tmp_path: Path, error: str) -> None:
    """The class's own `ping` decides; whatever it raises is Unavailable."""
    text = f"""
        class T:
            def ping(self):
                raise {error}

            def preprocess(self, payload, ctx):
                return payload
    """

    async with transformer(tmp_path, text) as steps:
        with pytest.raises(Unavailable) as caught:
            await steps.ping()

    assert str(caught.value) == f"T.ping: {error}"


async def test_ping_without_one_returns(tmp_path: Path) -> None:
    """A class without a far end is always reached."""
    async with transformer(tmp_path, BOTH.format(kind="def")) as steps:
        await steps.ping()


async def test_leaving_twice_closes_once(tmp_path: Path) -> None:
    """The port: leaving may be called twice."""
    text = """
        CLOSED = []

        class T:
            def preprocess(self, payload, ctx):
                return payload

            def close(self):
                CLOSED.append(self)
    """

    async with transformer(tmp_path, text) as steps:
        pass
    await steps.__aexit__()

    import transformer as loaded  # type: ignore[import-not-found]  # the test's own file

    assert len(loaded.CLOSED) == 1


def test_numpy_is_what_the_tests_think() -> None:
    """A transposed array is not contiguous: the case that orjson alone refuses."""
    assert not np.array([[1, 2], [3, 4]]).T.flags.c_contiguous


async def test_the_arguments_of_a_class_written_in_c_are_its_own_affair(tmp_path: Path) -> None:
    """A constructor without a signature is called as it is, and its own error is said."""
    text = """
        class T(int):
            def preprocess(self, payload, ctx):
                return int(self)
    """

    async with transformer(tmp_path, text) as steps:
        assert await steps.preprocess(Body(b""), context()) == Body(b"0")
