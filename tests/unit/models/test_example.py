"""A request made of what a model says of itself, which may be anything."""

from __future__ import annotations

import pytest

from bridge.core.errors import EventError, Rejected
from bridge.models.example import example
from bridge.protocols.forms import form_called
from bridge.protocols.port import FormName, Metadata, Spec


@pytest.mark.parametrize("form", ["seldon", "tensorflow", "kserve", "oip"])
@pytest.mark.parametrize("shape", [(1,) * 70, (1,) * 33, (10**30,), (1000, 1001)])
def test_a_model_that_tells_of_an_impossible_tensor_was_a_traceback(
    form: FormName, shape: tuple[int, ...]
) -> None:
    """`bridge model` says that there is no example, and why."""
    told = Metadata(name="liar", inputs=(Spec(name="x", datatype="FP32", shape=shape),))

    with pytest.raises(Rejected, match=r"^inputs? .*too large for an example"):
        example(form_called(form), {}, told)


@pytest.mark.parametrize(("inputs", "values"), [(1001, 1), (900, 10_000)])
def test_a_model_that_tells_of_too_many_tensors_took_all_memory(inputs: int, values: int) -> None:
    """Each would be small enough."""
    specs = [Spec(name=f"x{index}", shape=(values,)) for index in range(inputs)]

    with pytest.raises(EventError, match=r"tensors: expected 1000 at most|too large for"):
        example(form_called("oip"), {}, Metadata(name="liar", inputs=tuple(specs)))


@pytest.mark.parametrize("shape", [None, (), (-1, 4), (0, 2), (1,) * 32])
def test_a_dimension_of_any_size_is_one(shape: tuple[int, ...] | None) -> None:
    """A shape that is not told is a single value in one dimension."""
    told = Metadata(name="iris", inputs=(Spec(name="x", datatype="FP32", shape=shape),))

    (said,) = example(form_called("oip"), {}, told).json()["inputs"]

    assert [1 if count < 1 else count for count in shape or (1,)] == said["shape"]
