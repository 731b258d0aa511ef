"""The iris model's next version: a length that nobody measured is no reason to refuse a flower.

examples/iris/Iris.py refuses it, as scikit-learn does: "Input X contains NaN".
"""

from __future__ import annotations

from typing import Any


class IrisWithGaps:
    """A Seldon component: `load` once, then `predict` for each request."""

    def load(self) -> None:
        """Train, and keep the mean of each length."""
        from sklearn.datasets import load_iris
        from sklearn.linear_model import LogisticRegression

        flowers, kinds = load_iris(return_X_y=True)
        self._means = flowers.mean(axis=0)
        self._model = LogisticRegression(max_iter=200).fit(flowers, kinds)

    def predict(self, X: Any, names: list[str]) -> Any:  # noqa: ARG002, N803  # Seldon's signature
        """Return the probability of setosa, versicolor and virginica for each row of *X*.

        A length that is null counts as the mean of all flowers. Raise ValueError unless a row
        has four.
        """
        import numpy as np

        rows = np.asarray(X, dtype=float)
        return self._model.predict_proba(np.where(np.isnan(rows), self._means, rows))
