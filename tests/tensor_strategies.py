"""Any tensors, and nasty bodies by name, for property tests of payloads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bridge.core.tensors import DTYPES, Tensor, Tensors

#: Names of tensors; not the member that TensorFlow's JSON has for bytes.
names = st.text(min_size=1, max_size=12).filter(lambda name: name != "b64")

texts = st.text(max_size=6).map(str.encode)
blobs = st.binary(max_size=6)


def arrays(
    datatype: str,
    *,
    shapes: st.SearchStrategy[tuple[int, ...]] | None = None,
    values: st.SearchStrategy[bytes] = texts,
) -> st.SearchStrategy[Any]:
    """Return arrays of *datatype*, of *values* where it is BYTES."""
    if shapes is None:
        shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=1, max_side=4)
    if datatype == "BYTES":
        return shapes.flatmap(
            lambda shape: st.lists(
                values, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))
            ).map(lambda held: of_bytes(held, shape))
        )
    return hnp.arrays(np.dtype(DTYPES[datatype]), shapes)


def of_bytes(held: list[bytes], shape: tuple[int, ...]) -> Any:
    """Return *held* as the array of a BYTES tensor."""
    array = np.empty(len(held), dtype=object)
    array[:] = held
    return array.reshape(shape)


@st.composite
def some_tensors(
    draw: st.DrawFn,
    datatypes: Iterable[str] = tuple(DTYPES),
    *,
    shapes: st.SearchStrategy[tuple[int, ...]] | None = None,
    values: st.SearchStrategy[bytes] = texts,
    max_size: int = 3,
) -> Tensors:
    """Return one to *max_size* tensors, each of one of *datatypes*."""
    called = draw(st.lists(names, min_size=1, max_size=max_size, unique=True))
    made = []
    for name in called:
        datatype = draw(st.sampled_from(sorted(datatypes)))
        made.append(Tensor(name, datatype, draw(arrays(datatype, shapes=shapes, values=values))))
    return Tensors(tuple(made))


def assert_same(expected: Tensors, actual: Tensors) -> None:
    """Names, datatypes, shapes and values are equal, NaN being equal to NaN."""
    assert expected.names == actual.names
    for one, other in zip(expected.tensors, actual.tensors, strict=True):
        assert (one.datatype, one.shape) == (other.datatype, other.shape)
        assert_equal(one.array, other.array)


def assert_equal(expected: Any, actual: Any) -> None:
    """Values are equal and of one dtype, NaN being equal to NaN."""
    assert expected.dtype == actual.dtype
    if expected.dtype.kind == "f":
        assert np.array_equal(expected, actual, equal_nan=True)
    else:
        assert expected.tolist() == actual.tolist()


def without_infinity(tensors: Tensors) -> Tensors:
    """Return *tensors* with NaN for what JSON's null cannot tell from it."""
    return Tensors(
        tuple(
            [
                Tensor(one.name, one.datatype, np.where(np.isinf(one.array), np.nan, one.array))
                if one.array.dtype.kind == "f"
                else one
                for one in tensors.tensors
            ]
        )
    )


#: Any JSON, as members that the forms know and as others.
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(1 << 70), 1 << 70),
        st.floats(allow_nan=True),
        st.text(max_size=6),
        st.sampled_from(["NaN", "Infinity", "FP32", "INT64", "BYTES", "BF16", "DT_FLOAT", "AAAA"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    *("data", "names", "ndarray", "tensor", "tftensor", "shape", "values", "meta"),
                    *("strData", "binData", "jsonData", "puid", "tags", "dtype", "tensorShape"),
                    *("dim", "size", "floatVal", "int64Val", "halfVal", "stringVal"),
                    *("tensorContent", "boolVal", "instances", "inputs", "predictions"),
                    *("outputs", "signature_name", "b64", "name", "datatype", "parameters", "id"),
                    *("model_version", "binary_data_size", "a", "b"),
                ]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=20,
)

DEEP = 1000


def _member(form: str, value: bytes) -> bytes:
    return {
        "seldon": b'{"data":{"ndarray":%b}}',
        "tensorflow": b'{"inputs":%b,"outputs":%b}' % (value, b"%b"),
        "kserve": b'{"instances":%b,"predictions":%b}' % (value, b"%b"),
        "oip": b'{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":%b}]}',
    }[form] % value


def nasty_bodies(form: str) -> dict[str, bytes]:
    """Return bodies of *form* that are no tensors, by what is wrong with them."""
    member = {
        "empty arrays of different depth": b"[[],[[]]]",
        "a value beside an array": b"[1,[2]]",
        "an array beside a value": b"[[1],2]",
        "lengths that differ": b"[[1,2],[3]]",
        "numbers and texts": b'[1,"1"]',
        "texts and numbers": b'["1",1]',
        "numbers and booleans": b"[1,true]",
        "floats and booleans": b"[1.5,true]",
        "objects": b'[{"c":[{}]},{"d":1}]',
        "a text among arrays": b'[[1],"a"]',
        "nested as deep as JSON goes": b"[" * DEEP + b"]" * DEEP,
        "nested deeper than arrays": b"[" * 70 + b"1" + b"]" * 70,
        "half of a pair": b'["\\ud800", NaN]',
        "a number of 400 digits beside NaN": b"[NaN, %b]" % (b"9" * 400),
        "a number of 5000 digits beside NaN": b"[NaN, %b]" % (b"9" * 5000),
    }
    bodies = {name: _member(form, value) for name, value in member.items()}
    bodies |= {
        "nothing": b"",
        "no JSON": b"{",
        "a token alone": b"NaN",
        "tokens nested deeper than Python parses": b"[" * 100_000 + b"NaN" + b"]" * 100_000,
        "no UTF-8": b'{"inputs":["\xff", NaN]}',
        "UTF-16": '{"inputs": NaN}'.encode("utf-16"),
        "null": b"null",
        "an array": b"[]",
        "a text": b'"x"',
        "an empty object": b"{}",
        "members that are null": json.dumps(
            dict.fromkeys(("data", "inputs", "instances", "outputs", "predictions", "strData"))
        ).encode(),
    }
    return bodies
