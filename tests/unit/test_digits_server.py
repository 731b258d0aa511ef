"""examples/mnist/digits_server.py: TensorFlow Serving's row form, its state and its errors."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from tests.fakes_mnist import digits_server, make_images

PREDICT = "/v1/models/digits:predict"


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    """Serve on a port of its own."""
    async with TestServer(digits_server.application()) as server:
        yield server


async def asked(server: TestServer, path: str = PREDICT, **what: Any) -> tuple[int, Any]:
    async with (
        ClientSession() as session,
        session.request("POST" if what else "GET", server.make_url(path), **what) as answer,
    ):
        return answer.status, await answer.json()


async def test_rows_are_classified(server: TestServer) -> None:
    """One prediction a row, in order: the class and ten probabilities, the class the likeliest."""
    rows = [image.row for image in make_images.images(20)]
    expected = digits_server.trained().predict(rows).tolist()

    status, answer = await asked(server, json={"instances": rows})

    assert (status, set(answer)) == (200, {"predictions"})
    assert expected == [prediction["classes"] for prediction in answer["predictions"]]
    for prediction in answer["predictions"]:
        likely = prediction["probabilities"]
        assert len(likely) == 10
        assert sum(likely) == pytest.approx(1)
        assert likely.index(max(likely)) == prediction["classes"]


async def test_the_state_is_the_one_of_tensorflow_serving(server: TestServer) -> None:
    """What `bridge check --connect` and the readiness of a pod ask."""
    status, answer = await asked(server, "/v1/models/digits")

    assert (status, answer) == (
        200,
        {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        },
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "JSON Parse error"),
        (b"\xff", "JSON Parse error"),
        (b"[]", "Missing 'instances' key"),
        (b"{}", "Missing 'instances' key"),
        (b'{"instances": []}', "expected rows of 64 finite numbers, found 0"),
        (b'{"instances": [[1, 2, 3]]}', "expected rows of 64 finite numbers, found 1×3"),
        (b'{"instances": [[1, 2], [3]]}', "instances are no rows of numbers"),
        (b'{"instances": [["seven"]]}', "instances are no rows of numbers"),
        (b'{"instances": [[' + b"1e999, " * 63 + b"1]]}", "expected rows of 64 finite numbers"),
    ],
)
async def test_what_is_no_request_is_400(server: TestServer, body: bytes, text: str) -> None:
    """As `{"error": …}`, in words."""
    status, answer = await asked(server, data=body)

    assert (status, set(answer)) == (400, {"error"})
    assert text in answer["error"]


async def test_another_model_and_too_much_are_refused(server: TestServer) -> None:
    """404 for a name that is not served, 413 for a body beyond the limit."""
    missing = await asked(server, "/v1/models/mnist:predict", json={"instances": []})
    unknown = await asked(server, "/v1/models/mnist")
    huge = await asked(server, data=io.BytesIO(b" " * (digits_server.MAX_BYTES + 1)))

    assert missing == (404, {"error": "Servable not found for request: Latest(mnist)"})
    assert unknown == missing
    assert huge[0] == 413
    assert "error" in huge[1]
