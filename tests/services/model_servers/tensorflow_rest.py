"""A stand-in for TensorFlow Serving's REST, written from its public page api_rest.

    GET  /v1/models/M[/versions/N | /labels/L]            ─▶ the states of its versions
    GET  /v1/models/M[/versions/N | /labels/L]/metadata   ─▶ its signatures
    POST /v1/models/M[/versions/N | /labels/L]:predict    ─▶ predictions or outputs

It is no TensorFlow Serving: there is none to install. Each error is {"error": …}, 404 where
there is no such model or version, and else 400, as that page says. Its words are those that
the page, or people who met them, quote, where they do.

    python -m tests.services.model_servers.tensorflow_rest PORT
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.services.model_servers.tensorflow_json import read, write
from tests.services.model_servers.tensorflow_models import DEFAULT, MODELS, Model, Named, Signature

_PATH = re.compile(
    r"/v1/models/(?P<model>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>/metadata|:predict|:classify|:regress)?"
)


class _NotFoundError(Exception):
    """There is no such model, or not in this version."""


async def _handle(request: web.Request) -> web.Response:
    try:
        content = _answer(request.method, request.path, await request.read())
    except _NotFoundError as error:
        return _error(404, str(error))
    except ValueError as error:
        return _error(400, str(error))
    return web.Response(body=content, content_type="application/json")


def _answer(method: str, path: str, body: bytes) -> bytes:
    parts = _PATH.fullmatch(path)
    what = parts["what"] if parts else None
    if parts is None or (method == "POST") != (what is not None and what.startswith(":")):
        raise ValueError(f"Malformed request: {method} {path}")
    name, version, label = parts["model"], parts["version"], parts["label"]
    model = MODELS.get(name)
    if what is None:
        return _status(name, model, version, label)
    chosen = _chosen(name, model, version, label)
    signatures = MODELS[name].versions[chosen]
    if what == "/metadata":
        return _metadata(name, chosen, signatures)
    if what != ":predict":
        raise ValueError(f"the model has no signature to {what.removeprefix(':')} with")
    return _predict(body, signatures)


def _predict(body: bytes, signatures: Mapping[str, Signature]) -> bytes:
    try:
        asked = json.loads(body)  # takes NaN and the infinities, as the page says it must
    except ValueError as error:
        raise ValueError(f"JSON Parse error: {error}") from error
    if not isinstance(asked, dict):
        raise ValueError("the request is no JSON object")  # noqa: TRY004  # 400, as all others
    called = asked.get("signature_name", "")
    if not isinstance(called, str):
        raise ValueError("'signature_name' is no text")  # noqa: TRY004  # 400, as all others
    signature = signatures.get(called or DEFAULT)
    if signature is None:
        raise ValueError(f'Serving signature name: "{called}" not found in signature def')
    outputs = signature.run(read(asked, signature))
    return write(outputs, rows="instances" in asked)


def _chosen(name: str, model: Model | None, version: str | None, label: str | None) -> int:
    """Return the version that is meant: the newest where none is named."""
    if label is not None:
        if model is None or label not in model.labels:
            raise ValueError(f"Unrecognized servable version label: {label}")
        return model.labels[label]
    wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
    if model is None or (version is not None and int(version) not in model.versions):
        raise _NotFoundError(f"Servable not found for request: {wanted}")
    return max(model.versions) if version is None else int(version)


def _status(name: str, model: Model | None, version: str | None, label: str | None) -> bytes:
    if model is None:
        raise _NotFoundError(f"Could not find any versions of model {name}")
    if version is None and label is None:
        versions = sorted(model.versions, reverse=True)
    else:
        versions = [_chosen(name, model, version, label)]
    ok = {"error_code": "OK", "error_message": ""}
    states = [{"version": str(one), "state": "AVAILABLE", "status": ok} for one in versions]
    return _json({"model_version_status": states})


def _metadata(name: str, version: int, signatures: Mapping[str, Signature]) -> bytes:
    told = {
        called: {
            "inputs": {
                one: _told(f"{called}_{one}:0", named) for one, named in found.inputs.items()
            },
            "outputs": {one: _told(f"{one}:0", named) for one, named in found.outputs.items()},
            "method_name": "tensorflow/serving/predict",
        }
        for called, found in signatures.items()
    }
    return _json(
        {
            "model_spec": {"name": name, "signature_name": "", "version": str(version)},
            "metadata": {"signature_def": {"signature_def": told}},
        }
    )


def _told(name: str, named: Named) -> dict[str, Any]:
    dims = [{"size": str(size), "name": ""} for size in named.shape]
    return {
        "dtype": named.dtype,
        "tensor_shape": {"dim": dims, "unknown_rank": False},
        "name": name,
    }


def _error(status: int, text: str) -> web.Response:
    return web.Response(status=status, body=_json({"error": text}), content_type="application/json")


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode()


def main(port: int) -> None:
    """Serve on *port* of 127.0.0.1 until told to end."""
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", _handle)
    web.run_app(application, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
