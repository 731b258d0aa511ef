"""Seldon's messages, by the literal bodies of the wrapper and of the published example."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bridge.core.errors import DecodeError
from bridge.core.payload import Body
from bridge.protocols.seldon import MAX_ERROR_BYTES, decode, encode, error_body

IRIS = Body(b'{"data": { "ndarray": [[1,2,3,4]]}}')


def body(value: Any) -> Body:
    return Body(json.dumps(value).encode())


def test_published_request_is_an_array_of_integers() -> None:
    """The reference's curl carries one row of four integers and no names."""
    message = decode(IRIS)

    assert message.value.tolist() == [[1, 2, 3, 4]]
    assert message.value.dtype.kind == "i"
    assert (message.form, message.names) == ("ndarray", [])


def test_published_answer_has_the_published_shape() -> None:
    """Probabilities are answered as the event display of the reference prints them."""
    row = [0.0006985194531162841, 0.003668039039435755, 0.9956334415074478]

    answer = encode(np.array([row]), like=decode(IRIS))

    assert (
        answer.data == b'{"data":{"names":["t:0","t:1","t:2"],"ndarray":'
        b"[[0.0006985194531162841,0.003668039039435755,0.9956334415074478]]},"
        b'"meta":{}}'
    )
    assert answer.content_type == "application/json"


def test_tensor_is_answered_as_tensor() -> None:
    """The request's encoding is the answer's, shape and values in row order."""
    request = body(
        {"data": {"names": ["a", "b"], "tensor": {"shape": [2, 2], "values": [1, 2, 3, 4]}}}
    )

    message = decode(request)
    answer = encode(message.value * 2, like=message)

    assert message.value.tolist() == [[1, 2], [3, 4]]
    assert message.names == ["a", "b"]
    assert (answer.json()["data"]) == {
        "names": ["t:0", "t:1"],
        "tensor": {"shape": [2, 2], "values": [2, 4, 6, 8]},
    }


@pytest.mark.parametrize(
    ("request_json", "value"),
    [
        ({"jsonData": {"a": [1, None]}}, {"a": [1, None]}),
        ({"jsonData": None}, None),
        ({"strData": "hällo"}, "hällo"),
        ({"strData": ""}, ""),
        ({"binData": "AP8="}, b"\x00\xff"),
    ],
)
def test_other_forms_are_decoded(request_json: Any, value: object) -> None:
    """The value is the object of jsonData, the text of strData, the bytes of binData."""
    assert value == decode(body(request_json)).value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": np.float32(0.5), 7: np.arange(3)}, {"jsonData": {"a": 0.5, "7": [0, 1, 2]}}),
        (b"\x00\xff", {"binData": "AP8="}),
        ("hi", {"strData": "hi"}),
        ([], {"data": {"names": [], "ndarray": []}}),
        ([1, 2.5], {"data": {"names": [], "ndarray": [1, 2.5]}}),
        ([[1], [1, 2]], {"data": {"names": [], "ndarray": [[1], [1, 2]]}}),
        (np.array(["a", "b"]), {"data": {"names": [], "ndarray": ["a", "b"]}}),
        (np.array([[True]]), {"data": {"names": ["t:0"], "ndarray": [[True]]}}),
    ],
)
def test_type_of_the_answer_chooses_its_form(value: object, expected: dict[str, Any]) -> None:
    """A dict is jsonData, bytes binData, a str strData, a list or array data."""
    assert {**expected, "meta": {}} == encode(value, like=decode(IRIS)).json()


@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i4", "i8", "u8", "f2", "<f4", ">f8"])
@pytest.mark.parametrize("form", ["ndarray", "tensor"])
def test_any_numeric_dtype_is_written_as_numbers(dtype: str, form: str) -> None:
    """Width and byte order do not show; integers stay integers, floats floats."""
    like = decode(IRIS if form == "ndarray" else body({"data": {"tensor": {"shape": [0]}}}))
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype=dtype).T

    data = encode(array, like=like).json()["data"]

    values = data["ndarray"] if form == "ndarray" else data["tensor"]["values"]
    flat = [n for row in values for n in row] if form == "ndarray" else values
    assert flat == [1, 4, 2, 5, 3, 6]
    assert {int if array.dtype.kind in "iu" else float} == {type(n) for n in flat}


def test_numbers_without_a_data_request_are_a_tensor() -> None:
    """A text request answered with numbers has no encoding to copy."""
    answer = encode(np.array([1.5]), like=decode(body({"strData": "x"})))

    assert answer.json()["data"] == {"names": [], "tensor": {"shape": [1], "values": [1.5]}}


def test_words_are_never_a_tensor() -> None:
    """A tensor holds numbers; words come back as ndarray."""
    like = decode(body({"data": {"tensor": {"shape": [1], "values": [1]}}}))

    assert encode(["setosa"], like=like).json()["data"]["ndarray"] == ["setosa"]


def test_not_a_number_becomes_null() -> None:
    """JSON has no NaN and no infinity."""
    assert b'"ndarray":[null,null]' in encode(np.array([np.nan, np.inf]), like=decode(IRIS)).data


def test_names_given_win_over_class_names_and_numbers() -> None:
    """Names, else class names, else t:0 to t:n-1."""
    row = np.array([[1.0, 2.0]])

    assert encode(row, names=["a", "b"], class_names=["c", "d"]).json()["data"]["names"] == [
        "a",
        "b",
    ]
    assert encode(row, class_names=["c", "d"]).json()["data"]["names"] == ["c", "d"]
    assert encode(row).json()["data"]["names"] == ["t:0", "t:1"]


def test_meta_is_carried_on_and_merged() -> None:
    """Tags: ours win. Metrics: added. puid copied, requestPath extended, routing dropped."""
    request = body(
        {
            "strData": "x",
            "meta": {
                "puid": "p",
                "tags": {"a": 1, "b": 1},
                "metrics": [{"key": "m", "type": "COUNTER", "value": 1}],
                "requestPath": {"first": "image:1"},
                "routing": {"router": 0},
                "unheard": True,
            },
        }
    )
    ours = {
        "tags": {"b": 2},
        "metrics": [{"key": "n", "type": "GAUGE", "value": 2}],
        "requestPath": {"second": "image:2"},
    }

    meta = encode("y", like=decode(request), meta=ours).json()["meta"]

    assert meta == {
        "puid": "p",
        "tags": {"a": 1, "b": 2},
        "requestPath": {"second": "image:2", "first": "image:1"},
        "metrics": [
            {"key": "m", "type": "COUNTER", "value": 1},
            {"key": "n", "type": "GAUGE", "value": 2},
        ],
    }


@pytest.mark.parametrize("value", [None, 3, 2.5, np.float64(1), (1, 2), object(), {1, 2}])
def test_an_answer_of_another_type_is_named(value: object) -> None:
    """What the wrapper has no form for raises, with the type in the text."""
    with pytest.raises(TypeError, match=type(value).__name__):
        encode(value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[1]", "the payload is an array"),
        ("null", "the payload is null"),
        ("{}", "no value"),
        ('{"data":null}', "no value"),
        ('{"data":{"ndarray":[1]},"strData":"x"}', "data and strData"),
        ('{"data":[1]}', "data is an array"),
        ('{"data":{}}', "data holds nothing"),
        ('{"data":{"tftensor":{}}}', "'tftensor'"),
        ('{"data":{"ndarray":"x"}}', "data.ndarray is a string"),
        ('{"data":{"ndarray":[[1],[1,2]]}}', "data.ndarray is not rectangular"),
        ('{"data":{"names":[1],"ndarray":[1]}}', "data.names"),
        ('{"data":{"tensor":[1]}}', "data.tensor is an array"),
        ('{"data":{"tensor":{"values":[1]}}}', "data.tensor.shape"),
        ('{"data":{"tensor":{"shape":[-1],"values":[1]}}}', "data.tensor.shape"),
        ('{"data":{"tensor":{"shape":[true],"values":[1]}}}', "data.tensor.shape"),
        ('{"data":{"tensor":{"shape":[1],"values":1}}}', "data.tensor.values"),
        ('{"data":{"tensor":{"shape":[2],"values":[1]}}}', "1 values"),
        ('{"data":{"tensor":{"shape":[9223372036854775808],"values":[1]}}}', "1 values"),
        ('{"strData":1}', "strData is a number"),
        ('{"binData":"a"}', "binData is not base64"),
        ('{"binData":"ä"}', "binData is not base64"),
        ('{"strData":"","meta":[]}', "meta is an array"),
        ('{"strData":"","meta":{"tags":1}}', "meta.tags is a number"),
        ('{"strData":"","meta":{"puid":1}}', "meta.puid is a number"),
    ],
)
def test_what_is_no_message_is_named(text: str, named: str) -> None:
    """A bad payload raises DecodeError that says which key holds what."""
    with pytest.raises(DecodeError, match=named):
        decode(Body(text.encode()))


def test_deeply_nested_arrays_are_a_bad_payload() -> None:
    """Depth is refused like any other bad shape: no recursion, no crash."""
    deep = b'{"data":{"ndarray":' + b"[" * 900 + b"]" * 900 + b"}}"

    with pytest.raises(DecodeError):
        decode(Body(deep))


def test_numbers_among_words_stay_numbers() -> None:
    """A row of mixed types is an object array, not one of texts."""
    assert decode(body({"data": {"ndarray": [[1, "a"], [2.5, None]]}})).value.tolist() == [
        [1, "a"],
        [2.5, None],
    ]
    assert decode(body({"data": {"ndarray": [[1, "a"]]}})).value.tolist() == [[1, "a"]]


@given(
    array=hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.int16, np.uint8]),
        hnp.array_shapes(min_dims=1, max_dims=4, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False},
    ),
    form=st.sampled_from(["ndarray", "tensor"]),
)
def test_any_array_survives_there_and_back(array: np.ndarray[Any, Any], form: str) -> None:
    """An array encoded and decoded is equal to the last digit, in shape and kind."""
    like = decode(IRIS if form == "ndarray" else body({"data": {"tensor": {"shape": [0]}}}))

    again = decode(encode(array, like=like))

    assert form == again.form
    assert array.shape == again.value.shape
    assert np.array_equal(array, again.value.astype(array.dtype))


def test_error_body_is_the_wrappers() -> None:
    """The error JSON is the one that seldon_core answers."""
    assert json.loads(error_body("no", "MICROSERVICE_BAD_DATA")) == {
        "status": {"status": 1, "info": "no", "code": -1, "reason": "MICROSERVICE_BAD_DATA"}
    }


@given(info=st.text(max_size=3000) | st.text("\x00ä\ud800", min_size=700, max_size=3000))
def test_error_body_fits_a_knative_dispatcher(info: str) -> None:
    """No text makes the error body longer than a dispatcher survives."""
    error = error_body(info, "MICROSERVICE_INTERNAL_ERROR")

    assert len(error) <= MAX_ERROR_BYTES == 768
    assert json.loads(error)["status"]["reason"] == "MICROSERVICE_INTERNAL_ERROR"


def test_a_long_text_among_short_ones_does_not_take_gigabytes() -> None:
    """A megabyte of texts asked for 7 GB, as numpy gives each the room of the longest."""
    texts = ["x" * 1_000_000] + [""] * 2_000

    message = decode(Body.of({"data": {"ndarray": texts}}))

    assert np.dtype(object) == message.value.dtype
    assert texts == message.value.tolist()


@pytest.mark.parametrize("ndarray", [["a", ["b"]], [["a"], "b"], [1, [2]]])
def test_a_value_beside_an_array_is_refused(ndarray: list[object]) -> None:
    """It has no shape, of texts as of numbers."""
    with pytest.raises(DecodeError, match=r"data\.ndarray is not rectangular"):
        decode(Body.of({"data": {"ndarray": ndarray}}))
