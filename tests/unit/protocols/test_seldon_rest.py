"""Verdict or outage: what each answer of a Seldon server means."""

from __future__ import annotations

import pytest

from bridge.core.errors import BridgeError, ConfigError, Rejected, Unavailable
from bridge.core.payload import Body
from bridge.core.ports import Request
from bridge.core.tensors import Tensors
from bridge.protocols.port import Asked, Spec
from bridge.protocols.seldon_rest import SeldonRest, verdict

WRAPPER = (
    b'{"status":{"code":-1,"info":"bad shape","reason":"MICROSERVICE_INTERNAL_ERROR","status":1}}'
)
USERS_OWN = b'{"status":{"code":-1,"info":"no","reason":"TOO_SMALL","status":1}}'
EXECUTOR = b'{"status":{"code":500,"info":"dial tcp: refused","status":"FAILURE"}}'
ENGINE = b'{"status":{"code":203,"info":"x","reason":"Microservice error","status":"FAILURE"}}'
HTML = b"<html>Bad Gateway</html>"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b'{"data":{"ndarray":[1]},"meta":{}}', None),
        (200, b'{"jsonData":{"status":"FAILURE"}}', None),
        (200, b'{"status":{"status":"SUCCESS"},"strData":"x"}', None),
        (201, b'{"strData":"x"}', None),
        (200, b"", Rejected),
        (204, b"", Rejected),
        (200, HTML, Unavailable),
        (200, b"[1]", Rejected),
        (200, b'{"data":{"ndarray":[NaN]}}', Rejected),
        (200, b'{"data":{"ndarray":[1]', Rejected),
        (200, EXECUTOR, Rejected),
        (200, WRAPPER, Rejected),
        (301, HTML, Unavailable),
        (400, WRAPPER, Rejected),
        (400, b"", Rejected),
        (401, HTML, Unavailable),
        (403, HTML, Rejected),
        (407, b"", Unavailable),
        (404, HTML, Unavailable),
        (404, b"", Unavailable),
        (404, WRAPPER, Rejected),
        (405, WRAPPER, Unavailable),
        (408, b"", Unavailable),
        (409, b"", Rejected),
        (413, HTML, Rejected),
        (422, b'{"detail":[]}', Rejected),
        (425, b"", Unavailable),
        (429, b"", Unavailable),
        (500, WRAPPER, Rejected),
        (500, USERS_OWN, Rejected),
        (500, EXECUTOR, Unavailable),
        (500, ENGINE, Unavailable),
        (500, b"", Unavailable),
        (500, HTML, Unavailable),
        (500, b"[]", Unavailable),
        (500, b'{"status":"MICROSERVICE_BAD_DATA"}', Unavailable),
        (501, WRAPPER, Rejected),
        (502, HTML, Unavailable),
        (503, b"", Unavailable),
        (503, WRAPPER, Unavailable),
        (504, HTML, Unavailable),
        (507, WRAPPER, Rejected),
        (507, b"", Unavailable),
    ],
)
def test_verdict_table(status: int, body: bytes, expected: type[BridgeError] | None) -> None:
    """Only the model's own judgement is final; whatever else went wrong may pass."""
    error = verdict(status, Body(body), who="model 'iris' at http://m")

    assert expected is (None if error is None else type(error))
    assert error is None or "model 'iris' at http://m" in str(error)


def test_reason_and_info_are_in_the_text() -> None:
    """Who reads the error learns what the model said."""
    assert (
        str(verdict(500, Body(WRAPPER)))
        == "the model answered 500: 'MICROSERVICE_INTERNAL_ERROR: bad shape'"
    )


def test_error_text_is_bounded_and_escaped() -> None:
    """A stack trace or control characters of a server do not flow on."""
    text = str(verdict(500, Body(b"\r\n\x00" + b"x" * 100_000)))

    assert len(text) < 300
    assert text.isprintable()


def test_judged_answer_is_the_same_bytes() -> None:
    """Digits that no float keeps and numbers beyond 64 bits pass through as they came."""
    data = b'{"data": {"ndarray": [[1.10, 1e300, 123456789012345678901234567890]]}}\n'

    answer = SeldonRest(Asked()).judge(200, ((b"content-type", b"application/json"),), data, "m")

    assert Body(data, "application/json") == answer
    assert answer.data is data


def test_content_type_is_the_models() -> None:
    """The answer's own media type is kept; without one it is JSON."""
    protocol = SeldonRest(Asked())

    said = protocol.judge(200, ((b"content-type", b"application/json; charset=utf-8"),), b"{}", "m")

    assert said.content_type == "application/json; charset=utf-8"
    assert protocol.judge(200, (), b"{}", "m").content_type == "application/json"


@pytest.mark.parametrize("said", [b"", b"json", b"text/plain; x=\xff", b";;"])
def test_content_type_that_is_none_is_json(said: bytes) -> None:
    """A header that is no media type would make the response event invalid."""
    answer = SeldonRest(Asked()).judge(200, ((b"content-type", said),), b"{}", "m")

    assert answer.content_type == "application/json"


def test_call_is_the_payload_under_our_puid() -> None:
    """The body is the event's own; a forwarded header never doubles one of ours."""
    request = Request(
        payload=Body(b"{}", None),
        id="p-1",
        headers=((b"x-request-id", b"7"), (b"seldon-puid", b"other"), (b"host", b"evil")),
    )

    headers, body = SeldonRest(Asked()).call(request, request.payload)

    assert body == b"{}"
    assert headers == (
        (b"content-type", b"application/json"),
        (b"seldon-puid", b"p-1"),
        (b"x-request-id", b"7"),
    )


@pytest.mark.parametrize("status", [b"[]", b"{}", b"[1]", b"null", b"1.5", b'"down"', b"0"])
def test_a_status_of_any_kind_makes_an_error_text(status: bytes) -> None:
    """What no model of Seldon's says is quoted, or the body it stands in."""
    error = verdict(500, Body(b'{"status":%b}' % status))

    assert isinstance(error, Unavailable)
    assert status.strip(b'"').decode() in str(error) or "''" in str(error)


def test_an_answer_nested_deeper_than_python_prints_is_judged() -> None:
    """It was a RecursionError, and the sender was told of a bug of ours."""
    body = b'{"status":%b%b}' % (b"[" * 1000, b"]" * 1000)

    assert isinstance(verdict(500, Body(body)), Unavailable)
    assert isinstance(verdict(422, Body(body)), Rejected)
    assert len(str(verdict(500, Body(body)))) < 768


@pytest.mark.parametrize(
    ("came", "expected"),
    [
        (b'{"data":{"ndarray":[7]}}', b'{"data":{"names":[],"ndarray":[1.5]}'),
        (b'{"data":{"tensor":{}}}', b'{"data":{"names":[],"tensor":{"shape":[1],"values":[1.5]}}'),
        (b'{"inputs":[1]}', b'{"data":{"names":[],"tensor":{"shape":[1],"values":[1.5]}}'),
    ],
)
def test_tensors_are_asked_in_the_encoding_that_came(came: bytes, expected: bytes) -> None:
    """So that they are answered in it, though they were mapped on the way."""
    _, body = SeldonRest(Asked()).call(Request(Body(came), "p-1"), Tensors.of(x=[1.5]))

    assert body == expected + b',"meta":{"puid":"p-1"}}'


def test_an_answer_of_the_wrapper_with_tokens_is_made_json() -> None:
    """Python's own JSON has NaN; as an event's data it is what the policy says."""
    data = b'{"data": {"ndarray": [1.10, NaN]}}'

    assert SeldonRest(Asked()).judge(200, (), data, "m").data == data.replace(b"NaN", b"null")
    with pytest.raises(Rejected, match=r"^m answered NaN or infinity"):
        SeldonRest(Asked(), non_finite="refuse").judge(200, (), data, "m")


@pytest.mark.parametrize(
    "asked", [Asked(version="1"), Asked(label="stable"), Asked(signature="score")]
)
def test_a_choice_that_cannot_be_told_is_refused_at_start(asked: Asked) -> None:
    """A server of Seldon's has one model."""
    with pytest.raises(ConfigError, match="Seldon cannot be told which"):
        SeldonRest(asked)


def test_metadata_of_wrapper_and_executor_is_read() -> None:
    """What a class says in the words of the Open Inference Protocol, or nothing of its tensors."""
    protocol = SeldonRest(Asked(name="iris"))

    told = protocol.read_metadata(
        b'{"name":"m","versions":["1"],"platform":"p","inputs":[{"datatype":"FP32","shape":[4]}],'
        b'"outputs":[{"messagetype":"tensor","schema":{"names":["a"],"shape":[1]}}]}'
    )
    graph = protocol.read_metadata(b'{"graphinputs":[{"name":"x","datatype":"BYTES"}]}')

    assert ("m", ("1",), "p") == (told.name, told.versions, told.platform)
    assert (Spec(name="input", datatype="FP32", shape=(4,)),) == told.inputs
    assert (Spec(name="output"),) == told.outputs
    assert ("iris", (Spec(name="x", datatype="BYTES"),)) == (graph.name, graph.inputs)
    assert protocol.metadata_path() == "/api/v1.0/metadata"
