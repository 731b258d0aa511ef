"""Write the recommender into a folder as pythie-serving wants it.

A pickled model, the names of its features, and the list of models.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import recommender
from sklearn.linear_model import LinearRegression


def main(folder: Path) -> None:
    """Write `recommender.pickled`, `metadata.json` and `models.config` into *folder*."""
    model = LinearRegression()
    model.coef_ = np.array([[recommender.OF_PRODUCT, recommender.OF_USER]])
    model.intercept_ = np.array([recommender.BEGIN])
    model.n_features_in_ = 2
    (folder / "recommender.pickled").write_bytes(cloudpickle.dumps(model))
    (folder / "metadata.json").write_text(json.dumps({"feature_names": ["products", "users"]}))
    (folder / "models.config").write_text(
        "model_config_list { config { name: 'recommender' model_platform: 'sklearn' "
        f"base_path: '{folder}' }} }}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
