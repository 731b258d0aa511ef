"""Seldon's form: components written for `seldon_core` run unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import ConfigError, DecodeError, TransformError
from bridge.core.payload import Body
from tests.fakes_usercode import context, nothing_loaded, transformer


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave nothing of a test's files behind."""
    with nothing_loaded():
        yield


BOTH = """
    import numpy as np
    from seldon_core.user_model import SeldonComponent

    class T(SeldonComponent):
        {kind} transform_input(self, X, names, meta=None):
            assert isinstance(X, np.ndarray)
            return X * 2

        {kind} transform_output(self, X, names):
            return X.argmax(axis=1)
"""


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_both_steps(tmp_path: Path, kind: str) -> None:
    """Arrays go in and come back in the encoding of the request, plain or async."""
    async with transformer(tmp_path, BOTH.format(kind=kind)) as steps:
        before = await steps.preprocess(
            Body(b'{"data":{"names":["a","b"],"ndarray":[[1,2]]}}'), context()
        )
        after = await steps.postprocess(
            Body(b'{"data":{"tensor":{"shape":[1,3],"values":[0.1,0.7,0.2]}}}'), context()
        )

    assert before is not None
    assert after is not None
    assert before.json() == {"data": {"names": ["a", "b"], "ndarray": [[2, 4]]}, "meta": {}}
    assert after.json() == {
        "data": {"names": [], "tensor": {"shape": [1], "values": [1]}},
        "meta": {},
    }


@pytest.mark.parametrize(
    ("sent", "seen", "answer"),
    [
        ({"jsonData": {"a": 1}}, "{'a': 1}", {"jsonData": {"a": 1}}),
        ({"strData": "text"}, "'text'", {"strData": "text"}),
        ({"binData": "AP8="}, r"b'\x00\xff'", {"binData": "AP8="}),
        ({"data": {"ndarray": ["a"]}}, "array(['a'], dtype='<U1')", {"data": {"ndarray": ["a"]}}),
    ],
)
async def test_x_is_what_the_message_carries(
    tmp_path: Path, sent: dict[str, Any], seen: str, answer: dict[str, Any]
) -> None:
    """JsonData is an object, strData a str, binData bytes, data an array; the answer in kind."""
    text = f"""
        class T:
            def transform_input(self, X, names):
                assert repr(X) == {seen!r}, repr(X)
                return X
    """

    async with transformer(tmp_path, text) as steps:
        found = await steps.preprocess(Body.of(sent), context())

    assert found is not None
    carried = {key: value for key, value in found.json().items() if key != "meta"}
    carried.get("data", {}).pop("names", None)
    assert carried == answer


async def test_meta_goes_where_the_signature_takes_it(tmp_path: Path) -> None:
    """A method with `meta` gets the message's; a TypeError of its own is never hidden."""
    text = """
        class T:
            def transform_input(self, X, names, meta):
                return {"meta": meta, "names": names}

            def transform_output(self, X, names):
                raise TypeError("my own")
    """
    message = b'{"meta":{"puid":"p","tags":{"k":"v"}},"data":{"names":["a"],"ndarray":[[1]]}}'

    async with transformer(tmp_path, text) as steps:
        answer = await steps.preprocess(Body(message), context())
        with pytest.raises(TransformError) as caught:
            await steps.postprocess(Body(message), context())

    assert answer is not None
    assert answer.json() == {
        "jsonData": {"meta": {"puid": "p", "tags": {"k": "v"}}, "names": ["a"]},
        "meta": {"puid": "p", "tags": {"k": "v"}},
    }
    assert str(caught.value) == "T.transform_output: TypeError('my own')"


async def test_what_the_class_tells_goes_into_the_answer(tmp_path: Path) -> None:
    """tags, metrics and names are asked after the transform; this request's own tags win."""
    text = """
        from seldon_core.user_model import SeldonComponent, SeldonResponse

        class T(SeldonComponent):
            def transform_input(self, X, names):
                return X[:, :1]

            def feature_names(self):
                return ["first"]

            def transform_output(self, X, names):
                metric = {"type": "GAUGE", "key": "g", "value": 2}
                return SeldonResponse(data=X, tags={"own": "request"}, metrics=[metric])

            def class_names(self):
                return ["no", "yes"]

            def tags(self):
                return {"own": "class", "more": 1}

            def metrics(self):
                return [{"type": "COUNTER", "key": "c", "value": 1}]
    """
    message = Body(b'{"meta":{"tags":{"sent":1}},"data":{"names":["a","b"],"ndarray":[[1,2]]}}')

    async with transformer(tmp_path, text) as steps:
        before = await steps.preprocess(message, context())
        after = await steps.postprocess(message, context())

    assert before is not None
    assert after is not None
    counter = {"type": "COUNTER", "key": "c", "value": 1}
    assert before.json() == {
        "data": {"names": ["first"], "ndarray": [[1]]},
        "meta": {"tags": {"sent": 1, "own": "class", "more": 1}, "metrics": [counter]},
    }
    assert after.json() == {
        "data": {"names": ["no", "yes"], "ndarray": [[1, 2]]},
        "meta": {
            "tags": {"sent": 1, "own": "request", "more": 1},
            "metrics": [counter, {"type": "GAUGE", "key": "g", "value": 2}],
        },
    }


async def test_tags_belong_to_the_call_they_follow(tmp_path: Path) -> None:
    """With many events at once, each answer has the tags that its own call left behind."""
    text = """
        class T:
            def transform_input(self, X, names):
                self.last = int(X[0])
                return X

            def tags(self):
                return {"last": self.last}
    """

    async with transformer(tmp_path, text) as steps:
        answers = await asyncio.gather(
            *(steps.preprocess(Body.of({"data": {"ndarray": [n]}}), context()) for n in range(50))
        )

    assert [answer.json()["meta"]["tags"]["last"] for answer in answers if answer] == list(
        range(50)
    )


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_raw_methods_have_the_whole_message(tmp_path: Path, kind: str) -> None:
    """`transform_input_raw` gets the message as a dict and goes before `transform_input`."""
    text = f"""
        class T:
            {kind} transform_input_raw(self, msg):
                msg["meta"]["seen"] = True
                return msg

            def transform_input(self, X, names):
                raise AssertionError
    """
    payload = Body(b'{"meta":{},"strData":"x"}')

    async with transformer(tmp_path, text) as steps:
        answer = await steps.preprocess(payload, context())

    assert answer == Body(b'{"meta":{"seen":true},"strData":"x"}')
    assert payload.json() == {"meta": {}, "strData": "x"}


async def test_none_is_nothing_to_say(tmp_path: Path) -> None:
    """A component that answers None filters the event, as in every form."""
    text = """
        class T:
            def transform_input(self, X, names):
                return None
    """

    async with transformer(tmp_path, text) as steps:
        assert await steps.preprocess(Body(b'{"strData":"x"}'), context()) is None


async def test_an_answer_that_is_no_payload(tmp_path: Path) -> None:
    """An answer that Seldon has no form for names its type."""
    text = """
        class T:
            def transform_input(self, X, names):
                return 7
    """

    async with transformer(tmp_path, text) as steps:
        with pytest.raises(TransformError, match=r"^T\.transform_input: an answer of type int: "):
            await steps.preprocess(Body(b'{"strData":"x"}'), context())


async def test_a_payload_that_is_no_message(tmp_path: Path) -> None:
    """What is no Seldon message is refused before user code runs."""
    async with transformer(tmp_path, BOTH.format(kind="def")) as steps:
        with pytest.raises(DecodeError, match="the payload carries no value"):
            await steps.preprocess(Body(b"{}"), context())


def test_a_wrong_signature_is_refused_at_load(tmp_path: Path) -> None:
    """A method without `names` could never be called."""
    text = """
        class T:
            def transform_input(self, X):
                return X
    """

    with pytest.raises(ConfigError) as caught:
        transformer(tmp_path, text)

    assert str(caught.value) == (
        "T.transform_input(self, X) cannot be called: expected "
        "transform_input(self, X, names) or transform_input(self, X, names, meta)"
    )


def test_absent_steps_stay_absent(tmp_path: Path) -> None:
    """A component with one method has one step."""
    text = """
        from seldon_core.user_model import SeldonComponent

        class T(SeldonComponent):
            def transform_output(self, X, names):
                return X
    """

    steps = transformer(tmp_path, text)

    assert (steps.has_preprocess, steps.has_postprocess) == (False, True)


async def test_a_seldon_error_keeps_its_text(tmp_path: Path) -> None:
    """The exception that components raise is named like any other."""
    text = """
        from seldon_core.flask_utils import SeldonMicroserviceException

        class T:
            def transform_input(self, X, names):
                raise SeldonMicroserviceException("too few columns")
    """

    async with transformer(tmp_path, text) as steps:
        with pytest.raises(TransformError) as caught:
            await steps.preprocess(Body(b'{"strData":"x"}'), context())

    assert str(caught.value) == (
        "T.transform_input: SeldonMicroserviceException('too few columns')"
    )
