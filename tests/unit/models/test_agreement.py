"""What a file says of a model's tensors, held against what the model says."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.models.agreement import disagreements
from bridge.models.rest import RestModelOptions
from bridge.protocols.port import Metadata, Spec

IRIS = Metadata(
    name="iris",
    versions=("1", "2"),
    inputs=(Spec(name="flowers", datatype="FP32", shape=(-1, 4)),),
    outputs=(Spec(name="scores", datatype="FP32", shape=(-1, 3)),),
)


def found(told: Metadata = IRIS, **options: Any) -> list[str]:
    return disagreements(
        RestModelOptions.model_validate({"url": "http://model", "protocol": "oip", **options}), told
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"version": "2"},
        {"inputs": {"flowers": {}}},
        {"inputs": {"flowers": {"from": "x", "datatype": "FP32", "shape": [-1, 4]}}},
        {"inputs": {"flowers": {"shape": [8, 4]}}},
        {"outputs": {"scores": {}}},
        {"outputs": {"probabilities": {"from": "scores"}}},
        {"outputs": {"probabilities": {}}},
    ],
)
def test_what_fits_or_is_left_open_is_no_disagreement(options: dict[str, Any]) -> None:
    """A dimension of any size takes one of a size, and the only output needs no name."""
    assert found(**options) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"version": "3"}, "version 3: the model has 1, 2"),
        (
            {"inputs": {"flower": {}, "flowers": {}}},
            "inputs.flower: the model has no such input; did you mean 'flowers'?",
        ),
        ({"inputs": {"flowers": {"datatype": "FP64"}}}, "FP64, where the model takes FP32"),
        ({"inputs": {"flowers": {"shape": [-1, 5]}}}, "shape [-1, 5], where the model takes"),
        ({"inputs": {"flowers": {"shape": [4]}}}, "shape [4], where the model takes [-1, 4]"),
        ({"outputs": {"s": {"from": "score"}}}, "outputs.s: the model has no output 'score'"),
    ],
)
def test_what_differs_is_said_in_words(options: dict[str, Any], expected: str) -> None:
    """With the place in the file, what it says, and what the model says."""
    (text,) = found(**options)

    assert expected in text


def test_an_input_that_nothing_is_sent_for_is_told() -> None:
    """The model would refuse every event."""
    told = Metadata(name="m", inputs=(Spec(name="products"), Spec(name="users")))

    assert found(told, inputs={"products": {}}) == ["inputs: the model takes 'users' as well"]


def test_a_model_that_tells_nothing_disagrees_with_nothing() -> None:
    """Many servers have no metadata worth the name."""
    assert found(Metadata(name="m"), inputs={"x": {}}, outputs={"y": {}}) == []
