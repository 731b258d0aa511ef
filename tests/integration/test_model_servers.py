"""The model servers answer clients that are not ours, as the protocols' own pages say.

What the bridge says to them is `tests/contract`'s; here the ground under it is tested: urllib
for REST, and for gRPC messages written by hand.
"""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request
from typing import Any, ClassVar

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

_HEAVY = pytest.mark.heavy
_TRITON = pytest.param("triton", marks=_HEAVY)
_V2 = ["kserve", pytest.param("mlserver", marks=_HEAVY), _TRITON]
_BINARY = ["kserve", _TRITON]
_ALL = ["seldon", "pythie", "tensorflow_standin", *_V2]

#: Two values of each datatype that say whether it came through, [1, 2].
SAMPLES: dict[str, Any] = {
    "BOOL": np.array([[True, False]]),
    "UINT8": np.array([[0, 255]], "uint8"),
    "UINT16": np.array([[1, 65_535]], "uint16"),
    "UINT32": np.array([[1, 2**32 - 1]], "uint32"),
    "UINT64": np.array([[1, 2**64 - 1]], "uint64"),
    "INT8": np.array([[-128, 127]], "int8"),
    "INT16": np.array([[-32_768, 1]], "int16"),
    "INT32": np.array([[-(2**31), 1]], "int32"),
    "INT64": np.array([[-(2**63), 2**53 + 1]], "int64"),
    "FP16": np.array([[0.5, -65_504.0]], "float16"),
    "FP32": np.array([[0.1, 3.4e38]], "float32"),
    "FP64": np.array([[0.1, -1e300]], "float64"),
    "BYTES": np.array([["ä".encode(), b""]], "object"),
}


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


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    """The server that the test's parameter names."""
    found: Server = request.getfixturevalue(request.param)
    return found


def raw(array: Any) -> bytes:
    """Return *array* as V2's raw bytes: texts each behind its length."""
    if array.dtype != object:
        return bytes(array.tobytes())
    return b"".join(len(one).to_bytes(4, "little") + one for one in array.flat)


def v2_input(name: str, array: Any, datatype: str, **more: Any) -> dict[str, Any]:
    """Return V2's JSON for a tensor; without `data` where *more* says how it comes else."""
    values = [one.decode() if isinstance(one, bytes) else one.item() for one in array.flat]
    shown = more or {"data": values}
    return {"name": name, "shape": list(array.shape), "datatype": datatype} | shown


def floats(content: bytes, letter: str = "f") -> list[float]:
    """Return the packed numbers of *content*."""
    return [number for (number,) in struct.iter_unpack(f"<{letter}", content)]


@pytest.mark.parametrize("server", _ALL, indirect=True)
def test_listens_on_this_machine_alone(server: Server) -> None:
    """No server can be reached from elsewhere, not even one that names all addresses."""
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
        assert "measures are [n, 4] features, these are [1, 1]" in error.value.details()


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


@pytest.mark.parametrize("server", _V2, indirect=True)
class TestV2Rest:
    def test_iris(self, server: Server) -> None:
        """The measures are answered with every server's probabilities, and the request's id."""
        measures = v2_input("measures", np.float32(ROWS), "FP32")

        status, body = http(server, "/v2/models/iris/infer", {"id": "one", "inputs": [measures]})

        answer = json.loads(body)
        (output,) = answer["outputs"]
        assert status == 200
        assert (answer["id"], answer["model_name"]) == ("one", "iris")
        assert (output["name"], output["datatype"]) == ("probabilities", "FP32")
        assert output["shape"] == [2, 3]
        assert (np.float32(output["data"]) == EXPECTED.ravel()).all()

    @pytest.mark.parametrize("datatype", SAMPLES)
    def test_every_datatype_comes_back(self, server: Server, datatype: str) -> None:
        """JSON gives each datatype back as it was; KServe and Triton take no FP16 in JSON."""
        tensor = v2_input(f"in_{datatype.lower()}", SAMPLES[datatype], datatype)

        status, body = http(server, "/v2/models/echo/infer", {"id": "one", "inputs": [tensor]})

        if datatype == "FP16" and server.name != "mlserver":
            assert status == 400
            assert "error" in json.loads(body)
            return
        (output,) = json.loads(body)["outputs"]
        expected = tensor | {"name": f"out_{datatype.lower()}"}
        assert status == 200
        assert {name: output[name] for name in expected} == expected

    def test_metadata(self, server: Server) -> None:
        """Each model says what it takes and gives."""
        status, body = http(server, "/v2/models/iris")

        told = json.loads(body)
        (measures,), (probabilities,) = told["inputs"], told["outputs"]
        assert status == 200
        assert (measures["name"], measures["datatype"]) == ("measures", "FP32")
        assert measures["shape"] == [-1, 4]
        assert (probabilities["name"], probabilities["shape"]) == ("probabilities", [-1, 3])

    def test_a_model_that_raises(self, server: Server) -> None:
        """It is 500, and its words are in the answer."""
        measures = v2_input("measures", np.float32(ROWS), "FP32")

        status, body = http(server, "/v2/models/broken/infer", {"id": "one", "inputs": [measures]})

        assert status == 500
        assert b"the model is broken" in body

    def test_an_unknown_model(self, server: Server) -> None:
        """It is 404."""
        status, _ = http(server, "/v2/models/nobody/infer", {"id": "one", "inputs": []})

        assert status == 404


@pytest.mark.parametrize("server", _BINARY, indirect=True)
@pytest.mark.parametrize("datatype", SAMPLES)
def test_v2_binary_gives_every_datatype_back(server: Server, datatype: str) -> None:
    """Bytes behind the JSON, whose length a header tells, come back as bytes behind JSON."""
    content = raw(SAMPLES[datatype])
    size = {"parameters": {"binary_data_size": len(content)}}
    tensor = v2_input(f"in_{datatype.lower()}", SAMPLES[datatype], datatype, **size)
    asked = {"id": "one", "parameters": {"binary_data_output": True}, "inputs": [tensor]}
    head = json.dumps(asked).encode()

    status, body = http(
        server,
        "/v2/models/echo/infer",
        head + content,
        {
            "Content-Type": "application/octet-stream",
            "Inference-Header-Content-Length": str(len(head)),
        },
    )

    assert status == 200
    assert body.endswith(content)
    (output,) = json.loads(body[: len(body) - len(content)])["outputs"]
    assert output["parameters"]["binary_data_size"] == len(content)
    assert (output["datatype"], output["shape"]) == (datatype, [1, 2])


@pytest.mark.parametrize("server", _V2, indirect=True)
class TestV2Grpc:
    INFER = "/inference.GRPCInferenceService/ModelInfer"

    @staticmethod
    def tensor(name: str, datatype: str, shape: tuple[int, ...], *more: Any) -> bytes:
        """Return an InferInputTensor."""
        return message((1, name), (2, datatype), (3, bytes(shape)), *more)

    async def test_iris(self, server: Server) -> None:
        """Numbers in `contents` are answered in the same, by Triton in raw bytes."""
        contents = message((6, packed([one for row in ROWS for one in row], "f")))
        tensor = self.tensor("measures", "FP32", (2, 4), (5, contents))

        answer = await rpc(server, self.INFER, message((1, "iris"), (3, "one"), (5, tensor)))

        output = fields(answer[5][0])
        values = answer[6][0] if 6 in answer else fields(output[5][0])[6][0]
        assert answer[3] == [b"one"]
        assert (output[1], output[2]) == ([b"probabilities"], [b"FP32"])
        assert output[3] == [bytes((2, 3))]
        assert (np.float32(floats(values)) == EXPECTED.ravel()).all()

    @pytest.mark.parametrize("datatype", SAMPLES)
    async def test_every_datatype_comes_back(self, server: Server, datatype: str) -> None:
        """Raw bytes are answered with the same raw bytes."""
        content = raw(SAMPLES[datatype])
        tensor = self.tensor(f"in_{datatype.lower()}", datatype, (1, 2))

        answer = await rpc(
            server, self.INFER, message((1, "echo"), (3, "one"), (5, tensor), (7, content))
        )

        output = fields(answer[5][0])
        assert (output[1], output[2]) == ([f"out_{datatype.lower()}".encode()], [datatype.encode()])
        assert answer[6] == [content]

    @pytest.mark.parametrize(
        ("model", "code"), [("nobody", grpc.StatusCode.NOT_FOUND), ("broken", None)]
    )
    async def test_errors(self, server: Server, model: str, code: grpc.StatusCode | None) -> None:
        """An unknown model is NOT_FOUND; one that raises INTERNAL, of KServe without its words."""
        tensor = self.tensor("measures", "FP32", (2, 4))
        content = raw(np.float32(ROWS))

        with pytest.raises(grpc.aio.AioRpcError) as error:
            await rpc(
                server, self.INFER, message((1, model), (3, "one"), (5, tensor), (7, content))
            )

        assert error.value.code() is (code or grpc.StatusCode.INTERNAL)
        if model == "broken" and server.name != "kserve":
            assert "the model is broken" in error.value.details()


class TestKserveV1:
    def test_iris(self, kserve: Server) -> None:
        """Rows are answered with predictions, to the last digit of a float32."""
        status, body = http(kserve, "/v1/models/iris:predict", {"instances": ROWS})

        assert status == 200
        assert (np.float32(json.loads(body)["predictions"]) == EXPECTED).all()

    def test_errors(self, kserve: Server) -> None:
        """A wrong shape is 500, an unknown model 404, what is no JSON 400."""
        shape, said = http(kserve, "/v1/models/iris:predict", {"instances": [[1]]})
        unknown, _ = http(kserve, "/v1/models/nobody:predict", {"instances": ROWS})
        malformed, _ = http(kserve, "/v1/models/iris:predict", b"{")

        assert (shape, unknown, malformed) == (500, 404, 400)
        assert "measures are [n, 4]" in json.loads(said)["error"]


class TestTensorflowStandin:
    """What the public page api_rest says, of the stand-in that is written from it."""

    #: The bodies that the reference's page sends to a recommender and a fraud detector.
    RECOMMENDER: ClassVar = {
        "signature_name": "",
        "inputs": {
            "products": [[1.0], [2.0], [3.0], [4.0]],
            "users": [[10.0], [10.0], [10.0], [10.0]],
        },
    }
    SCORES: ClassVar = [[1.875], [2.125], [2.375], [2.625]]

    @pytest.mark.parametrize("which", ["", "/versions/2", "/labels/canary"])
    def test_columns(self, tensorflow_standin: Server, which: str) -> None:
        """A single output comes as `outputs`, without its name."""
        path = f"/v1/models/recommender{which}:predict"

        status, body = http(tensorflow_standin, path, self.RECOMMENDER)

        assert (status, json.loads(body)) == (200, {"outputs": self.SCORES})

    def test_rows(self, tensorflow_standin: Server) -> None:
        """Rows of named values are answered in rows."""
        rows = [{"products": [one], "users": [10.0]} for one in (1.0, 2.0, 3.0, 4.0)]

        status, body = http(
            tensorflow_standin, "/v1/models/recommender:predict", {"instances": rows}
        )

        assert (status, json.loads(body)) == (200, {"predictions": self.SCORES})

    @pytest.mark.parametrize("which", ["/versions/1", "/labels/stable"])
    def test_an_older_version(self, tensorflow_standin: Server, which: str) -> None:
        """Version 1 is another model: half the scores."""
        path = f"/v1/models/recommender{which}:predict"

        _, body = http(tensorflow_standin, path, self.RECOMMENDER)

        assert json.loads(body) == {"outputs": [[one / 2] for (one,) in self.SCORES]}

    def test_several_outputs(self, tensorflow_standin: Server) -> None:
        """They keep their names, as objects in rows and as one object in columns."""
        path = "/v1/models/digits:predict"

        _, rows = http(tensorflow_standin, path, {"instances": [[1] * 64, [0] * 64]})
        _, columns = http(tensorflow_standin, path, {"inputs": [[1] * 64, [0] * 64]})

        predictions, outputs = json.loads(rows)["predictions"], json.loads(columns)["outputs"]
        assert [row["digit"] for row in predictions] == outputs["digit"]
        assert [row["probabilities"] for row in predictions] == outputs["probabilities"]
        assert [len(row) for row in outputs["probabilities"]] == [10, 10]

    def test_a_named_signature(self, tensorflow_standin: Server) -> None:
        """Another signature of the same model gives one output alone."""
        asked = {"signature_name": "digit_only", "instances": [[0] * 64]}

        status, body = http(tensorflow_standin, "/v1/models/digits:predict", asked)

        assert (status, json.loads(body)) == (200, {"predictions": [0]})

    def test_bytes_are_base64(self, tensorflow_standin: Server) -> None:
        """{"b64"} is taken for a text, and given for an output called *_bytes."""
        asked = {"instances": ["ä", {"b64": "YQ=="}]}

        status, body = http(tensorflow_standin, "/v1/models/texts:predict", asked)

        assert status == 200
        assert json.loads(body)["predictions"] == [
            {"text": "ä", "text_bytes": {"b64": "w6Q="}},
            {"text": "a", "text_bytes": {"b64": "YQ=="}},
        ]

    def test_no_number_is_a_bare_token(self, tensorflow_standin: Server) -> None:
        """NaN and the infinities are asked and answered as tokens that JSON does not know."""
        rows = b"[[NaN%s], [Infinity%s]]" % (b", 0" * 28, b", 0" * 28)

        status, body = http(
            tensorflow_standin, "/v1/models/fraud:predict", b'{"instances": %s}' % rows
        )

        assert status == 200
        assert b"".join(body.split()) == b'{"predictions":[[NaN],[Infinity]]}'

    def test_status(self, tensorflow_standin: Server) -> None:
        """Every version is told with its state, as the page's example shows."""
        _, every = http(tensorflow_standin, "/v1/models/recommender")
        _, one = http(tensorflow_standin, "/v1/models/fraud/versions/1")

        ok = {"error_code": "OK", "error_message": ""}
        versions = [told["version"] for told in json.loads(every)["model_version_status"]]
        assert versions == ["2", "1"]
        assert json.loads(one) == {
            "model_version_status": [{"version": "1", "state": "AVAILABLE", "status": ok}]
        }

    def test_metadata(self, tensorflow_standin: Server) -> None:
        """Signatures are told in the JSON of their protobuf."""
        status, body = http(tensorflow_standin, "/v1/models/fraud/versions/1/metadata")

        told = json.loads(body)
        signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
        transaction = signature["inputs"]["transaction"]
        assert status == 200
        assert told["model_spec"] == {"name": "fraud", "signature_name": "", "version": "1"}
        assert transaction["dtype"] == "DT_FLOAT"
        assert [dim["size"] for dim in transaction["tensor_shape"]["dim"]] == ["-1", "29"]

    @pytest.mark.parametrize(
        ("path", "body", "status", "words"),
        [
            (
                "half:predict",
                {"instances": [1.0]},
                404,
                "Servable not found for request: Latest(half)",
            ),
            ("fraud/versions/7:predict", {"instances": [1.0]}, 404, "Specific(fraud, 7)"),
            ("fraud/labels/x:predict", {"instances": [1.0]}, 400, "label: x"),
            ("fraud:predict", b"{", 400, "JSON Parse error"),
            ("fraud:predict", {}, 400, "Missing 'inputs' or 'instances' key"),
            ("fraud:predict", {"inputs": [], "instances": []}, 400, "not both"),
            ("fraud:predict", {"instances": [[1.0]]}, 400, "is [1, 1], expected [-1, 29]"),
            ("fraud:predict", {"instances": [["a"] * 29]}, 400, "not of expected type: DT_FLOAT"),
            (
                "fraud:predict",
                {"instances": [{"age": 1}]},
                400,
                "missing inputs: transaction",
            ),
            (
                "fraud:predict",
                {"instances": [[0] * 29], "signature_name": "x"},
                400,
                'Serving signature name: "x" not found in signature def',
            ),
        ],
    )
    def test_errors(
        self, tensorflow_standin: Server, path: str, body: Any, status: int, words: str
    ) -> None:
        """An error is JSON with its words: 404 where nobody is asked, else 400."""
        found, answer = http(tensorflow_standin, f"/v1/models/{path}", body)

        assert found == status
        assert words in json.loads(answer)["error"]
