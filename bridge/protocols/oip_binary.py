"""The Open Inference Protocol's binary tensors: a JSON object, then the values as they lie.

    inference-header-content-length: 123
    {"inputs": [{"name": "x", …, "parameters": {"binary_data_size": 16}}, …]}<16 bytes>…

Tensors with and without binary values may stand side by side; binary ones come in their order.
Numbers are little-endian, BYTES each have their length in four bytes before them.
Source: Open Inference Protocol, Binary Tensor Data Extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import orjson

from bridge.core.errors import DecodeError
from bridge.core.tensors import Tensor, Tensors
from bridge.protocols import oip, raw, written

#: The header that says how long the JSON is.
LENGTH_HEADER: Final = b"inference-header-content-length"

#: The media type of both together.
CONTENT_TYPE: Final = b"application/octet-stream"


def write_request(tensors: Tensors, id: str) -> tuple[int, bytes]:
    """Return the length of the JSON and the body that asks with *tensors*, for a binary answer."""
    blobs: list[Any] = []
    said = oip.asking(tensors, id, _into(blobs))
    said["parameters"] = {**said.get("parameters", {}), "binary_data_output": True}
    return _joined(said, blobs)


def write_answer(tensors: Tensors, *, model_name: str, id: str) -> tuple[int, bytes]:
    """Return the length of the JSON and the body that answers with *tensors*."""
    blobs: list[Any] = []
    return _joined(oip.answering(tensors, id, _into(blobs), model_name=model_name), blobs)


def read_request(data: bytes, length: int) -> Tensors:
    """Return the tensors of a request whose JSON is *length* bytes; raise DecodeError if none."""
    blobs = _Blobs(data, length)
    return blobs.ended(oip.request_of(_said(data, length), blobs.take))


def read_answer(data: bytes, length: int) -> Tensors:
    """Return the tensors of an answer whose JSON is *length* bytes; raise DecodeError if none.

    Their arrays share *data*: nothing is copied but texts.
    """
    blobs = _Blobs(data, length)
    return blobs.ended(oip.answer_of(_said(data, length), blobs.take))


def length_of(told: bytes, data: bytes) -> int:
    """Return the length that the header *told*; raise DecodeError where *data* is shorter."""
    if told.isdigit() and len(told) < 20 and int(told) <= len(data):
        return int(told)
    raise DecodeError(
        f"{LENGTH_HEADER.decode()} is {told[:30]!r}: expected {len(data)} at most, the body's size"
    )


class _Blobs:
    """The binary values of a body, taken from the front."""

    def __init__(self, data: bytes, length: int) -> None:
        self._data = data
        self._at = length

    def take(
        self, parameters: Mapping[str, Any], where: str, datatype: str, shape: tuple[int, ...]
    ) -> Any:
        """Return the array that is next, None where the tensor has its values in the JSON."""
        size = parameters.get(oip.BINARY_SIZE)
        if size is None:
            return None
        if type(size) is not int or not 0 <= size <= len(self._data) - self._at:
            told = str(size)[:30] if isinstance(size, int | float | str) else "no number"
            raise DecodeError(
                f"{where}: {oip.BINARY_SIZE} is {told}: "
                f"expected {len(self._data) - self._at} at most, what is left of the body"
            )
        start, self._at = self._at, self._at + size
        blob = memoryview(self._data)[start : self._at]
        read = blob.tobytes() if datatype == "BYTES" else cast("bytes", blob)  # read the same way
        return raw.from_raw(read, datatype, shape, where)

    def ended(self, tensors: Tensors) -> Tensors:
        """Return *tensors*; raise DecodeError where the body goes on after them."""
        if self._at != len(self._data):
            raise DecodeError(
                f"the body has {len(self._data) - self._at} bytes after its tensors: expected none"
            )
        return tensors


def _said(data: bytes, length: int) -> Any:
    try:
        return orjson.loads(memoryview(data)[:length])
    except orjson.JSONDecodeError as error:
        raise DecodeError(f"the JSON before binary tensors is none: {error}") from error


def _into(blobs: list[Any]) -> oip.Told:
    """Return what tells a tensor's values by their size, and puts them into *blobs*."""

    def told(tensor: Tensor, said: dict[str, Any]) -> None:
        if tensor.datatype == "BYTES":
            blob: Any = raw.to_raw(tensor)
            size = len(blob)
        else:
            blob = raw.little(tensor.array)
            size = blob.nbytes
        blobs.append(blob)
        said.setdefault("parameters", {})[oip.BINARY_SIZE] = size

    return told


def _joined(said: dict[str, Any], blobs: list[Any]) -> tuple[int, bytes]:
    header = written.dumps(said)
    return len(header), b"".join((header, *blobs))  # one copy of the values, this one
