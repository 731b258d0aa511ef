"""Seldon's messages between JSON and protobuf, nothing added and nothing left out.

    {"data": {"names", "ndarray"|"tensor"|"tftensor"}, "meta", "status"}  ◀─▶  SeldonMessage
    {"binData"} {"strData"} {"jsonData"}                                  ◀─▶  SeldonMessage

What protobuf has no room for is refused, with the name of the member: a key that the
interface does not have, an integer that no double holds. An array stays an `ndarray`, of
whatever it holds. Numbers come back as doubles, in `jsonData` and tags as integers where they
are. Source: seldon-core's prediction.proto, and the JSON mapping of proto3.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from itertools import repeat
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import shown
from bridge.core.tensors import Array, Tensor
from bridge.protocols import base64_texts
from bridge.protocols.nonfinite import VALUES, called
from bridge.protocols.proto import message
from bridge.protocols.proto_values import (
    MAX_EXACT,
    decode_array,
    decode_list,
    decode_numbers,
    decode_value,
    encode_list,
    encode_value,
)
from bridge.protocols.raw import counted
from bridge.protocols.written import values as written

if TYPE_CHECKING:
    from bridge.protocols.port import NonFinite

MESSAGE: Final = "seldon.protos.SeldonMessage"
FEEDBACK: Final = "seldon.protos.Feedback"


def to_message(said: Any, where: str = "the payload") -> Any:
    """Return the SeldonMessage that *said*, JSON, is; raise DecodeError for what it cannot say."""
    made = message(MESSAGE)()
    _fill(made, said, where)
    return made


def to_feedback(said: Any) -> Any:
    """Return the Feedback that *said*, JSON, is; raise DecodeError as `to_message` does."""
    where = "the feedback"
    _check_keys(said, ("request", "response", "reward", "truth"), where)
    made = message(FEEDBACK)()
    for key in ("request", "response", "truth"):
        if said.get(key) is not None:
            getattr(made, key).SetInParent()
            _fill(getattr(made, key), said[key], f"{where}.{key}")
    if said.get("reward") is not None:
        _parse({"reward": said["reward"]}, made, where)
    return made


def to_json(said: Any, non_finite: NonFinite = "null") -> dict[str, Any]:
    """Return the SeldonMessage *said* as JSON, arrays in it as `written.dumps` takes them.

    Raise DecodeError where its values are not those of its shape, or have no form in JSON,
    Rejected for NaN and infinity where *non_finite* refuses them.
    """
    answer: dict[str, Any] = {}
    carried = said.WhichOneof("data_oneof")
    if carried == "data":
        answer["data"] = _data_json(said.data, non_finite)
    elif carried == "strData":
        answer["strData"] = said.strData
    elif carried == "binData":
        answer["binData"] = base64_texts.encoded(said.binData)
    elif carried == "jsonData":
        answer["jsonData"] = _finite(decode_value(said.jsonData), non_finite)
    elif carried == "customData":
        raise DecodeError(
            f"customData of type {shown(said.customData.type_url)} has no form in JSON"
        )
    answer["meta"] = meta_json(said.meta, non_finite)
    if said.HasField("status"):
        answer["status"] = status_json(said.status)
    return answer


def feedback_json(said: Any, non_finite: NonFinite = "null") -> dict[str, Any]:
    """Return the Feedback *said* as JSON; raise as `to_json` does."""
    answer: dict[str, Any] = {
        key: to_json(getattr(said, key), non_finite)
        for key in ("request", "response", "truth")
        if said.HasField(key)
    }
    return {**answer, "reward": _short(said.reward)}


def status_json(said: Any) -> dict[str, Any]:
    """Return a Status as JSON."""
    flag = said.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number.get(said.status)
    named = flag.name if flag is not None else said.status
    return {"code": said.code, "info": said.info, "reason": said.reason, "status": named}


def fill_meta(made: Any, said: Any, where: str) -> None:
    """Fill the Meta *made* with *said*, JSON; raise DecodeError as `to_message` does."""
    if not isinstance(said, dict):
        raise DecodeError(f"{where} is no object")
    tags = said.get("tags")
    if tags is not None:
        if not isinstance(tags, dict):
            raise DecodeError(f"{where}.tags is no object")
        for name, value in tags.items():
            made.tags[name].MergeFromString(encode_value(value, f"{where}.tags.{name}"))
        said = {key: value for key, value in said.items() if key != "tags"}
    if said:
        _parse(said, made, where)


def meta_json(said: Any, non_finite: NonFinite) -> dict[str, Any]:
    """Return the Meta *said* as JSON; raise Rejected as `to_json` does."""
    meta: dict[str, Any] = {}
    if said.puid:
        meta["puid"] = said.puid
    if said.tags:
        meta["tags"] = {
            name: _finite(decode_value(value), non_finite) for name, value in said.tags.items()
        }
    if said.routing:
        meta["routing"] = dict(said.routing)
    if said.requestPath:
        meta["requestPath"] = dict(said.requestPath)
    if said.metrics:
        meta["metrics"] = [_metric_json(metric, non_finite) for metric in said.metrics]
    return meta


def array_of(data: Any) -> Array | None:
    """Return the numbers that a DefaultData holds as `tensor` or `ndarray`; None: no such.

    Raise DecodeError where a tensor's values are not those of its shape.
    """
    import numpy as np

    if data.HasField("tensor"):
        told = data.tensor
        shape = tuple(told.shape[:])
        values = np.array(told.values)
        if counted(shape, "data.tensor") != len(values):
            raise DecodeError(
                f"data.tensor has {len(values)} values: expected those of shape {list(shape)}"
            )
        return values.reshape(shape)
    return decode_array(data.ndarray) if data.HasField("ndarray") else None


_MEMBERS: Final = ("status", "meta", "data", "binData", "strData", "jsonData", "customData")
_CARRIERS: Final = _MEMBERS[2:]
_ARRAYS: Final = ("tensor", "ndarray", "tftensor")


def _fill(made: Any, said: Any, where: str) -> None:
    _check_keys(said, _MEMBERS, where)
    carried = [key for key in _CARRIERS if said.get(key) is not None]
    if len(carried) > 1:
        raise DecodeError(f"{where} carries {' and '.join(carried)}: expected one of them")
    key = carried[0] if carried else "jsonData" if "jsonData" in said else None
    if key == "data":
        _fill_data(made.data, said[key], f"{where}.data")
    elif key == "strData":
        made.strData = _text(said[key], f"{where}.strData")
    elif key == "binData":
        made.binData = base64_texts.decoded(said[key], f"{where}.binData")
    elif key == "jsonData":
        made.jsonData.MergeFromString(encode_value(said[key], f"{where}.jsonData"))
    elif key == "customData":
        raise DecodeError(f"{where}.customData: its type is its owner's alone, and not known here")
    if said.get("meta"):
        fill_meta(made.meta, said["meta"], f"{where}.meta")
    if said.get("status"):
        _parse(said["status"], made.status, f"{where}.status")


def _fill_data(made: Any, said: Any, where: str) -> None:
    _check_keys(said, ("names", *_ARRAYS), where)
    made.SetInParent()
    names = said.get("names")
    if names is not None:
        if not isinstance(names, list):
            raise DecodeError(f"{where}.names is no array")
        made.names.extend([_text(name, f"{where}.names") for name in names])
    forms = [form for form in _ARRAYS if said.get(form) is not None]
    if len(forms) > 1:
        raise DecodeError(f"{where} holds {' and '.join(forms)}: expected one of them")
    if forms == ["ndarray"]:
        if not isinstance(said["ndarray"], list):
            raise DecodeError(f"{where}.ndarray is no array")
        made.ndarray.SetInParent()
        made.ndarray.MergeFromString(encode_list(said["ndarray"], f"{where}.ndarray"))
    elif forms == ["tensor"]:
        _fill_tensor(made.tensor, said["tensor"], f"{where}.tensor")
    elif forms == ["tftensor"]:
        _parse(said["tftensor"], made.tftensor, f"{where}.tftensor")


def _fill_tensor(made: Any, said: Any, where: str) -> None:
    _check_keys(said, ("shape", "values"), where)
    made.SetInParent()
    shape, values = (
        [] if said.get(member) is None else said[member] for member in ("shape", "values")
    )
    if not isinstance(shape, list) or not all(type(n) is int and 0 <= n < 1 << 31 for n in shape):
        raise DecodeError(f"{where}.shape is no array of counts")
    if not isinstance(values, list):
        raise DecodeError(f"{where}.values is no array")
    kinds = set(map(type, values))
    if str in kinds:
        values = [VALUES.get(value, value) if type(value) is str else value for value in values]
        kinds = set(map(type, values))
    if not kinds <= {float, int}:
        raise DecodeError(f"{where}.values holds what is no number")
    if int in kinds:
        _check_exact(values, f"{where}.values")
    made.shape.extend(shape)
    made.values.extend(values)


def _check_exact(values: list[Any], where: str) -> None:
    if max(map(abs, values)) <= MAX_EXACT:
        return
    for index, value in enumerate(values):
        if type(value) is int and abs(value) > MAX_EXACT:
            encode_value(value, f"{where}[{index}]")


def _data_json(said: Any, non_finite: NonFinite) -> dict[str, Any]:
    answer: dict[str, Any] = {"names": list(said.names)}
    form = said.WhichOneof("data_oneof")
    if form == "tensor" and (array := array_of(said)) is not None:
        flat = written(Tensor("data.tensor", "FP64", array), non_finite, flat=True)
        answer["tensor"] = {"shape": list(array.shape), "values": flat}
    elif form == "ndarray":
        numbers = decode_numbers(said.ndarray)
        if numbers is None:
            numbers = decode_list(said.ndarray)
        if isinstance(numbers, list):
            answer["ndarray"] = _finite(numbers, non_finite)
        else:
            answer["ndarray"] = written(Tensor("data.ndarray", "FP64", numbers), non_finite)
    elif form == "tftensor":
        from google.protobuf.json_format import MessageToDict

        answer["tftensor"] = MessageToDict(said.tftensor)
    return answer


def _metric_json(said: Any, non_finite: NonFinite) -> dict[str, Any]:
    kind = said.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number.get(said.type)
    metric = {
        "key": said.key,
        "type": kind.name if kind is not None else said.type,
        "value": _finite(_short(said.value), non_finite),
    }
    return {**metric, "tags": dict(said.tags)} if said.tags else metric


def _short(value: float) -> float:
    """Return the number of fewest digits that is *value* as a float of four bytes."""
    for digits in range(6, 9):
        short = float(f"{value:.{digits}g}")
        if struct.pack("<f", short) == struct.pack("<f", value):
            return short
    return float(f"{value:.9g}")


def _finite(said: Any, non_finite: NonFinite) -> Any:
    """Return JSON with NaN and infinity as *non_finite* says; orjson writes them as null."""
    if non_finite == "null":
        return said
    if type(said) is list:
        return list(map(_finite, said, repeat(non_finite)))
    if type(said) is dict:
        return {key: _finite(value, non_finite) for key, value in said.items()}
    if type(said) is float and not isfinite(said):
        if non_finite == "refuse":
            raise Rejected("the answer holds NaN or infinity: JSON has no form for them")
        return called(said)
    return said


def _check_keys(said: Any, known: tuple[str, ...], where: str) -> None:
    if not isinstance(said, dict):
        raise DecodeError(f"{where} is {type(said).__name__}: expected an object")
    for key in said:
        if key not in known:
            raise DecodeError(
                f"{where} has {shown(key)}, which Seldon's gRPC has no room for: "
                f"expected {', '.join(known)}"
            )


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise DecodeError(f"{where} is no text")
    return value


#: What protobuf raises by what kind of JSON it meets: infinity for an enum, half of a pair of
#: surrogates for a key.
_NO_MESSAGE: Final = (ValueError, TypeError, AttributeError, OverflowError, SystemError)


def _parse(said: Any, made: Any, where: str) -> None:
    """Fill *made*, a message, with *said* as proto3's JSON has it."""
    from google.protobuf.json_format import ParseDict, ParseError

    if not isinstance(said, Mapping):
        raise DecodeError(f"{where} is no object")
    try:
        ParseDict(dict(said), made, max_recursion_depth=20)
    except (*_NO_MESSAGE, ParseError) as error:
        raise DecodeError(f"{where}: {shown(str(error), 200)}") from error
