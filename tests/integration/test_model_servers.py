"""The model servers answer clients that are not ours, as the protocols' own pages say.

What the bridge says to them is `tests/contract`'s; here the ground under it is tested: urllib
for REST, and for gRPC messages written by hand.
"""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request
from typing import Any

import grpc
import grpc.aio
import numpy as np
import psutil
import pytest

from tests.services.model_servers.models import iris, recommender
from tests.services.model_servers.server import Server
from tests.services.model_servers.wire import fields, message, packed

ROWS = [[1.0, 2.0, 3.0, 4.0], [5.1, 3.5, 1.4, 0.2]]
EXPECTED = iris.probabilities(ROWS)

_ALL = [
    "seldon",
    "pythie",
]


def http(
    server: Server, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    """Return what a POST of *body* (bytes, or made JSON), or a GET, is answered."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{server.rest_url}{path}", data, {"Content-Type": "application/json"} | (headers or {})
    )
    try:
        with urllib.request.urlopen(request, timeout=30.0) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


async def rpc(server: Server, method: str, request: bytes) -> dict[int, list[bytes | int]]:
    """Return the fields of what *method* answers to *request*."""
    assert server.grpc_target is not None
    async with grpc.aio.insecure_channel(server.grpc_target) as channel:
        return fields(await channel.unary_unary(method)(request, timeout=30.0))


def floats(content: bytes, letter: str = "f") -> list[float]:
    """Return the packed numbers of *content*."""
    return [number for (number,) in struct.iter_unpack(f"<{letter}", content)]


@pytest.mark.parametrize("name", _ALL)
def test_listens_on_this_machine_alone(request: pytest.FixtureRequest, name: str) -> None:
    """No server can be reached from elsewhere, not even one that names all addresses."""
    server: Server = request.getfixturevalue(name)

    first = psutil.Process(server.pid)
    listening = {
        connection.laddr.ip
        for process in (first, *first.children(recursive=True))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening
    assert listening <= {"127.0.0.1", "::ffff:127.0.0.1"}


class TestSeldon:
    @pytest.mark.parametrize("path", ["/predict", "/api/v1.0/predictions"])
    def test_rest(self, seldon: Server, path: str) -> None:
        """An ndarray is answered with one, to the last digit of a float32."""
        status, body = http(seldon, path, {"data": {"ndarray": ROWS}})

        answer = json.loads(body)["data"]
        assert status == 200
        assert answer["names"] == ["t:0", "t:1", "t:2"]
        assert (np.float32(answer["ndarray"]) == EXPECTED).all()

    @pytest.mark.parametrize("kind", ["Seldon", "Model"])
    async def test_grpc(self, seldon: Server, kind: str) -> None:
        """A tensor is answered with one, on both of its services."""
        values = packed([one for row in ROWS for one in row], "d")
        tensor = message((1, bytes((len(ROWS), 4))), (2, values))
        request = message((3, message((2, tensor))))

        answer = await rpc(seldon, f"/seldon.protos.{kind}/Predict", request)

        answered = fields(fields(answer[3][0])[2][0])
        assert answered[1] == [bytes((len(ROWS), 3))]
        assert (np.float32(floats(answered[2][0], "d")) == EXPECTED.ravel()).all()

    @pytest.mark.parametrize(
        "body", [{"strData": "ä b"}, {"binData": "AAECAw=="}, {"jsonData": {"some": ["thing", 1]}}]
    )
    def test_what_is_no_array_comes_back(self, seldon: Server, body: dict[str, Any]) -> None:
        """The model echoes the other three forms, so that they can be tested both ways."""
        status, answer = http(seldon, "/predict", body)

        assert status == 200
        assert body.items() <= json.loads(answer).items()

    async def test_a_wrong_shape(self, seldon: Server) -> None:
        """It is 500 with a reason over REST, UNKNOWN over gRPC: neither means an outage."""
        status, body = http(seldon, "/predict", {"data": {"ndarray": [[1]]}})
        tensor = message((1, bytes((1, 1))), (2, packed([1.0], "d")))
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await rpc(seldon, "/seldon.protos.Seldon/Predict", message((3, message((2, tensor)))))

        assert (status, json.loads(body)["status"]["reason"]) == (
            500,
            "MICROSERVICE_INTERNAL_ERROR",
        )
        assert error.value.code() is grpc.StatusCode.UNKNOWN
        assert "measures are [n, 4], these are [1, 1]" in error.value.details()


class TestPythie:
    METHOD = "/tensorflow.serving.PredictionService/Predict"
    PRODUCTS, USERS = [1.0, 2.0, 3.0, 4.0], [10.0] * 4

    @staticmethod
    def tensor(values: list[float], *, content: bool) -> bytes:
        """Return [n, 1] floats as a TensorProto, packed or as its bytes."""
        shape = message(*((2, message((1, size))) for size in (len(values), 1)))
        return message((1, 1), (2, shape), (4 if content else 5, packed(values, "f")))

    def request(self, *, content: bool = True, model: str = "recommender") -> bytes:
        """Return a PredictRequest for the published four products and one user."""
        inputs = {"products": self.PRODUCTS, "users": self.USERS}
        return message(
            (1, message((1, model))),
            *(
                (2, message((1, name), (2, self.tensor(values, content=content))))
                for name, values in inputs.items()
            ),
        )

    @pytest.mark.parametrize("content", [True, False])
    async def test_predict(self, pythie: Server, content: bool) -> None:
        """Products and users are answered with a score each, however their floats are written."""
        answer = await rpc(pythie, self.METHOD, self.request(content=content))

        output = fields(answer[1][0])
        tensor = fields(output[2][0])
        columns = [np.reshape(one, (-1, 1)) for one in (self.PRODUCTS, self.USERS)]
        assert output[1] == [b"predictions"]
        assert floats(tensor[4][0]) == recommender.scores(*columns).ravel().tolist()

    async def test_an_unknown_model(self, pythie: Server) -> None:
        """It is UNKNOWN, as every error of this server."""
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await rpc(pythie, self.METHOD, self.request(model="nobody"))

        assert error.value.code() is grpc.StatusCode.UNKNOWN
        assert "Unknown model: nobody" in error.value.details()
