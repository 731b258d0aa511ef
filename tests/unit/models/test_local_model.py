"""A user's class as a model: what it is given, what becomes of its answer and its errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.core.errors import ConfigError, DeadlineExceeded, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.models.local import LocalModel, LocalModelOptions
from bridge.protocols.seldon import ModelRefusal

EXAMPLE = Path(__file__).parents[3] / "examples" / "iris"
IRIS = b'{"data": { "ndarray": [[1,2,3,4]]}}'


def request(data: bytes = IRIS, **more: Any) -> Request:
    return Request(payload=Body(data), id="p", **more)


@asynccontextmanager
async def model(folder: Path, source: str, **options: Any) -> AsyncIterator[LocalModel]:
    """Enter the class `M` of a file with *source*."""
    name = f"component_{len(list(folder.iterdir()))}"
    (folder / f"{name}.py").write_text(source)
    parsed = LocalModelOptions(model=f"{folder / name}.py:M", **options)
    async with LocalModel(parsed, folder) as entered:
        yield entered


async def answer(folder: Path, source: str, data: bytes = IRIS, **options: Any) -> Any:
    async with model(folder, source, **options) as entered:
        return json.loads((await entered.predict(request(data))).data)


async def refused(folder: Path, source: str, data: bytes = IRIS) -> ModelRefusal:
    async with model(folder, source) as entered:
        with pytest.raises(ModelRefusal) as caught:
            await entered.predict(request(data))
    return caught.value


async def test_published_request_gets_three_probabilities() -> None:
    """The example's iris answers the reference's request in the reference's shape."""
    async with LocalModel(LocalModelOptions(model="Iris:Iris"), EXAMPLE) as iris:
        reply = json.loads((await iris.predict(request())).data)

    (row,) = reply["data"].pop("ndarray")
    assert reply == {"data": {"names": ["t:0", "t:1", "t:2"]}, "meta": {}}
    assert row == pytest.approx([0.0341026, 0.00612114, 0.95977627], abs=1e-6)


async def test_bad_shape_is_a_verdict_that_names_the_class() -> None:
    """Two lengths instead of four: Rejected, with class, method and error."""
    async with LocalModel(LocalModelOptions(model="Iris:Iris"), EXAMPLE) as iris:
        with pytest.raises(
            Rejected, match=r"Iris\.predict: ValueError.*X has 2 features"
        ) as caught:
            await iris.predict(request(b'{"data":{"ndarray":[[1,2]]}}'))

    assert isinstance(caught.value, ModelRefusal)
    assert (caught.value.status, caught.value.code) == (500, "MICROSERVICE_INTERNAL_ERROR")


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("self, X", "None None"),
        ("self, X, names", "['a'] None"),
        ("self, X, feature_names=None", "['a'] None"),
        ("self, X, names, meta", "['a'] {'puid': 'q'}"),
        ("self, X, names, **more", "['a'] {'puid': 'q'}"),
        ("self, *all", "['a'] None"),
    ],
)
async def test_predict_is_given_what_its_signature_takes(
    tmp_path: Path, signature: str, expected: str
) -> None:
    """Names and meta are optional, and no TypeError inside user code is mistaken for that."""
    source = f"""
class M:
    def predict({signature}):
        known = dict(locals())
        names = known.get("names") or known.get("feature_names") or known.get("all", [0, None])[1]
        return f"{{names}} {{known.get('meta') or known.get('more', {{}}).get('meta')}}"
"""
    data = b'{"meta":{"puid":"q"},"data":{"names":["a"],"ndarray":[[1]]}}'

    reply = await answer(tmp_path, source, data)

    assert reply == {"strData": expected, "meta": {"puid": "q"}}


async def test_tags_metrics_and_class_names_go_into_the_answer(tmp_path: Path) -> None:
    """What the class tells beside its answer is merged over what the request carried."""
    source = """
class M:
    def __init__(self, first): self.first = first
    def predict(self, X, names): return X
    def class_names(self): return [self.first, "no"]
    def tags(self): return {"a": 2}
    def metrics(self): return [{"key": "k", "type": "COUNTER", "value": 1}]
"""
    data = b'{"data":{"tensor":{"shape":[1,2],"values":[3,4]}},"meta":{"tags":{"a":1,"b":1}}}'

    reply = await answer(tmp_path, source, data, options={"first": "yes"})

    metric = {"key": "k", "type": "COUNTER", "value": 1}
    assert reply == {
        "data": {"names": ["yes", "no"], "tensor": {"shape": [1, 2], "values": [3, 4]}},
        "meta": {
            "tags": {"a": 2, "b": 1},
            "metrics": [metric],
        },
    }


async def test_class_names_may_be_an_attribute_that_load_sets(tmp_path: Path) -> None:
    """The older form of class_names still names the columns."""
    source = """
import numpy
class M:
    def load(self): self.class_names = numpy.array(["x", "y"])
    def predict(self, X, names): return [[1, 2]]
"""

    assert (await answer(tmp_path, source))["data"]["names"] == ["x", "y"]


async def test_seldon_response_carries_its_own_tags_and_metrics(tmp_path: Path) -> None:
    """Tags of one call win over those of the class."""
    source = """
class SeldonResponse:
    def __init__(self, data, tags=None, metrics=None):
        self.data, self.tags, self.metrics = data, tags, metrics
class M:
    def predict(self, X, names): return SeldonResponse("hi", {"a": 2})
    def tags(self): return {"a": 1, "b": 1}
"""

    assert await answer(tmp_path, source) == {"strData": "hi", "meta": {"tags": {"a": 2, "b": 1}}}


async def test_predict_raw_has_the_whole_message(tmp_path: Path) -> None:
    """The dict that came in goes to the class, and the dict it answers goes out."""
    source = """
class M:
    def predict_raw(self, message):
        message["seen"] = True
        return message
"""
    data = b'{"whatever":[1]}'
    asked = request(data)

    async with model(tmp_path, source) as entered:
        asked.payload.json()
        reply = await entered.predict(asked)

    assert reply.data == b'{"whatever":[1],"seen":true}'
    assert asked.payload.json() == {"whatever": [1]}, "the payload is shared and must not change"


async def test_status_of_predict_raw_is_a_verdict(tmp_path: Path) -> None:
    """A message with a status code of 400 or more is a refusal with that code."""
    source = """
class M:
    def predict_raw(self, message): return {"status": {"code": 418, "info": "tea"}}
"""

    error = await refused(tmp_path, source)

    assert (error.status, error.code) == (418, "MICROSERVICE_INTERNAL_ERROR")
    assert "tea" in str(error)


async def test_an_outage_that_predict_raw_tells_of_took_events_to_the_dead_letter(
    tmp_path: Path,
) -> None:
    """Its status is the HTTP status of Seldon's wrapper, where 503 asks to be tried again."""
    source = """
class M:
    def predict_raw(self, message): return {"status": {"code": 503, "info": "store is down"}}
"""

    async with model(tmp_path, source) as entered:
        with pytest.raises(Unavailable, match=r"M\.predict_raw: .*store is down"):
            await entered.predict(request())


async def test_base_class_of_seldon_core_defines_nothing(tmp_path: Path) -> None:
    """Methods inherited from Seldon's own base class only raise; they are not called."""
    source = """
class Base:
    def predict_raw(self, message): raise NotImplementedError
    def tags(self): raise NotImplementedError
for method in (Base.predict_raw, Base.tags): method.__module__ = "seldon_core.user_model"
class M(Base):
    def predict(self, X, names): return "mine"
"""

    assert (await answer(tmp_path, source))["strData"] == "mine"


async def test_seldons_exception_chooses_status_and_reason(tmp_path: Path) -> None:
    """An exception with a status code and a reason is the wrapper's error of that kind."""
    source = """
class Refused(Exception):
    status_code, reason = 409, "TOO_OLD"
class M:
    def predict(self, X, names): raise Refused("no")
"""

    error = await refused(tmp_path, source)

    assert (error.status, error.code) == (409, "TOO_OLD")


@pytest.mark.parametrize(
    "raised", ["ConnectionRefusedError('db')", "TimeoutError('db')", "Busy('db')"]
)
async def test_outage_inside_the_class_is_an_outage(tmp_path: Path, raised: str) -> None:
    """What user code cannot reach now is worth another try, and so is its own 503."""
    source = f"""
class Busy(Exception):
    status_code, reason = 503, "BUSY"
class M:
    def predict(self, X, names): raise {raised}
"""

    async with model(tmp_path, source) as entered:
        with pytest.raises(Unavailable, match=r"M\.predict: .*db"):
            await entered.predict(request())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"{}", b'{"data":{"ndarray":[[1],[1,2]]}}', b'{"binData":"!"}']
)
async def test_bad_payload_is_bad_data(tmp_path: Path, data: bytes) -> None:
    """A payload that is no message is refused before the class sees it."""
    error = await refused(tmp_path, "class M:\n    def predict(self, X, names): return 1/0\n", data)

    assert (error.status, error.code) == (400, "MICROSERVICE_BAD_DATA")
    assert str(error).startswith("M: ")


@pytest.mark.parametrize("value", ["None", "1.5", "object()", "{'a': object()}", "X * 1j"])
async def test_answer_without_a_form_is_bad_data(tmp_path: Path, value: str) -> None:
    """An answer that no message can carry is refused, with the class in the text."""
    source = f"class M:\n    def predict(self, X, names): return {value}\n"

    error = await refused(tmp_path, source)

    assert (error.status, error.code) == (400, "MICROSERVICE_BAD_DATA")
    assert str(error).startswith("M.predict: ")


@pytest.mark.parametrize(
    "metrics", ["[1]", "{}", "[{'key': 'k', 'type': 'SUM', 'value': 1}]", "[{'key': 'k'}]"]
)
async def test_bad_metric_is_named(tmp_path: Path, metrics: str) -> None:
    """Metrics that are none refuse the answer as the wrapper does."""
    source = f"""
class M:
    def predict(self, X, names): return "x"
    def metrics(self): return {metrics}
"""

    assert (await refused(tmp_path, source)).code == "MICROSERVICE_BAD_METRIC"


async def test_bad_tags_are_named(tmp_path: Path) -> None:
    """Tags that are no dict refuse the answer."""
    source = """
class M:
    def predict(self, X, names): return "x"
    def tags(self): return ["a"]
"""

    assert "M.tags: a list" in str(await refused(tmp_path, source))


async def test_async_class_is_awaited(tmp_path: Path) -> None:
    """A class may be written with async def."""
    source = """
class M:
    async def load(self): self.word = "loaded"
    async def predict(self, X, names): return self.word
"""

    assert (await answer(tmp_path, source))["strData"] == "loaded"


async def test_deadline_ends_the_wait(tmp_path: Path) -> None:
    """A class that is slower than the event's time is given up with DeadlineExceeded."""
    source = """
import asyncio
class M:
    async def predict(self, X, names): await asyncio.Event().wait()
"""

    async with model(tmp_path, source) as entered:
        deadline = asyncio.get_running_loop().time() + 0.05

        with pytest.raises(DeadlineExceeded, match=r"M\.predict"):
            await entered.predict(request(deadline=deadline))


async def test_two_at_once_are_not_mixed_up(tmp_path: Path) -> None:
    """Each of many overlapping calls gets its own answer."""
    source = "class M:\n    def predict(self, X, names): return X\n"

    async with model(tmp_path, source) as entered:
        replies = await asyncio.gather(
            *(entered.predict(request(b'{"data":{"ndarray":[%d]}}' % n)) for n in range(50))
        )

    assert [reply.json()["data"]["ndarray"] for reply in replies] == [[n] for n in range(50)]


async def test_ping_asks_health_status(tmp_path: Path) -> None:
    """A class that is not well is not available."""
    source = """
class M:
    well = True
    def predict(self, X, names): return "x"
    def health_status(self):
        if not self.well: raise RuntimeError("ill")
"""

    async with model(tmp_path, source) as entered:
        await entered.ping()
        entered._code.cls.well = False
        with pytest.raises(Unavailable, match="ill"):
            await entered.ping()


async def test_ping_before_entering_is_unavailable() -> None:
    """What is not loaded cannot answer."""
    with pytest.raises(Unavailable, match="Iris is not loaded"):
        await LocalModel(LocalModelOptions(model="Iris:Iris"), EXAMPLE).ping()


async def test_failing_load_is_the_configurations_fault(tmp_path: Path) -> None:
    """A class that cannot load ends the start, with class and method in the text."""
    source = """
class M:
    def load(self): raise OSError("no weights")
    def predict(self, X, names): return "x"
"""

    with pytest.raises(ConfigError, match=r"M\.load.*no weights"):
        async with model(tmp_path, source):
            pass


def test_class_without_predict_is_refused_at_once(tmp_path: Path) -> None:
    """A class that cannot predict is found before anything starts."""
    (tmp_path / "nothing.py").write_text("class M: pass\n")

    with pytest.raises(ConfigError, match=r"class M has no method 'predict\(X, names\)'"):
        LocalModel(LocalModelOptions(model="nothing:M"), tmp_path)
