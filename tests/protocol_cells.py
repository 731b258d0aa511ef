"""The columns of the table of docs/protocols.md: what is tried on every row, and what is seen.

    Column.see(row, server) ─▶ the words of one cell

A cell raises where the bridge does not keep its promise: a value is wrong, a verdict is an
outage, or a traceback comes out. Where the server or the protocol has less than others, the
words say so, and the page that was made of them is held against them again.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bridge.core.errors import (
    BridgeError,
    ConfigError,
    DeadlineExceeded,
    DecodeError,
    EventError,
    Rejected,
    Unavailable,
)
from bridge.core.payload import Body
from bridge.protocols.forms import form_called
from bridge.protocols.port import Metadata
from tests.protocol_rows import (
    FLOWERS,
    PRODUCTS,
    USERS,
    AnyModel,
    Row,
    answered,
    asked,
    expected,
    mapping,
    payload,
    request,
    tensor,
)
from tests.services.door import doors
from tests.services.model_servers.models.datatypes import BROKEN
from tests.services.model_servers.server import Server
from tests.services.process import free_port

#: Words of a cell: the protocol has no such thing; no model of this server could show it.
NONE, NOT_TRIED = "–", "not tried"
YES = "yes"

#: The deadline of calls to what never answers, in seconds.
DEADLINE: Final = 0.3

#: The deadline of calls while one of three replicas hangs, in seconds.
HANGING: Final = 1.1

#: Values of each datatype that tell whether they came through.
SAMPLES: Final[dict[str, list[Any]]] = {
    "UINT8": [0, 255],
    "UINT16": [1, 65_535],
    "UINT32": [1, 2**32 - 1],
    "UINT64": [1, 2**64 - 1],
    "INT8": [-128, 127],
    "INT16": [-32_768, 1],
    "INT32": [-(2**31), 1],
    "INT64": [-(2**63), 2**53 + 1],
    "FP32": [0.1, 3.4e38],
    "FP64": [0.1, -1e300],
    "FP16": [0.5, -65_504.0],
    "BOOL": [True, False],
    "BYTES": ["ä\u2028", ""],
}
_NUMBERS: Final = tuple(SAMPLES)[:10]

See = Callable[[Row, Server], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Column:
    """One thing that is tried; *title* heads it in the table."""

    title: str
    see: See


async def own_form(row: Row, server: Server) -> str:
    """A payload in the protocol's own form is answered in it."""
    return await _in_form(row, server, row.protocol)


def from_form(form: str) -> See:
    """A payload in another form is answered in that form."""

    async def see(row: Row, server: Server) -> str:
        name = "tensorflow" if form == "rows" else form
        return await _in_form(row, server, form, form=name, inputs=mapping(row))

    return see


async def _in_form(row: Row, server: Server, written: str, **options: Any) -> str:
    async with asked(row, server, **options) as model:
        answer = await model.predict(request(payload(row, written)))
    assert "application/json" == answer.content_type
    assert (expected(row) == answered(written, answer)).all()
    return YES


async def numbers(row: Row, server: Server) -> str:
    """Each integer's and float's datatype comes back as it went."""
    if row.protocol == "oip":
        return await _all_of(row, server, _NUMBERS)
    if row.protocol == "seldon":
        return "doubles"
    if row.protocol == "kserve":
        await _echoed_rows(row, server, [[0, 2**53 + 1], [-(2**63), 1]])
        await _echoed_rows(row, server, [[0.1, -1e300]])
        return "integers, floats"
    taken = [one for one in _NUMBERS if await _scored(row, server, one)]
    if row.is_grpc:
        return _counted(taken, _NUMBERS)
    assert list(_NUMBERS) == taken
    return "integers, floats"


async def half(row: Row, server: Server) -> str:
    """FP16 comes back as it went."""
    if row.protocol == "oip":
        return await _echo(row, server, "FP16")
    if row.server == "pythie":
        return YES if await _scored(row, server, "FP16") else "no"
    return NOT_TRIED if row.protocol == "tensorflow" else NONE


async def booleans(row: Row, server: Server) -> str:
    """True stays true, and is no 1."""
    if row.protocol == "oip":
        return await _echo(row, server, "BOOL")
    if row.protocol == "seldon":
        return await _echoed_seldon(row, server, jsonData={"a": [True, None, 1]})
    if row.protocol == "kserve":
        return await _echoed_rows(row, server, [[True, False]])
    return NOT_TRIED


async def texts(row: Row, server: Server) -> str:
    """A text comes back letter for letter, and bytes that are none where there is a form."""
    if row.protocol == "oip":
        assert YES == await _echo(row, server, "BYTES")
        return YES if await _echoed_bytes(row, server) else "texts"
    if row.protocol == "kserve":
        return await _echoed_rows(row, server, [["ä\u2028", ""]])
    if row.protocol == "seldon":
        await _echoed_seldon(row, server, strData="ä\u2028")
        return await _echoed_seldon(row, server, binData="AAH/")
    if row.is_grpc:
        return NOT_TRIED
    said = {"instances": ["ä\u2028", {"b64": "YQ=="}]}
    expected_ = [
        {"text": "ä\u2028", "text_bytes": {"b64": "w6TigKg="}},
        {"text": "a", "text_bytes": {"b64": "YQ=="}},
    ]
    async with asked(row, server, name="texts") as model:
        answer = await model.predict(request(Body.of(said)))
    assert expected_ == answer.json()["predictions"]
    return YES


async def not_finite(row: Row, server: Server) -> str:
    """A null in a row of Seldon's JSON is NaN on its way, and null again in the answer."""
    if row.model == "iris":
        said: Any = {"data": {"ndarray": [[None, 2.0, 3.0, 4.0], FLOWERS[1]]}}
    else:
        names = ["products", "users"]
        said = {"data": {"names": names, "ndarray": [[None, 10.0], [1.0, 10.0]]}}
    async with asked(row, server, form="seldon", inputs=mapping(row)) as model:
        try:
            answer = await model.predict(request(Body.of(said)))
        except Rejected as error:
            return _verdict(error, Rejected)
    first, *others = answer.json()["data"]["ndarray"]
    assert [None] * len(first) == first
    assert None not in others[0]
    return YES


async def tells(row: Row, server: Server) -> str:
    """The model tells of its tensors, and the request that is made of that works."""
    async with asked(row, server) as model:
        try:
            told = await model.metadata()
        except Unavailable as error:
            return _verdict(error, Unavailable).replace("held", "no")
        if told is None:
            return NONE
        if not told.inputs:
            return "not of its tensors"
        wanted: Metadata = server.models[row.model]
        assert (wanted.inputs, wanted.outputs) == (told.inputs, told.outputs)
        await model.predict(request(model.transcoding.example(told)))
    return YES


async def probe(row: Row, server: Server) -> str:
    """The health check is answered, by the model where the protocol has one for it."""
    async with asked(row, server) as model:
        await model.ping()
    async with asked(row, server, name="nobody") as model:
        try:
            await model.ping()
        except Unavailable:
            return "of the model"
    return "of the server"


async def versions(row: Row, server: Server) -> str:
    """A version that is named is the one that is asked; none but it answers."""
    try:
        model = asked(row, server, version="1")
    except ConfigError:
        return NONE
    async with model:
        error = await _outcome(model, payload(row, row.protocol))
    if error is not None:
        return _verdict(error, Unavailable)
    async with asked(row, server, version="7") as model:
        error = await _outcome(model, payload(row, row.protocol))
    if error is None:
        return "ignored"
    assert _verdict(error, Unavailable)
    return YES


async def malformed(row: Row, server: Server) -> str:
    """A body that ends too early is refused."""
    cut = payload(row, row.protocol).data[:-5]
    return await _refused(row, server, Body(cut))


async def wrong_shape(row: Row, server: Server) -> str:
    """Rows that are too short are refused, whatever status the server gives them."""
    return await _refused(row, server, _with(row, rows=[[1.0], [2.0]]))


async def wrong_datatype(row: Row, server: Server) -> str:
    """Texts where the model takes numbers are refused."""
    rows = [["a"] * len(row_) for row_ in _rows(row)]
    return await _refused(row, server, _with(row, rows=rows, datatype="BYTES"))


async def wrong_count(row: Row, server: Server) -> str:
    """Values that are not as many as their shape, or as the other input's, are refused."""
    if row.protocol == "oip":
        return await _refused(row, server, _changed(row, shape=[3, 4]))
    if row.protocol == "tensorflow":
        body = Body.of({"inputs": {"products": PRODUCTS, "users": USERS[:-1]}})
        return await _refused(row, server, body)
    ragged = [FLOWERS[0], FLOWERS[1][:3]]
    return await _refused(row, server, _with(row, rows=ragged))


async def unknown_input(row: Row, server: Server) -> str:
    """A tensor that the model does not take is refused, where the server looks at its name."""
    if row.protocol in ("seldon", "kserve"):
        return NONE
    body = _changed(row, name="nobody")
    if row.protocol == "tensorflow":
        body = Body.of({"inputs": {"products": PRODUCTS, "nobody": USERS}})
    async with asked(row, server) as model:
        error = await _outcome(model, body)
    return "taken" if error is None else _verdict(error, Rejected)


async def unknown_signature(row: Row, server: Server) -> str:
    """A function that the model has not is refused."""
    try:
        model = asked(row, server, signature="nobody")
    except ConfigError:
        return NONE
    async with model:
        error = await _outcome(model, Body.of({"inputs": {"products": PRODUCTS, "users": USERS}}))
    return "ignored" if error is None else _verdict(error, Rejected)


async def missing_output(row: Row, server: Server) -> str:
    """An output that the file wants and the model does not give is refused by its name."""
    async with asked(row, server, outputs={"a": {"from": "nobody"}}) as model:
        error = await _outcome(model, payload(row, row.protocol))
    assert "no tensor 'nobody'" in str(error)
    return _verdict(error, Rejected)


async def raises(row: Row, server: Server) -> str:
    """What the model itself raises is refused, in the server's words, without a traceback."""
    if row.protocol == "tensorflow":
        return NOT_TRIED
    name, body, said = "broken", payload(row, row.protocol), BROKEN
    if row.protocol == "seldon":
        name, body, said = row.model, _with(row, rows=[[1.0], [2.0]]), "measures are [n, 4]"
    async with asked(row, server, name=name) as model:
        error = await _outcome(model, body)
    verdict = _verdict(error, Rejected)
    return f"{verdict}, {'its' if said in str(error) else 'without its'} words"


async def unknown_model(row: Row, server: Server) -> str:
    """A model that is not there, maybe not yet, is an outage: the event is held."""
    if row.protocol == "seldon":
        return NONE
    async with asked(row, server, name="nobody") as model:
        error = await _outcome(model, payload(row, row.protocol))
    return _verdict(error, Unavailable)


async def nobody_there(row: Row, server: Server) -> str:
    """Where nothing listens it is an outage."""
    port = free_port()
    where = {"target": f"127.0.0.1:{port}"} if row.is_grpc else {"url": f"http://127.0.0.1:{port}"}
    async with asked(row, server, **where) as model:
        error = await _outcome(model, payload(row, row.protocol))
    return _verdict(error, Unavailable, code=False)


async def never_answers(row: Row, server: Server) -> str:
    """A server that is stopped costs one deadline, and answers again when it goes on."""
    body = payload(row, row.protocol)
    async with asked(row, server, timeout_seconds=DEADLINE) as model:
        await _answers(model, body)
        begin = time.monotonic()
        with stopped(server):
            error = await _outcome(model, body)
            took = time.monotonic() - begin
        assert isinstance(error, DeadlineExceeded), repr(error)
        assert DEADLINE * 0.9 < took < DEADLINE + 3.0
        await _answers(model, body)
    return "held, at the deadline"


async def three_replicas(row: Row, server: Server) -> str:
    """Calls are spread evenly; one that hangs costs one deadline, one that is gone one call."""
    target = server.grpc_target if row.is_grpc else (server.rest_url or "").partition("//")[2]
    assert target is not None
    body = payload(row, row.protocol)
    async with doors(target, target, target) as three:
        first, *others = [door.target if row.is_grpc else door.url for door in three]
        where = {"target": first} if row.is_grpc else {"url": first}
        more = {"breaker": {"probe_seconds": 60}, "timeout_seconds": 2.0, **where}
        async with asked(row, server, replicas=others, **more) as model:
            for _ in range(10):
                await asyncio.gather(*(model.predict(request(body)) for _ in range(6)))
            calls = [door.calls for door in three]
            assert [20, 20, 20] == calls, calls
            three[1].shut()
            errors = [await _outcome(model, body) for _ in range(9)]
            assert sum(error is not None for error in errors) <= 1, errors
            assert all(isinstance(error, Unavailable | None) for error in errors), errors
            three[2].hang()
            before, begin = three[2].calls, time.monotonic()
            soon = asyncio.get_running_loop().time() + HANGING
            outcomes = await asyncio.gather(*(_outcome(model, body, soon) for _ in range(8)))
            late = [one for one in outcomes if one is not None]
            assert time.monotonic() - begin < HANGING * 2
            assert all(isinstance(one, DeadlineExceeded) for one in late), late
            assert three[2].calls - before == len(late) > 0, (three[2].calls - before, outcomes)
            after = [await _outcome(model, body) for _ in range(6)]
            assert [None] * 6 == after, after
    return YES


THROUGH: Final = (
    Column("own form", own_form),
    Column("Seldon JSON", from_form("seldon")),
    Column("TensorFlow columns", from_form("tensorflow")),
    Column("TensorFlow rows", from_form("rows")),
    Column("Open Inference JSON", from_form("oip")),
    Column("numbers", numbers),
    Column("FP16", half),
    Column("BOOL", booleans),
    Column("BYTES", texts),
    Column("NaN", not_finite),
    Column("tells its tensors", tells),
    Column("health", probe),
    Column("version", versions),
    Column("three replicas", three_replicas),
)

FAULTS: Final = (
    Column("malformed", malformed),
    Column("wrong shape", wrong_shape),
    Column("wrong datatype", wrong_datatype),
    Column("wrong count of values", wrong_count),
    Column("unknown input", unknown_input),
    Column("unknown signature", unknown_signature),
    Column("output missing", missing_output),
    Column("model raises", raises),
    Column("unknown model", unknown_model),
    Column("nothing listens", nobody_there),
    Column("never answers", never_answers),
)


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Have all processes of *server* stand still."""
    os.killpg(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(server.pid, signal.SIGCONT)


async def _answers(model: AnyModel, body: Body) -> None:
    """Return as soon as *model* answers: calls that were left in its way may be first."""
    async with asyncio.timeout(20.0):
        while True:
            try:
                await model.predict(request(body))
            except Unavailable:
                continue
            return


async def _outcome(
    model: AnyModel, body: Body, deadline: float | None = None
) -> BridgeError | None:
    """Return what a call fails with, None where it is answered."""
    try:
        await model.predict(request(body, deadline=deadline))
    except BridgeError as error:
        return error
    return None


async def _refused(row: Row, server: Server, body: Body) -> str:
    """Return how *body* is refused; raise AssertionError where it is not."""
    async with asked(row, server) as model:
        error = await _outcome(model, body)
    return _verdict(error, Rejected)


def _verdict(error: BridgeError | None, wanted: type[BridgeError], *, code: bool = True) -> str:
    """Return how a cell says *error*, which must be *wanted* and tell no traceback."""
    assert error is not None, "taken, and answered"
    kind = EventError if wanted is Rejected and isinstance(error, DecodeError) else wanted
    assert isinstance(error, kind), repr(error)
    assert not isinstance(error, DeadlineExceeded), repr(error)
    text = str(error)
    assert "Traceback" not in text, text
    assert 'File "' not in text, text
    assert len(text) < 500, text
    word = "held" if isinstance(error, Unavailable) else "refused"
    found = re.search(r"answered (\d{3}|[A-Z_]+)\b", text)
    if found is None:
        return f"{word} here" if word == "refused" else word
    return f"{word} ({found[1]})" if code else word


async def _all_of(row: Row, server: Server, datatypes: tuple[str, ...]) -> str:
    passed = [one for one in datatypes if await _echo(row, server, one) == YES]
    return _counted(passed, datatypes)


def _counted(passed: list[str], of: tuple[str, ...]) -> str:
    missing = [one for one in of if one not in passed]
    if not missing:
        return f"all {len(of)}"
    return f"not {', '.join(missing)}" if len(passed) > len(missing) else ", ".join(passed)


async def _echo(row: Row, server: Server, datatype: str) -> str:
    """Send two values to `echo` and have them back; what says no is told in words."""
    name, values = f"in_{datatype.lower()}", SAMPLES[datatype]
    body = Body.of({"inputs": [tensor(name, datatype, [values])]})
    async with asked(row, server, name="echo") as model:
        try:
            answer = await model.predict(request(body))
        except Rejected as error:
            return f"no: {_verdict(error, Rejected)}"
    (output,) = answer.json()["outputs"]
    assert (f"out_{datatype.lower()}", datatype) == (output["name"], output["datatype"])
    (told,) = form_called("oip").read_answer(answer).tensors
    (sent,) = form_called("oip").read_request(body).tensors
    assert ((1, 2), sent.array.dtype) == (told.shape, told.array.dtype)
    assert sent.array.tolist() == told.array.tolist()
    return YES


async def _echoed_bytes(row: Row, server: Server) -> bool:
    """Whether bytes that are no UTF-8 come back; what refuses them is a verdict."""
    said = [[{"b64": "AP8="}]]
    options = {"inputs": {"in_bytes": {}}, "outputs": {"text": {}}}
    async with asked(row, server, name="echo", form="tensorflow", **options) as model:
        try:
            answer = await model.predict(request(Body.of({"inputs": said})))
        except Rejected:
            return False
    assert {"outputs": said} == answer.json()
    return True


async def _echoed_rows(row: Row, server: Server, rows: list[Any]) -> str:
    async with asked(row, server, name="echo") as model:
        answer = await model.predict(request(Body.of({"instances": rows})))
    assert rows == answer.json()["predictions"]
    assert repr(rows) == repr(answer.json()["predictions"])  # and 1 is no True
    return YES


async def _echoed_seldon(row: Row, server: Server, **said: Any) -> str:
    async with asked(row, server) as model:
        answer = (await model.predict(request(Body.of(said)))).json()
    assert repr(said) == repr({name: answer[name] for name in said})
    return f"in {next(iter(said))}" if "jsonData" in said else YES


async def _scored(row: Row, server: Server, datatype: str) -> bool:
    """Whether the recommender takes its products and users as *datatype*."""
    inputs = {name: {"datatype": datatype} for name in ("products", "users")}
    async with asked(row, server, form="tensorflow", inputs=inputs) as model:
        try:
            answer = await model.predict(request(payload(row, "tensorflow")))
        except Rejected:
            return False
    assert (expected(row) == answered("tensorflow", answer)).all()
    return True


def _rows(row: Row) -> list[list[float]]:
    return FLOWERS if row.model == "iris" else PRODUCTS


def _with(row: Row, *, rows: list[Any], datatype: str = "FP32") -> Body:
    """Return a request of *row*'s own form for other *rows*."""
    match row.protocol:
        case "seldon":
            return Body.of({"data": {"ndarray": rows}})
        case "kserve":
            return Body.of({"instances": rows})
        case "tensorflow":
            wide = [one * 2 for one in rows] if datatype == "FP32" else rows
            return Body.of({"inputs": {"products": wide, "users": wide}})
    return Body.of({"inputs": [tensor("measures", datatype, rows)]})


def _changed(row: Row, **members: Any) -> Body:
    """Return a request for two flowers in Open Inference JSON, with other *members*."""
    return Body.of({"inputs": [{**tensor("measures", "FP32", FLOWERS), **members}]})
