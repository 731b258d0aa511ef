"""Payloads of one protocol to model servers of another, on real servers, and back in kind.

    Seldon JSON ──▶ V2 gRPC ──▶ Seldon JSON        TF columns ──▶ V2 REST, binary, gRPC ──▶ columns

Each form on each server is `test_protocol_suite.py`'s; here it is what a form keeps besides
its values: encodings, names, ids, tags, datatypes, and the mapping of a file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bridge.core.errors import Rejected
from bridge.core.payload import Body
from bridge.core.ports import Request
from tests.protocol_rows import FLOWERS, PRODUCTS, ROWS, USERS, AnyModel, Row, asked
from tests.services.model_servers.models import iris, recommender
from tests.services.model_servers.server import Server

PROBABILITIES = iris.probabilities(FLOWERS)
SCORES = recommender.scores(PRODUCTS, USERS)
MEASURES = {"measures": {"datatype": "FP32"}}
RECOMMENDER = {"products": {"datatype": "FP32"}, "users": {"datatype": "FP32"}}


def _rows(*servers: str, protocol: str = "oip") -> list[Any]:
    return [
        pytest.param(row, id=row.id, marks=[pytest.mark.heavy] if row.is_heavy else [])
        for row in ROWS
        if row.server in servers and row.protocol == protocol
    ]


@pytest.fixture
def server(request: pytest.FixtureRequest, row: Row) -> Server:
    """The server of the row."""
    found: Server = request.getfixturevalue(row.server)
    return found


async def said(model: AnyModel, body: Any) -> Any:
    """Return the JSON that *model* answers to *body*."""
    async with model:
        return (await model.predict(Request(payload=Body.of(body), id="p-1"))).json()


@pytest.mark.parametrize("row", _rows("kserve", "triton"))
class TestToOpenInference:
    async def test_seldon_array(self, row: Row, server: Server) -> None:
        """An ndarray is answered with one: names as Seldon's wrapper has them, tags carried on."""
        meta = {"puid": "mine", "tags": {"plant": 7}}
        body = {"data": {"names": ["a", "b", "c", "d"], "ndarray": FLOWERS}, "meta": meta}

        answer = await said(asked(row, server, form="seldon", inputs=MEASURES), body)

        assert (np.float32(answer["data"]["ndarray"]) == PROBABILITIES).all()
        assert ["t:0", "t:1", "t:2"] == answer["data"]["names"]
        assert meta == answer["meta"]

    async def test_seldon_tensor(self, row: Row, server: Server) -> None:
        """A tensor is answered with one, under the event's own puid where it has none."""
        values = [one for flower in FLOWERS for one in flower]
        body = {"data": {"tensor": {"shape": [2, 4], "values": values}}}

        answer = await said(asked(row, server, form="seldon", inputs=MEASURES), body)

        tensor = answer["data"]["tensor"]
        assert [2, 3] == tensor["shape"]
        assert (np.float32(tensor["values"]) == PROBABILITIES.ravel()).all()
        assert "p-1" == answer["meta"]["puid"]

    async def test_tensorflow_columns(self, row: Row, server: Server) -> None:
        """Columns by name are answered with columns; the only one drops its name."""
        body = {"signature_name": "serving_default", "inputs": {"measures": FLOWERS}}

        answer = await said(asked(row, server, form="tensorflow", inputs=MEASURES), body)

        assert ["outputs"] == list(answer)
        assert (np.float32(answer["outputs"]) == PROBABILITIES).all()

    async def test_tensorflow_rows(self, row: Row, server: Server) -> None:
        """Rows are answered with rows, of the same form."""
        body = {"instances": [{"flower": flower} for flower in FLOWERS]}
        mapping = {"measures": {"from": "flower", "datatype": "FP32"}}

        answer = await said(asked(row, server, form="tensorflow", inputs=mapping), body)

        assert ["predictions"] == list(answer)
        assert (np.float32(answer["predictions"]) == PROBABILITIES).all()

    async def test_several_tensors(self, row: Row, server: Server) -> None:
        """Each keeps its datatype, whatever the JSON of columns makes of numbers."""
        inputs = {
            "in_int8": {"from": "small", "datatype": "INT8"},
            "in_fp64": {"from": "large"},
            "in_bytes": {"from": "text"},
            "in_bool": {"from": "flag"},
        }
        outputs = {
            "small": {"from": "out_int8"},
            "large": {"from": "out_fp64"},
            "text": {"from": "out_bytes"},
            "flag": {"from": "out_bool"},
        }
        columns = {
            "small": [[-128], [127]],
            "large": [[0.1], [-1e300]],
            "text": [["ä"], [{"b64": "AP8="}]],
            "flag": [[True], [False]],
        }
        if not row.is_grpc:  # KServe takes bytes that are no text over gRPC alone
            columns["text"] = [["ä"], ["b"]]
        model = asked(row, server, name="echo", form="tensorflow", inputs=inputs, outputs=outputs)

        answer = await said(model, {"inputs": columns})

        assert repr(columns) == repr(answer["outputs"])

    async def test_an_output_by_another_name_and_datatype(self, row: Row, server: Server) -> None:
        """`outputs` maps what the model answers as `inputs` what it is asked."""
        outputs = {"p": {"from": "probabilities", "datatype": "FP64", "shape": [-1]}}
        tensor = {"name": "x", "shape": [2, 4], "datatype": "FP64"}
        body = {"id": "mine", "inputs": [{**tensor, "data": FLOWERS}]}

        answer = await said(asked(row, server, inputs=MEASURES, outputs=outputs), body)

        (output,) = answer["outputs"]
        assert "mine" == answer["id"]
        assert ("p", "FP64", [6]) == (output["name"], output["datatype"], output["shape"])
        assert PROBABILITIES.astype("float64").ravel().tolist() == output["data"]

    async def test_what_has_no_room_is_refused(self, row: Row, server: Server) -> None:
        """A number that the datatype cannot hold never reaches the model."""
        model = asked(
            row, server, name="echo", form="seldon", inputs={"in_int8": {"datatype": "INT8"}}
        )

        with pytest.raises(Rejected, match="a value does not fit INT8"):
            await said(model, {"data": {"ndarray": [[128]]}})


@pytest.mark.parametrize("row", _rows("tensorflow_standin", "pythie", protocol="tensorflow"))
class TestToTensorflow:
    async def test_seldon_columns(self, row: Row, server: Server) -> None:
        """The columns of one array are tensors by their names, in whatever order they stand."""
        table = np.hstack([USERS, PRODUCTS]).tolist()
        body = {"data": {"names": ["user", "product"], "ndarray": table}}
        inputs = {
            "products": {"from": "product", "datatype": "FP32"},
            "users": {"from": "user", "datatype": "FP32"},
        }

        answer = await said(asked(row, server, form="seldon", inputs=inputs), body)

        assert (np.float32(answer["data"]["ndarray"]) == SCORES).all()

    async def test_open_inference(self, row: Row, server: Server) -> None:
        """Tensors of another server's protocol, answered under their request's id."""
        columns = {"products": PRODUCTS, "users": USERS}
        body = {
            "id": "mine",
            "inputs": [
                {"name": name, "shape": [4, 1], "datatype": "FP32", "data": values}
                for name, values in columns.items()
            ],
        }

        answer = await said(asked(row, server, form="oip", inputs=RECOMMENDER), body)

        (output,) = answer["outputs"]
        assert "mine" == answer["id"]
        assert [4, 1] == output["shape"]
        assert SCORES.ravel().tolist() == output["data"]

    async def test_rows_that_are_mapped_are_answered_with_rows(
        self, row: Row, server: Server
    ) -> None:
        """The kind of the request is the answer's, though the protocol has another beside."""
        body = {
            "instances": [{"p": one, "u": two} for one, two in zip(PRODUCTS, USERS, strict=True)]
        }
        inputs = {
            "products": {"from": "p", "datatype": "FP32"},
            "users": {"from": "u", "datatype": "FP32"},
        }

        answer = await said(asked(row, server, inputs=inputs), body)

        assert {"predictions": SCORES.tolist()} == answer

    async def test_a_missing_input_is_refused_by_name(self, row: Row, server: Server) -> None:
        """With the names that the payload has, before anybody is asked."""
        with pytest.raises(Rejected, match="no tensor 'users': there are 'products', 'user'"):
            await said(
                asked(row, server, inputs=RECOMMENDER),
                {"inputs": {"products": PRODUCTS, "user": USERS}},
            )


async def test_seldon_server_asked_with_columns(seldon: Server) -> None:
    """Also the other way: Seldon's server, asked as TensorFlow Serving would be."""
    for row in ROWS:
        if row.server == "seldon":
            answer = await said(asked(row, seldon, form="tensorflow"), {"inputs": FLOWERS})

            assert (np.float32(answer["outputs"]) == PROBABILITIES).all()
