"""The Open Inference Protocol's JSON: tensors with name, shape and datatype.

    {"id": "7", "inputs": [{"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [1, 2]}]}
    {"model_name": "m", "id": "7", "outputs": [{"name": "y", "shape": [1], …, "data": [3]}]}

Data is read flat or nested, and written flat. `parameters` are those of the tensors; which
outputs a request asks for is the parameter `outputs` there, objects with name and parameters.
Source: Open Inference Protocol (V2), inference_rest.md. Its binary form is in `oip_binary`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from bridge.core.errors import DecodeError, Rejected
from bridge.core.event import shown
from bridge.core.payload import JSON, Body
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import arrays, json_values, written
from bridge.protocols.nonfinite import loaded
from bridge.protocols.port import NonFinite
from bridge.protocols.tensorflow import SIGNATURE

#: What `Tensors.parameters` calls the outputs that a request asks for, objects with a name.
OUTPUTS: Final = "outputs"

#: The parameter that says how many binary bytes are a tensor's.
BINARY_SIZE: Final = "binary_data_size"

#: How the values of one tensor are told: puts them into its object, which has name, shape,
#: datatype and parameters.
Told = Callable[[Tensor, dict[str, Any]], None]

#: How values that are no `data` are found: given a tensor's object, where it stands, its
#: datatype and its shape, returns its array, None where it has none but data.
Found = Callable[[Mapping[str, Any], str, str, tuple[int, ...]], Any]


class OipForm:
    """The form `oip`."""

    def __init__(self, *, non_finite: NonFinite = "null", model_name: str = "") -> None:
        """*model_name*: what an answer says of who gave it."""
        self._non_finite: NonFinite = non_finite
        self._model_name = model_name

    def read_request(self, body: Body) -> Tensors:
        """Return the tensors of `inputs`; raise DecodeError if there are none."""
        return request_of(loaded(body), booleans=arrays.has_booleans(body))

    def write_request(self, tensors: Tensors, *, id: str) -> Body:
        """Return the body that asks with *tensors*; raise Rejected for BF16 and for no UTF-8."""
        return Body(written.dumps(asking(tensors, id, self._told)), JSON)

    def read_answer(self, body: Body) -> Tensors:
        """Return the tensors of `outputs`; raise DecodeError if there are none."""
        return answer_of(loaded(body), booleans=arrays.has_booleans(body))

    def write_answer(self, tensors: Tensors, *, like: Body, id: str) -> Body:
        """Return the answer under the id of *like*, or *id*, with the outputs it asks for.

        Raise Rejected where it asks for one that *tensors* have not.
        """
        try:
            asked = _object(loaded(like))
            wanted = tuple([one["name"] for one in _wanted(asked)])
        except DecodeError:
            asked, wanted = {}, ()
        own = asked.get("id")
        answered = own if isinstance(own, str) and own else id
        said = answering(tensors, answered, self._told, model_name=self._model_name, wanted=wanted)
        return Body(written.dumps(said), JSON)

    def _told(self, tensor: Tensor, said: dict[str, Any]) -> None:
        if tensor.datatype == "BF16":
            raise Rejected(
                f"tensor {tensor.name!r} is BF16, which JSON has no form for: expected binary"
            )
        said["data"] = written.values(tensor, self._non_finite, flat=True)


def asking(tensors: Tensors, id: str, told: Told) -> dict[str, Any]:
    """Return the object that asks with *tensors*, their values as *told* tells them."""
    said: dict[str, Any] = {"id": id}
    if parameters := scalars(tensors.parameters):
        said["parameters"] = parameters
    said["inputs"] = [_said(each, told) for each in tensors.tensors]
    outputs = tensors.parameters.get(OUTPUTS)
    if isinstance(outputs, list | tuple):
        said["outputs"] = outputs
    return said


def answering(
    tensors: Tensors, id: str, told: Told, *, model_name: str, wanted: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the object that answers with those of *tensors* that are *wanted*, or with all."""
    said: dict[str, Any] = {"model_name": model_name}
    if tensors.model_version is not None:
        said["model_version"] = tensors.model_version
    said["id"] = id
    if parameters := scalars(tensors.parameters):
        said["parameters"] = parameters
    said["outputs"] = [_said(each, told) for each in _chosen(tensors, wanted)]
    return said


def request_of(said: Any, found: Found | None = None, *, booleans: bool = True) -> Tensors:
    """Return the tensors of a request, as its JSON object; raise DecodeError if it is none."""
    asked = _object(said)
    tensors = _tensors(asked, "inputs", found, booleans)
    wanted = _wanted(asked)
    parameters = dict(_parameters(asked, "parameters"))
    parameters.pop(OUTPUTS, None)  # what an event says there is none
    if wanted:
        parameters[OUTPUTS] = wanted
    return Tensors(tensors, parameters)


def answer_of(said: Any, found: Found | None = None, *, booleans: bool = True) -> Tensors:
    """Return the tensors of an answer, as its JSON object; raise DecodeError if it is none."""
    answer = _object(said)
    version = answer.get("model_version")
    return Tensors(
        _tensors(answer, "outputs", found, booleans),
        _parameters(answer, "parameters"),
        None if version is None or version == "" else str(version)[:256],
    )


def scalars(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of *parameters* that this protocol has room for: texts, numbers, booleans."""
    if not parameters:
        return {}
    return {
        name: value
        for name, value in parameters.items()
        if isinstance(value, str | int | float) and name != SIGNATURE
    }


def is_loading(told: str) -> bool:
    """Whether MLServer *told* that the model is being loaded, as it does of a bad request."""
    return _LOADING.fullmatch(told) is not None


_LOADING = re.compile(r"Model [^'\"]{1,200} is not ready yet\.")


def _said(tensor: Tensor, told: Told) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": tensor.name,
        "shape": tensor.shape,
        "datatype": tensor.datatype,
    }
    parameters = scalars(tensor.parameters)
    parameters.pop(BINARY_SIZE, None)
    if parameters:
        said["parameters"] = parameters
    told(tensor, said)
    return said


def _chosen(tensors: Tensors, wanted: tuple[str, ...]) -> tuple[Tensor, ...]:
    """Return the *wanted* of *tensors* in that order, all where none is named."""
    if not wanted:
        return tensors.tensors
    known = {each.name: each for each in tensors.tensors}
    for name in wanted:
        if name not in known:
            there = ", ".join(map(repr, known))[:300] or "none"
            raise Rejected(f"output {shown(name)} is asked for: there are {there}")
    return tuple([known[name] for name in wanted])


def _object(said: Any) -> Mapping[str, Any]:
    if not isinstance(said, dict):
        raise DecodeError("the payload is no JSON object: expected one with tensors")
    return said


def _tensors(
    said: Mapping[str, Any], key: Literal["inputs", "outputs"], found: Found | None, booleans: bool
) -> tuple[Tensor, ...]:
    told = said.get(key)
    if not isinstance(told, list):
        raise DecodeError(f"the payload has no {key}: expected an array of tensors")
    arrays.count_checked(len(told), key)
    return arrays.unique(
        [_tensor(one, f"{key}[{index}]", found, booleans) for index, one in enumerate(told)], key
    )


def _tensor(said: Any, where: str, found: Found | None, booleans: bool) -> Tensor:
    if not isinstance(said, dict):
        raise DecodeError(f"{where} is no object: expected a tensor")
    name, datatype, shape = said.get("name"), said.get("datatype"), said.get("shape")
    if not isinstance(name, str) or not name:
        raise DecodeError(f"{where}.name is no text: expected the tensor's name")
    if not isinstance(datatype, str):
        raise DecodeError(f"{where}: its datatype is no text")
    if not arrays.is_shape(shape):
        raise DecodeError(f"{where}: its shape is no array of counts")
    parameters = _parameters(said, where)
    counts = tuple(shape)
    array = None if found is None else found(parameters, where, datatype, counts)
    if array is None:
        array = _of_data(said.get("data"), where, datatype, counts, booleans)
    if BINARY_SIZE in parameters:
        parameters = {key: one for key, one in parameters.items() if key != BINARY_SIZE}
    return Tensor(name, datatype, array, parameters)


def _of_data(data: Any, where: str, datatype: str, shape: tuple[int, ...], booleans: bool) -> Any:
    """Return the array of `data`, which is flat or nested as *shape* says."""
    if not isinstance(data, list):
        raise DecodeError(f"{where}: its data is no array")
    flat, lies_in = arrays.nested(data, where)
    if len(lies_in) > 1 and lies_in != shape:
        raise DecodeError(f"{where}: its data is nested as {list(lies_in)}: expected {list(shape)}")
    return arrays.shaped(
        json_values.held(flat, where, datatype, booleans=booleans)[1], shape, where
    )


def _parameters(said: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    parameters = said.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise DecodeError(f"{where}: parameters are no object")
    return parameters


def _wanted(said: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the outputs that a request asks for: of each the name, and parameters if it has any.

    One of those makes another answer of it, such as Triton's `classification`.
    """
    outputs = said.get("outputs")
    if outputs is None:
        return ()
    if not isinstance(outputs, list) or not all(
        isinstance(one, dict) and isinstance(one.get("name"), str) for one in outputs
    ):
        raise DecodeError("outputs is no array of objects with a name")
    arrays.count_checked(len(outputs), "outputs")
    wanted = []
    for one in outputs:
        parameters = scalars(_parameters(one, f"output {shown(one['name'])}"))
        name = {"name": one["name"]}
        wanted.append({**name, "parameters": parameters} if parameters else name)
    return tuple(wanted)
