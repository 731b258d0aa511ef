"""Payloads to tensors and back: what each form costs beside bare orjson and numpy.

    round: bare, ours, bare, ours, …  ─▶  the median of ours / bare, round by round

Bare does what has to be done whatever is promised: the same JSON, by orjson, of an array that
is already there, and into one by `numpy.array`. For a handful of values that takes less than
what Python needs to call a function, so there the difference is judged and not the ratio.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, Final

import numpy as np
import orjson

from bench.summary import Verdict
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import oip_binary
from bridge.protocols.forms import form_called
from bridge.protocols.oip_grpc import OipGrpc
from bridge.protocols.port import Asked, FormName
from bridge.protocols.proto import message
from bridge.protocols.seldon_grpc import SeldonGrpc
from bridge.protocols.tensorflow_grpc import TensorflowGrpc

#: What is promised: a form costs at most so many times bare, or so many microseconds more.
TIMES: Final = 1.25
MICROSECONDS: Final = 6.0

#: A row of flowers, a batch of transactions, an image.
SHAPES: Final = ((1, 4), (100, 29), (1, 224, 224, 3))

ROUNDS: Final = 15
#: How long one round of one contender takes at least.
ROUND_SECONDS: Final = 0.005

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one way of one form costs for one shape."""

    form: str
    way: str
    shape: tuple[int, ...]
    microseconds: float
    bare_microseconds: float
    ratio: float

    @property
    def kept(self) -> bool:
        """Whether it is what is promised."""
        return self.ratio <= TIMES or self.microseconds <= self.bare_microseconds + MICROSECONDS

    def verdict(self) -> Verdict:
        """Return the promise beside what was found."""
        return Verdict(
            promise=f"{self.form} {self.way} {list(self.shape)} <= {TIMES} of bare, "
            f"or {MICROSECONDS:.0f} us more",
            found=f"{self.ratio:.2f} ({self.microseconds:,.1f} us, "
            f"bare {self.bare_microseconds:,.1f})",
            kept=self.kept,
        )


def measure(rounds: int = ROUNDS) -> list[Cost]:
    """Return what every form costs, read and written, for every shape."""
    return [
        _compared(form, way, shape, bare, ours, rounds)
        for shape in SHAPES
        for form, way, bare, ours in _contenders(shape)
    ]


def _contenders(shape: tuple[int, ...]) -> Iterator[tuple[str, str, Work, Work]]:
    """Yield form, way, bare and ours."""
    array = np.random.default_rng(1).random(shape, dtype=np.float32)
    tensors = Tensors((Tensor("input", "FP32", array),))
    names: tuple[FormName, ...] = ("seldon", "tensorflow", "kserve", "oip")
    for name in names:
        form = form_called(name)
        body = form.write_request(tensors, id="7").data
        yield name, "written", *_written(body, array, form.write_request, tensors)
        yield name, "read", *_read(body, shape, form.read_request)
    length, body = oip_binary.write_request(tensors, "7")
    said = orjson.loads(body[:length])
    yield (
        *("oip binary", "written"),
        lambda: orjson.dumps(said) + array.tobytes(),
        lambda: oip_binary.write_request(tensors, "7"),
    )
    yield (
        *("oip binary", "read"),
        lambda: (orjson.loads(body[:length]), np.frombuffer(body[length:], "f4").reshape(shape)),
        lambda: oip_binary.read_request(body, length),
    )
    yield from _over_grpc(tensors, array)


def _over_grpc(tensors: Tensors, array: Any) -> Iterator[tuple[str, str, Work, Work]]:
    """Yield the messages of gRPC: bare, which is protobuf's own work on one that is there.

    What has to be done whatever is promised: to put the values in and serialize, to parse and
    make an array of them.
    """
    request = Request(payload=Body(b""), id="7")
    asked = Asked(name="m")
    for name, protocol, fields in (
        ("oip grpc", OipGrpc(asked), _OIP),
        ("tensorflow grpc", TensorflowGrpc(asked), _TENSORFLOW),
        ("seldon grpc", SeldonGrpc(asked), _SELDON),
    ):
        said = protocol.call(request, tensors)
        answer = fields.answer(array)
        yield name, "written", fields.written(said, array), partial(protocol.call, request, tensors)
        yield (
            name,
            "read",
            fields.read(answer, array),
            partial(protocol.answer, answer, tensors, ""),
        )


@dataclass(frozen=True, slots=True)
class _Fields:
    """Where one protocol's messages have the values of their only tensor."""

    asked: str
    answered: str
    put: Callable[[Any, Any], None]
    take: Callable[[Any], Any]
    make: Callable[[Any, Any], None]

    def written(self, said: bytes, array: Any) -> Work:
        """Return who puts the values into a message that says all else, and serializes it."""
        ready = message(self.asked).FromString(said)

        def bare() -> bytes:
            made = message(self.asked)()
            made.CopyFrom(ready)
            self.put(made, array)
            serialized: bytes = made.SerializeToString()
            return serialized

        return bare

    def read(self, answer: bytes, array: Any) -> Work:
        """Return who parses an answer and makes an array of its values."""
        return lambda: self.take(message(self.answered).FromString(answer)).reshape(array.shape)

    def answer(self, array: Any) -> bytes:
        """Return an answer that holds *array*."""
        made = message(self.answered)()
        self.make(made, array)
        serialized: bytes = made.SerializeToString()
        return serialized


def _put_raw(made: Any, array: Any) -> None:
    made.raw_input_contents[0] = array.tobytes()


def _put_content(made: Any, array: Any) -> None:
    made.inputs["input"].tensor_content = array.tobytes()


def _put_values(made: Any, array: Any) -> None:
    made.data.tensor.ClearField("values")
    made.data.tensor.values.extend(array.reshape(-1).tolist())


def _make_raw(made: Any, array: Any) -> None:
    made.model_name = "m"
    made.outputs.add(name="output", datatype="FP32").shape.extend(array.shape)
    made.raw_output_contents.append(array.tobytes())


def _make_content(made: Any, array: Any) -> None:
    told = made.outputs["output"]
    told.dtype, told.tensor_content = 1, array.tobytes()
    for size in array.shape:
        told.tensor_shape.dim.add(size=size)


def _make_values(made: Any, array: Any) -> None:
    made.data.tensor.shape.extend(array.shape)
    made.data.tensor.values.extend(array.reshape(-1).tolist())


_OIP = _Fields(
    "inference.ModelInferRequest",
    "inference.ModelInferResponse",
    _put_raw,
    lambda made: np.frombuffer(made.raw_output_contents[0], "f4"),
    _make_raw,
)
_TENSORFLOW = _Fields(
    "tensorflow.serving.PredictRequest",
    "tensorflow.serving.PredictResponse",
    _put_content,
    lambda made: np.frombuffer(made.outputs["output"].tensor_content, "f4"),
    _make_content,
)
_SELDON = _Fields(
    "seldon.protos.SeldonMessage",
    "seldon.protos.SeldonMessage",
    _put_values,
    lambda made: np.array(made.data.tensor.values),
    _make_values,
)


def _written(body: bytes, array: Any, write: Any, tensors: Tensors) -> tuple[Work, Work]:
    """Return who writes *body*: bare, which is handed all but the values, and a form."""
    said = orjson.loads(body)
    holder, key = _values_in(said)
    holder[key] = array if isinstance(holder[key][0], list) else array.reshape(-1)
    return (
        lambda: orjson.dumps(said, option=orjson.OPT_SERIALIZE_NUMPY),
        lambda: write(tensors, id="7"),
    )


def _read(body: bytes, shape: tuple[int, ...], read: Any) -> tuple[Work, Work]:
    """Return who reads *body*: bare, which knows where the values are, and a form."""

    def bare() -> object:
        holder, key = _values_in(orjson.loads(body))
        return np.array(holder[key], dtype=np.float32).reshape(shape)

    return bare, lambda: read(Body(body))


def _values_in(said: dict[str, Any]) -> tuple[Any, str]:
    """Return the object that holds the values of a request of any form, and their key."""
    if "data" in said:
        return said["data"]["tensor"], "values"
    if "instances" in said:
        return said, "instances"
    inputs = said["inputs"]
    return (inputs[0], "data") if isinstance(inputs[0], dict) else (said, "inputs")


def _compared(
    form: str, way: str, shape: tuple[int, ...], bare: Work, ours: Work, rounds: int
) -> Cost:
    """Return the medians of *rounds*, in each of which both have their turn."""
    times = _times(ours)
    found = [(_took(bare, times), _took(ours, times)) for _ in range(rounds)]
    return Cost(
        form=form,
        way=way,
        shape=shape,
        microseconds=median(one for _, one in found),
        bare_microseconds=median(one for one, _ in found),
        ratio=median(ours_took / bare_took for bare_took, ours_took in found),
    )


def _times(work: Work) -> int:
    """Return how often *work* is done in a round."""
    work()
    return max(1, int(ROUND_SECONDS * 1e6 / _took(work, 1)))


def _took(work: Work, times: int) -> float:
    """Return the microseconds of processor time that *work* takes, done so many *times*."""
    started = time.process_time()
    for _ in range(times):
        work()
    return max(1e-3, (time.process_time() - started) * 1e6 / times)


if __name__ == "__main__":
    for cost in measure():
        found = cost.verdict()
        print("kept  " if found.kept else "BROKEN", found.promise, "->", found.found)
