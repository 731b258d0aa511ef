"""The iris model of all servers: a fixed matrix and a softmax, so their answers can be compared.

The weights are those of scikit-learn's logistic regression on its own 150 flowers, which
is what the published example's model is. Computed in 64 bits and rounded once, the answer
is the same float32 whichever numpy computes it; measures are float32 first, as some
protocols have them no wider. Nothing but numpy is imported: this runs in the environment of
each server.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_WEIGHTS = np.array(
    [
        [-0.42023936, 0.53186946, -0.11163009],
        [0.96693058, -0.31526881, -0.65166176],
        [-2.51894415, -0.20410552, 2.72304967],
        [-1.08459466, -0.94276181, 2.02735647],
    ]
)
_BIAS = np.array([9.84168898, 2.22450596, -12.06619494])


def probabilities(measures: Any) -> Any:
    """Return [n, 3] probabilities (float32) for [n, 4] measures; raise ValueError else."""
    rows = np.asarray(measures, dtype=np.float32).astype(np.float64)
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise ValueError(f"measures are [n, 4] features, these are {list(rows.shape)}")
    scores = rows @ _WEIGHTS + _BIAS
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
