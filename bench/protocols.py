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
from statistics import median
from typing import Any, Final

import numpy as np
import orjson

from bench.summary import Verdict
from bridge.core.payload import Body
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import oip_binary
from bridge.protocols.forms import form_called
from bridge.protocols.port import FormName

#: What is promised: a form costs at most so many times bare, or so many microseconds more.
TIMES: Final = 1.25
MICROSECONDS: Final = 10.0

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
