"""A model of digits, served as TensorFlow Serving serves one: a stand-in for it, and no more.

    python digits_server.py --port 8501

    GET  /v1/models/digits           the model's state
    POST /v1/models/digits:predict   {"instances": [[64 numbers], …]}
                                     ─▶ {"predictions": [{"classes": 7, "probabilities": […]}, …]}

Trained at start on the first 1,400 of the 1,797 digits that scikit-learn brings along: 8 × 8 each,
smaller and older than MNIST. It is right about 90.7 % of the other 397. The row form is the one of
TensorFlow Serving's RESTful API; its columns, versions and signatures are not there.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from aiohttp import web

NAME = "digits"

#: How many digits are learned from; the others are left to be judged by.
LEARNED = 1_400

#: Longest request, in bytes: some 2,000 images.
MAX_BYTES = 2 * 1024 * 1024

_MODEL = web.AppKey("model", object)


def trained() -> Any:
    """Return the model. The solver starts from zeros, so each start gives the same one."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    images, digits = load_digits(return_X_y=True)
    model = make_pipeline(StandardScaler(), LogisticRegression())
    return model.fit(images[:LEARNED], digits[:LEARNED])


def predictions(model: Any, instances: Any) -> list[dict[str, Any]]:
    """Return the class of each instance, and how likely each class is; ValueError for no rows."""
    try:
        rows = np.asarray(instances, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"instances are no rows of numbers: {error}") from error
    if rows.ndim != 2 or rows.shape[1] != 64 or not np.isfinite(rows).all():
        shape = "×".join(map(str, rows.shape))
        raise ValueError(f"instances: expected rows of 64 finite numbers, found {shape}")
    return [
        {"classes": int(row.argmax()), "probabilities": row.tolist()}
        for row in model.predict_proba(rows)
    ]


def application() -> web.Application:
    """Return the server, trained."""
    made = web.Application(client_max_size=MAX_BYTES, middlewares=[_errors])
    made[_MODEL] = trained()
    made.router.add_get("/v1/models/{name}", _state)
    made.router.add_post("/v1/models/{name}:predict", _predict)
    return made


async def _state(request: web.Request) -> web.Response:
    _check_name(request)
    state = {
        "version": "1",
        "state": "AVAILABLE",
        "status": {"error_code": "OK", "error_message": ""},
    }
    return web.json_response({"model_version_status": [state]})


async def _predict(request: web.Request) -> web.Response:
    _check_name(request)
    try:
        asked = await request.json()
    except ValueError as error:
        raise ValueError(f"JSON Parse error: {error}") from error
    if not isinstance(asked, dict) or "instances" not in asked:
        raise ValueError("Missing 'instances' key")
    return web.json_response({"predictions": predictions(request.app[_MODEL], asked["instances"])})


def _check_name(request: web.Request) -> None:
    if request.match_info["name"] != NAME:
        raise web.HTTPNotFound(
            text=f"Servable not found for request: Latest({request.match_info['name']})"
        )


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer errors as TensorFlow Serving does: `{"error": …}`."""
    try:
        response: web.StreamResponse = await handler(request)
    except ValueError as error:
        return web.json_response({"error": str(error)}, status=400)
    except web.HTTPException as error:
        return web.json_response({"error": error.text}, status=error.status)
    return response


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description="A stand-in for TensorFlow Serving: digits.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8501)
    told = parser.parse_args()
    web.run_app(application(), host=told.host, port=told.port, access_log=None)


if __name__ == "__main__":
    main()
