"""The iris model as Seldon wants it: a class called as its module, with `predict`."""

from __future__ import annotations

from typing import Any

import iris
import numpy as np


class SeldonIris:
    """Three probabilities for four measures of a flower; what is no array comes back as it is.

    Seldon hands `strData`, `binData` and `jsonData` as str, bytes and JSON values.
    """

    def predict(self, X: Any, names: Any = None) -> Any:  # noqa: N803  # Seldon calls it X
        """Return [n, 3] for [n, 4]; a ValueError is what Seldon makes 500 of."""
        return iris.probabilities(X) if isinstance(X, np.ndarray) else X
