"""A request made of what a model says of itself, which may be anything."""

from __future__ import annotations

import pytest

from bridge.core.errors import Rejected
from bridge.models.example import example
from bridge.protocols.forms import form_called
from bridge.protocols.port import FormName, Metadata, Spec


@pytest.mark.parametrize("form", ["seldon", "tensorflow", "kserve", "oip"])
@pytest.mark.parametrize("shape", [(1,) * 70, (1,) * 65, (10**30,), (1000, 1001)])
def test_a_model_that_tells_of_an_impossible_tensor_was_a_traceback(
    form: FormName, shape: tuple[int, ...]
) -> None:
    """`bridge model` says that there is no example, and why."""
    told = Metadata(name="liar", inputs=(Spec(name="x", datatype="FP32", shape=shape),))

    with pytest.raises(Rejected, match=r"input 'x' of shape .*: too large for an example"):
        example(form_called(form), {}, told)


@pytest.mark.parametrize("shape", [None, (), (-1, 4), (0, 2), (1,) * 64])
def test_a_dimension_of_any_size_is_one(shape: tuple[int, ...] | None) -> None:
    """A shape that is not told is a single value in one dimension."""
    told = Metadata(name="iris", inputs=(Spec(name="x", datatype="FP32", shape=shape),))

    (said,) = example(form_called("oip"), {}, told).json()["inputs"]

    assert [1 if count < 1 else count for count in shape or (1,)] == said["shape"]
