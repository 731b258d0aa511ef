"""What model servers tell of their models, in the words of the Open Inference Protocol.

Nothing in it is needed to ask a model, so what is not understood is left open and no error.
"""

from __future__ import annotations

from typing import Any

import orjson

from bridge.core.errors import DecodeError
from bridge.core.tensors import DTYPES
from bridge.protocols.port import Metadata, Spec


def loaded(body: bytes) -> dict[Any, Any]:
    """Return the object that *body* is; raise DecodeError if it is none."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"the metadata is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise DecodeError("the metadata is no JSON object")
    return told


def read(body: bytes) -> Metadata:
    """Return what a server of the Open Inference Protocol tells; raise DecodeError if nothing."""
    told = loaded(body)
    return Metadata(
        name=text(told.get("name")),
        versions=texts(told.get("versions")),
        platform=text(told.get("platform")),
        inputs=specs(told.get("inputs")),
        outputs=specs(told.get("outputs")),
    )


def specs(told: Any, unnamed: str | None = None) -> tuple[Spec, ...]:
    """Return the tensors that an array of objects tells of; *unnamed*: one without a name."""
    found = []
    for one in told if isinstance(told, list) else ():
        name = text(one.get("name")) or unnamed if isinstance(one, dict) else None
        if name is not None:
            found.append(
                Spec(
                    name=name,
                    datatype=datatype(one.get("datatype")),
                    shape=shape(one.get("shape")),
                )
            )
    return tuple(found)


def datatype(told: Any) -> str | None:
    """Return *told*, by its own name or as Triton's configuration has it, None if it is none."""
    if not isinstance(told, str):
        return None
    name = told.removeprefix("TYPE_")
    return name if name in DTYPES else {"STRING": "BYTES"}.get(name)


def shape(told: Any) -> tuple[int, ...] | None:
    """Return the counts of a shape, -1 for any count, None where it is no shape."""
    if not isinstance(told, list):
        return None
    counts = []
    for one in told:
        if type(one) is int and one >= -1:
            counts.append(one)
        elif isinstance(one, str) and _is_count(one):  # protobuf's JSON has int64 as text
            counts.append(int(one))
        else:
            return None
    return tuple(counts)


def text(told: Any) -> str:
    """Return *told* if it is text, else ""."""
    return told if isinstance(told, str) else ""


def texts(told: Any) -> tuple[str, ...]:
    """Return the texts and numbers of an array as texts."""
    if not isinstance(told, list):
        return ()
    return tuple([str(one) for one in told if isinstance(one, str | int)])


def _is_count(told: str) -> bool:
    return told == "-1" or (told.isascii() and told.isdigit() and len(told) < 20)
