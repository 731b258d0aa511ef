"""TensorFlow Serving's JSON, by its page api_rest: rows and columns to arrays, and arrays back.

    {"instances": [{"a": 1, "b": 2}, …]}  ─┐                      ┌─▶ {"predictions": [{…}, …]}
                                           ├─▶ arrays ─▶ arrays ──┤
    {"inputs": {"a": [1, …], "b": [2, …]}} ─┘                     └─▶ {"outputs": {…}}

A single tensor may go without its name, and comes without it. Bytes are {"b64": …}: a text
takes them, and an output called *_bytes gives them. NaN and the infinities are bare tokens.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.services.model_servers.tensorflow_models import DTYPES, Arrays, Named, Signature

_BYTES = "_bytes"


def read(body: Mapping[str, Any], signature: Signature) -> Arrays:
    """Return the inputs of *signature* that *body* gives; raise ValueError where it does not."""
    if "instances" in body and "inputs" in body:
        raise ValueError("a request has 'instances' or 'inputs', not both")
    if "instances" in body:
        columns = _columns(body["instances"], signature)
    elif "inputs" in body:
        columns = body["inputs"]
        if not isinstance(columns, dict) or (len(columns) == 1 and "b64" in columns):
            (name, *others) = signature.inputs
            if others:
                raise ValueError("'inputs' is no object, and the model has more than one input")
            columns = {name: columns}
    else:
        raise ValueError("Missing 'inputs' or 'instances' key")
    if missing := signature.inputs.keys() - columns.keys():
        raise ValueError(f"missing inputs: {', '.join(sorted(missing))}")
    return {name: _array(name, values, signature) for name, values in columns.items()}


def write(outputs: Arrays, *, rows: bool) -> bytes:
    """Return the answer with *outputs*, in rows where the request was; ValueError if it cannot."""
    values = {name: _values(name, array) for name, array in outputs.items()}
    if not rows:
        return _dump({"outputs": _single(values)})
    if len({len(array) for array in outputs.values()}) != 1:
        raise ValueError("the outputs have different counts of rows: ask with 'inputs'")
    if len(values) == 1:
        return _dump({"predictions": _single(values)})
    rows_of = zip(*values.values(), strict=True)
    return _dump({"predictions": [dict(zip(values, row, strict=True)) for row in rows_of]})


def _columns(instances: Any, signature: Signature) -> dict[str, Any]:
    if not isinstance(instances, list) or not instances:
        raise ValueError("'instances' is no list with something in it")
    if all(isinstance(row, dict) and row.keys() != {"b64"} for row in instances):
        columns: dict[str, list[Any]] = {}
        for at, row in enumerate(instances):
            if missing := signature.inputs.keys() - row.keys():
                raise ValueError(
                    f"Failed to process element: {at} of 'instances' list."
                    f" missing inputs: {', '.join(sorted(missing))}"
                )
            for name, value in row.items():
                if name not in signature.inputs:
                    raise ValueError(
                        f"Failed to process element: {at} key: {name} of 'instances' list."
                        f" Error: INVALID_ARGUMENT: {_unknown(name)}"
                    )
                columns.setdefault(name, []).append(value)
        return columns
    (only, *others) = signature.inputs
    if others:
        raise ValueError("'instances' is a plain list, and the model has more than one input")
    return {only: instances}


def _array(name: str, values: Any, signature: Signature) -> Any:
    named = signature.inputs.get(name)
    if named is None:
        raise ValueError(_unknown(name))
    try:
        array = np.array(_leaves(values, named, name), dtype=DTYPES[named.dtype])
    except (ValueError, OverflowError) as error:
        raise ValueError(f"input {name}: {error}") from error
    fits = len(array.shape) == len(named.shape) and all(
        expected in (-1, size) for expected, size in zip(named.shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"input {name} is {list(array.shape)}, expected {list(named.shape)}")
    return array


def _unknown(name: str) -> str:
    return f"JSON object: does not have named input: {name}"


def _leaves(value: Any, named: Named, name: str) -> Any:
    if isinstance(value, list):
        return [_leaves(one, named, name) for one in value]
    if named.dtype == "DT_STRING":
        if isinstance(value, str):
            return value.encode()
        if isinstance(value, dict) and value.keys() == {"b64"} and isinstance(value["b64"], str):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except binascii.Error as error:
                raise ValueError("Unable to base64 decode") from error
    elif type(value) is int or (type(value) is float and named.dtype == "DT_FLOAT"):
        return value
    raise ValueError(f"JSON Value: {json.dumps(value)} is not of expected type: {named.dtype}")


def _values(name: str, array: Any) -> list[Any]:
    """Return *array* as JSON has it, floats with the digits of their own width."""
    if array.dtype == object:
        return [
            {"b64": base64.b64encode(one).decode()} if name.endswith(_BYTES) else one.decode()
            for one in array
        ]
    if array.dtype == np.float32:
        found: list[Any] = np.array([float(str(one)) for one in array.flat]).reshape(array.shape)
        array = found
    listed: list[Any] = array.tolist()
    return listed


def _single(values: dict[str, Any]) -> Any:
    return next(iter(values.values())) if len(values) == 1 else values


def _dump(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, indent=4).encode()
