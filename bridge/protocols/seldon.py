"""Seldon's messages: bytes to the value a user's class is given, its answer back to bytes.

    {"data": {"names", "ndarray"|"tensor"}}  ─decode▶  array    ─encode▶  in the same form
    {"jsonData"}  {"strData"}  {"binData"}   ─decode▶  object, str, bytes

The rules are those of the `seldon_core` Python wrapper (REST, protocol seldon v1). A body
that nobody looks into never comes here: it stays the bytes it was.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal

import orjson

from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import shown
from bridge.core.payload import Body
from bridge.protocols.arrays import nested

if TYPE_CHECKING:
    import numpy as np


class ModelRefusal(Rejected):
    """A component's verdict, with the HTTP *status* and the *code* of the wrapper's error JSON.

    The code is one of `MICROSERVICE_…`, or the user's own.
    """

    def __init__(self, text: str, *, status: int, code: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code


#: How a message carries its value.
Form = Literal["ndarray", "tensor", "jsonData", "strData", "binData"]

#: The wrapper's reasons: a model that names one of them has judged the request.
REASON_PREFIX: Final = "MICROSERVICE_"
BAD_DATA: Final = "MICROSERVICE_BAD_DATA"
INTERNAL_ERROR: Final = "MICROSERVICE_INTERNAL_ERROR"

BAD_METRIC: Final = "MICROSERVICE_BAD_METRIC"

#: Most characters of an array of texts, each with the room of the longest.
MAX_ARRAY_CHARACTERS: Final = 1_000_000

#: Longest error body; a longer one crashes a Knative dispatcher that has a dead letter sink.
MAX_ERROR_BYTES: Final = 768


@dataclass(frozen=True, slots=True, kw_only=True)
class SeldonMessage:
    """One message, understood.

    *value*: a numpy array, any JSON value, a str or bytes, by *form*. *names*: the names of
    the columns, empty if none were sent. *meta* and *raw* (the whole message) belong to the
    body they came from: nobody changes them.
    """

    value: Any
    form: Form
    names: Sequence[str] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict)


def decode(body: Body) -> SeldonMessage:
    """Return what *body* says; raise DecodeError, naming the key, if it is no message.

    Integers stay integers; an array of mixed types becomes an object array.
    """
    raw = body.json()
    if not isinstance(raw, dict):
        raise DecodeError(f"the payload is {_kind(raw)}: expected a Seldon message, an object")
    carried = [key for key in _CARRIERS if raw.get(key) is not None]
    if len(carried) > 1:
        raise DecodeError(f"the payload carries {' and '.join(carried)}: expected one of them")
    meta = read_meta(raw.get("meta"))
    key = carried[0] if carried else "jsonData" if "jsonData" in raw else None
    if key == "data":
        form, value, names = _array_of(raw["data"])
        return SeldonMessage(value=value, form=form, names=names, meta=meta, raw=raw)
    if key == "jsonData":
        return SeldonMessage(value=raw["jsonData"], form="jsonData", meta=meta, raw=raw)
    if key == "strData":
        return SeldonMessage(value=_text(raw["strData"], key), form="strData", meta=meta, raw=raw)
    if key == "binData":
        return SeldonMessage(value=_binary(raw["binData"]), form="binData", meta=meta, raw=raw)
    raise DecodeError("the payload carries no value: expected data, jsonData, strData or binData")


def encode(
    value: Any,
    *,
    like: SeldonMessage | None = None,
    names: Sequence[str] | None = None,
    meta: Mapping[str, Any] | None = None,
    class_names: Sequence[str] | None = None,
) -> Body:
    """Return *value* as the answer to *like*, its meta carried on and *meta* merged in.

    A dict becomes jsonData, bytes binData, str strData. A list or array becomes data: numbers
    in the encoding of *like* (tensor if that had none), anything else as ndarray. Its names
    are *names*; without those, one dimension has none and the columns of more are called
    *class_names*, else t:0 to t:n-1.
    NaN and infinity become null: JSON has no form for them.

    *meta* may hold tags (ours win), metrics (added), requestPath and puid.
    Raise TypeError, naming the type, for any other *value* or where JSON has no form for it.
    """
    answer: dict[str, Any] = {}
    if isinstance(value, dict):
        answer["jsonData"] = value
    elif isinstance(value, bytes | bytearray):
        answer["binData"] = base64.b64encode(value).decode("ascii")
    elif isinstance(value, str):
        answer["strData"] = value
    else:
        answer["data"] = _data_of(value, like, names, class_names)
    answer["meta"] = merged_meta(like.meta if like is not None else {}, meta or {})
    return Body(orjson.dumps(answer, default=_lists, option=_OPTIONS))


def error_body(info: str, reason: str, code: int = -1) -> bytes:
    """Return the wrapper's error JSON, *info* cut so that it stays within MAX_ERROR_BYTES."""
    # A character takes a byte or more, so no more than these can fit.
    cut = info[:MAX_ERROR_BYTES].encode("utf-8", "replace").decode("utf-8")
    while True:
        text = cut if len(cut) == len(info) else cut + "…"
        status = {"status": 1, "info": text, "code": code, "reason": reason}
        body = orjson.dumps({"status": status})
        if len(body) <= MAX_ERROR_BYTES or not cut:
            return body
        cut = cut[: len(cut) * MAX_ERROR_BYTES // len(body) - 1]


def read_meta(meta: Any) -> Mapping[str, Any]:
    """Return a message's *meta*, its known keys checked; unknown ones are let be.

    Raise DecodeError, naming the key, where one is not what it has to be.
    """
    if meta is None:
        return {}
    if not isinstance(meta, dict):
        raise DecodeError(f"meta is {_kind(meta)}: expected an object")
    for key, kind in _META.items():
        if meta.get(key) is not None and not isinstance(meta[key], kind):
            raise DecodeError(f"meta.{key} is {_kind(meta[key])}: expected {_KINDS[kind]}")
    return meta


def merged_meta(incoming: Mapping[str, Any], ours: Mapping[str, Any]) -> dict[str, Any]:
    """Return the meta of an answer: *incoming* is its request's, *ours* what the model added.

    Routing is the request's alone and not copied.
    """
    meta: dict[str, Any] = {}
    if puid := ours.get("puid") or incoming.get("puid"):
        meta["puid"] = puid
    if tags := {**(incoming.get("tags") or {}), **(ours.get("tags") or {})}:
        meta["tags"] = tags
    if path := {**(ours.get("requestPath") or {}), **(incoming.get("requestPath") or {})}:
        meta["requestPath"] = path
    if metrics := [*(incoming.get("metrics") or ()), *(ours.get("metrics") or ())]:
        meta["metrics"] = metrics
    return meta


def numbered(count: int) -> tuple[str, ...]:
    """Return the names that the wrapper gives *count* columns without any."""
    return _few_numbered(count) if count <= _FEW else _numbered(count)


def _numbered(count: int) -> tuple[str, ...]:
    return tuple([f"t:{index}" for index in range(count)])


#: Columns whose names are kept for the next; a million of them would be 70 MB each time.
_FEW = 1000
_few_numbered = lru_cache(maxsize=64)(_numbered)


_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
_CARRIERS = ("data", "jsonData", "strData", "binData")


def _array_of(data: Any) -> tuple[Literal["ndarray", "tensor"], np.ndarray[Any, Any], list[str]]:
    """Return form, array and names of a message's *data*."""
    if not isinstance(data, dict):
        raise DecodeError(f"data is {_kind(data)}: expected an object with ndarray or tensor")
    names = data.get("names")
    if names is None:
        names = []
    elif not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DecodeError("data.names is no list of strings")
    ndarray = data.get("ndarray")
    if ndarray is not None:
        if not isinstance(ndarray, list):
            raise DecodeError(f"data.ndarray is {_kind(ndarray)}: expected an array")
        return "ndarray", _array(ndarray, "data.ndarray"), names
    tensor = data.get("tensor")
    if tensor is not None:
        return "tensor", _tensor(tensor), names
    found = ", ".join(shown(key) for key in data) or "nothing"
    raise DecodeError(f"data holds {found}: expected ndarray or tensor")


def _array(values: list[Any], where: str) -> np.ndarray[Any, Any]:
    """Return *values* as an array; numbers among texts stay numbers.

    Texts of very different lengths become an array of objects, as numpy would give each the
    room of the longest.
    """
    import numpy as np

    flat, shape = nested(values, where)
    kinds = set(map(type, flat))
    if list in kinds:
        raise DecodeError(f"{where} is not rectangular: it holds values beside arrays")
    dtype = None
    if str in kinds and (len(kinds) > 1 or max(map(len, flat)) * len(flat) > MAX_ARRAY_CHARACTERS):
        dtype = object
    try:
        return np.array(flat, dtype=dtype).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"{where} is no array: {error}") from error


def _tensor(tensor: Any) -> np.ndarray[Any, Any]:
    """Return the array of a tensor, which is its shape and its values in row order."""
    if not isinstance(tensor, dict):
        raise DecodeError(f"data.tensor is {_kind(tensor)}: expected an object")
    shape, values = tensor.get("shape"), tensor.get("values", [])
    if not isinstance(values, list):
        raise DecodeError(f"data.tensor.values is {_kind(values)}: expected an array")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise DecodeError("data.tensor.shape is no array of counts")
    array = _array(values, "data.tensor.values")
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise DecodeError(
            f"data.tensor has {array.size} values: expected those of shape {shown(str(shape))}"
        ) from error


def _text(value: Any, key: str) -> str:
    if not isinstance(value, str):
        raise DecodeError(f"{key} is {_kind(value)}: expected a string")
    return value


def _binary(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value, "binData"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError(f"binData is not base64: {error}") from error


def _data_of(
    value: Any,
    like: SeldonMessage | None,
    names: Sequence[str] | None,
    class_names: Sequence[str] | None,
) -> dict[str, Any]:
    """Return *value*, a list or array, as a message's data."""
    import numpy as np

    if not isinstance(value, list | np.ndarray):
        raise TypeError(
            f"an answer of type {type(value).__name__}: expected a list, an array, "
            "a dict, a str or bytes"
        )
    try:
        array = np.asarray(value)
    except ValueError:  # a list that is not rectangular has no shape, but a JSON form
        return {"names": list(names or ()), "ndarray": value}
    numeric = array.dtype.kind in "iuf"
    if names is None:
        names = ()
        if array.ndim > 1:
            names = numbered(array.shape[1]) if class_names is None else class_names
    if numeric and (like is None or like.form != "ndarray"):
        flat = _plain(array.reshape(-1))
        return {"names": list(names), "tensor": {"shape": list(array.shape), "values": flat}}
    # A list is written as it is, so that integers beside floats stay integers.
    return {"names": list(names), "ndarray": value if value is not array else _plain(array)}


def _plain(array: np.ndarray[Any, Any]) -> Any:
    """Return *array* as orjson can write it: native, contiguous numbers, or else lists."""
    if array.dtype.kind not in "iufb" or array.ndim == 0 or array.dtype.itemsize > 8:
        return array.tolist()
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.flags.c_contiguous:
        return array
    return array.copy(order="C")


def _lists(value: Any) -> Any:
    """Return an array inside jsonData that orjson cannot write itself as lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"JSON has no form for {type(value).__name__}")


def _kind(value: Any) -> str:
    return _KINDS.get(type(value), "a number")


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "a boolean",
    str: "a string",
    list: "an array",
    dict: "an object",
}
_META: dict[str, type] = {"puid": str, "tags": dict, "requestPath": dict, "metrics": list}
