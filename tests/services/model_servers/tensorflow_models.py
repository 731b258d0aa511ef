"""The models of the stand-in for TensorFlow Serving: signatures, versions, labels.

    recommender  products, users [n, 1] ─▶ predictions [n, 1]       versions 1 "stable", 2 "canary"
    fraud        transaction [n, 29] ─▶ score [n, 1]                version 1
    digits       image [n, 64] ─▶ probabilities [n, 10], digit [n]  version 1, and `digit_only`
    texts        text [n] ─▶ text [n], text_bytes [n]               version 1

The weights of `fraud` and `digits` are made up: they detect and read nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tests.services.model_servers.models import recommender

#: The signature that is meant where a request names none.
DEFAULT: Final = "serving_default"

#: The datatypes of these models → what numpy holds them in.
DTYPES: Final = {"DT_FLOAT": "float32", "DT_INT64": "int64", "DT_STRING": "object"}

Arrays = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One tensor of a signature: its datatype, and its shape with -1 for any count."""

    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One function of a model; *run* raises ValueError for what it cannot take."""

    inputs: Mapping[str, Named]
    outputs: Mapping[str, Named]
    run: Callable[[Arrays], Arrays]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The signatures of each version of a model, and the versions that labels name."""

    versions: Mapping[int, Mapping[str, Signature]]
    labels: Mapping[str, int] = field(default_factory=dict)


def _floats(*shape: int) -> Named:
    return Named(dtype="DT_FLOAT", shape=shape)


def _recommender(share: float) -> Mapping[str, Signature]:
    def run(arrays: Arrays) -> Arrays:
        found = recommender.scores(arrays["products"], arrays["users"])
        return {"predictions": found * np.float32(share)}

    inputs = {"products": _floats(-1, 1), "users": _floats(-1, 1)}
    return {DEFAULT: Signature(inputs=inputs, outputs={"predictions": _floats(-1, 1)}, run=run)}


def _fraud(arrays: Arrays) -> Arrays:
    """Return the mean square: NaN and overflow stay what they are."""
    with np.errstate(over="ignore"):
        squares = np.square(arrays["transaction"], dtype=np.float32)
        return {"score": squares.mean(axis=1, keepdims=True, dtype=np.float32)}


_PATTERNS = np.cos(np.outer(np.arange(64), np.arange(10)))


def _digits(arrays: Arrays) -> Arrays:
    scores = arrays["image"].astype(np.float64) @ _PATTERNS
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    found = powers / powers.sum(axis=1, keepdims=True)
    return {"probabilities": found.astype(np.float32), "digit": found.argmax(axis=1)}


def _texts(arrays: Arrays) -> Arrays:
    return {"text": arrays["text"], "text_bytes": arrays["text"]}


_DIGIT = Named(dtype="DT_INT64", shape=(-1,))
_TEXT = Named(dtype="DT_STRING", shape=(-1,))

#: Every model by its name.
MODELS: Final[Mapping[str, Model]] = {
    "recommender": Model(
        versions={1: _recommender(0.5), 2: _recommender(1.0)}, labels={"stable": 1, "canary": 2}
    ),
    "fraud": Model(
        versions={
            1: {
                DEFAULT: Signature(
                    inputs={"transaction": _floats(-1, 29)},
                    outputs={"score": _floats(-1, 1)},
                    run=_fraud,
                )
            }
        }
    ),
    "digits": Model(
        versions={
            1: {
                DEFAULT: Signature(
                    inputs={"image": _floats(-1, 64)},
                    outputs={"probabilities": _floats(-1, 10), "digit": _DIGIT},
                    run=_digits,
                ),
                "digit_only": Signature(
                    inputs={"image": _floats(-1, 64)},
                    outputs={"digit": _DIGIT},
                    run=lambda arrays: {"digit": _digits(arrays)["digit"]},
                ),
            }
        }
    ),
    "texts": Model(
        versions={
            1: {
                DEFAULT: Signature(
                    inputs={"text": _TEXT}, outputs={"text": _TEXT, "text_bytes": _TEXT}, run=_texts
                )
            }
        }
    ),
}
