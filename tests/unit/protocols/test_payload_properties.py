"""What holds for every form of payloads: tensors come back, and no body breaks the reader."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bridge.core.errors import DecodeError, Rejected
from bridge.core.payload import Body
from bridge.core.tensors import DTYPES, Tensor, Tensors
from bridge.protocols.forms import form_called
from bridge.protocols.port import FormName, NonFinite
from tests.tensor_strategies import (
    arrays,
    assert_same,
    blobs,
    json_values,
    nasty_bodies,
    some_tensors,
    texts,
    without_infinity,
)

FORMS: tuple[FormName, ...] = get_args(FormName)
JSON_OF_OIP = sorted(set(DTYPES) - {"BF16"})
#: What a number without a datatype is read as.
TOLD = ("INT64", "FP64", "BOOL", "BYTES")
WITH_ROWS = hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=3)


@given(some_tensors(JSON_OF_OIP, values=texts))
def test_oip_keeps_every_datatype(tensors: Tensors) -> None:
    """To the last digit, infinity and NaN by name; as a request and as an answer."""
    form = form_called("oip", non_finite="text")

    request = form.write_request(tensors, id="7")
    answer = form.write_answer(tensors, like=request, id="7")

    assert_same(tensors, form.read_request(request))
    assert_same(tensors, form.read_answer(answer))


@given(some_tensors(JSON_OF_OIP, values=texts))
def test_null_stands_for_what_is_not_finite(tensors: Tensors) -> None:
    """NaN comes back, infinity comes back as NaN."""
    form = form_called("oip")

    assert_same(without_infinity(tensors), form.read_request(form.write_request(tensors, id="7")))


@given(some_tensors(TOLD, values=blobs))
def test_columns_keep_what_json_tells_apart(tensors: Tensors) -> None:
    """Integers, numbers with a fraction, booleans, texts and bytes, with and without names."""
    form = form_called("tensorflow")
    expected = without_infinity(tensors)

    assert_same(expected, form.read_request(form.write_request(tensors, id="7")))
    answer = form.write_answer(tensors, like=Body(b'{"inputs":1}'), id="7")
    if len(tensors.tensors) == 1:
        only = expected.tensors[0]
        expected = Tensors((Tensor("output", only.datatype, only.array),))
    assert_same(expected, form.read_answer(answer))


@given(st.data(), st.integers(1, 3))
def test_rows_keep_what_json_tells_apart(data: st.DataObject, rows: int) -> None:
    """As long as the tensors have their rows in common."""
    shapes = st.lists(st.integers(1, 3), max_size=2).map(lambda inner: (rows, *inner))
    tensors = data.draw(some_tensors(TOLD, shapes=shapes, values=blobs))
    form = form_called("kserve")
    expected = without_infinity(tensors)

    assert_same(expected, form.read_request(form.write_request(tensors, id="7")))


@given(
    some_tensors(TOLD, shapes=WITH_ROWS, values=texts, max_size=1),
    st.sampled_from(["ndarray", "tensor"]),
)
def test_seldon_keeps_what_json_tells_apart(tensors: Tensors, encoding: str) -> None:
    """In the encoding of the request, or in one that holds it."""
    form = form_called("seldon")
    only = without_infinity(tensors).tensors[0]
    like = Body.of({"data": {encoding: [1]}})

    assert_same(
        Tensors((Tensor("input", only.datatype, only.array),)),
        form.read_request(form.write_request(tensors, id="7")),
    )
    assert_same(
        Tensors((Tensor("output", only.datatype, only.array),)),
        form.read_answer(form.write_answer(tensors, like=like, id="7")),
    )


@given(some_tensors(values=blobs, max_size=1))
def test_a_tftensor_keeps_every_datatype(tensors: Tensors) -> None:
    """Answered where one was asked with."""
    form = form_called("seldon")
    only = tensors.tensors[0]

    answer = form.write_answer(tensors, like=Body(b'{"data":{"tftensor":{}}}'), id="7")

    assert_same(Tensors((Tensor("output", only.datatype, only.array),)), form.read_answer(answer))


@given(arrays("FP32", shapes=WITH_ROWS), st.sampled_from(FORMS))
def test_a_float_is_written_with_its_own_digits(array: Any, name: FormName) -> None:
    """And read with more of them it is the same number."""
    form = form_called(name, non_finite="text")
    tensors = Tensors((Tensor("input", "FP32", array),))

    (again,) = form.read_request(form.write_request(tensors, id="7")).tensors

    if again.datatype == "BYTES":  # nothing but the names of what is not finite
        assert not np.isfinite(array).any()
    else:
        assert np.array_equal(array, again.array.astype(np.float32), equal_nan=True)


@given(some_tensors(values=blobs), st.sampled_from(FORMS), st.sampled_from(get_args(NonFinite)))
def test_any_tensors_are_json_or_rejected(
    tensors: Tensors, name: FormName, non_finite: NonFinite
) -> None:
    """Never another exception, and never bare tokens in what may be an event's data."""
    form = form_called(name, non_finite=non_finite)

    with suppress(Rejected):
        form.write_request(tensors, id="7").json()
    with suppress(Rejected):
        form.write_answer(tensors, like=Body(b"{}"), id="7").json()


@pytest.mark.parametrize("name", FORMS)
@given(value=json_values)
def test_any_json_is_tensors_or_a_decode_error(name: FormName, value: Any) -> None:
    """Whatever stands in the members that a form knows, tokens and half of a pair among it."""
    form = form_called(name)
    body = Body(json.dumps(value).encode("utf-8", "surrogatepass"))

    with suppress(DecodeError):
        form.read_request(body)
    with suppress(DecodeError):
        form.read_answer(body)
    with suppress(Rejected):
        form.write_answer(Tensors.of(y=[1]), like=body, id="7").json()


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("what", sorted(nasty_bodies("oip")))
def test_a_nasty_body_is_a_decode_error(name: FormName, what: str) -> None:
    """Each by its name; an answer to one is still written."""
    form = form_called(name)
    body = Body(nasty_bodies(name)[what])

    with pytest.raises(DecodeError) as raised:
        form.read_request(body)
    with pytest.raises(DecodeError):
        form.read_answer(body)
    assert len(str(raised.value)) < 768
    with suppress(Rejected):
        assert form.write_answer(Tensors.of(y=[1]), like=body, id="7").json()


def test_bodies_that_are_passed_on_need_no_numpy() -> None:
    """A bridge between events and a server of the same form is without its 30 MB."""
    script = """
import sys
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.protocols.kserve_rest import KserveRest
from bridge.protocols.oip_rest import OipRest
from bridge.protocols.port import Asked
from bridge.protocols.seldon_rest import SeldonRest
from bridge.protocols.tensorflow_rest import TensorflowRest

said = b'{"outputs": [1, NaN], "predictions": []}'
for made in (KserveRest, OipRest, TensorflowRest, SeldonRest):
    protocol = made(Asked(name="m"), non_finite="text")
    protocol.call(Request(Body(b"{}"), "7"), Body(b"{}"))
    protocol.judge(200, (), said, "m")
print(sorted({"numpy", "grpc", "google.protobuf"} & set(sys.modules)))
"""

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert "[]\n" == done.stdout
