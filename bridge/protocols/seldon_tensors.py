"""Seldon v1's JSON messages: one tensor each, in several encodings, with meta beside it.

    {"data": {"names": [...], "ndarray": [[1, 2]]}}                            a tensor
    {"data": {"tensor": {"shape": [1, 2], "values": [1, 2]}}}                  a tensor
    {"data": {"tftensor": {"dtype": …}}}                                       a tensor
    {"strData": "…"}  {"binData": "<base64>"}                                  BYTES [1]
    {"jsonData": …}                                                            no tensor

Names of columns are the tensor's `parameters["names"]`, `meta` (tags, puid, routing, metrics,
requestPath) is that of the tensors. An answer is written in the encoding of its request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import shown
from bridge.core.payload import JSON, Body
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import arrays, base64_texts, json_values, tftensor, written
from bridge.protocols.nonfinite import loaded
from bridge.protocols.port import UNNAMED_INPUT, UNNAMED_OUTPUT, NonFinite
from bridge.protocols.seldon import merged_meta, numbered, read_meta

#: How a message carries its tensor.
Encoding = Literal["ndarray", "tensor", "tftensor", "strData", "binData"]

#: Columns that are named where there are no rows.
FEW: Final = 1000


class SeldonForm:
    """The form `seldon`."""

    def __init__(self, *, non_finite: NonFinite = "null") -> None:
        self._non_finite: NonFinite = non_finite

    def read_request(self, body: Body) -> Tensors:
        """Return the tensor of a message, called `input`; raise DecodeError if it has none."""
        return _read(body, UNNAMED_INPUT)

    def write_request(self, tensors: Tensors, *, id: str, like: Body | None = None) -> Body:
        """Return the message that asks with the one tensor of *tensors*.

        In the encoding of *like*, if that is a message; else numbers go as `tensor`, booleans
        and texts as `ndarray`, bytes that are no text as `binData`. Raise Rejected where there
        are more tensors than one.
        """
        tensor = _only(tensors)
        encoding = None if like is None else _asked(like)[0]
        said = self._said(tensor, encoding, list(tensor.columns))
        said["meta"] = {"puid": id, **_meta_of(tensors)}
        return Body(written.dumps(said), JSON)

    def read_answer(self, body: Body) -> Tensors:
        """Return the tensor of an answer, called `output`; raise DecodeError if it has none."""
        return _read(body, UNNAMED_OUTPUT)

    def write_answer(self, tensors: Tensors, *, like: Body, id: str) -> Body:
        """Return the answer to *like*, in its encoding where that can hold the tensor.

        Columns without names are called t:0 and so on, as the wrapper does. Meta is that of
        *like*, with what the tensors' own adds; the puid is *id* where neither has one.
        """
        tensor = _only(tensors)
        encoding, meta = _asked(like)
        names = list(tensor.columns)
        if not names and tensor.array.ndim > 1 and tensor.shape[1] <= tensor.array.size + FEW:
            names = list(numbered(tensor.shape[1]))
        said = self._said(tensor, encoding, names)
        said["meta"] = {"puid": id, **merged_meta(meta, _meta_of(tensors))}
        return Body(written.dumps(said), JSON)

    def _said(self, tensor: Tensor, encoding: Encoding | None, names: list[str]) -> dict[str, Any]:
        """Return *tensor* as a message in *encoding*, or as the tensor needs."""
        if tensor.datatype == "BYTES" and tensor.shape == (1,):
            data, text = tensor.array[0], _text(tensor.array[0])
            if encoding == "strData" and text is not None:
                return {"strData": text}
            if encoding in ("strData", "binData") or (text is None and encoding != "tftensor"):
                return {"binData": base64_texts.encoded(data)}
        if encoding == "tftensor":
            return {"data": {"names": names, "tftensor": tftensor.write(tensor)}}
        if tensor.datatype not in ("BOOL", "BYTES") and (encoding != "ndarray" or not tensor.shape):
            flat = written.values(tensor, self._non_finite, flat=True)
            return {"data": {"names": names, "tensor": {"shape": tensor.shape, "values": flat}}}
        if not tensor.shape:
            raise Rejected(
                f"tensor {tensor.name!r} of {tensor.datatype} is a single value: "
                "Seldon's ndarray has a dimension at least"
            )
        return {"data": {"names": names, "ndarray": written.values(tensor, self._non_finite)}}


def _read(body: Body, name: str) -> Tensors:
    raw = _message(body)
    key = _carrier(raw)
    if key == "data":
        tensor = _of_data(raw[key], name, arrays.has_booleans(body))
    elif key == "strData":
        if not isinstance(raw[key], str):
            raise DecodeError("strData is no text")
        tensor = arrays.read([raw[key]], name, key)
    elif key == "binData":
        tensor = arrays.of_bytes([base64_texts.decoded(raw[key], key)], name)
    else:
        raise DecodeError("the payload is jsonData, which is no tensor: expected data")
    meta = read_meta(raw.get("meta"))
    return Tensors((tensor,), {"meta": meta} if meta else {})


def _message(body: Body) -> Mapping[str, Any]:
    raw = loaded(body)
    if not isinstance(raw, dict):
        raise DecodeError("the payload is no Seldon message: expected an object")
    return raw


def _carrier(raw: Mapping[str, Any]) -> str:
    """Return the one member of a message that carries its value."""
    carried = [key for key in _CARRIERS if raw.get(key) is not None]
    if len(carried) > 1:
        raise DecodeError(f"the payload carries {' and '.join(carried)}: expected one of them")
    if not carried:
        raise DecodeError("the payload carries no value: expected data, strData or binData")
    return carried[0]


def _of_data(data: Any, name: str, booleans: bool) -> Tensor:
    if not isinstance(data, dict):
        raise DecodeError("data is no object: expected ndarray, tensor or tftensor in one")
    found = [key for key in _ENCODINGS if data.get(key) is not None]
    if len(found) != 1:
        holds = " and ".join(found) or ", ".join(shown(key) for key in list(data)[:5]) or "nothing"
        raise DecodeError(f"data holds {holds}: expected one of ndarray, tensor, tftensor")
    names = data.get("names")
    if names is not None and (
        not isinstance(names, list) or not all(isinstance(one, str) for one in names)
    ):
        raise DecodeError("data.names is no list of strings")
    if found == ["ndarray"]:
        if not isinstance(data["ndarray"], list):
            raise DecodeError("data.ndarray is no array")
        tensor = arrays.read(data["ndarray"], name, "data.ndarray", booleans=booleans)
    elif found == ["tensor"]:
        tensor = _of_tensor(data["tensor"], name, booleans)
    else:
        tensor = tftensor.read(data["tftensor"], name, "data.tftensor")
    if not names:
        return tensor
    return Tensor(tensor.name, tensor.datatype, tensor.array, {"names": names})


def _of_tensor(said: Any, name: str, booleans: bool) -> Tensor:
    """Return a tensor that is its shape and its values, row by row."""
    where = "data.tensor"
    if not isinstance(said, dict):
        raise DecodeError(f"{where} is no object")
    shape, values = said.get("shape"), said.get("values", [])
    if not isinstance(values, list):
        raise DecodeError(f"{where}.values is no array")
    if not arrays.is_shape(shape):
        raise DecodeError(f"{where}.shape is no array of counts")
    datatype, array = json_values.held(values, "data.tensor.values", booleans=booleans)
    return Tensor(name, datatype, arrays.shaped(array, shape, where))


def _asked(like: Body) -> tuple[Encoding | None, Mapping[str, Any]]:
    """Return the encoding and the meta of a request; None and none where it is no message."""
    try:
        raw = _message(like)
        key = _carrier(raw)
        meta = read_meta(raw.get("meta"))
    except DecodeError:
        return None, {}
    if key in ("strData", "binData"):
        return key, meta  # type: ignore[return-value]  # mypy does not narrow by `in`
    data = raw["data"] if key == "data" and isinstance(raw["data"], dict) else {}
    for encoding in _ENCODINGS:
        if data.get(encoding) is not None:
            return encoding, meta
    return None, meta


def _meta_of(tensors: Tensors) -> Mapping[str, Any]:
    """Return the meta of a Seldon message; another protocol's parameter of that name is none."""
    try:
        return read_meta(tensors.parameters.get("meta"))
    except DecodeError:
        return {}


def _only(tensors: Tensors) -> Tensor:
    if len(tensors.tensors) != 1:
        there = ", ".join(map(repr, tensors.names))[:300] or "none"
        raise Rejected(f"a Seldon message has one tensor: expected one of {there}, see `inputs`")
    return tensors.tensors[0]


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


_CARRIERS = ("data", "jsonData", "strData", "binData")
_ENCODINGS: tuple[Literal["ndarray", "tensor", "tftensor"], ...] = ("ndarray", "tensor", "tftensor")
