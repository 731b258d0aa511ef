"""Texts on their way into a tensor: numpy's own ideas of them do not get in."""

from __future__ import annotations

import numpy as np
import pytest

from bridge.core.errors import DecodeError
from bridge.core.tensors import Tensor


def test_zeros_at_the_end_of_a_text_are_kept() -> None:
    """They were taken for padding."""
    tensor = Tensor.of("x", [b"a\0", "b\0\0"])

    assert "BYTES" == tensor.datatype
    assert [b"a\0", b"b\0\0"] == tensor.array.tolist()


def test_a_long_text_costs_the_others_nothing() -> None:
    """It was given to each of them: 1 MB of texts asked for 7 GB."""
    tensor = Tensor.of("x", ["x" * 1_000_000] + [""] * 200_000)

    assert (200_001,) == tensor.shape
    assert 1_000_000 == len(tensor.array[0])


@pytest.mark.parametrize("values", [["a", 1.5], [b"a", None], [["a"], [1]]])
def test_numbers_among_texts_do_not_become_texts(values: list[object]) -> None:
    """What is mixed has no datatype."""
    with pytest.raises(DecodeError, match="tensor 'x'"):
        Tensor.of("x", values)


def test_nested_texts_keep_their_shape() -> None:
    """Rows and columns are those of the lists."""
    tensor = Tensor.of("x", [["a", "b"], ["c", "d"]])

    assert [[b"a", b"b"], [b"c", b"d"]] == tensor.array.tolist()


def test_arrays_of_lists_of_texts_are_not_rectangular() -> None:
    """Two lengths have no shape."""
    with pytest.raises(DecodeError, match="tensor 'x'"):
        Tensor.of("x", [["a"], ["b", "c"]])


def test_scalars_of_numpy_are_taken() -> None:
    """A single value is a tensor without dimensions."""
    assert () == Tensor.of("x", np.float32(1.5)).shape
    assert () == Tensor.of("x", "text").shape
